//! What all clones of a cached store share.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;

use super::{
    Announcement, Changed, Changes,
    answers::{Answer, Answers, Looked, SharedError},
    changed::{Mark, Told},
    counters::Counts,
    flights::Began,
    freshness::{Bound, Freshness},
    known::Keys,
};
use crate::{
    BoxError,
    base::{maybe_ready::BoxFuture, time_limit, trouble::Trouble},
};

/// The most announcements that wait to be sent. More are one: that everything may have changed.
const MOST_UNSENT: usize = 1_000;

pub(super) struct Core {
    pub(super) freshness: Freshness,
    pub(super) counts: Counts,
    pub(super) keys: Keys,
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) tokens: super::tokens::Tokens,
    pub(super) changes: Option<Arc<dyn Changes>>,
    /// How old an answer may be that is used when the store fails.
    pub(super) stale: Duration,
    /// Announcements that may not have arrived.
    unsent: Mutex<Vec<Announcement>>,
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
            unsent: Mutex::default(),
            link: Link::new(),
        }
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

    #[cold]
    fn warn_if_idle(&self) {
        let idle =
            matches!(self.freshness.bound, Bound::Leased { .. }) && !self.link.is_started.load(Ordering::Relaxed);
        if idle && !self.link.was_told.swap(true, Ordering::Relaxed) {
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
        let found = match self.freshness.clock().within(time_limit::DEFAULT, lookup).await {
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

    /// Applies changes here, and announces them, with those that could not be announced before.
    ///
    /// # Errors
    /// If a subscriber may not have been told. They are sent again later.
    pub(super) async fn tell(self: &Arc<Self>, what: Vec<Announcement>) -> Result<(), BoxError> {
        let mut batch = Batch::new(self, what);
        batch.what = self.and_unsent(std::mem::take(&mut batch.what));
        let Some(changes) = self.changes.as_ref().filter(|_| !batch.what.is_empty()) else {
            batch.what.clear();
            return Ok(());
        };
        changes.announce(&batch.what).await?;
        batch.what.clear();
        Ok(())
    }

    /// Sends again what may not have arrived.
    pub(super) async fn tell_again(self: &Arc<Self>) -> Result<(), BoxError> {
        if self.unsent().is_empty() { Ok(()) } else { self.tell(Vec::new()).await }
    }

    fn and_unsent(&self, what: Vec<Announcement>) -> Vec<Announcement> {
        let mut all = std::mem::take(&mut *self.unsent());
        all.extend(what);
        all
    }

    pub(super) fn unsent(&self) -> MutexGuard<'_, Vec<Announcement>> {
        // Nothing panics while it holds the lock.
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Announcements that are applied here at once, and are sent later if the call that sends them is dropped.
pub(super) struct Batch {
    core: Arc<Core>,
    pub(super) what: Vec<Announcement>,
}

impl Batch {
    pub(super) fn new(core: &Arc<Core>, what: Vec<Announcement>) -> Self {
        for one in &what {
            core.apply(*one);
        }
        Self { core: Arc::clone(core), what }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.what.is_empty() || self.core.changes.is_none() {
            return;
        }
        let mut unsent = self.core.unsent();
        unsent.append(&mut self.what);
        if unsent.len() > MOST_UNSENT {
            *unsent = vec![Announcement::from(Changed::Everything)];
        }
    }
}
