//! A key as a store reads it back, and as JSON.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::KeyInfo;
use crate::{KeyRecord, KeyState, base::clock::rfc3339};

/// How a [`RegistryStore`](super::RegistryStore) restores a key from a row. Each setter replaces an earlier value.
impl KeyInfo {
    /// Restores a key without a name, which was created by nobody at the Unix epoch. The state of the record decides
    /// whether the key is active, paused and revoked, until [`flags`](Self::flags) and [`revoked`](Self::revoked) say
    /// otherwise.
    ///
    /// ```
    /// use tower_auth::{KeyRecord, KeyState, registry::KeyInfo};
    ///
    /// let key = KeyInfo::of(KeyRecord::new("key_1", "acme")).named("ci").flags(false, true);
    /// assert_eq!((key.state(), key.is_paused()), (KeyState::Deactivated, true));
    /// ```
    #[must_use]
    pub fn of(record: KeyRecord) -> Self {
        let state = record.current_state();
        Self {
            name: String::new(),
            created_at: SystemTime::UNIX_EPOCH,
            created_by: String::new(),
            active: state != KeyState::Deactivated,
            paused: state == KeyState::Paused,
            predecessor: None,
            successor: None,
            revoked_at: record.is_revoked().then_some(SystemTime::UNIX_EPOCH),
            deleted_at: None,
            lifetime: None,
            metadata: Map::new(),
            record,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets when and by whom the key was created.
    #[must_use]
    pub fn created(self, at: SystemTime, by: impl Into<String>) -> Self {
        Self { created_at: at, created_by: by.into(), ..self }
    }

    /// Sets whether the key is active and whether it is paused, and the state that follows. A revoked key stays revoked.
    #[must_use]
    pub fn flags(mut self, active: bool, paused: bool) -> Self {
        (self.active, self.paused) = (active, paused);
        let state = match (self.revoked_at, active, paused) {
            (Some(_), ..) => KeyState::Revoked,
            (None, false, _) => KeyState::Deactivated,
            (None, true, true) => KeyState::Paused,
            (None, true, false) => KeyState::Active,
        };
        self.record = self.record.state(state);
        self
    }

    /// Sets that the key was revoked, and when, unless it was revoked before.
    #[must_use]
    pub fn revoked(mut self, at: SystemTime) -> Self {
        self.revoked_at = self.revoked_at.or(Some(at));
        self.record = self.record.state(KeyState::Revoked);
        self
    }

    /// Sets that the key was deleted, and when, unless it was deleted before.
    #[must_use]
    pub fn deleted(mut self, at: SystemTime) -> Self {
        self.deleted_at = self.deleted_at.or(Some(at));
        self
    }

    pub(super) fn flags_and_end(
        mut self,
        active: bool,
        paused: bool,
        revoked: Option<SystemTime>,
        deleted: Option<SystemTime>,
    ) -> Self {
        (self.revoked_at, self.deleted_at) = (revoked, deleted);
        self.flags(active, paused)
    }

    /// Sets the ids of the key before and the key after this one.
    #[must_use]
    pub fn between(self, predecessor: Option<String>, successor: Option<String>) -> Self {
        Self { predecessor, successor, ..self }
    }

    /// Sets how long the key was valid when it was created.
    #[must_use]
    pub fn living(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets the owner's notes.
    #[must_use]
    pub fn noted(self, metadata: Map<String, Value>) -> Self {
        Self { metadata, ..self }
    }

    /// Returns the key as a JSON object, for audit rows, exports and command lines. Properties without a value are left
    /// out.
    ///
    /// ```
    /// use tower_auth::{KeyRecord, registry::KeyInfo};
    ///
    /// let key = KeyInfo::of(KeyRecord::new("key_1", "acme").scopes(["read"])).named("ci");
    /// assert_eq!(key.to_json()["scopes"], serde_json::json!(["read"]));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.properties().into()
    }

    fn restrictions(&self) -> Option<Value> {
        let restrictions = self.record.current_restrictions();
        if restrictions.is_empty() { None } else { serde_json::from_str(&restrictions.to_json()).ok() }
    }

    fn limits(&self) -> Option<Value> {
        serde_json::from_str(&self.record.stored_limits()?).ok()
    }

    pub(super) fn properties(&self) -> Map<String, Value> {
        let who = self.principal();
        let time = |time: Option<SystemTime>| time.map(|time| Value::from(rfc3339(time).to_string()));
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Value::from);
        let list = |list: &[String]| (!list.is_empty()).then(|| Value::from(list));
        let properties = [
            ("id", text(Some(self.id()))),
            ("name", text(Some(&self.name))),
            ("hint", text(Some(self.hint()))),
            ("account", text(who.account())),
            ("subject", text(Some(who.subject()))),
            ("organizations", list(who.organizations())),
            ("scopes", list(who.scopes())),
            ("roles", list(who.roles())),
            ("plan", text(who.plan())),
            ("environment", text(self.record.current_environment())),
            ("restrictions", self.restrictions()),
            ("limits", self.limits()),
            ("metadata", (!self.metadata.is_empty()).then(|| self.metadata.clone().into())),
            ("active", Some(json!(self.is_active()))),
            ("paused", Some(json!(self.paused))),
            ("created_at", time(Some(self.created_at))),
            ("created_by", text(Some(&self.created_by))),
            ("not_before", time(self.not_before())),
            ("expires_at", time(self.expires_at())),
            ("last_used_at", time(self.last_used_at())),
            ("revoked_at", time(self.revoked_at)),
            ("deleted_at", time(self.deleted_at)),
            ("predecessor", text(self.predecessor())),
            ("successor", text(self.successor())),
        ];
        properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
