//! The cache of verified tokens.

use quick_cache::sync::Cache as Map;

use super::{claims::Claims, key_set::KeySet};
use crate::key::sha256;

/// Claims by the SHA-256 of the whole token. Each verifier has its own cache, so entries match the verifier's settings.
pub(super) struct Cache(Map<[u8; 32], Remembered>);

/// The claims of a verified token, and the keys in use at that time.
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

    /// Returns the cache key of a token. A token that is too long gets a key without an entry, and is refused later.
    pub(super) fn place(token: &[u8], max_token_len: usize) -> [u8; 32] {
        if token.len() > max_token_len { [0; 32] } else { sha256(token) }
    }

    /// Returns the claims if the same keys are still in use. So a token of a revoked key is not accepted from the
    /// cache.
    pub(super) fn get(&self, place: &[u8; 32], keys: &KeySet) -> Option<Claims> {
        self.0.get(place).filter(|remembered| remembered.keys.is_same(keys)).map(|remembered| remembered.claims)
    }

    pub(super) fn put(&self, place: [u8; 32], remembered: Remembered) {
        self.0.insert(place, remembered);
    }
}
