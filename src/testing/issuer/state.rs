//! The keys of the issuer, and how it behaves when they are fetched.

#[cfg(feature = "jwks-http")]
use std::collections::{HashMap, HashSet};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "jwks-http")]
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
#[cfg(feature = "jwks-http")]
use serde_json::{Map, Value};

#[cfg(feature = "jwks-http")]
use crate::key::random;
use crate::token::{Algorithm, SigningKey};

/// What all handles of one issuer share.
pub(super) struct State {
    keys: Mutex<Vec<SigningKey>>,
    delay: Mutex<Duration>,
    failing: AtomicBool,
    fetches: AtomicUsize,
    tokens: AtomicU64,
    /// What an opaque token stands for.
    #[cfg(feature = "jwks-http")]
    opaque: Mutex<HashMap<String, Map<String, Value>>>,
    #[cfg(feature = "jwks-http")]
    revoked: Mutex<HashSet<String>>,
}

impl State {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            keys: Mutex::new(vec![new_key(algorithm)]),
            delay: Mutex::default(),
            failing: AtomicBool::new(false),
            fetches: AtomicUsize::new(0),
            tokens: AtomicU64::new(0),
            #[cfg(feature = "jwks-http")]
            opaque: Mutex::default(),
            #[cfg(feature = "jwks-http")]
            revoked: Mutex::default(),
        }
    }

    /// Returns the key that signs: the newest.
    ///
    /// # Panics
    /// Never: there is always one.
    pub(super) fn signer(&self) -> SigningKey {
        lock(&self.keys).last().cloned().expect("an issuer has a key")
    }

    /// Adds a key of this algorithm, which signs from now on.
    pub(super) fn add_key(&self, algorithm: Algorithm) {
        // A key of RSA takes long, and the lock is not held meanwhile.
        let key = new_key(algorithm);
        lock(&self.keys).push(key);
    }

    /// Removes all keys but the one that signs.
    pub(super) fn remove_old_keys(&self) {
        let mut keys = lock(&self.keys);
        let old = keys.len().saturating_sub(1);
        keys.drain(..old);
    }

    /// Returns the published key set: the newest key first.
    pub(super) fn key_set(&self) -> String {
        let keys = lock(&self.keys);
        let keys: Vec<&str> = keys.iter().rev().map(SigningKey::public_jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Returns the number of the next token, from one.
    pub(super) fn next_token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Remembers the claims of an opaque token, and returns the token.
    #[cfg(feature = "jwks-http")]
    pub(super) fn add_opaque(&self, claims: Map<String, Value>) -> String {
        let token = random_name();
        lock(&self.opaque).insert(token.clone(), claims);
        token
    }

    /// Returns the claims of an opaque token.
    #[cfg(feature = "jwks-http")]
    pub(super) fn opaque(&self, token: &str) -> Option<Map<String, Value>> {
        lock(&self.opaque).get(token).cloned()
    }

    #[cfg(feature = "jwks-http")]
    pub(super) fn revoke(&self, token: &str) {
        lock(&self.revoked).insert(token.to_owned());
    }

    #[cfg(feature = "jwks-http")]
    pub(super) fn is_revoked(&self, token: &str) -> bool {
        lock(&self.revoked).contains(token)
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::SeqCst)
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        *lock(&self.delay) = delay;
    }

    pub(super) fn delay(&self) -> Duration {
        *lock(&self.delay)
    }

    pub(super) fn count_fetch(&self) {
        self.fetches.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// Generates a key.
///
/// # Panics
/// If there are no signing keys for the algorithm, or the operating system provides no random bytes.
pub(super) fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap_or_else(|error| panic!("a TestIssuer has no key: {error}"))
}

/// Returns a text that nobody can guess.
///
/// # Panics
/// If the operating system provides no random bytes.
#[cfg(feature = "jwks-http")]
pub(super) fn random_name() -> String {
    let bytes = random::<16>().unwrap_or_else(|error| panic!("a TestIssuer makes no token: {error}"));
    URL_SAFE_NO_PAD.encode(*bytes)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
