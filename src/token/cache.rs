//! Tokens that have been verified, for a while.

use quick_cache::sync::Cache as Map;

use super::{claims::Claims, key_set::KeySet};
use crate::key::sha256;

/// Claims under the SHA-256 of the whole token. It belongs to one verifier: what that asks for is a part of the key.
pub(super) struct Cache(Map<[u8; 32], Remembered>);

/// What was verified, and by which keys.
#[derive(Clone)]
pub(super) struct Remembered {
    claims: Claims,
    keys: KeySet,
}

impl Remembered {
    pub(super) const fn new(claims: Claims, keys: KeySet) -> Self {
        Self { claims, keys }
    }
}

impl Cache {
    pub(super) fn new(entries: usize) -> Self {
        Self(Map::new(entries))
    }

    /// Where a token stands; what is too long stands nowhere, and is refused before it is looked for.
    pub(super) fn place(token: &[u8], max_token_len: usize) -> [u8; 32] {
        if token.len() > max_token_len { [0; 32] } else { sha256(token) }
    }

    /// The claims, as long as the same keys are in use: a key that was taken back verifies nothing any more.
    pub(super) fn get(&self, place: &[u8; 32], keys: &KeySet) -> Option<Claims> {
        self.0.get(place).filter(|remembered| remembered.keys.is_same(keys)).map(|remembered| remembered.claims)
    }

    pub(super) fn put(&self, place: [u8; 32], remembered: Remembered) {
        self.0.insert(place, remembered);
    }
}
