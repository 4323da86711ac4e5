use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageOf};
use crate::{BoxError, MaybeReady};

/// The result of a [`UsageStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::usage::{KeyUse, UsageFuture};
///
/// let nothing: UsageFuture<Vec<KeyUse>> = UsageFuture::ready(Ok(Vec::new()));
/// ```
pub type UsageFuture<T> = MaybeReady<Result<T, BoxError>>;

/// Where [`Usage`](super::Usage) keeps its counts, such as the tables of a database.
///
/// `testing::conformance` checks an implementation.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::{MemoryKeyStore, usage::UsageStore};
///
/// async fn last_use(store: &dyn UsageStore) -> Option<SystemTime> {
///     Some(store.last_uses(&["key_1".to_owned()]).await.ok()?.first()?.at)
/// }
/// # drop(last_use(&MemoryKeyStore::new()));
/// ```
pub trait UsageStore: Send + Sync + 'static {
    /// Adds a batch, in one transaction: adds its counts to those of the same hour and of the same day, keeps the latest use
    /// of each key, and keeps the last refusals of each key. A batch that was added before ([`UsageBatch::sequence`]) is
    /// skipped, so that a batch whose answer was lost is not counted twice.
    ///
    /// # Errors
    /// If the store does not answer. The batch is handed over again.
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()>;

    /// Returns the selected counts, ordered by time and outcome.
    ///
    /// # Errors
    /// If the store does not answer.
    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>>;

    /// Returns the last uses of these keys, in any order. A key that was never used has none.
    ///
    /// # Errors
    /// If the store does not answer.
    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>>;

    /// Returns the last refused requests of a key, the latest first, at most so many.
    ///
    /// # Errors
    /// If the store does not answer.
    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>>;

    /// Removes one batch of rows, at most about so many, and returns how many. Zero means that nothing is left.
    ///
    /// # Errors
    /// If the store does not answer.
    fn forget(&self, what: &Forget, limit: usize) -> UsageFuture<usize>;
}

/// Which counts are asked for.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::usage::{By, UsageOf, UsageQuery};
///
/// let query = UsageQuery::new(UsageOf::key("key_1"), By::Day, SystemTime::UNIX_EPOCH..SystemTime::now());
/// assert_eq!(query.by, By::Day);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageQuery {
    /// Whose requests.
    pub of: UsageOf,
    /// The periods.
    pub by: By,
    /// The first period is the one that contains this time.
    pub from: SystemTime,
    /// The last period begins before this time.
    pub until: SystemTime,
}

impl UsageQuery {
    /// Creates the query.
    #[must_use]
    pub const fn new(of: UsageOf, by: By, times: std::ops::Range<SystemTime>) -> Self {
        Self { of, by, from: times.start, until: times.end }
    }

    /// Returns the start of the first period.
    #[must_use]
    pub fn first_start(&self) -> SystemTime {
        self.by.start_of(self.from)
    }
}

/// The periods of counts, in UTC.
///
/// ```
/// use tower_auth::usage::By;
///
/// assert_eq!(By::Day.seconds(), 86_400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// By the hour.
    Hour,
    /// By the day.
    Day,
}

impl By {
    /// Returns the length of a period, in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Hour => super::batch::HOUR,
            Self::Day => 24 * super::batch::HOUR,
        }
    }

    /// Returns the start of the period that contains this time.
    #[must_use]
    pub fn start_of(self, time: SystemTime) -> SystemTime {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds - seconds % self.seconds())
    }
}

/// What a store removes.
///
/// ```
/// use tower_auth::usage::{Forget, UsageOf};
///
/// fn statement(what: &Forget) -> Option<String> {
///     match what {
///         Forget::Hours { before } => Some(format!("DELETE FROM usage_hours WHERE start < {before:?}")),
///         Forget::Of(UsageOf::Key(id)) => Some(format!("DELETE FROM usage_last WHERE key = {id:?}")),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forget {
    /// Counts by the hour that begin earlier.
    Hours {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// Counts by the day that begin earlier.
    Days {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// What says from where and with which program: refused requests, and the address and the program of last uses. The time
    /// of a last use stays. Also the numbers of the batches of processes that have ended long ago.
    Traces {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// Everything that was counted for a key, an account or an organisation.
    Of(UsageOf),
}

/// Returns the error of a store for a kind that it does not know.
pub(crate) fn unsupported(what: &Forget) -> BoxError {
    format!("the store cannot forget {what:?}; update its implementation").into()
}
