//! Processes that break the promise on purpose.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tower_auth::{
    KeyDigests, KeyRecord, KeyStore, StoreFuture,
    cache::{ChangeSink, Changes, ChangesFuture, Heard, Subscription},
};

use crate::verdict::Rule;

/// What is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bad {
    /// Every tenth announcement is not heard, though the heartbeat says so.
    Deaf,
    /// The store answers with what it knew some time ago.
    Forgetful,
}

impl Bad {
    pub(crate) const ALL: [Self; 2] = [Self::Deaf, Self::Forgetful];

    /// The rule that it breaks.
    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Deaf => Rule::Cache,
            Self::Forgetful => Rule::Store,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bad| format!("{bad:?}").eq_ignore_ascii_case(name))
    }
}

/// Changes of which every tenth is not heard.
pub(crate) struct Deaf<C>(pub(crate) C);

impl<C: Changes> Changes for Deaf<C> {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        let heard = AtomicU32::new(0);
        self.0.subscribe(ChangeSink::new(move |one| match one {
            Heard::Announced(_) if heard.fetch_add(1, Ordering::Relaxed) % 10 == 9 => {}
            Heard::Announced(what) => sink.announced(what),
            Heard::Lost(why) => sink.lost(why),
            _ => {}
        }))
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        self.0.shared_bound(wanted)
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        self.0.stored_bound()
    }
}

/// A store whose answers are up to some seconds old.
pub(crate) struct Forgetful<S> {
    store: S,
    known: Arc<Mutex<HashMap<[u8; 32], Known>>>,
}

type Known = (Instant, Option<KeyRecord>);

impl<S> Forgetful<S> {
    const AGE: Duration = Duration::from_secs(5);

    pub(crate) fn new(store: S) -> Self {
        Self { store, known: Arc::default() }
    }
}

impl<S: KeyStore> KeyStore for Forgetful<S> {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let digest = *key.iter().next().unwrap().as_bytes();
        let (known, found) = (Arc::clone(&self.known), self.store.find(key));
        StoreFuture::boxed(async move {
            // It does not answer at once, as a store does not.
            let found = (Instant::now(), found.await?);
            let mut known = known.lock().unwrap();
            let known = known.entry(digest).or_insert_with(|| found.clone());
            if known.0.elapsed() > Self::AGE {
                *known = found;
            }
            Ok(known.1.clone())
        })
    }
}
