//! The parts of keys, independent of their encoding.

use zeroize::Zeroizing;

/// A key before a backend has parsed it.
pub(super) enum Material {
    Secret(Zeroizing<Vec<u8>>),
    /// Modulus and exponent, big-endian.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point (SEC 1, section 2.3.3).
    Point(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    /// Returns the number of bits of an RSA modulus.
    pub(super) fn rsa_bits(n: &[u8]) -> usize {
        let significant = without_leading_zeros(n);
        let first = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
        significant.len() * 8 - first
    }
}

const SEQUENCE: u8 = 0x30;

/// Returns modulus and exponent of an `RSAPublicKey`.
pub(super) fn rsa_from_der(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (inside, []) = take(der, SEQUENCE)? else { return None };
    let (n, rest) = take(inside, 0x02)?;
    let (e, []) = take(rest, 0x02)? else { return None };
    Some((without_leading_zeros(n).to_vec(), without_leading_zeros(e).to_vec()))
}

/// Returns the `SubjectPublicKeyInfo` of a certificate (RFC 5280, section 4.1), unchanged. The other fields are
/// skipped.
pub(super) fn spki_of_certificate(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (mut fields, _) = take(certificate, SEQUENCE)?;
    // The optional version comes first, then serial number, algorithm, issuer, validity and subject.
    if let Some((_, rest)) = take(fields, 0xa0) {
        fields = rest;
    }
    for tag in [0x02, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        fields = take(fields, tag)?.1;
    }
    let (_, rest) = take(fields, SEQUENCE)?;
    Some(&fields[..fields.len() - rest.len()])
}

/// Returns the object identifier of the curve in a `SubjectPublicKeyInfo` of an EC key (RFC 5480, section 2).
pub(super) fn curve_of_spki(der: &[u8]) -> Option<&[u8]> {
    const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let (info, _) = take(der, SEQUENCE)?;
    let (algorithm, _) = take(info, SEQUENCE)?;
    let (EC_PUBLIC_KEY, parameters) = take(algorithm, 0x06)? else { return None };
    let (curve, []) = take(parameters, 0x06)? else { return None };
    Some(curve)
}

pub(super) fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// Returns the contents of an element with this tag, and the bytes after it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[first, length], rest) = der.split_first_chunk()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        let known = bytes.len() <= size_of::<u32>();
        (known.then(|| bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))?, rest)
    };
    if first == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Material, rsa_from_der, spki_of_certificate};

    #[test]
    fn a_broken_certificate_has_no_key() {
        let key = [0x30, 0x02, 0x05, 0x00];
        let fields = [&[0x02, 0x01, 0x07][..], &[0x30, 0x00].repeat(4), &key, &[0xa3, 0x00]].concat();
        for version in [&[][..], &[0xa0, 0x03, 0x02, 0x01, 0x02]] {
            let length = u8::try_from(version.len() + fields.len()).unwrap();
            let der = [&[0x30, length + 2, 0x30, length][..], version, &fields].concat();
            assert_eq!(spki_of_certificate(&der), Some(&key[..]));
            for end in 0..der.len() {
                assert_eq!(spki_of_certificate(&der[..end]), None, "{end}");
            }
        }
        assert_eq!(spki_of_certificate(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn broken_der_is_nothing() {
        let der = [0x30, 0x08, 0x02, 0x03, 0x00, 0x91, 0x92, 0x02, 0x01, 0x03];
        assert_eq!(rsa_from_der(&der), Some((vec![0x91, 0x92], vec![3])));
        for end in 0..der.len() {
            assert_eq!(rsa_from_der(&der[..end]), None, "{end}");
        }
        assert_eq!(rsa_from_der(&[der.as_slice(), &[0]].concat()), None);
        assert_eq!(rsa_from_der(&[0x30, 0xff, 0xff]), None);
    }

    #[test]
    fn bits_are_those_of_the_number() {
        for (n, bits) in [(&[][..], 0), (&[0, 0], 0), (&[1], 1), (&[0, 0x80], 8), (&[1, 0], 9)] {
            assert_eq!(Material::rsa_bits(n), bits);
        }
    }
}
