//! Our caches, filled.

use std::time::Duration;

use tower_auth::{
    CachedKeyStore, MemoryKeyStore,
    cache::{ChangeSink, Changes, ChangesFuture, Subscription},
};

use super::{LIFE, ROOM, runtime};

/// Announces nothing, and answers at once.
struct Still;

impl Changes for Still {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        ChangesFuture::ready(Ok(Box::new(Silence { _sink: sink })))
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        ChangesFuture::ready(Ok(wanted))
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        ChangesFuture::ready(Ok(None))
    }
}

/// Without its sink, the cache would count it as lost.
struct Silence {
    _sink: ChangeSink,
}

impl Subscription for Silence {
    fn barrier(&mut self) -> ChangesFuture<()> {
        ChangesFuture::ready(Ok(()))
    }
}

pub(crate) fn ttl(store: MemoryKeyStore) -> CachedKeyStore<MemoryKeyStore> {
    CachedKeyStore::ttl(store, LIFE).capacity(ROOM)
}

/// A cache that holds its lease, and does so as long as the process runs.
pub(crate) fn leased(store: MemoryKeyStore) -> CachedKeyStore<MemoryKeyStore> {
    let cache = CachedKeyStore::leased(store, Still, Duration::from_mins(1)).longest(LIFE).capacity(ROOM);
    let _entered = runtime().enter();
    std::mem::forget(cache.start());
    while !cache.health().is_used {
        std::thread::yield_now();
    }
    cache
}
