use std::{sync::Arc, time::SystemTime};

use super::{Alert, StoredRules};
use crate::{BoxError, MaybeReady, registry::Holder};

/// The result of an [`AlertStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::alerts::{AlertFuture, StoredRules};
///
/// let nothing: AlertFuture<Vec<StoredRules>> = AlertFuture::ready(Ok(Vec::new()));
/// ```
pub type AlertFuture<T> = MaybeReady<Result<T, BoxError>>;

/// The function that delivers alerts.
pub(super) type Sink = Arc<dyn Fn(Alert) -> AlertFuture<()> + Send + Sync>;

/// Where [`Alerts`](super::Alerts) keeps rules, alerts and the networks from which keys are used, such as the tables of a database.
///
/// `testing::conformance` checks an implementation.
///
/// ```
/// use tower_auth::{MemoryKeyStore, alerts::{AlertRecord, AlertStore}, registry::Holder};
///
/// async fn undelivered(store: &dyn AlertStore) -> usize {
///     let all = store.list(&Holder::organization("org_1"), 100).await.unwrap_or_default();
///     all.iter().filter(|record| record.delivered_at.is_none()).count()
/// }
/// # drop(undelivered(&MemoryKeyStore::new()));
/// ```
pub trait AlertStore: Send + Sync + 'static {
    /// Replaces the rules of a holder.
    ///
    /// # Errors
    /// If the store does not answer.
    fn set_rules(&self, rules: StoredRules) -> AlertFuture<()>;

    /// Returns the rules of these holders, in any order. A holder whose rules were never set has none.
    ///
    /// # Errors
    /// If the store does not answer.
    fn rules(&self, holders: &[Holder]) -> AlertFuture<Vec<StoredRules>>;

    /// Lists the rules of all holders, in the order of [`Holder`]: at most 1000 that come after this one. An empty list is the
    /// end.
    ///
    /// # Errors
    /// If the store does not answer.
    fn all_rules(&self, after: Option<&Holder>) -> AlertFuture<Vec<StoredRules>>;

    /// Adds those alerts whose id is not known yet, in one transaction, and returns how many these are. They are due at
    /// [`Alert::at`]. Of two calls at the same moment, one adds an alert.
    ///
    /// # Errors
    /// If the store does not answer. The alerts are handed over again.
    fn raise(&self, alerts: Vec<Alert>) -> AlertFuture<usize>;

    /// Returns alerts that are due at `now`, at most so many, those that are due longest first, and puts them off until `until`, so
    /// that no other process delivers them meanwhile. Counts the attempt.
    ///
    /// # Errors
    /// If the store does not answer.
    fn claim(&self, now: SystemTime, until: SystemTime, limit: usize) -> AlertFuture<Vec<AlertRecord>>;

    /// Notes what became of alerts that were claimed. An alert that was delivered stays delivered. An unknown id is skipped.
    ///
    /// # Errors
    /// If the store does not answer. The alerts are delivered again then.
    fn settle(&self, settled: Vec<(String, Settled)>) -> AlertFuture<()>;

    /// Returns the last alerts of a holder, the latest first, at most so many.
    ///
    /// # Errors
    /// If the store does not answer.
    fn list(&self, holder: &Holder, limit: usize) -> AlertFuture<Vec<AlertRecord>>;

    /// Returns the networks from which these keys were used, in any order.
    ///
    /// # Errors
    /// If the store does not answer.
    fn networks(&self, keys: &[String]) -> AlertFuture<Vec<NetworkUse>>;

    /// Notes from which networks keys were used. A network that is known already gets the later time.
    ///
    /// # Errors
    /// If the store does not answer.
    fn note_networks(&self, uses: Vec<NetworkUse>) -> AlertFuture<()>;

    /// Removes one batch of rows, at most about so many, and returns how many. Zero means that nothing is left.
    ///
    /// # Errors
    /// If the store does not answer.
    fn forget(&self, what: &ForgetAlerts, limit: usize) -> AlertFuture<usize>;
}

/// An alert, and how far its delivery is.
///
/// ```
/// use tower_auth::alerts::AlertRecord;
///
/// fn state(record: &AlertRecord) -> &'static str {
///     match (record.delivered_at, record.due_at) {
///         (Some(_), _) => "delivered",
///         (None, Some(_)) => "waiting",
///         (None, None) => "given up",
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertRecord {
    /// The alert.
    pub alert: Alert,
    /// How often its delivery was begun.
    pub attempts: u32,
    /// When it is delivered next; `None` if it was delivered, or given up.
    pub due_at: Option<SystemTime>,
    /// When it was delivered.
    pub delivered_at: Option<SystemTime>,
}

impl AlertRecord {
    /// Creates the record of an alert that is due.
    #[must_use]
    pub const fn new(alert: Alert, due_at: SystemTime) -> Self {
        Self { alert, attempts: 0, due_at: Some(due_at), delivered_at: None }
    }
}

/// What became of the delivery of an alert.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::alerts::Settled;
///
/// let settled = Settled::Delivered { at: SystemTime::now() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It was delivered.
    Delivered {
        /// When.
        at: SystemTime,
    },
    /// It was not delivered, and is tried again.
    Again {
        /// When.
        at: SystemTime,
    },
    /// It was not delivered, and is not tried again.
    GivenUp,
}

/// A use of a key from a network.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::alerts::NetworkUse;
///
/// let seen = NetworkUse::new("key_1", "192.0.2.0/24", SystemTime::now());
/// assert_eq!(seen.network, "192.0.2.0/24");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkUse {
    /// The id of the first key in the line of successors that led to the key: a successor is used from the networks of its
    /// predecessors.
    pub key: String,
    /// The network, in CIDR notation.
    pub network: String,
    /// When it was used last.
    pub at: SystemTime,
}

impl NetworkUse {
    /// Creates the value.
    pub fn new(key: impl Into<String>, network: impl Into<String>, at: SystemTime) -> Self {
        Self { key: key.into(), network: network.into(), at }
    }
}

/// What an [`AlertStore`] removes.
///
/// ```
/// use tower_auth::{alerts::ForgetAlerts, registry::Holder};
///
/// let all = ForgetAlerts::Of(Holder::account("acme"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForgetAlerts {
    /// Alerts that were raised earlier, whether they were delivered or not.
    Raised {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// Networks that were last used earlier.
    Networks {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// The rules and the alerts of a holder.
    Of(Holder),
    /// The networks of the line that begins with a key, and the alerts about the key.
    Key(String),
}

/// Returns the error of a store for a kind that it does not know.
pub(crate) fn unsupported(what: &ForgetAlerts) -> BoxError {
    format!("the store cannot forget {what:?}; update its implementation").into()
}
