//! HMAC (RFC 7518, section 3.2), for both backends. The first block of the key is hashed in advance.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

use crate::token::algorithm::Algorithm;

/// Boxed, because the keys have very different sizes.
pub(in crate::token) enum MacKey {
    Hs256(Box<Hmac<Sha256>>),
    Hs384(Box<Hmac<Sha384>>),
    Hs512(Box<Hmac<Sha512>>),
}

impl MacKey {
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Hs384 => Self::Hs384(Box::new(Hmac::new_from_slice(secret).ok()?)),
            Algorithm::Hs512 => Self::Hs512(Box::new(Hmac::new_from_slice(secret).ok()?)),
            _ => Self::Hs256(Box::new(Hmac::new_from_slice(secret).ok()?)),
        })
    }

    /// Verifies a signature in constant time.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => key.as_ref().clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Hs384(key) => key.as_ref().clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Hs512(key) => key.as_ref().clone().chain_update(message).verify_slice(signature).is_ok(),
        }
    }
}
