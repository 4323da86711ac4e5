//! The issuer of all tokens, and our verifier of them.

use std::time::{SystemTime, UNIX_EPOCH};

use tower_auth::token::{KeySet, TokenVerifier, TokenVerifierBuilder};

pub(crate) const ISSUER: &str = "https://id.example.com/";
pub(crate) const AUDIENCE: &str = "api.example.com";
pub(crate) const KID: &str = "2026-01";
pub(crate) const SECRET: &[u8; 32] = b"a secret for nothing but benches";

/// Returns a builder of our verifier with the keys of this JSON Web Key Set.
pub(crate) fn verifier(jwks: &str) -> TokenVerifierBuilder {
    let keys = KeySet::from_json(jwks.as_bytes()).expect("the key is valid");
    TokenVerifier::key_set(ISSUER, keys).audience(AUDIENCE)
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970").as_secs()
}
