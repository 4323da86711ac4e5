use std::time::SystemTime;

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
    pub(super) deleted: bool,
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

    /// Returns the holder: account, organisations, scopes, roles and plan.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        self.record.principal()
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

    /// Returns the first moment at which the key is no longer valid.
    #[must_use]
    pub const fn expires_at(&self) -> Option<SystemTime> {
        self.record.end()
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

    /// Returns whether the key was deleted: revoked and no longer listed.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Sets the flags and the state that follows from them. The key must not be revoked.
    pub(super) fn with_flags(mut self, active: bool, paused: bool) -> Self {
        (self.active, self.paused) = (active, paused);
        let state = match (active, paused) {
            (false, _) => KeyState::Deactivated,
            (true, true) => KeyState::Paused,
            (true, false) => KeyState::Active,
        };
        self.record = self.record.state(state);
        self
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

/// Selects the keys to list.
///
/// ```
/// use tower_auth::registry::KeyFilter;
///
/// let mine = KeyFilter::account("acme");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    account: Option<String>,
    organization: Option<String>,
}

impl KeyFilter {
    /// Selects the keys of an account.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), organization: None }
    }

    /// Selects the keys of an organisation.
    pub fn organization(organization: impl Into<String>) -> Self {
        Self { account: None, organization: Some(organization.into()) }
    }

    /// Selects all keys.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns whether this key is selected.
    #[must_use]
    pub fn matches(&self, key: &KeyInfo) -> bool {
        let who = key.principal();
        self.account.as_deref().is_none_or(|account| who.account() == Some(account))
            && self.organization.as_deref().is_none_or(|organization| who.is_member_of(organization))
    }
}
