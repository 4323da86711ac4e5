use std::{fmt, sync::Arc};

use super::buckets::Buckets;
use crate::{
    BoxError, Task,
    limit::shared::{Backend as _, Core, NamedLimiter, SharedHealth, SharedPolicy},
    postgres::PostgresKeyStore,
};

/// Counts requests in PostgreSQL, for all processes together, over the pool of a [`PostgresKeyStore`]. The
/// [module page](crate::postgres#limits) says what it costs, and when not to use it.
///
/// It is no limiter itself: [`named`](Self::named) returns one, so that two layers share buckets on purpose only. Clones are one limiter.
///
/// ```
/// use tower_auth::{
///     BoxError, Plans, PostgresKeyStore, PostgresLimiter, Quota, RateLimitLayer, rate_limit::OutagePolicy,
/// };
///
/// # async fn limits(store: PostgresKeyStore) -> Result<(), BoxError> {
/// let shared = PostgresLimiter::new(&store, 4); // for at most four processes
/// shared.check().await?; // the table is there, and the role may write it
/// let upkeep = shared.start();
/// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
/// let limits = RateLimitLayer::by_plan(&plans).limiter(shared.named("plans")).on_outage(OutagePolicy::LocalShare { processes: 4 });
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostgresLimiter {
    core: Arc<Core<Buckets>>,
    store: PostgresKeyStore,
}

impl PostgresLimiter {
    /// Counts by leases ([`SharedPolicy::leased`]) for at most so many processes. Nothing is connected yet.
    ///
    /// It uses the [`writer`](PostgresKeyStore::writer) of the store, if there is one.
    ///
    /// ```
    /// use tower_auth::{PostgresKeyStore, PostgresLimiter};
    ///
    /// fn limiter(store: &PostgresKeyStore) -> PostgresLimiter {
    ///     PostgresLimiter::new(store, 4)
    /// }
    /// ```
    #[must_use]
    pub fn new(store: &PostgresKeyStore, processes: u32) -> Self {
        Self::with(store, SharedPolicy::leased(processes))
    }

    /// Counts by this policy. All processes that share limits may have different policies.
    ///
    /// With [`SharedPolicy::exact`], every decision that may admit a request reads a row and replaces it: two round trips. Requests of one process
    /// that wait for the same row are decided together; those of different processes are decided one after the other.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{PostgresKeyStore, PostgresLimiter, limit::shared::SharedPolicy};
    ///
    /// fn limiter(store: &PostgresKeyStore) -> PostgresLimiter {
    ///     PostgresLimiter::with(store, SharedPolicy::exact().deadline(Duration::from_millis(100)))
    /// }
    /// ```
    #[must_use]
    pub fn with(store: &PostgresKeyStore, policy: SharedPolicy) -> Self {
        Self { core: Core::new(Buckets::new(store, &policy), policy), store: store.clone() }
    }

    /// Returns the limiter for a layer. Its buckets are apart from those of all other names, and the same in every process.
    ///
    /// ```
    /// use tower_auth::{ClientIp, PostgresLimiter, Quota, RateLimitLayer};
    ///
    /// fn logins(shared: &PostgresLimiter) -> RateLimitLayer {
    ///     RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()).limiter(shared.named("logins"))
    /// }
    /// ```
    #[must_use]
    pub fn named(&self, name: &str) -> NamedLimiter {
        NamedLimiter::new(&self.core, name)
    }

    /// Connects, and proves that limits can be counted. Call it when the service starts: a mistake in the configuration shows here, and the first
    /// request need not wait for a connection.
    ///
    /// # Errors
    /// If the server does not answer, has no table for limits, only reads, or refuses a statement. The error says what to do.
    ///
    /// ```
    /// use tower_auth::{BoxError, PostgresLimiter};
    ///
    /// async fn start(shared: &PostgresLimiter) -> Result<(), BoxError> {
    ///     shared.check().await
    /// }
    /// ```
    pub async fn check(&self) -> Result<(), BoxError> {
        Ok(self.core.backend().check().await?)
    }

    /// Starts to carry out charges and give-backs, and to give back leases that were not used. The task stops when the returned [`Task`] is
    /// dropped. [`Task::stop`] gives back all leases before it stops: call it after the server has answered its last request. While PostgreSQL does
    /// not answer, the health is [`Health::Degraded`](crate::Health::Degraded).
    ///
    /// Without this call, the limiter starts such a task itself when it is needed.
    ///
    /// ```
    /// use tower_auth::{PostgresLimiter, Task};
    ///
    /// async fn serve(shared: &PostgresLimiter) {
    ///     let upkeep: Task = shared.start();
    ///     // serve requests
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        self.core.start()
    }

    /// Returns how the limiter does.
    ///
    /// ```
    /// use tower_auth::PostgresLimiter;
    ///
    /// fn answers(shared: &PostgresLimiter) -> bool {
    ///     shared.health().trouble.is_none()
    /// }
    /// ```
    #[must_use]
    pub fn health(&self) -> SharedHealth {
        self.core.health()
    }
}

impl fmt::Debug for PostgresLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresLimiter").field(&self.store).finish()
    }
}
