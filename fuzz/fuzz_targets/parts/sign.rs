//! Signatures made by other code than the code that checks them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};
use tower_auth::token::Algorithm;

/// Returns the HMAC of a message.
pub(crate) fn sign(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    macro_rules! hmac {
        ($hash:ty) => {
            Hmac::<$hash>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
        };
    }
    match algorithm {
        Algorithm::Hs256 => hmac!(Sha256),
        Algorithm::Hs384 => hmac!(Sha384),
        Algorithm::Hs512 => hmac!(Sha512),
        other => panic!("{other} is not HMAC"),
    }
}
