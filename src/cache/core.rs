//! What all clones of a cached store share.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;

use super::{
    Announcement, Changes,
    answers::{Answer, Answers, Looked, SharedError},
    changed::{Mark, Told},
    counters::Counts,
    flights::Began,
    freshness::{Bound, Freshness},
    known::Keys,
    outbox::Outbox,
};
use crate::{
    BoxError,
    base::{maybe_ready::BoxFuture, trouble::Trouble},
};

pub(super) struct Core {
    pub(super) freshness: Freshness,
    pub(super) counts: Counts,
    pub(super) keys: Keys,
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) tokens: super::tokens::Tokens,
    pub(super) changes: Option<Arc<dyn Changes>>,
    /// How old an answer may be that is used when the store fails.
    pub(super) stale: Duration,
    /// How long one lookup may take.
    lookup_timeout: Duration,
    pub(super) outbox: Outbox,
    pub(super) link: Link,
}

/// The state of the connection on which announcements arrive.
pub(super) struct Link {
    pub(super) is_started: AtomicBool,
    pub(super) was_told: AtomicBool,
    /// The number of subscriptions so far: what an older one says of itself counts no longer.
    pub(super) term: AtomicU64,
    /// How often the lease was lost.
    pub(super) losses: AtomicU64,
    /// The start of the last heartbeat, and its duration, in nanoseconds.
    pub(super) beaten_at: AtomicU64,
    pub(super) round_trip: AtomicU64,
    pub(super) trouble: Trouble,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            is_started: AtomicBool::new(false),
            was_told: AtomicBool::new(false),
            term: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            beaten_at: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            trouble: Trouble::new(
                "the cache of keys does not hear what changes: every lookup asks the store until it does",
                "the cache of keys hears what changes: it is used again",
            ),
        }
    }
}

/// Why a lookup does not use what is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Nothing usable is cached.
    Missed,
    /// The caller wants an answer that is not older than its call.
    Fresh,
}

impl Core {
    pub(super) fn new(
        freshness: Freshness,
        changes: Option<Arc<dyn Changes>>,
        settings: &super::settings::Settings,
    ) -> Self {
        Self {
            freshness,
            counts: Counts::default(),
            keys: Keys::new(settings),
            #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
            tokens: super::tokens::Tokens::new(settings.capacity),
            changes,
            stale: settings.stale,
            lookup_timeout: settings.lookup_timeout,
            outbox: Outbox::default(),
            link: Link::new(),
        }
    }

    /// Returns for how long an answer may be used after a change has returned, also if the store fails meanwhile.
    pub(super) fn longest_use(&self) -> Duration {
        self.freshness.promise().max(self.stale)
    }

    /// Invalidates what a change concerns.
    pub(super) fn apply(&self, what: Announcement) {
        let epochs = &self.freshness.epochs;
        match what.0 {
            Told::Marked(mark) => epochs.invalidate(mark.number()),
            Told::NewKey => epochs.created(),
            Told::Everything => epochs.flush(),
        }
    }

    /// Asks the store, together with all who ask the same. Returns what is known if the store fails and that is allowed.
    pub(super) async fn ask<K, V, M, B>(
        self: &Arc<Self>,
        answers: &Answers<K, V, M, B>,
        key: &K,
        how: Ask,
        look: impl Fn() -> BoxFuture<Looked<V, M>> + Send + Clone + 'static,
    ) -> Result<Option<V>, BoxError>
    where
        K: Clone + Eq + std::hash::Hash + Send + 'static,
        V: Clone + Send + Sync + 'static,
        M: AsRef<[Mark]> + Clone + Send + Sync + 'static,
        B: std::hash::BuildHasher + Clone + Default,
    {
        let looked = if how == Ask::Missed && self.freshness.is_open() {
            self.join(answers, key, look).await
        } else {
            self.counts.bypasses.add();
            self.warn_if_idle();
            answers.flights.follow(key, look).await
        };
        match looked.found {
            Ok(found) => Ok(found.map(|answer| answer.value)),
            Err(error) if how == Ask::Fresh => Err(error.into()),
            Err(error) => self.bridge(answers.get(key)).map(Some).ok_or_else(|| error.into()),
        }
    }

    /// Joins a lookup that is under way. If what it has found is not good any more, another one is begun.
    async fn join<K, V, M, B>(
        &self,
        answers: &Answers<K, V, M, B>,
        key: &K,
        look: impl Fn() -> BoxFuture<Looked<V, M>> + Send + Clone + 'static,
    ) -> Looked<V, M>
    where
        K: Clone + Eq + std::hash::Hash + Send + 'static,
        V: Clone + Send + Sync + 'static,
        M: AsRef<[Mark]> + Clone + Send + Sync + 'static,
        B: std::hash::BuildHasher + Clone + Default,
    {
        let (flight, began) = answers.flights.join(key, &look);
        let looked = flight.await;
        if began == Began::Now {
            return looked;
        }
        self.counts.shared.add();
        let is_good = match &looked.found {
            Ok(Some(answer)) => answer.is_good(&self.freshness),
            Ok(None) => self.keys.is_still_unknown(&self.freshness, &looked.begun),
            // A store that fails is asked once for all who wait.
            Err(_) => true,
        };
        if is_good { looked } else { answers.flights.follow(key, look).await }
    }

    /// Returns an answer that may bridge an outage of the store.
    fn bridge<V, M: AsRef<[Mark]>>(&self, answer: Option<Answer<V, M>>) -> Option<V> {
        let known = answer.filter(|known| self.freshness.is_known(&known.begun, known.marks.as_ref(), self.stale))?;
        self.counts.stale.add();
        Some(known.value)
    }

    /// Returns whether nobody keeps the lease of a cache that needs one.
    pub(super) fn is_idle(&self) -> bool {
        let is_leased = matches!(&self.freshness.bound, Bound::Leased { bound, .. } if !bound.is_zero());
        is_leased && !self.link.is_started.load(Ordering::Relaxed)
    }

    #[cold]
    fn warn_if_idle(&self) {
        if self.is_idle() && !self.link.was_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "tower_auth",
                "a leased cache of keys is not started, so every lookup asks the store; help: call CachedKeyStore::start, \
                 and keep its Task as long as the service runs"
            );
        }
    }

    /// Returns what the store has answered. All who wait for it would wait as long as a store that does not answer, and new
    /// callers would join them: so the lookup ends after a time. A panic is an error, because those who wait are
    /// not woken by it.
    pub(super) async fn answer<T>(&self, lookup: impl Future<Output = Result<T, BoxError>>) -> Result<T, SharedError> {
        let lookup = AssertUnwindSafe(lookup).catch_unwind();
        let found = match self.freshness.timer().within(self.lookup_timeout, lookup).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err("the store has panicked".into()),
            Err(late) => Err(format!("the store {late}").into()),
        };
        self.counts.fills.add();
        found.map_err(|error| {
            self.counts.failures.add();
            SharedError(Arc::new(error))
        })
    }
}
