//! What keys have been doing: how many of their requests were admitted, and how many refused and why, by the day and by the
//! hour; when and from where a key was used last; and its last refused requests.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_auth::{AuthStack, ApiKeyLayer, KeyFormat, KeyScheme, MemoryKeyStore, Usage, usage::{Outcome, UsageOf}};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?), MemoryKeyStore::new());
//! let usage = Usage::new(store.clone());
//! let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store)).on_decision(usage.observer()).build()?;
//! // let upkeep = usage.start(); // writes the counts every five seconds
//!
//! let now = SystemTime::now();
//! for count in usage.days(UsageOf::key("key_1"), now - Duration::from_secs(30 * 86_400)..now).await? {
//!     println!("{:?} {} {}", count.start, count.outcome, count.count);
//! }
//! let month = usage.totals(UsageOf::account("acme"), 30).await?;
//! println!("{} admitted, {} refused", month.count(Outcome::Admitted), month.refused());
//! # Ok::<_, tower_auth::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # What is counted
//!
//! Every decision of the stack counts once: for the key, for its account, and for the organisation that owns it (the first
//! one). Requests with a token count for the account and the organisation only. A request whose caller is not known counts for
//! [`Strangers`](UsageOf::Strangers). A request that a handler refuses after the guards have admitted it counts twice: as
//! [`Admitted`](Outcome::Admitted) and as [`RefusedLater`](Outcome::RefusedLater);
//! [`answered`](UsageTotals::answered) takes the one from the other. Hours and days are those of UTC, by the clock of the stack
//! at the time of the decision.
//!
//! # What it costs, and what can be lost
//!
//! A request is counted in memory, on a lock that its thread shares with no other: tens of nanoseconds, and no allocation for
//! an admitted request. A task writes the sums every five seconds, in batches. Each batch has a number, so that a batch whose
//! answer was lost is not counted twice. A crash loses the counts since the last batch. While the store does not answer, counts
//! are kept in memory, up to [`UsagePolicy::max_waiting`] callers an hour.
//!
//! # Where counts are kept
//!
//! A [`UsageStore`] keeps the sums: the stores of keys do, `MemoryKeyStore` too.
//!
//! # When not to use it
//!
//! It is no bill: a crash loses some seconds. For metrics of the service as a whole, count in
//! [`on_decision`](crate::stack::AuthStackBuilder::on_decision) with the metrics library of your choice.

#[cfg(feature = "tokio")]
mod active;
mod batch;
mod client;
mod entry;
mod error;
mod merge;
mod outcome;
mod policy;
mod subject;
mod table;
mod totals;
#[cfg(feature = "tokio")]
mod upkeep;
#[expect(clippy::module_inception, reason = "it holds the type of this name")]
mod usage;
mod usage_store;

#[cfg(feature = "tokio")]
pub(crate) use self::active::ActiveKey;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use self::outcome::stored;
pub(crate) use self::usage_store::unsupported;
pub use self::{
    batch::{KeyUse, RefusedRequest, UsageBatch, UsageCount},
    error::UsageError,
    outcome::Outcome,
    policy::UsagePolicy,
    subject::UsageOf,
    totals::UsageTotals,
    usage::Usage,
    usage_store::{By, Forget, UsageFuture, UsageQuery, UsageStore},
};
