//! Lookups of keys.

use std::sync::Arc;

use super::{
    CachedKeyStore,
    answers::Looked,
    core::{Ask, Core},
    known::{Marks, Place},
};
use crate::{BoxError, KeyDigests, KeyRecord, KeyStore, StoreFuture, base::maybe_ready::BoxFuture};

impl<S: KeyStore> KeyStore for CachedKeyStore<S> {
    #[inline]
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (core, place) = (&*self.core, Place::of(key));
        if let Some(answer) = core.keys.known.get(&place)
            && answer.is_good(&core.freshness)
        {
            core.counts.hits.add();
            return StoreFuture::ready(Ok(Some(answer.value)));
        }
        self.find_elsewhere(key, &place)
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::boxed(self.clone().look_up(key.clone(), Ask::Fresh))
    }
}

impl<S: KeyStore> CachedKeyStore<S> {
    #[cold]
    fn find_elsewhere(&self, key: &KeyDigests, place: &Place) -> StoreFuture<Option<KeyRecord>> {
        let core = &*self.core;
        if core.keys.is_unknown(&core.freshness, place) {
            core.counts.known_unknown.add();
            return StoreFuture::ready(Ok(None));
        }
        StoreFuture::boxed(self.clone().look_up(key.clone(), Ask::Missed))
    }

    async fn look_up(self, key: KeyDigests, how: Ask) -> Result<Option<KeyRecord>, BoxError> {
        let (place, core) = (Place::of(&key), Arc::clone(&self.core));
        let look = move || self.clone().flight(key.clone());
        core.ask(&core.keys.known, &place, how, look).await
    }

    /// One lookup. It begins when it is polled first.
    fn flight(self, key: KeyDigests) -> BoxFuture<Looked<KeyRecord, Marks>> {
        Box::pin(async move {
            let core: &Core = &self.core;
            let begun = core.freshness.begin();
            let found = core.answer(async { self.store.find_fresh(&key).await }).await;
            Looked { begun, found: found.map(|found| core.keys.keep(&core.freshness, &key, begun, found)) }
        })
    }
}
