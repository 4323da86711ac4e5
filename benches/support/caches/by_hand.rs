//! Caches as a service would write them: a key store over another one, with the digest that the store looks up as the key.

use std::{sync::Arc, time::Instant};

use tower_auth::{BoxError, KeyDigests, KeyRecord, KeyStore, MemoryKeyStore, StoreFuture};

use super::{LIFE, ROOM};

type Digest = [u8; 32];

fn digest(key: &KeyDigests) -> Digest {
    *key.iter().next().expect("a key has a digest").as_bytes()
}

/// Looks up in the store, and keeps what it has found. A key that changed meanwhile may be kept as it was.
fn filled(
    store: &MemoryKeyStore,
    key: &KeyDigests,
    keep: impl FnOnce(KeyRecord) + Send + 'static,
) -> StoreFuture<Option<KeyRecord>> {
    let (store, key) = (store.clone(), key.clone());
    StoreFuture::boxed(async move {
        let found = store.find(&key).await?;
        if let Some(record) = &found {
            keep(record.clone());
        }
        Ok::<_, BoxError>(found)
    })
}

#[derive(Clone)]
pub(crate) struct Moka {
    store: MemoryKeyStore,
    kept: moka::sync::Cache<Digest, KeyRecord>,
}

impl Moka {
    pub(crate) fn new(store: MemoryKeyStore) -> Self {
        let kept = moka::sync::Cache::builder().max_capacity(ROOM as u64).time_to_live(LIFE).build();
        Self { store, kept }
    }
}

impl KeyStore for Moka {
    #[inline]
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let digest = digest(key);
        if let Some(record) = self.kept.get(&digest) {
            return StoreFuture::ready(Ok(Some(record)));
        }
        let kept = self.kept.clone();
        filled(&self.store, key, move |record| kept.insert(digest, record))
    }
}

/// `quick_cache` has no lifetimes, so the entries have one.
#[derive(Clone)]
pub(crate) struct Quick {
    store: MemoryKeyStore,
    kept: Arc<quick_cache::sync::Cache<Digest, (Instant, KeyRecord)>>,
}

impl Quick {
    pub(crate) fn new(store: MemoryKeyStore) -> Self {
        Self { store, kept: Arc::new(quick_cache::sync::Cache::new(ROOM)) }
    }
}

impl KeyStore for Quick {
    #[inline]
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let digest = digest(key);
        match self.kept.get(&digest) {
            Some((since, record)) if since.elapsed() < LIFE => StoreFuture::ready(Ok(Some(record))),
            _ => {
                let (kept, since) = (Arc::clone(&self.kept), Instant::now());
                filled(&self.store, key, move |record| kept.insert(digest, (since, record)))
            }
        }
    }
}
