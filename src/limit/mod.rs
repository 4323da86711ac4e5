//! Limits: quotas, buckets, and the limiter that counts requests.
//!
//! A [`Quota`] is one limit. [`Limits`] are several quotas that are decided together. A [`BucketKey`] names the bucket
//! in which requests are counted. A [`Limiter`] counts and decides. [`RateLimitLayer`](crate::RateLimitLayer) applies a
//! limiter to requests, by the plan of the caller.
//!
//! ```
//! use std::time::Duration;
//! use tower_auth::{Quota, limit::{BucketKey, LimitDecision, Limits, MemoryLimiter}};
//!
//! let limits = Limits::new([Quota::per_second(2), Quota::per_minute(10)])?;
//! let limiter = MemoryLimiter::new();
//! let alice = |at| limiter.try_acquire(BucketKey::new(["alice"]), &limits, 1, at);
//! assert!(matches!(alice(Duration::ZERO), LimitDecision::Admitted(_)));
//! assert!(matches!(alice(Duration::ZERO), LimitDecision::Admitted(_)));
//! assert!(matches!(alice(Duration::ZERO), LimitDecision::Refused { wait, .. } if wait == Duration::from_millis(500)));
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # How it counts
//!
//! The limiter uses the generic cell rate algorithm (GCRA) of the crate `governor`. A bucket stores one time per
//! window: the time at which the bucket will be full again. So the count is exact, an idle bucket costs no work, and no
//! more than the limit is admitted around the boundary of a period.
//!
//! A calendar window ([`Quota::per_calendar_month`]) is a counter instead: a bucket stores the number of the period and the
//! requests counted in it. When the period is over, the count starts at zero. So a client may spend one budget at the end
//! of a period and the next at the start of the next; add a quota such as `per_minute` against that. The time of day
//! decides which period it is, and a bucket never goes back to an earlier period. If a clock ran ahead by mistake, a
//! bucket that was used then stays in the later period until that period is over, or the process is restarted.
//!
//! All windows of a bucket are decided together, of both kinds: a request is counted in each of them or in none.
//!
//! [`MemoryLimiter`] counts in the memory of one process. `BudgetLimiter` (feature `tokio`) counts calendar windows in a
//! [`BudgetStore`](budget::BudgetStore), such as a database, and the other windows in memory; see [`budget`]. `RedisLimiter` (feature `redis`) and
//! `PostgresLimiter` (feature `postgres`) count all windows for several processes together; see `limit::shared`.
//!
//! # When the limits of a bucket change
//!
//! Counted requests stay counted. A changed plan refills no bucket, and repeated changes do not refill a bucket sooner.
//!
//! - A calendar window keeps the count of the old window with the same unit and time zone, whatever the old budget was.
//! - A new window takes over the stored time of the old window with the same period. Names decide between several
//!   windows with the same period. The bucket is full again at the same time as before, and until then refills at the
//!   new rate. For example, a half-used old limit becomes a half-used new limit.
//! - A window with a new period starts with the largest count of requests that any other window has not yet refilled,
//!   up to the burst of the new window. A calendar window takes over from another calendar only what was surely counted in
//!   its own present period: a month what was counted today, another time zone what was counted on the same date or in the
//!   same month. A new daily budget does not start with the count of the month. `BudgetLimiter` takes nothing over: each
//!   calendar has the count that the store keeps for it.
//! - The stored time of a window that the new limits do not have is kept, in case later limits have this window again.
//!   A bucket stores the times of at most four windows.
//!
//! # When not to use it
//!
//! Do not use it to limit concurrent requests: use `tower::limit::ConcurrencyLimitLayer`. Do not use [`MemoryLimiter`],
//! the default of a layer, for budgets that must survive a restart, such as a paid budget a month: it keeps its counts in memory
//! only, and each process counts for itself. Use `BudgetLimiter`, which needs only
//! [`RateLimitLayer::limiter`](crate::RateLimitLayer::limiter). For limits that several processes share, use `RedisLimiter` or `PostgresLimiter`.

mod bucket;
pub mod budget;
mod calendar;
mod carry;
mod decide;
#[cfg(feature = "tokio")]
mod flight;
mod gcra;
mod layout;
mod levels;
mod limiter;
mod limits;
mod lock;
mod memory;
mod quota;
mod returned;
mod shard;
mod share;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub mod shared;
mod stored;
mod time;
mod window;
mod zone;

pub use self::{
    bucket::BucketKey,
    calendar::{CalendarPeriod, CalendarUnit},
    levels::{WindowState, WindowStates},
    limiter::{LimitDecision, LimitFuture, Limiter, Reservation},
    limits::{Limits, Refill, WindowInfo},
    memory::MemoryLimiter,
    quota::Quota,
    time::LimitTime,
};
pub(crate) use self::{bucket::embedded_v4, share::Shares};
