//! Parses public keys in PEM from files, environment variables and certificates.

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::material::spki_of_certificate;

/// What is wrong with a PEM, and how to fix it. It contains no part of the PEM.
pub(super) struct NotPublic(pub(super) &'static str, pub(super) &'static str);

/// Padding is optional, because some tools omit it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);
/// The maximum length of the text. It allows a chain of certificates.
pub(super) const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_KEY: usize = 6 * 1024;

pub(super) const BEGIN: &str = "-----BEGIN ";
const FILE: &str = "use the text of the file, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----";

/// Returns the first block of the text as a canonical PEM of a public key, and its DER. For a certificate, returns its public key.
///
/// Line breaks may be missing, replaced by other white space, or written as `\n`.
pub(super) fn public_key(text: &str) -> Result<(String, Vec<u8>), NotPublic> {
    if text.len() > LONGEST_TEXT {
        return Err(NotPublic("the PEM is too long for one key", "use the issuer's public key alone"));
    }
    let (_, block) = text.split_once(BEGIN).ok_or_else(|| no_block(text))?;
    let (label, rest) = block.split_once("-----").ok_or_else(|| no_block(text))?;
    if label.ends_with("PRIVATE KEY") {
        return Err(NotPublic(
            "it is a private key, which only the issuer may have; a verifier needs the public key",
            "use the public key (openssl pkey -in private.pem -pubout)",
        ));
    }
    let (body, _) =
        rest.split_once(&format!("-----END {label}-----")).ok_or(NotPublic("its END line is missing", FILE))?;
    let der = decode(body).ok_or(NotPublic("the text between its BEGIN and END lines is not base64", FILE))?;
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => encode(label, der),
        "CERTIFICATE" | "X509 CERTIFICATE" => match spki_of_certificate(&der) {
            Some(key) => encode("PUBLIC KEY", key.to_vec()),
            None => Err(NotPublic(
                "the certificate cannot be read",
                "use the certificate's public key (openssl x509 -in certificate.pem -pubkey -noout)",
            )),
        },
        _ if label.ends_with("CERTIFICATE REQUEST") => Err(NotPublic(
            "it is a certificate request",
            "use the public key (openssl req -in request.pem -pubkey -noout)",
        )),
        _ => Err(NotPublic(
            "its label is not PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE",
            "use the issuer's public key (of a certificate: openssl x509 -in certificate.pem -pubkey -noout)",
        )),
    }
}

fn no_block(text: &str) -> NotPublic {
    let text = text.trim();
    if text.starts_with('{') {
        NotPublic("it is JSON and not PEM", "call VerifyingKey::from_jwk for one key, or KeySet::from_json for a set")
    } else if text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") {
        NotPublic("it is an OpenSSH key", "convert it (ssh-keygen -f key.pub -e -m pkcs8)")
    } else if !text.contains(char::is_whitespace)
        && [".pem", ".crt", ".cer", ".pub", ".key"].iter().any(|end| text.ends_with(end))
    {
        NotPublic("it is the name of a file and not its text", "read the file first (std::fs::read_to_string)")
    } else {
        NotPublic("it has no line -----BEGIN PUBLIC KEY-----", FILE)
    }
}

/// Decodes the base64 text of a block. White space and escaped line breaks are ignored.
pub(super) fn decode(body: &str) -> Option<Vec<u8>> {
    // It may be the text of a private key.
    let mut letters = Zeroizing::new(String::with_capacity(body.len()));
    let mut escaped = false;
    for letter in body.chars() {
        match letter {
            '\\' => escaped = true,
            'n' | 'r' | 't' if escaped => escaped = false,
            _ if letter.is_ascii_whitespace() => escaped = false,
            _ if escaped => return None,
            _ => letters.push(letter),
        }
    }
    BASE64.decode(&*letters).ok()
}

fn encode(label: &str, der: Vec<u8>) -> Result<(String, Vec<u8>), NotPublic> {
    // The parser recurses as deep as the DER is nested, so the length is bounded.
    if der.len() > LONGEST_KEY {
        return Err(NotPublic("the PEM is too long for one key", "use the issuer's public key alone"));
    }
    Ok((format!("{BEGIN}{label}-----\n{}\n-----END {label}-----\n", BASE64.encode(&der)), der))
}
