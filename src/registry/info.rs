use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::{KeyRecord, KeyState, Principal, Secret};

/// What a registry knows about a key. It never contains the secret.
///
/// ```
/// use tower_auth::registry::KeyInfo;
///
/// fn line(key: &KeyInfo) -> String {
///     format!("{} {} {} by {}", key.id(), key.hint(), key.name(), key.created_by())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub(super) name: String,
    pub(super) record: KeyRecord,
    pub(super) created_at: SystemTime,
    pub(super) created_by: String,
    pub(super) active: bool,
    pub(super) paused: bool,
    pub(super) predecessor: Option<String>,
    pub(super) successor: Option<String>,
    pub(super) revoked_at: Option<SystemTime>,
    pub(super) deleted_at: Option<SystemTime>,
    /// How long the key was valid when it was created. Its successors get the same lifetime.
    pub(super) lifetime: Option<Duration>,
    pub(super) metadata: Map<String, Value>,
}

impl KeyInfo {
    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.record.id()
    }

    /// Returns the name that the owner has given the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the hint ([`KeyFormat::hint`](crate::KeyFormat::hint)): usually the prefix and the last four characters.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.record.principal().credential_hint().unwrap_or_default()
    }

    /// Returns the holder: account, organisations, scopes, roles, plan and limits.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        self.record.principal()
    }

    /// Returns the record that guards read.
    pub const fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Returns the organisation that owns the key: the first one of the holder.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.principal().organizations().first().map(String::as_str)
    }

    /// Returns the state that the owner has set.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        self.record.current_state()
    }

    /// Returns whether the key is neither deactivated nor revoked. A paused key is active.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active && !self.record.is_revoked()
    }

    /// Returns whether the owner has paused the key.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Returns the time at which the key was created.
    #[must_use]
    pub const fn created_at(&self) -> SystemTime {
        self.created_at
    }

    /// Returns the subject of the actor that created the key.
    #[must_use]
    pub fn created_by(&self) -> &str {
        &self.created_by
    }

    /// Returns the first moment at which the key is valid.
    #[must_use]
    pub const fn not_before(&self) -> Option<SystemTime> {
        self.record.start()
    }

    /// Returns the first moment at which the key is no longer valid.
    #[must_use]
    pub const fn expires_at(&self) -> Option<SystemTime> {
        self.record.end()
    }

    /// Returns when the key was used last, as far as the store knows; `None` if it was never used.
    #[must_use]
    pub fn last_used_at(&self) -> Option<SystemTime> {
        self.record.last_use().filter(|used| *used > self.created_at)
    }

    /// Returns how long the key was valid when it was created. Its successors get the same lifetime.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Returns the id of the key that this key succeeds.
    #[must_use]
    pub fn predecessor(&self) -> Option<&str> {
        self.predecessor.as_deref()
    }

    /// Returns the id of the key that succeeds this key.
    #[must_use]
    pub fn successor(&self) -> Option<&str> {
        self.successor.as_deref()
    }

    /// Returns the id of the first key of the line of successors; `None` if this is the first one. Limits count the keys of
    /// a line as one.
    #[must_use]
    pub fn first_id(&self) -> Option<&str> {
        self.principal().first_id()
    }

    /// Returns the time at which the key was revoked or deleted.
    #[must_use]
    pub const fn revoked_at(&self) -> Option<SystemTime> {
        self.revoked_at
    }

    /// Returns the time at which the key was deleted.
    #[must_use]
    pub const fn deleted_at(&self) -> Option<SystemTime> {
        self.deleted_at
    }

    /// Returns whether the key was deleted: revoked and no longer listed.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// Returns the owner's own notes on the key, such as a ticket or a team.
    #[must_use]
    pub const fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }
}

/// A newly issued key with its secret. The secret cannot be read again.
///
/// ```
/// use tower_auth::registry::IssuedKey;
///
/// fn answer(issued: &IssuedKey) -> String {
///     format!("{}: {}", issued.key.id(), issued.secret.expose()) // send it with Cache-Control: no-store
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedKey {
    /// The key itself. `Debug` does not show it, and it is zeroized on drop.
    pub secret: Secret,
    /// What the registry knows about the key.
    pub key: KeyInfo,
}
