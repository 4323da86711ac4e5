//! Calendar budgets that survive a restart, and that several processes share.
//!
//! [`BudgetLimiter`] counts requests of calendar quotas ([`Quota::per_calendar_month`](crate::Quota::per_calendar_month)) in a
//! [`BudgetStore`], such as a database. Quotas that are refilled evenly are counted in memory, as a
//! [`MemoryLimiter`](super::MemoryLimiter) does.
//!
//! ```
//! use tower_auth::{BudgetLimiter, ConfigError, MemoryKeyStore, Plans, Quota, RateLimitLayer};
//!
//! # fn layer() -> Result<RateLimitLayer, ConfigError> {
//! let store = MemoryKeyStore::new(); // or an `SqliteKeyStore`, or a `PostgresKeyStore`
//! let quotas = [Quota::per_minute(600), Quota::per_calendar_month(1_000_000)];
//! let plans = Plans::new().plan("standard", quotas).fallback("standard").build()?;
//! let layer = RateLimitLayer::by_plan(&plans).limiter(BudgetLimiter::new(store));
//! # Ok(layer) }
//! # layer().unwrap();
//! ```
//!
//! # How it counts
//!
//! A process takes a lease of a budget: the store counts some requests as used, and answers, before the first of them is
//! admitted. While requests of the lease are left, a decision needs no I/O. When the lease is used up, one request asks the store
//! for the next lease, and other requests of the bucket wait for it.
//!
//! A lease is at most [1,000 requests][max_lease], and at most [a sixteenth][share] of what remains
//! of the budget, but always enough for the request that asks. So leases shrink as the budget comes to its end: processes share
//! the end of a budget, and its last requests are leased one by one. A budget that is used up is
//! [asked for again][ask_again_after] at most once a second.
//!
//! The store keeps one count for each bucket, unit, time zone and period. The count does not depend on the size of the budget:
//! when a plan changes, counted requests stay counted. Two windows of the same unit and time zone share a count. The store keeps a
//! digest of the bucket, and no name.
//!
//! # What is exact, and what a crash loses
//!
//! - Over all processes and restarts, no more requests are admitted in a period than the budget. If the budget is lowered within
//!   the period, a process may still use what it has leased before.
//! - A process that crashes loses at most one lease for each bucket, and the requests that were refunded since the last
//!   [sweep][give_back_after]: they are counted as used, and were not admitted.
//!   The same is true if the answer of the store to a lease is lost. A give-back whose answer is lost, or whose task is dropped in the
//!   middle, loses the leases of up to 100 buckets, because a second one could give a second budget. A clean [stop] loses nothing.
//! - While several processes hold leases of one budget, a process may refuse requests although another one has some left: at most
//!   its lease, until it gives back what it does not use.
//! - [`WindowState::remaining`](super::WindowState::remaining) is what the store had left when it was asked last, and what is
//!   unused of the own lease. It is an upper bound if other processes count too.
//! - A refund adds to the lease, within the same period. A refund that comes after the lease was given back is lost.
//! - If the time of day is set back into an earlier period, a bucket in memory stays in the later one. After a restart, an earlier
//!   period goes on where it was: no period has a second budget.
//!
//! # Background work
//!
//! The limiter gives back leases that were not used for [a while][give_back_after], removes their buckets from
//! memory, and removes [old periods][keep_for] from the store. It does this in a task of the tokio runtime that it is
//! used in. [`BudgetLimiter::start`][start] returns the task instead, with its health; [`Task::stop`][stop] gives back all
//! leases.
//!
//! # When the store fails
//!
//! Leased requests are admitted. After that, a decision fails, and
//! [`OutagePolicy`](crate::rate_limit::OutagePolicy) decides: a paid budget needs `FailClosed`. A lease that the store grants after
//! its caller has stopped waiting is used by the next request, or given back.
//!
//! # When not to use it
//!
//! - For callers who are not authenticated: each new bucket costs a statement of the store.
//! - For limits that a restart may reset: a [`MemoryLimiter`](super::MemoryLimiter) needs no store.
//! - For windows that are refilled evenly over several processes: each process counts them for itself.
//!
#![cfg_attr(
    feature = "tokio",
    doc = "
[`BudgetLimiter`]: BudgetLimiter
[start]: BudgetLimiter::start
[stop]: crate::Task::stop
[max_lease]: BudgetPolicy::max_lease
[share]: BudgetPolicy::share
[ask_again_after]: BudgetPolicy::ask_again_after
[give_back_after]: BudgetPolicy::give_back_after
[keep_for]: BudgetPolicy::keep_for"
)]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "
[`BudgetLimiter`]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetLimiter.html
[start]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetLimiter.html#method.start
[stop]: https://docs.rs/tower-auth/latest/tower_auth/struct.Task.html#method.stop
[max_lease]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetPolicy.html#method.max_lease
[share]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetPolicy.html#method.share
[ask_again_after]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetPolicy.html#method.ask_again_after
[give_back_after]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetPolicy.html#method.give_back_after
[keep_for]: https://docs.rs/tower-auth/latest/tower_auth/limit/budget/struct.BudgetPolicy.html#method.keep_for"
)]

#[cfg(feature = "tokio")]
mod entry;
#[cfg(feature = "tokio")]
mod kept;
#[cfg(feature = "tokio")]
mod limiter;
mod period;
#[cfg(feature = "tokio")]
mod policy;
#[cfg(feature = "tokio")]
mod purse;
#[cfg(feature = "tokio")]
mod shared;
mod store;
#[cfg(feature = "tokio")]
mod table;
mod take;
#[cfg(feature = "tokio")]
mod tend;
#[cfg(feature = "tokio")]
mod told;
#[cfg(feature = "tokio")]
mod upkeep;

#[cfg(feature = "tokio")]
pub use self::{limiter::BudgetLimiter, policy::BudgetPolicy};
pub use self::{
    period::BudgetPeriod,
    store::{BudgetFuture, BudgetStore},
    take::{BudgetReturn, BudgetTake, BudgetTaken},
};
