//! AWS-LC for public keys. HMAC uses the `RustCrypto` crates, because they prepare a MAC faster.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

use super::{der::rsa_to_der, mac::MacKey};
use crate::token::{algorithm::Algorithm, material::Material};

pub(in crate::token) enum Key {
    Secret(MacKey),
    Public(ParsedPublicKey),
}

const UNREADABLE: &str = "the key cannot be parsed";

impl Key {
    pub(in crate::token) fn new(algorithm: Algorithm, material: &Material) -> Result<Self, &'static str> {
        let der;
        let bytes = match material {
            Material::Secret(secret) => return MacKey::new(algorithm, secret).map(Self::Secret).ok_or(UNREADABLE),
            Material::Rsa { n, e } => {
                der = rsa_to_der(n, e);
                &der
            }
            Material::Point(bytes) | Material::Ed25519(bytes) => bytes,
        };
        let key = ParsedPublicKey::new(scheme(algorithm), bytes).map_err(|_| UNREADABLE)?;
        Ok(Self::Public(key))
    }

    pub(in crate::token) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => key.verify(message, signature),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn scheme(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        // The signature is R and S concatenated, never DER (RFC 7518, section 3.4).
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::Es256k => &ECDSA_P256K1_SHA256_FIXED,
        Algorithm::Ed25519 => &ED25519,
        Algorithm::Rs256 | Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => &RSA_PKCS1_2048_8192_SHA256,
    }
}
