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

use crate::{
    decided::{PATIENT, admitted, alice, ask, limits, refused, remaining},
    support::redis::{Server, prefix},
};

/// A limiter with keys of its own.
fn limiter(server: &Server, policy: SharedPolicy) -> RedisLimiter {
    at(server, &prefix(), policy)
}

/// A limiter of one of several processes.
fn at(server: &Server, prefix: &str, policy: SharedPolicy) -> RedisLimiter {
    let config = RedisConfig::url(&server.url()).unwrap().timeout(PATIENT).unwrap().prefix(prefix).unwrap();
    RedisLimiter::with(config, policy.deadline(PATIENT))
}

/// The keys of buckets that a server has, without those of probes, which are gone after a moment.
fn keys(server: &Server, prefix: &str) -> Vec<String> {
    let keys: Vec<String> = server.ask(&["KEYS", &format!("{prefix}:limit:*")]);
    keys.into_iter().filter(|key| !key.contains(":limit:probe")).collect()
}
