//! The encoding of private keys: PKCS#8 (RFC 5208), in DER and PEM.

use zeroize::Zeroizing;

use super::{
    algorithm::{Algorithm, Family},
    backend::Signer,
    pem::{BEGIN, LONGEST_TEXT, decode},
};
use crate::{ConfigError, key};

/// What is wrong with a PEM, and how to fix it. It contains no part of the PEM.
pub(super) struct NotPrivate(pub(super) &'static str, pub(super) &'static str);

const FILE: &str = "use the text of the file, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----";
const CONVERT: &str = "convert it (openssl pkcs8 -topk8 -nocrypt -in key.pem)";

/// Returns the DER of the first block of the text.
///
/// Line breaks may be missing, replaced by other white space, or written as `\n`.
pub(super) fn from_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, NotPrivate> {
    const NO_BLOCK: NotPrivate = NotPrivate("it has no line -----BEGIN PRIVATE KEY-----", FILE);
    if text.len() > LONGEST_TEXT {
        return Err(NotPrivate("the PEM is too long for one key", FILE));
    }
    let (label, rest) = text.split_once(BEGIN).and_then(|(_, block)| block.split_once("-----")).ok_or(NO_BLOCK)?;
    match label {
        "PRIVATE KEY" => {}
        "EC PARAMETERS" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
            return Err(NotPrivate("it is a private key in an older format, and not PKCS#8", CONVERT));
        }
        "ENCRYPTED PRIVATE KEY" => return Err(NotPrivate("it is encrypted with a password", CONVERT)),
        "OPENSSH PRIVATE KEY" => {
            return Err(NotPrivate("it is an OpenSSH key", "generate a key for tokens (openssl genpkey)"));
        }
        _ => return Err(NotPrivate("it is not a private key", FILE)),
    }
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(NotPrivate("its END line is missing", FILE))?;
    let der = decode(body).ok_or(NotPrivate("the text between its BEGIN and END lines is not base64", FILE))?;
    Ok(Zeroizing::new(der))
}

/// What precedes the private number, in the shortest PKCS#8 of its curve: it has no public key, which is computed.
const P256: &[u8] = &[
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
];
const P384: &[u8] = &[
    0x30, 0x4e, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x04, 0x37, 0x30, 0x35, 0x02, 0x01, 0x01, 0x04, 0x30,
];
const ED25519: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Generates a private key, in PKCS#8.
pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    match algorithm.family() {
        Family::P256 => drawn::<32>(P256),
        Family::P384 => drawn::<48>(P384),
        Family::Ed25519 => drawn::<32>(ED25519),
        Family::P521 | Family::Secp256k1 | Family::Hmac => Err(ConfigError::new(
            format!("a key for {algorithm} cannot be generated"),
            "use ES256, ES384, Ed25519 or RS256",
        )),
        Family::Rsa => Signer::generate_rsa().ok_or_else(|| {
            ConfigError::new(
                "the RSA key cannot be generated",
                "allow the getrandom call or /dev/urandom in the sandbox of this process",
            )
        }),
    }
}

/// A random number of so many bytes is a private key. A curve has slightly fewer keys: the caller generates another one if
/// the number cannot be parsed.
fn drawn<const N: usize>(before: &[u8]) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let number = key::random::<N>()?;
    let mut der = Zeroizing::new(Vec::with_capacity(before.len() + N));
    der.extend_from_slice(before);
    der.extend_from_slice(&*number);
    Ok(der)
}
