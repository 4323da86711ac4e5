use std::time::SystemTime;

use crate::{AuthMethod, Principal, limit::Limits};

/// What a store knows of a key; never the secret.
///
/// A clone is one reference count.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::{KeyRecord, KeyState, KeyStatus};
///
/// let now = SystemTime::now();
/// let record = KeyRecord::new("key_1", "acme").scopes(["read"]).expires_at(now + Duration::from_secs(60));
/// assert_eq!(record.status(now), KeyStatus::Active);
/// assert_eq!(record.state(KeyState::Paused).status(now), KeyStatus::Paused);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a record does nothing until a store answers it"]
pub struct KeyRecord {
    principal: Principal,
    state: KeyState,
    account_suspended: bool,
    organization_suspended: bool,
    not_before: Option<SystemTime>,
    expires_at: Option<SystemTime>,
}

/// What was done to a key by its owner.
///
/// ```
/// use tower_auth::{KeyRecord, KeyState};
///
/// let record = KeyRecord::new("key_1", "acme").state(KeyState::Deactivated);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// It may be used.
    #[default]
    Active,
    /// Its owner has stopped it for a while.
    Paused,
    /// Its owner has switched it off.
    Deactivated,
    /// It was taken back, for good.
    Revoked,
}

/// What holds for a key at a given time, all taken together.
///
/// Where several hold, the first in this order is told: revoked, suspended organisation, suspended account,
/// deactivated, paused, expired, not yet valid.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::{KeyRecord, KeyState, KeyStatus};
///
/// let record = KeyRecord::new("key_1", "acme").state(KeyState::Revoked).account_suspended(true);
/// assert_eq!(record.status(SystemTime::now()), KeyStatus::Revoked);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyStatus {
    /// It may be used.
    Active,
    /// It was taken back, for good.
    Revoked,
    /// The organisation that it belongs to is suspended.
    OrganizationSuspended,
    /// The account that it belongs to is suspended.
    AccountSuspended,
    /// Its owner has switched it off.
    Deactivated,
    /// Its owner has stopped it for a while.
    Paused,
    /// It is past its time since then.
    Expired(SystemTime),
    /// Its time comes then.
    NotYetValid(SystemTime),
}

impl KeyRecord {
    /// An active key with this id, of this account. The account is also the subject, until [`subject`](Self::subject)
    /// names another. None of them is empty: a [`MemoryKeyStore`](crate::MemoryKeyStore) takes no such record, and a key whose
    /// record in another store has an empty name is refused with 500.
    pub fn new(id: impl Into<String>, account: impl Into<String>) -> Self {
        let account = account.into();
        let principal =
            Principal::builder(account.clone()).account(account).method(AuthMethod::ApiKey).credential_id(id).build();
        Self {
            principal,
            state: KeyState::Active,
            account_suspended: false,
            organization_suspended: false,
            not_before: None,
            expires_at: None,
        }
    }

    /// Who is calling, where it is not the account itself.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.principal = self.principal.edit().subject(subject).build();
        self
    }

    /// The organisations whose member the holder is.
    pub fn organizations<S: Into<String>>(mut self, organizations: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().organizations(organizations).build();
        self
    }

    /// What the key was granted.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().scopes(scopes).build();
        self
    }

    /// The roles of the holder.
    pub fn roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().roles(roles).build();
        self
    }

    /// The plan whose limits hold.
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.principal = self.principal.edit().plan(plan).build();
        self
    }

    /// The limits of this key alone, instead of the plan's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.principal = self.principal.edit().limits(limits).build();
        self
    }

    /// A few characters by which the owner recognises the key ([`KeyFormat::hint`](crate::KeyFormat::hint)).
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.principal = self.principal.edit().credential_hint(hint).build();
        self
    }

    /// What was done to the key.
    pub const fn state(mut self, state: KeyState) -> Self {
        self.state = state;
        self
    }

    /// Whether the account is suspended.
    pub const fn account_suspended(mut self, suspended: bool) -> Self {
        self.account_suspended = suspended;
        self
    }

    /// Whether the organisation is suspended.
    pub const fn organization_suspended(mut self, suspended: bool) -> Self {
        self.organization_suspended = suspended;
        self
    }

    /// The first moment at which the key may be used.
    pub const fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// The first moment at which the key may no longer be used.
    pub const fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.principal.credential_id().unwrap_or_default()
    }

    /// The holder, as handlers see them.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn into_principal(self) -> Principal {
        self.principal
    }

    /// What holds for the key at this time.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> KeyStatus {
        match self {
            Self { state: KeyState::Revoked, .. } => KeyStatus::Revoked,
            Self { organization_suspended: true, .. } => KeyStatus::OrganizationSuspended,
            Self { account_suspended: true, .. } => KeyStatus::AccountSuspended,
            Self { state: KeyState::Deactivated, .. } => KeyStatus::Deactivated,
            Self { state: KeyState::Paused, .. } => KeyStatus::Paused,
            Self { expires_at: Some(end), .. } if now >= *end => KeyStatus::Expired(*end),
            Self { not_before: Some(start), .. } if now < *start => KeyStatus::NotYetValid(*start),
            Self { state: KeyState::Active, .. } => KeyStatus::Active,
        }
    }

    pub(crate) const fn current_state(&self) -> KeyState {
        self.state
    }

    pub(crate) const fn end(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// The same without an end.
    pub(crate) fn without_end(self) -> Self {
        Self { expires_at: None, ..self }
    }

    /// The record of a key that takes this one's place, and is counted with it.
    pub(crate) fn successor(&self, id: &str) -> Self {
        let principal = self.principal.clone().edit().succeeding(id).build();
        Self { principal, ..self.clone() }
    }

    /// Which of its names is empty, so that all keys without it would be one and the same.
    pub(crate) fn nameless(&self) -> Option<&'static str> {
        let holder = &self.principal;
        let names = [("id", self.id()), ("subject", holder.subject()), ("account", holder.account().unwrap_or("none"))];
        names.into_iter().find(|(_, name)| name.trim().is_empty()).map(|(what, _)| what)
    }

    pub(crate) const fn is_revoked(&self) -> bool {
        matches!(self.state, KeyState::Revoked)
    }

    /// Whether a clock has to be read to know the status.
    pub(crate) const fn has_times(&self) -> bool {
        self.expires_at.is_some() || self.not_before.is_some()
    }
}
