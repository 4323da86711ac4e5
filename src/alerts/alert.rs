use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::AlertRule;
use crate::{
    base::{clock::rfc3339, hex},
    key::sha256,
    registry::Holder,
};

/// One alert: what happened to which key, and whose rule asked for it.
///
/// ```
/// use tower_auth::alerts::Alert;
///
/// fn subject(alert: &Alert) -> String {
///     format!("[{}] {} {}", alert.holder, alert.kind, alert.key.as_deref().unwrap_or_default())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// The id, the same whichever process raises the alert, and each time it is told: `alert_` and 32 hexadecimal digits.
    pub id: String,
    /// The account or organisation whose rule asked for it.
    pub holder: Holder,
    /// The kind of the rule ([`AlertRule::kind`]).
    pub kind: String,
    /// The id of the key. If several keys share what the alert is about, such as a limit of an account, it is one of them.
    pub key: Option<String>,
    /// When the alert was raised.
    pub at: SystemTime,
    /// More about it: the number of the rule by its name, and `hint` and `name` of the key. A limit has `window`, `limit`, `used` and
    /// `resets_at`, and `shared_by` if other keys of the account or the subject share it; an expiry has `expires_at`; an old key has `successor`, `rotated_at` and
    /// `last_used_at`; a network has `network`; refusals have `refused` and `hour`; an idle key has `idle_since`. Times are in RFC
    /// 3339.
    pub details: Map<String, Value>,
}

impl Alert {
    /// Creates an alert from the columns of a table.
    pub fn new(
        id: impl Into<String>,
        holder: Holder,
        kind: impl Into<String>,
        key: Option<String>,
        at: SystemTime,
        details: Map<String, Value>,
    ) -> Self {
        Self { id: id.into(), holder, kind: kind.into(), key, at, details }
    }

    /// Creates an alert of a rule. Two alerts of the same rule about the same thing in the same period have the same id.
    pub(super) fn of(holder: &Holder, rule: AlertRule, about: &About<'_>, at: SystemTime) -> Self {
        let mut details = Map::new();
        if let Value::Object(numbers) = rule.to_json() {
            details.extend(numbers.into_iter().filter(|(name, _)| name != "type"));
        }
        let key = about.key.map(str::to_owned);
        Self { id: id(holder, rule, about), holder: holder.clone(), kind: rule.kind().to_owned(), key, at, details }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a time.
    pub(super) fn with_time(self, name: &str, time: SystemTime) -> Self {
        self.with(name, rfc3339(time).to_string())
    }

    /// Returns the alert as JSON, for a message: `id`, `type`, `account` or `organization`, `key_id`, `at` and `details`.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_auth::{alerts::Alert, registry::Holder};
    ///
    /// let at = SystemTime::UNIX_EPOCH;
    /// let alert = Alert::new("alert_1", Holder::account("acme"), "idle", Some("key_1".into()), at, Default::default());
    /// let shown = alert.to_json();
    /// assert_eq!((&shown["type"], &shown["account"], &shown["key_id"]), (&"idle".into(), &"acme".into(), &"key_1".into()));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id, "type": self.kind, self.holder.kind(): self.holder.id(), "key_id": self.key,
            "at": rfc3339(self.at).to_string(), "details": self.details,
        })
    }
}

/// What makes an alert the same as another one of its rule.
pub(super) struct About<'a> {
    /// The key that is shown.
    pub(super) key: Option<&'a str>,
    /// What is the same for all keys that share what the alert is about.
    pub(super) what: &'a str,
    pub(super) period: &'a str,
}

impl<'a> About<'a> {
    pub(super) const fn key(key: &'a str, period: &'a str) -> Self {
        Self { key: Some(key), what: key, period }
    }
}

fn id(holder: &Holder, rule: AlertRule, about: &About<'_>) -> String {
    let mut said = Vec::new();
    for part in [holder.kind(), holder.id(), &rule.to_json().to_string(), about.what, about.period] {
        said.extend((part.len() as u64).to_le_bytes());
        said.extend(part.as_bytes());
    }
    let digits = sha256(&said).into_iter().take(16).flat_map(hex::digits).map(char::from);
    "alert_".chars().chain(digits).collect()
}
