//! Limits: how many requests, in what time, and who counts them.
//!
//! A [`Quota`] is one limit, [`Limits`] are several that are decided together, a [`BucketKey`] says whose requests they count,
//! and a [`Limiter`] counts and decides. [`RateLimitLayer`](crate::RateLimitLayer) asks it about requests, by the plan of
//! whoever is calling.
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
//! By the generic cell rate algorithm, as `governor` has it: a bucket is the one time at which it will be full again, so it
//! is exact, costs no work while nobody asks, and has no boundary at which twice the limit gets through.
//!
//! # When the limits of a bucket change
//!
//! What was counted stays counted: a new plan, or a plan that is replaced, refills nothing, and changing to and fro makes no
//! bucket full any sooner. A window takes over the arrival time of the window of its period (and of its name, where there are several): its
//! bucket is full again when it would have been, and until then fills at the new rate. So half of the old limit used is half
//! of the new one used. A window of a period that was not there before starts with the most requests that any other
//! had counted and not refilled, as far as they fit; and one that is not there now is kept for when it is again, as
//! long as a bucket has room for four.
//!
//! # When not to use it
//!
//! To bound how many requests are handled at once: that is `tower::limit::ConcurrencyLimitLayer`'s. And for budgets that
//! have to survive a restart: this is memory.

mod bucket;
mod layout;
mod limiter;
mod limits;
mod lock;
mod memory;
mod quota;
mod returned;
mod shard;
mod window;

pub(crate) use self::bucket::embedded_v4;
pub use self::{
    bucket::BucketKey,
    limiter::{LimitDecision, LimitFuture, Limiter, Reservation, WindowState, WindowStates},
    limits::{Limits, WindowInfo},
    memory::MemoryLimiter,
    quota::Quota,
};
