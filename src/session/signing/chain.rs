//! A chain of keys in the memory of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{SigningFuture, SigningKeyStore, StoredSigningKey};

/// The keys, the newest last. It keeps the rules of [`SigningKeyStore`](super::SigningKeyStore).
#[derive(Debug, Default)]
pub(crate) struct Chain(Vec<StoredSigningKey>);

impl Chain {
    pub(crate) fn keys(&self) -> Vec<StoredSigningKey> {
        self.0.clone()
    }

    pub(crate) fn add(&mut self, key: StoredSigningKey) -> bool {
        let newest = self.0.last().map(|newest| newest.id.as_str());
        let fits = key.after.as_deref() == newest && self.0.iter().all(|other| other.id != key.id);
        if fits {
            self.0.push(key);
        }
        fits
    }

    pub(crate) fn reseal(&mut self, id: &str, sealed: Vec<u8>) {
        if let Some(key) = self.0.iter_mut().find(|key| key.id == id) {
            key.sealed = sealed;
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if self.0.last().is_some_and(|newest| newest.id != id) {
            self.0.retain(|key| key.id != id);
        }
    }
}

/// A store for one process.
pub(super) struct Local(Mutex<Chain>);

impl Local {
    pub(super) const fn new(chain: Chain) -> Self {
        Self(Mutex::new(chain))
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SigningKeyStore for Local {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        SigningFuture::ready(Ok(self.chain().keys()))
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        SigningFuture::ready(Ok(self.chain().add(key)))
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        self.chain().reseal(id, sealed);
        SigningFuture::ready(Ok(()))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        self.chain().remove(id);
        SigningFuture::ready(Ok(()))
    }
}
