use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::{Outcome, UsageOf};

/// The number of requests of one subject, in one hour or day, with one outcome.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::usage::{Outcome, UsageCount, UsageOf};
///
/// let count = UsageCount::new(UsageOf::key("key_1"), SystemTime::UNIX_EPOCH, Outcome::Admitted, 7);
/// assert_eq!(count.count, 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageCount {
    /// Whose requests.
    pub of: UsageOf,
    /// The start of the hour or of the day, in UTC.
    pub start: SystemTime,
    /// What became of them.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
}

impl UsageCount {
    /// Creates the value.
    #[must_use]
    pub const fn new(of: UsageOf, start: SystemTime, outcome: Outcome, count: u64) -> Self {
        Self { of, start, outcome, count }
    }
}

/// When and from where a key was used last: an admitted request.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::usage::KeyUse;
///
/// let last = KeyUse::new("key_1", SystemTime::UNIX_EPOCH);
/// assert!(last.address.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse {
    /// The id of the key.
    pub key: String,
    /// When.
    pub at: SystemTime,
    /// From which address: as the [`ClientIp`](crate::ClientIp) of the stack finds it, or else the other end of the
    /// connection.
    pub address: Option<IpAddr>,
    /// With which program: the first product of `User-Agent`, such as `curl`, or `browser`. A client may claim anything.
    pub client: Option<String>,
}

impl KeyUse {
    /// Creates a use without an address and a program.
    #[must_use]
    pub fn new(key: impl Into<String>, at: SystemTime) -> Self {
        Self { key: key.into(), at, address: None, client: None }
    }
}

/// A refused request of a known caller, for the owner of the key to read. It has no private cause.
///
/// ```
/// use tower_auth::usage::RefusedRequest;
///
/// fn line(refused: &RefusedRequest) -> String {
///     format!("{} {} {:?}", refused.outcome, refused.path.as_deref().unwrap_or_default(), refused.request_id)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedRequest {
    /// The id of the key.
    pub key: String,
    /// When.
    pub at: SystemTime,
    /// Why.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// What is missing, such as the scope `files:write`, or the window of the limit, such as `minute`.
    pub reason: Option<String>,
    /// The method of the request.
    pub method: Option<String>,
    /// The path of the request, as [`Decision::path`](crate::Decision::path) shows it.
    pub path: Option<String>,
    /// The id that the client has read in `x-request-id`.
    pub request_id: Option<String>,
    /// The address of the client.
    pub address: Option<IpAddr>,
}

impl RefusedRequest {
    /// Creates the value with what is always known.
    #[must_use]
    pub fn new(key: impl Into<String>, at: SystemTime, outcome: Outcome, status: u16) -> Self {
        Self {
            key: key.into(),
            at,
            outcome,
            status,
            reason: None,
            method: None,
            path: None,
            request_id: None,
            address: None,
        }
    }
}

/// What a process has counted since the last batch. A [`UsageStore`](super::UsageStore) adds it in one transaction.
///
/// ```
/// use tower_auth::usage::UsageBatch;
///
/// fn is_new(batch: &UsageBatch, last_of_this_writer: i64) -> bool {
///     batch.sequence > last_of_this_writer
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageBatch {
    /// The process: 32 hexadecimal digits.
    pub writer: String,
    /// The number of the batch in that process, from 1. A batch with a number that is not greater than the last one of its
    /// writer was added before.
    pub sequence: i64,
    /// When the batch was made.
    pub at: SystemTime,
    /// The counts by the hour, at most one for each subject, hour and outcome, sorted by the subject.
    pub counts: Vec<UsageCount>,
    /// The last use of each key, at most one for each key, sorted by the key.
    pub uses: Vec<KeyUse>,
    /// Refused requests, in the order in which they came.
    pub refusals: Vec<RefusedRequest>,
    /// How many refused requests a store keeps for each key: the last ones.
    pub keep_refusals: usize,
}

pub(super) const HOUR: u64 = 3600;

/// Returns the hour of a time: hours since the Unix epoch.
pub(super) fn hour_of(time: SystemTime) -> u32 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / HOUR).unwrap_or(u32::MAX)
}

/// Returns the start of an hour.
pub(super) fn start_of(hour: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(hour) * HOUR)
}

/// The longest text of a client that is kept, in bytes.
const LONGEST_TEXT: usize = 128;

/// Returns the text, cut if it is very long.
pub(super) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}
