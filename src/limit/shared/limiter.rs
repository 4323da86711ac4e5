use std::{fmt, sync::Arc};

use super::{backend::Backend, core::Core};
use crate::limit::{BucketKey, LimitFuture, LimitTime, Limiter, Limits, Reservation};

/// A part of a limiter that several processes share: the buckets under one name. Layers with different names count apart.
///
/// `named` of a limiter returns it. Two layers that get the same name on purpose count in the same buckets.
#[cfg_attr(
    feature = "redis",
    doc = "
```
use tower_auth::{ClientIp, Plans, Quota, RateLimitLayer, redis::{RedisConfig, RedisLimiter}};

let redis = RedisLimiter::new(RedisConfig::url(\"redis://redis.internal\")?);
let plans = Plans::new().plan(\"standard\", [Quota::per_minute(100)]).fallback(\"standard\").build()?;
let plans = RateLimitLayer::by_plan(&plans).limiter(redis.named(\"plans\"));
let logins = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()).limiter(redis.named(\"logins\"));
# Ok::<_, tower_auth::ConfigError>(())
```"
)]
#[derive(Clone)]
pub struct NamedLimiter {
    core: Arc<dyn Named>,
    name: Arc<str>,
    scope: BucketKey,
}

/// A core, without the type of its backend.
trait Named: Send + Sync {
    fn decide(self: Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32) -> LimitFuture;
    fn charge(self: Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32);
    fn refund(self: Arc<Self>, bucket: BucketKey, reservation: &Reservation);
}

impl<B: Backend> Named for Core<B> {
    fn decide(self: Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32) -> LimitFuture {
        Self::decide(&self, bucket, limits, cost)
    }

    fn charge(self: Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32) {
        Self::charge(&self, bucket, limits, cost);
    }

    fn refund(self: Arc<Self>, bucket: BucketKey, reservation: &Reservation) {
        Self::refund(&self, bucket, reservation);
    }
}

impl NamedLimiter {
    pub(crate) fn new<B: Backend>(core: &Arc<Core<B>>, name: &str) -> Self {
        let scope = BucketKey::new(["named", name]);
        Self { core: Arc::clone(core) as Arc<dyn Named>, name: name.into(), scope }
    }
}

impl Limiter for NamedLimiter {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, _: LimitTime) -> LimitFuture {
        Arc::clone(&self.core).decide(bucket.scoped(self.scope), limits, cost)
    }

    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, _: LimitTime) {
        Arc::clone(&self.core).charge(bucket.scoped(self.scope), limits, cost);
    }

    fn refund(&self, bucket: BucketKey, reservation: &Reservation, _: LimitTime) {
        Arc::clone(&self.core).refund(bucket.scoped(self.scope), reservation);
    }
}

impl fmt::Debug for NamedLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedLimiter").field(&self.name).finish()
    }
}
