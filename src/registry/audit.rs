use std::{borrow::Cow, fmt, net::IpAddr, time::SystemTime};

use serde_json::{Map, Value, json};

use super::{
    Cursor,
    page::{LARGEST_PAGE, PAGE},
};
use crate::base::clock::rfc3339;

/// One row of the audit log: who did what to which key, when, and from where. It never contains a secret.
///
/// A store writes the row in the transaction of the change itself. `Display` is one line of JSON.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::registry::{AuditRow, KeyAction};
///
/// let mut row = AuditRow::new(SystemTime::UNIX_EPOCH, "alice", KeyAction::Revoked);
/// row.key = Some("key_1".to_owned());
/// assert_eq!(
///     row.to_json(),
///     serde_json::json!({ "at": "1970-01-01T00:00:00Z", "actor": "alice", "action": "revoked", "key": "key_1" })
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRow {
    /// When it was done.
    pub at: SystemTime,
    /// The subject of the actor.
    pub actor: String,
    /// What was done.
    pub action: KeyAction,
    /// The id of the key, unless it was done to a holder.
    pub key: Option<String>,
    /// The account of the key, or the account that it was done to.
    pub account: Option<String>,
    /// The organisation that owns the key, or that it was done to.
    pub organization: Option<String>,
    /// The address from which it was done.
    pub address: Option<IpAddr>,
    /// The id of the request that did it.
    pub request_id: Option<String>,
    /// The properties that changed, as they were.
    pub before: Map<String, Value>,
    /// The properties that changed, as they are, and the `reason` of the actor, if there is one.
    pub after: Map<String, Value>,
}

impl AuditRow {
    /// Creates a row without a key.
    #[must_use]
    pub fn new(at: SystemTime, actor: impl Into<String>, action: KeyAction) -> Self {
        Self {
            at,
            actor: actor.into(),
            action,
            key: None,
            account: None,
            organization: None,
            address: None,
            request_id: None,
            before: Map::new(),
            after: Map::new(),
        }
    }

    /// Returns what is left of a row when its account is erased: the time, the action and the id of the key.
    #[must_use]
    pub fn erased(self) -> Self {
        Self { key: self.key, ..Self::new(self.at, "erased", self.action) }
    }

    /// Returns the row as a JSON object. Properties without a value are left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut row =
            json!({ "at": rfc3339(self.at).to_string(), "actor": self.actor, "action": self.action.as_str() });
        let address = self.address.map(|address| address.to_string());
        let texts = [
            ("key", self.key.as_deref()),
            ("account", self.account.as_deref()),
            ("organization", self.organization.as_deref()),
            ("address", address.as_deref()),
            ("request_id", self.request_id.as_deref()),
        ];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            row[name] = text.into();
        }
        for (name, values) in [("before", &self.before), ("after", &self.after)] {
            if !values.is_empty() {
                row[name] = values.clone().into();
            }
        }
        row
    }
}

impl fmt::Display for AuditRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_json(), f)
    }
}

/// What was done to a key or to a holder.
///
/// ```
/// use tower_auth::registry::KeyAction;
///
/// assert_eq!(KeyAction::from("revoked".to_owned()), KeyAction::Revoked);
/// assert_eq!(KeyAction::Revoked.as_str(), "revoked");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyAction {
    /// The key was created, by a call of its own or as the successor of another key.
    Created,
    /// An existing key was imported.
    Imported,
    /// Properties of the key were changed.
    Changed,
    /// The key was paused.
    Paused,
    /// The pause of the key was ended.
    Resumed,
    /// The key was deactivated.
    Deactivated,
    /// The key was activated again.
    Activated,
    /// The key got a successor, and stays valid for the overlap.
    Rotated,
    /// The key got a successor, and was revoked.
    Replaced,
    /// The key was revoked.
    Revoked,
    /// The key was revoked and removed from lists.
    Deleted,
    /// The entry of a deleted key was removed.
    Purged,
    /// The key expires soon. This is an event only; no row is written.
    Expiring,
    /// The account or the organisation was suspended.
    Suspended,
    /// The suspension of the account or the organisation was ended.
    Reinstated,
    /// The keys of the account were removed, and its names from the audit log.
    Erased,
    /// What a newer version of this crate, or another program, has written.
    Other(Cow<'static, str>),
}

const NAMES: [(KeyAction, &str); 16] = [
    (KeyAction::Created, "created"),
    (KeyAction::Imported, "imported"),
    (KeyAction::Changed, "changed"),
    (KeyAction::Paused, "paused"),
    (KeyAction::Resumed, "resumed"),
    (KeyAction::Deactivated, "deactivated"),
    (KeyAction::Activated, "activated"),
    (KeyAction::Rotated, "rotated"),
    (KeyAction::Replaced, "replaced"),
    (KeyAction::Revoked, "revoked"),
    (KeyAction::Deleted, "deleted"),
    (KeyAction::Purged, "purged"),
    (KeyAction::Expiring, "expiring"),
    (KeyAction::Suspended, "suspended"),
    (KeyAction::Reinstated, "reinstated"),
    (KeyAction::Erased, "erased"),
];

impl KeyAction {
    /// Returns the name, as a store keeps it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(action, _)| action == known).map_or("", |(_, name)| name),
        }
    }
}

impl From<String> for KeyAction {
    fn from(name: String) -> Self {
        match NAMES.iter().find(|(_, known)| *known == name) {
            Some((action, _)) => action.clone(),
            None => Self::Other(name.into()),
        }
    }
}

/// Selects the rows of the audit log, and the page. Rows are listed in the order in which they were written.
///
/// ```
/// use tower_auth::registry::AuditFilter;
///
/// let latest = AuditFilter::key("key_1").newest_first().limit(20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a filter does nothing until it is passed to a registry"]
pub struct AuditFilter {
    key: Option<String>,
    account: Option<String>,
    organization: Option<String>,
    actor: Option<String>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    newest_first: bool,
    after: Option<Cursor>,
    limit: usize,
}

impl AuditFilter {
    /// Selects all rows.
    pub const fn all() -> Self {
        Self {
            key: None,
            account: None,
            organization: None,
            actor: None,
            since: None,
            until: None,
            newest_first: false,
            after: None,
            limit: PAGE,
        }
    }

    /// Selects the rows of a key.
    pub fn key(id: impl Into<String>) -> Self {
        Self { key: Some(id.into()), ..Self::all() }
    }

    /// Selects the rows of an account and of its keys.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), ..Self::all() }
    }

    /// Selects the rows of an organisation and of the keys that it owns.
    pub fn organization(organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..Self::all() }
    }

    /// Selects only the rows of this actor.
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// Selects only the rows of this time and later.
    pub const fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Selects only the rows before this time.
    pub const fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(time);
        self
    }

    /// Lists the newest row first.
    pub const fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Begins the page after this place ([`Page::next`](super::Page::next)).
    pub const fn after(mut self, place: Cursor) -> Self {
        self.after = Some(place);
        self
    }

    /// Sets the number of rows on the page: 100 by default, 1 at the least and 1000 at the most.
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows.clamp(1, LARGEST_PAGE);
        self
    }

    /// Returns whether this row is selected. The place and the size of the page do not count.
    #[must_use]
    pub fn matches(&self, row: &AuditRow) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        same(&self.key, &row.key)
            && same(&self.account, &row.account)
            && same(&self.organization, &row.organization)
            && self.actor.as_ref().is_none_or(|actor| *actor == row.actor)
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// What a store makes a query of.
impl AuditFilter {
    /// Returns the key, the account, the organisation and the actor whose rows are selected.
    #[must_use]
    pub fn names(&self) -> [Option<&str>; 4] {
        [&self.key, &self.account, &self.organization, &self.actor].map(|name| name.as_deref())
    }

    /// Returns the first moment that is selected, and the first that no longer is.
    #[must_use]
    pub const fn times(&self) -> (Option<SystemTime>, Option<SystemTime>) {
        (self.since, self.until)
    }

    /// Returns whether the newest row is listed first.
    #[must_use]
    pub const fn is_newest_first(&self) -> bool {
        self.newest_first
    }

    /// Returns the place after which the page begins, in the order of the list.
    #[must_use]
    pub const fn place(&self) -> Option<Cursor> {
        self.after
    }

    /// Returns the largest number of rows on the page.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.limit
    }
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self::all()
    }
}
