//! Limits that several processes share: exact or leased, in Redis or in PostgreSQL.
//!
//! `RedisLimiter` (feature `redis`) and `PostgresLimiter` (feature `postgres`) count in a server, on its clock. Each returns limiters by
//! [name](NamedLimiter) for [`RateLimitLayer::limiter`](crate::RateLimitLayer::limiter); nothing else of a service changes.
//!
//! ```
//! use std::time::Duration;
//! use tower_auth::{Limiter, Plans, RateLimitLayer, rate_limit::OutagePolicy};
//!
//! /// `shared` is what `named("plans")` returns.
//! fn by_plan(plans: &Plans, shared: impl Limiter) -> RateLimitLayer {
//!     RateLimitLayer::by_plan(plans).limiter(shared).on_outage(OutagePolicy::LocalShare { processes: 4 })
//! }
//! ```
//!
//! # What is exact
//!
//! All windows of a bucket are decided in one step: a request is counted in each of them or in none. [`SharedPolicy`] says when the server is
//! asked.
//!
//! | policy | questions | all processes together admit, in any interval |
//! |---|---|---|
//! | [`exact`](SharedPolicy::exact) | one for a request that is admitted; none while the bucket is known to be empty | at most burst + rate × time |
//! | [`leased`](SharedPolicy::leased) | one for a lease of many requests, taken before it is needed | at most burst + rate × time + the smaller of processes × lease and rate × time of a lease |
//!
//! A lease is debited before the first of its requests is admitted, so a process that crashes loses its leases, and nothing is admitted twice. A process takes
//! leases of a bucket that it is asked for at least four times in the time of a lease, and holds one at most. What was not used when that time is over is given
//! back within a second, or within the time of a lease if that is shorter. A request that costs more than is left of the lease gives the rest back and asks the server.
//! Calendar budgets are leased too, and stay exact.
//!
//! While the demand is above the limit, a process pauses after each lease that was not granted whole, and refuses in between: for a quarter of the time of a lease, or of
//! the time in which the bucket would be full, if that is shorter. What is refilled meanwhile stays in the bucket.
//!
//! A bucket that was found empty is refused by the process itself until a request fits again, for up to a minute. A give-back of this process and a change of
//! the limits end that; a give-back of another process is not seen until then.
//!
//! The states of windows ([`WindowState::remaining`](super::WindowState::remaining)) are those of the server for an exact decision. For a leased one,
//! they are what the server had left when the lease was taken and what is left of the lease: an upper bound while other processes count too.
//!
//! # When limits change
//!
//! Counts are kept as [in memory](super#when-the-limits-of-a-bucket-change). The first request under the new limits needs one more question. Processes with
//! different limits for the same bucket, such as during a deployment, need it each time that they alternate. Requests that were admitted before a
//! change are not given back after it.
//!
//! Windows of the same period share a count, whatever their numbers are. A window whose period the other processes do not have counts only the requests of those that
//! have it. So while a deployment changes `per_hour(10)` into `per_day(10)`, old and new processes together may admit 20.
//!
//! # When the server does not answer
//!
//! A question waits for the [deadline](SharedPolicy::deadline) at most, 25 milliseconds by default. A decision needs one question, and up to three in turn if it waits for a
//! lease that others use up, if the limits have changed, or if slots of a cluster move. The first failure opens a circuit breaker: from then on, each decision fails at once, and a task tries until the server
//! counts within the deadline: at once, and then after pauses of 25 milliseconds that double up to a second. A server that fails again soon is tried after a longer pause. So an
//! outage costs the requests that are under way one deadline, and all later ones nothing. An error that concerns one bucket, such as a key that something else has written,
//! fails the decisions about this bucket only. A failed decision is one for the
//! [`OutagePolicy`](crate::rate_limit::OutagePolicy) of its layer. What is in a lease, and what is known to be empty, is decided as before. The beginning and
//! the end of an outage are logged, and [`SharedHealth`] shows it.
//!
//! A decision whose answer comes too late, or whose request has gone away, may have been counted, and a lease whose answer is lost is debited: of requests, an outage counts too
//! much, and never too little. Charges and give-backs wait in a queue until the server answers, up to 16,384 of them; a charge is dropped once its bucket would be full
//! again. One whose answer is lost is not repeated, because requests that are given back twice would be admitted twice: `SharedHealth::lost` counts them, and the oldest that a
//! full queue drops.
//!
//! # The clock
//!
//! The clock of the server counts, not those of the processes. If it is set back, nothing is refilled and nothing of before is given back, and time goes on from there. If it
//! is set forward, buckets are refilled by as much. A server that loses its data, or evicts keys, starts with full buckets.
//!
//! # When not to use it
//!
//! - With one process: a [`MemoryLimiter`](super::MemoryLimiter) needs no server, and a hundredth of the time.
//! - For paid budgets that must survive a failure of the server: use a `BudgetLimiter`, whose store is durable.
//! - For limits by address against floods: each address costs a question, and a key in the server. Refuse floods in front of the service.

mod ask;
mod backend;
mod breaker;
mod core;
#[cfg(feature = "postgres")]
mod counting;
#[cfg(feature = "redis")]
mod form;
mod health;
mod held;
#[cfg(feature = "postgres")]
mod kept;
mod limiter;
mod policy;
mod queue;
mod quotas;
mod table;
mod upkeep;

#[cfg(feature = "redis")]
pub(crate) use self::form::{Converted, Form, Pace, Pair};
pub(crate) use self::{
    ask::{Ask, Taken},
    backend::{Backend, Outage},
    breaker::{Breaker, Guarded, guarded},
    core::Core,
};
#[cfg(feature = "postgres")]
pub(crate) use self::{counting::Counting, kept::Kept};
pub use self::{health::SharedHealth, limiter::NamedLimiter, policy::SharedPolicy};
