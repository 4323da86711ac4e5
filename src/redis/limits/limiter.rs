use std::{fmt, sync::Arc};

use super::servers::Servers;
use crate::{
    BoxError, Task,
    limit::shared::{Backend as _, Core, NamedLimiter, SharedHealth, SharedPolicy},
    redis::RedisConfig,
};

/// Counts requests in Redis or Valkey, for all processes together. Clones share one connection.
///
/// It is no limiter itself: [`named`](Self::named) returns one, so that two layers share buckets on purpose only.
///
/// ```
/// use tower_auth::{Plans, Quota, RateLimitLayer, rate_limit::OutagePolicy, redis::{RedisConfig, RedisLimiter}};
///
/// # async fn limits() -> Result<(), tower_auth::BoxError> {
/// let redis = RedisLimiter::new(RedisConfig::url("redis://:password@redis.internal:6379")?);
/// redis.check().await?; // Redis answers, and the user may do what is needed
/// let upkeep = redis.start();
/// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
/// let limits = RateLimitLayer::by_plan(&plans).limiter(redis.named("plans")).on_outage(OutagePolicy::LocalShare { processes: 4 });
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisLimiter {
    core: Arc<Core<Servers>>,
    config: RedisConfig,
}

impl RedisLimiter {
    /// Counts exactly ([`SharedPolicy::exact`]). Nothing is connected yet.
    #[must_use]
    pub fn new(config: RedisConfig) -> Self {
        Self::with(config, SharedPolicy::exact())
    }

    /// Counts by this policy. All processes that share limits may have different policies.
    #[must_use]
    pub fn with(config: RedisConfig, policy: SharedPolicy) -> Self {
        Self { core: Core::new(Servers::new(&config, &policy), policy), config }
    }

    /// Returns the limiter for a layer. Its buckets are apart from those of all other names, and the same in every process.
    #[must_use]
    pub fn named(&self, name: &str) -> NamedLimiter {
        NamedLimiter::new(&self.core, name)
    }

    /// Connects, and proves that limits can be counted. Call it when the service starts: a mistake in the configuration shows here, and the first
    /// request need not wait for a connection.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses the login or a script. The error says what to do.
    pub async fn check(&self) -> Result<(), BoxError> {
        // It is large, and the caller may have a small stack.
        Ok(Box::pin(self.core.backend().check()).await?)
    }

    /// Starts to carry out charges and give-backs, and to give back leases that were not used. The task stops when the returned [`Task`] is
    /// dropped. [`Task::stop`] gives back all leases before it stops: call it after the server has answered its last request. While Redis does not
    /// answer, the health is [`Health::Degraded`](crate::Health::Degraded).
    ///
    /// Without this call, the limiter starts such a task itself when it is needed.
    pub fn start(&self) -> Task {
        self.core.start()
    }

    /// Returns how the limiter does.
    #[must_use]
    pub fn health(&self) -> SharedHealth {
        self.core.health()
    }
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisLimiter").field(&self.config).finish()
    }
}
