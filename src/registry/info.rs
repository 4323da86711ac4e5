use std::time::SystemTime;

use crate::{KeyRecord, KeyState, Principal, Secret};

/// What a registry knows of a key; never the secret.
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
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.record.id()
    }

    /// What its owner calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The few characters of it that are ever shown again: its prefix and the last four.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.record.principal().credential_hint().unwrap_or_default()
    }

    /// Whom it stands for: account, organisations, scopes, roles and plan.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        self.record.principal()
    }

    /// What was done to it.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        self.record.current_state()
    }

    /// Whether its owner has not switched it off.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active && !self.record.is_revoked()
    }

    /// Whether its owner has stopped it for a while.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// When it was created.
    #[must_use]
    pub const fn created_at(&self) -> SystemTime {
        self.created_at
    }

    /// The subject of whoever created it.
    #[must_use]
    pub fn created_by(&self) -> &str {
        &self.created_by
    }

    /// The first moment at which it is no longer good.
    #[must_use]
    pub const fn expires_at(&self) -> Option<SystemTime> {
        self.record.end()
    }

    /// The id of the key that it was rotated from.
    #[must_use]
    pub fn predecessor(&self) -> Option<&str> {
        self.predecessor.as_deref()
    }

    /// The id of the key that it was rotated into.
    #[must_use]
    pub fn successor(&self) -> Option<&str> {
        self.successor.as_deref()
    }

    /// Whether it was deleted: it is revoked, and not listed.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// What its flags make of it, unless it is revoked.
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

/// A key that was just made: the only time that anybody sees its secret.
///
/// ```
/// use tower_auth::registry::IssuedKey;
///
/// fn answer(issued: &IssuedKey) -> String {
///     format!("{}: {}", issued.key.id(), issued.secret.expose()) // answer it with Cache-Control: no-store
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedKey {
    /// The key itself. It cannot be printed by accident, and is wiped when it is dropped.
    pub secret: Secret,
    /// What the registry knows of it from now on.
    pub key: KeyInfo,
}

/// Which keys are listed.
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
    /// Those of an account.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), organization: None }
    }

    /// Those of an organisation.
    pub fn organization(organization: impl Into<String>) -> Self {
        Self { account: None, organization: Some(organization.into()) }
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn matches(&self, key: &KeyInfo) -> bool {
        let who = key.principal();
        self.account.as_deref().is_none_or(|account| who.account() == Some(account))
            && self.organization.as_deref().is_none_or(|organization| who.is_member_of(organization))
    }
}
