//! Where buckets are that several processes share.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use super::ask::{Ask, Taken};
use crate::{
    Health,
    limit::{BucketKey, Reservation},
};

/// A server that counts, or several of them. Each call ends within the deadline, and fails at once while the server is known not to answer.
pub(crate) trait Backend: Send + Sync + 'static {
    /// How many charges and give-backs may be under way at once.
    const CHORES: usize;

    /// Takes requests out of a bucket.
    fn take(&self, ask: &Ask) -> impl Future<Output = Result<Taken, Outage>> + Send;

    /// Gives requests back, except the part that has been refilled.
    fn give_back(&self, bucket: BucketKey, reservation: Reservation)
    -> impl Future<Output = Result<(), Outage>> + Send;

    /// Asks whether it counts, without the deadline of a decision.
    fn check(&self) -> impl Future<Output = Result<(), Outage>> + Send;

    /// Whether each server answers, as far as this is known.
    fn health(&self) -> Health;
}

/// Why a server has not done what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) why: Arc<str>,
    /// Whether the server may have done what it was asked.
    pub(crate) was_asked: bool,
    /// Whether nothing was tried, because the server was known not to answer.
    pub(super) was_skipped: bool,
    /// Whether only this bucket is concerned. The server answers others.
    pub(super) is_of_bucket: bool,
}

impl Outage {
    /// The outcome is unknown.
    pub(crate) fn asked(why: impl Display) -> Self {
        Self { why: why.to_string().into(), was_asked: true, was_skipped: false, is_of_bucket: false }
    }

    /// The server cannot have done it: it was not reached, or it has refused for the moment.
    pub(crate) fn not_asked(why: impl Into<Arc<str>>) -> Self {
        Self { why: why.into(), was_asked: false, was_skipped: false, is_of_bucket: false }
    }

    /// The server answers, and cannot decide about this bucket.
    pub(crate) fn of_bucket(why: impl Display) -> Self {
        Self { is_of_bucket: true, ..Self::asked(why) }
    }

    pub(super) fn skipped(why: impl Into<Arc<str>>) -> Self {
        Self { was_skipped: true, ..Self::not_asked(why) }
    }
}

impl Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Outage {}
