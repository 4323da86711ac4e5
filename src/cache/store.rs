use std::{fmt, sync::Arc, time::Duration};

use super::{
    Announcement, Changed, Changes, Versioned,
    core::Core,
    freshness::{Bound, Freshness},
    lease::Lease,
    settings::Settings,
};
use crate::{BoxError, Clock};

/// A store with a cache in front of it. It implements the traits of the store that lookups and changes need:
/// [`KeyStore`](crate::KeyStore), [`RegistryStore`](crate::registry::RegistryStore) and, with a token backend, `SessionStore`.
/// Give it to the layers, to the [`KeyRegistry`](crate::KeyRegistry) and to the `Sessions`: a change that is made through it is
/// seen by its own process at once.
///
/// The [module page](crate::cache) says what is promised, and which of the constructors to use. Clones share the cache.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{ApiKeyLayer, CachedKeyStore, KeyScheme, KeyStore};
///
/// /// A store of your own, which tells nobody what changes.
/// fn layer(scheme: KeyScheme, table: impl KeyStore) -> ApiKeyLayer {
///     ApiKeyLayer::new(scheme, CachedKeyStore::ttl(table, Duration::from_secs(5)))
/// }
/// ```
pub struct CachedKeyStore<S> {
    pub(super) store: Arc<S>,
    pub(super) core: Arc<Core>,
    plan: Plan,
}

/// How a core is made.
#[derive(Clone)]
struct Plan {
    how: How,
    settings: Settings,
}

#[derive(Clone)]
enum How {
    Leased(Arc<dyn Changes>, Duration),
    Age(Duration),
    Version(Arc<dyn Versioned>),
}

impl Plan {
    fn core(&self) -> Arc<Core> {
        let (bound, changes) = match &self.how {
            How::Leased(changes, bound) => {
                (Bound::Leased { lease: Lease::new(), bound: *bound }, Some(Arc::clone(changes)))
            }
            How::Age(age) => (Bound::Age(*age), None),
            How::Version(store) => (Bound::Version(Arc::clone(store)), None),
        };
        // Without announcements, the bound is the longest life already.
        let longest = if matches!(bound, Bound::Age(_)) { Duration::MAX } else { self.settings.longest };
        let freshness = Freshness::new(bound, longest, self.settings.clock.clone());
        Arc::new(Core::new(freshness, changes, &self.settings))
    }
}

/// How a cache is created.
impl<S> CachedKeyStore<S> {
    /// Creates a cache that hears what changes. No request is admitted from it more than `bound` after a change has returned,
    /// whatever fails meanwhile; usually, it hears of the change within milliseconds. A lookup may be repeated once in 60 s.
    ///
    /// Until [`start`](Self::start) is called, and while the connection for changes is lost, every lookup asks the store.
    ///
    /// `bound` is also how often the connection is used: four times in it. 250 ms is usual, and 10 ms the least; with hundreds of
    /// processes, use a second. All processes that share the changes share one bound: see [`check`](Self::check). A bound of
    /// zero caches nothing: for a program that only makes changes, such as a command line.
    pub fn leased(store: S, changes: impl Changes, bound: Duration) -> Self {
        Self::planned(Arc::new(store), How::Leased(Arc::new(changes), bound))
    }

    /// Creates a cache that hears nothing, for a store that cannot tell what changes. No request is admitted from it more than
    /// `bound` after a change has returned. A lookup of a key is repeated when it is older than the bound. A change through this
    /// value counts at once in this process.
    ///
    /// Other processes do not know the bound: tell it to the registries that wait for caches
    /// ([`KeyRegistry::caches_within`](crate::KeyRegistry::caches_within)).
    pub fn ttl(store: S, bound: Duration) -> Self {
        Self::planned(Arc::new(store), How::Age(bound))
    }

    /// Creates a cache for a store on this machine that says cheaply whether anything has changed, such as SQLite. No request is
    /// admitted from it after a change has returned, by whichever process it was made.
    pub fn local(store: S) -> Self
    where
        S: Versioned,
    {
        let store = Arc::new(store);
        let how = How::Version(Arc::clone(&store) as Arc<dyn Versioned>);
        Self::planned(store, how)
    }

    fn planned(store: Arc<S>, how: How) -> Self {
        let plan = Plan { how, settings: Settings::default() };
        Self { store, core: plan.core(), plan }
    }
}

/// What can be set. Each setter empties the cache, and is called before the value is cloned or started: clones from before keep a
/// cache of their own.
impl<S> CachedKeyStore<S> {
    /// Sets the most keys that are cached, and the most tokens: 100,000 of each by default. A key takes about 400 bytes. Keys that
    /// are used least make room.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, MemoryKeyStore};
    ///
    /// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5)).capacity(1_000_000);
    /// ```
    #[must_use]
    pub fn capacity(self, most: usize) -> Self {
        self.set(|settings| settings.capacity = most)
    }

    /// Sets for how long an unknown key is known to be unknown: two seconds by default, and never longer than the bound. A
    /// key that is created through the same changes is found at once. They are kept apart from keys that exist, at most 10,000.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, MemoryKeyStore};
    ///
    /// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5)).unknown_for(Duration::ZERO);
    /// ```
    #[must_use]
    pub fn unknown_for(self, time: Duration) -> Self {
        self.set(|settings| settings.unknown_for = time)
    }

    /// Sets after what time a lookup is repeated even if nothing has changed: 60 seconds by default. It bounds what a change
    /// costs that was never announced, such as one by a program that knows nothing of the cache. A cache by
    /// [`ttl`](Self::ttl) has its bound for that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, Changes, PostgresKeyStore};
    ///
    /// fn cached(store: PostgresKeyStore, changes: impl Changes) -> CachedKeyStore<PostgresKeyStore> {
    ///     CachedKeyStore::leased(store, changes, Duration::from_millis(250)).longest(Duration::from_secs(600))
    /// }
    /// ```
    #[must_use]
    pub fn longest(self, time: Duration) -> Self {
        self.set(|settings| settings.longest = time)
    }

    /// **Breaks the promise, during an outage of the store only:** if a lookup fails, a key is admitted by an answer that is up to so
    /// old. A key that was revoked meanwhile is admitted for so long, if this process could not hear of it. By
    /// default, a request is refused with 503 when the store is needed and fails.
    ///
    /// Fresh lookups fail all the same. Other processes do not know this time: tell it to the registries that wait for caches
    /// ([`KeyRegistry::caches_within`](crate::KeyRegistry::caches_within)).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, MemoryKeyStore};
    ///
    /// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5))
    ///     .admit_stale_in_outage(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub fn admit_stale_in_outage(self, time: Duration) -> Self {
        self.set(|settings| settings.stale = time)
    }

    /// Sets how long one lookup may take: two seconds by default. All requests with one key wait for the same lookup, so one that
    /// hangs would hold them all. Requests that wait longer than the
    /// [`decision_timeout`](crate::AuthLayer::decision_timeout) of their layer end before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, MemoryKeyStore};
    ///
    /// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5))
    ///     .lookup_timeout(Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn lookup_timeout(self, time: Duration) -> Self {
        self.set(|settings| settings.lookup_timeout = time)
    }

    /// Sets the clock. Only its monotonic time and its timer are used; if it has no timer, that of the system is used.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{CachedKeyStore, Clock, MemoryKeyStore};
    ///
    /// let keys = CachedKeyStore::ttl(MemoryKeyStore::new(), Duration::from_secs(5)).clock(Clock::system());
    /// ```
    #[must_use]
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        self.set(|settings| settings.clock = clock)
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.plan.settings);
        self.core = self.plan.core();
        self
    }
}

impl<S> CachedKeyStore<S> {
    /// Returns the store behind the cache.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Says that something has changed in the store, past this value: after a change of your own tables, before the call that
    /// made it returns. It counts here at once, and is announced to all other processes that share the changes. A
    /// store that announces its changes itself, such as PostgreSQL, needs no such call.
    ///
    /// ```
    /// use tower_auth::{BoxError, CachedKeyStore, cache::Changed};
    ///
    /// async fn revoke<S>(keys: &CachedKeyStore<S>, id: &str) -> Result<(), BoxError> {
    ///     // UPDATE api_tokens SET disabled = true WHERE id = $1
    ///     keys.changed([Changed::Key(id)]).await
    /// }
    /// ```
    ///
    /// # Errors
    /// If another process may not have been told. It is told later; until then, the promise does not hold for it.
    pub async fn changed<'a>(&self, what: impl IntoIterator<Item = Changed<'a>> + Send) -> Result<(), BoxError> {
        let what: Vec<_> = what.into_iter().map(Announcement::from).collect();
        self.core.tell(&what).await
    }
}

impl<S> Clone for CachedKeyStore<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), core: Arc::clone(&self.core), plan: self.plan.clone() }
    }
}

impl<S> fmt::Debug for CachedKeyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeyStore").field("health", &self.health()).finish_non_exhaustive()
    }
}
