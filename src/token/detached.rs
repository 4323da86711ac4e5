//! Signatures that are no tokens: over any bytes, in DER as in X.509.

use super::{algorithm::Algorithm, key::VerifyingKey};

/// The length of R and of S on P-256.
const HALF: usize = 32;

impl VerifyingKey {
    /// Verifies an ES256 signature that is encoded as `ECDSA-Sig-Value` (RFC 3279, section 2.2.3). A key of another
    /// algorithm verifies none.
    pub(crate) fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm() == Algorithm::Es256 && fixed(signature).is_some_and(|fixed| self.verify(message, &fixed))
    }
}

/// Returns R and S concatenated, the form in which tokens have them (RFC 7518, section 3.4).
fn fixed(der: &[u8]) -> Option<[u8; 2 * HALF]> {
    const SEQUENCE: u8 = 0x30;
    let (inside, []) = element(der, SEQUENCE)? else { return None };
    let (r, rest) = integer(inside)?;
    let (s, []) = integer(rest)? else { return None };
    let mut fixed = [0; 2 * HALF];
    fixed[HALF - r.len()..HALF].copy_from_slice(r);
    fixed[2 * HALF - s.len()..].copy_from_slice(s);
    Some(fixed)
}

/// Returns a positive integer of at most 32 bytes without its sign, and the bytes after it. DER has one encoding of an
/// integer, the shortest.
fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    let (bytes, rest) = element(der, INTEGER)?;
    let digits = match bytes {
        [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => digits,
        [1..0x80, ..] => bytes,
        _ => return None,
    };
    (digits.len() <= HALF).then_some((digits, rest))
}

/// Returns the contents of an element with this tag, and the bytes after it. A signature on P-256 is so short that its
/// length is one byte.
fn element(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = der.split_first_chunk()?;
    if tag == wanted && length < 0x80 { rest.split_at_checked(usize::from(length)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes R and S with these contents.
    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let part = |bytes: &[u8]| [&[0x02, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let inside = [part(r), part(s)].concat();
        [&[0x30, u8::try_from(inside.len()).unwrap()], &inside[..]].concat()
    }

    #[test]
    fn short_numbers_are_padded_and_signs_removed() {
        let signed = [&[0, 0x80][..], &[7; 31]].concat();
        let fixed = fixed(&der(&signed, &[5])).unwrap();
        assert_eq!((&fixed[..2], &fixed[32..62], &fixed[62..]), (&[0x80, 7][..], &[0; 30][..], &[0, 5][..]));
    }

    #[test]
    fn every_other_encoding_is_refused() {
        let good = der(&[0x7f; 32], &[1]);
        assert!(fixed(&good).is_some());
        for end in 0..good.len() {
            assert_eq!(fixed(&good[..end]), None, "{end}");
        }
        assert_eq!(fixed(&[&good[..], &[0]].concat()), None, "bytes at the end");
        for (r, why) in [
            (&[][..], "no digits"),
            (&[0], "zero"),
            (&[0, 1], "a sign that is not needed"),
            (&[0x80], "negative"),
            (&[1; 33], "too long"),
        ] {
            assert_eq!(fixed(&der(r, &[1])), None, "{why}");
            assert_eq!(fixed(&der(&[1], r)), None, "{why}");
        }
        let long = [&[0x30, 0x81, 6][..], &der(&[1], &[1])[2..]].concat();
        assert_eq!(fixed(&long), None, "a length of two bytes");
        let more = [&[0x30, 9][..], &der(&[1], &[1])[2..], &[2, 1, 1]].concat();
        assert_eq!(fixed(&more), None, "three numbers");
    }
}
