//! How limits count: arithmetic, concurrency, changes of limits, memory and clocks. The reference is a plain bucket of
//! tokens, written a second way.

mod buckets;
mod calendar;
mod calendar_kept;
mod calendar_model;
mod changes;
mod changes_by_hand;
mod clocks;
mod exact;
mod layouts;
mod levels;
mod memory;
mod model;
mod quotas;
mod refund;
mod returned;
mod room;
mod threads;

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limits, MemoryLimiter, Reservation},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const NANO: Duration = Duration::from_nanos(1);

fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
    Limits::new(quotas).unwrap()
}

/// So much earlier.
fn before(time: Duration, by: Duration) -> Duration {
    time.checked_sub(by).unwrap()
}

/// As `0a1b`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn alice() -> BucketKey {
    BucketKey::new(["alice"])
}

fn admits(limiter: &MemoryLimiter, bucket: BucketKey, limits: &Limits, now: Duration) -> bool {
    matches!(limiter.try_acquire(bucket, limits, 1, now), LimitDecision::Admitted(_))
}

/// Takes so many, and keeps what is needed to give them back.
fn taken(limiter: &MemoryLimiter, bucket: BucketKey, limits: &Limits, cost: u32, now: Duration) -> Reservation {
    match limiter.try_acquire(bucket, limits, cost, now) {
        LimitDecision::Admitted(levels) => Reservation::new(cost, limits, &levels, now),
        other => panic!("{cost} were not let through: {other:?}"),
    }
}

/// How many of so many requests at one time get through.
fn admitted(limiter: &MemoryLimiter, bucket: BucketKey, limits: &Limits, now: Duration, requests: u32) -> u32 {
    (0..requests).map(|_| u32::from(admits(limiter, bucket, limits, now))).sum()
}

/// What remains in every window, asked without taking anything.
fn remaining(limiter: &MemoryLimiter, bucket: BucketKey, limits: &Limits, now: Duration) -> Vec<u32> {
    match limiter.try_acquire(bucket, limits, 0, now) {
        LimitDecision::Admitted(levels) => levels.all().iter().map(|level| level.remaining).collect(),
        other => panic!("a question was answered with {other:?}"),
    }
}
