//! Limits in Redis, which several processes share.

mod bounds;
mod clock;
mod cluster;
mod corners;
mod counts;
mod faults;
mod leases;
mod load;
mod model;
mod permissions;
mod rules;
mod sentinel;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls;

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{
        BucketKey, LimitDecision, Limiter, Limits, WindowStates,
        shared::{NamedLimiter, SharedPolicy},
    },
    redis::{RedisConfig, RedisLimiter},
};

use crate::support::redis::{Server, prefix};

/// A deadline for tests that are not about time: the machine may be busy.
const PATIENT: Duration = Duration::from_secs(20);

/// A limiter with keys of its own.
fn limiter(server: &Server, policy: SharedPolicy) -> RedisLimiter {
    at(server, &prefix(), policy)
}

/// A limiter of one of several processes.
fn at(server: &Server, prefix: &str, policy: SharedPolicy) -> RedisLimiter {
    let config = RedisConfig::url(&server.url()).unwrap().timeout(PATIENT).unwrap().prefix(prefix).unwrap();
    RedisLimiter::with(config, policy.deadline(PATIENT))
}

fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
    Limits::new(quotas).unwrap()
}

fn alice() -> BucketKey {
    BucketKey::new(["alice"])
}

async fn ask(limiter: &NamedLimiter, bucket: BucketKey, limits: &Limits, cost: u32) -> LimitDecision {
    limiter.decide(bucket, limits, cost, Duration::ZERO.into()).await.unwrap()
}

fn admitted(decision: LimitDecision) -> WindowStates {
    match decision {
        LimitDecision::Admitted(levels) => levels,
        other => panic!("{other:?}"),
    }
}

fn refused(decision: LimitDecision) -> (WindowStates, Duration) {
    match decision {
        LimitDecision::Refused { levels, wait } => (levels, wait),
        other => panic!("{other:?}"),
    }
}

/// What remains in each window.
fn remaining(levels: &WindowStates) -> Vec<u32> {
    levels.all().iter().map(|level| level.remaining).collect()
}

/// The keys of buckets that a server has, without those of probes, which are gone after a moment.
fn keys(server: &Server, prefix: &str) -> Vec<String> {
    let keys: Vec<String> = server.ask(&["KEYS", &format!("{prefix}:limit:*")]);
    keys.into_iter().filter(|key| !key.contains(":limit:probe")).collect()
}
