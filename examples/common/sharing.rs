//! Limits that all processes count together, in Redis.
//!
//! Redis may lose its data, and a calendar budget may be paid for. So a [`Watch`](super::watch::Watch) mounts its limits twice, and a
//! request needs both layers:
//!
//! - One counts in Redis, for all processes. While Redis does not answer, it counts the share of the process in memory.
//! - The other one is the same with and without Redis: it counts calendar budgets in the database, exactly and durably, and
//!   answers 503 when it cannot. It counts the other windows in memory: after Redis has lost its data, and while it does not
//!   answer, no process forgets what it has admitted itself. While Redis does not answer, the headers are those of this layer, because the
//!   documents promise headers in each answer: they show the calendar budgets, and what this process has admitted.

use serde_json::{Value, json};
use tower_auth::{
    BoxError, BudgetLimiter, RateLimitLayer, Task,
    limit::{
        BucketKey, LimitDecision, LimitFuture, LimitTime, Limiter, Limits, Reservation, WindowStates,
        shared::NamedLimiter,
    },
    rate_limit::OutagePolicy,
    redis::{RedisConfig, RedisLimiter},
};

use super::options::{LimitMode, Storage};

/// While Redis does not answer, each process counts its share alone: limits protect the service, and a service that is down is not protected.
const fn plans(processes: u32) -> OutagePolicy {
    OutagePolicy::LocalShare { processes }
}

/// The same, without shares, for guesses at keys and tokens: they are too long to be guessed in any number of attempts.
const KEYS: OutagePolicy = OutagePolicy::FallBackToLocal;
/// Passwords are short. Nobody signs in, exchanges a key or refreshes a token while guesses cannot be counted.
const PASSWORDS: OutagePolicy = OutagePolicy::FailClosed;

/// How the processes count limits: together in Redis, or each in its memory. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Sharing(Option<Shared>);

#[derive(Clone)]
struct Shared {
    redis: RedisLimiter,
    mode: LimitMode,
    processes: u32,
}

impl Storage {
    /// Connects to Redis, if it is named, and starts the task of the limits.
    pub(super) async fn sharing(&self) -> Result<(Sharing, Option<Task>), BoxError> {
        let Some(url) = &self.redis else { return Ok((Sharing(None), None)) };
        let redis = RedisLimiter::with(RedisConfig::url(url)?, self.limits.policy());
        let checked = redis.check().await;
        checked.map_err(|error| format!("limits cannot be counted in Redis: {error}; or start without --redis"))?;
        let task = redis.start();
        let (mode, processes) = (self.limits.mode(), self.limits.processes());
        Ok((Sharing(Some(Shared { redis, mode, processes })), Some(task)))
    }
}

impl Sharing {
    /// Counts the limits by plan together.
    pub(crate) fn plans(&self, limits: RateLimitLayer) -> RateLimitLayer {
        match &self.0 {
            Some(shared) => limits.limiter(shared.redis.named("plans")).on_outage(plans(shared.processes)),
            None => limits,
        }
    }

    /// Counts failed attempts together, for routes at which passwords can be guessed.
    pub(crate) fn failures(&self, limits: RateLimitLayer) -> RateLimitLayer {
        match &self.0 {
            Some(shared) => limits.limiter(shared.redis.named("failures")).on_outage(PASSWORDS),
            None => limits,
        }
    }

    /// Returns a layer that says how the limits stand in both layers, and counts nothing; `None` if the limits are not shared.
    pub(super) fn view(&self, limits: &RateLimitLayer, budgets: &BudgetLimiter) -> Option<RateLimitLayer> {
        let redis = &self.0.as_ref()?.redis;
        Some(limits.clone().limiter(View(redis.named("plans"), budgets.clone())))
    }

    /// Adds to the health of a server how its limits are counted.
    pub(crate) fn add_to(&self, mut health: Value) -> Value {
        if let Some(Shared { redis, mode, .. }) = &self.0 {
            let now = redis.health();
            health["limits"] = json!({
                // The text may have the address of Redis: it stands in the log.
                "counted": if now.trouble.is_none() { "together" } else { "alone" },
                "mode": match mode { LimitMode::Exact => "exact", LimitMode::Leased => "leased" },
                "questions": now.asked,
                "failures": now.failed,
                "waiting": now.queued,
                "lost": now.lost,
            });
        }
        health
    }
}

/// The same budget, for a stack in which no password is checked.
pub(crate) fn of_keys(failures: &RateLimitLayer) -> RateLimitLayer {
    failures.clone().on_outage(KEYS)
}

/// Reads two limiters that count by the same limits.
struct View(NamedLimiter, BudgetLimiter);

impl Limiter for View {
    fn peek(&self, bucket: BucketKey, limits: &Limits, now: LimitTime) -> LimitFuture {
        let (one, other) = (self.0.peek(bucket, limits, now), self.1.peek(bucket, limits, now));
        LimitFuture::boxed(async move { Ok(together(one.await?, other.await?)) })
    }

    fn decide(&self, _: BucketKey, _: &Limits, _: u32, _: LimitTime) -> LimitFuture {
        LimitFuture::ready(Err("this layer only reads how limits stand; mount the layers of the watch".into()))
    }

    fn refund(&self, _: BucketKey, _: &Reservation, _: LimitTime) {}
}

/// Takes each window from the limiter that has less left: it would refuse first.
fn together(one: LimitDecision, other: LimitDecision) -> LimitDecision {
    let (Some(mine), Some(others)) = (states(&one), states(&other)) else { return one };
    let windows = mine.all().iter().zip(others.all());
    let windows: Vec<_> =
        windows.map(|(mine, other)| if mine.remaining <= other.remaining { *mine } else { *other }).collect();
    let tightest = (0..windows.len()).min_by_key(|place| windows[*place].remaining).unwrap_or_default();
    LimitDecision::Admitted(WindowStates::new(windows, tightest))
}

const fn states(decision: &LimitDecision) -> Option<&WindowStates> {
    match decision {
        LimitDecision::Admitted(levels) | LimitDecision::Refused { levels, .. } => Some(levels),
        _ => None,
    }
}
