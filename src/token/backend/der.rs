//! Encodes RSA keys in the form that AWS-LC parses.

use crate::token::material::without_leading_zeros;

/// Encodes modulus and exponent as `RSAPublicKey` (RFC 8017, appendix A.1.1).
pub(super) fn rsa_to_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    let inside = [integer(n), integer(e)].concat();
    element(0x30, &inside)
}

/// Encodes an unsigned integer. A leading zero byte is added if the first bit would be read as a sign.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let bytes = without_leading_zeros(bytes);
    let sign: &[u8] = if bytes.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    element(0x02, &[sign, bytes].concat())
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let length = without_leading_zeros(&length);
    let header = match (length, u8::try_from(contents.len())) {
        (_, Ok(short)) if short < 0x80 => vec![tag, short],
        _ => [&[tag, 0x80 | u8::try_from(length.len()).unwrap_or(8)], length].concat(),
    };
    [header.as_slice(), contents].concat()
}

#[cfg(test)]
mod tests {
    use super::rsa_to_der;
    use crate::token::material::rsa_from_der;

    #[test]
    fn there_and_back() {
        for length in [1, 2, 63, 127, 128, 129, 255, 256, 257, 512, 1024] {
            let n: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap() | 0x81).collect();
            let der = rsa_to_der(&n, &[1, 0, 1]);
            assert_eq!(rsa_from_der(&der), Some((n, vec![1, 0, 1])), "{length}");
        }
    }
}
