use std::{sync::Arc, time::SystemTime};

use super::Restrictions;
use crate::{AuthMethod, Principal, limit::Limits};

/// What a store knows about a key. It never contains the secret.
///
/// Cloning increments at most three reference counts: of the holder, the restrictions and the environment. Limits that
/// cannot be read add one.
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
#[must_use = "a record does nothing until a store returns it"]
pub struct KeyRecord {
    principal: Principal,
    state: KeyState,
    account_suspended: bool,
    organization_suspended: bool,
    not_before: Option<SystemTime>,
    expires_at: Option<SystemTime>,
    last_used_at: Option<SystemTime>,
    restrictions: Restrictions,
    environment: Option<Arc<str>>,
    digested: Digested,
    /// Stored limits that this version cannot read, as JSON.
    pub(super) unread_limits: Option<Arc<str>>,
}

/// How the digest was made by which a store found the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Digested {
    /// The store does not say.
    #[default]
    Somehow,
    Under(Option<u32>),
}

/// The state that the owner of a key has set.
///
/// ```
/// use tower_auth::{KeyRecord, KeyState};
///
/// let record = KeyRecord::new("key_1", "acme").state(KeyState::Deactivated);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// The key may be used.
    #[default]
    Active,
    /// The owner has paused the key.
    Paused,
    /// The owner has deactivated the key.
    Deactivated,
    /// The key was revoked. It cannot be restored.
    Revoked,
}

/// The status of a key at a given time.
///
/// If several statuses apply, the first of this list is returned: revoked, organisation suspended, account suspended,
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
    /// The key may be used.
    Active,
    /// The key was revoked. It cannot be restored.
    Revoked,
    /// The organisation that the key belongs to is suspended.
    OrganizationSuspended,
    /// The account that the key belongs to is suspended.
    AccountSuspended,
    /// The owner has deactivated the key.
    Deactivated,
    /// The owner has paused the key.
    Paused,
    /// The key expired at this time, or had been unused for too long at this time.
    Expired(SystemTime),
    /// The key is valid from this time on.
    NotYetValid(SystemTime),
}

impl KeyRecord {
    /// Creates the record of an active key with this id and account. The account is also the subject, unless
    /// [`subject`](Self::subject) sets another. The id, the account and the subject must not be empty: a
    /// [`MemoryKeyStore`](crate::MemoryKeyStore) rejects such a record, and if another store returns one, the request
    /// is answered 500.
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
            last_used_at: None,
            restrictions: Restrictions::new(),
            environment: None,
            digested: Digested::Somehow,
            unread_limits: None,
        }
    }

    /// Sets the subject, if it is not the account itself.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.principal = self.principal.edit().subject(subject).build();
        self
    }

    /// Sets the organisations that the holder is a member of.
    pub fn organizations<S: Into<String>>(mut self, organizations: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().organizations(organizations).build();
        self
    }

    /// Sets the scopes that the key is granted.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().scopes(scopes).build();
        self
    }

    /// Sets the roles of the holder.
    pub fn roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.principal = self.principal.edit().roles(roles).build();
        self
    }

    /// Sets the plan that limits the key.
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.principal = self.principal.edit().plan(plan).build();
        self
    }

    /// Sets limits for this key only, instead of the plan's. `None` is the limits of the plan. A store that keeps them as
    /// JSON uses [`limits_from_json`](Self::limits_from_json).
    pub fn limits(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.principal = self.principal.edit().limits(limits).build();
        self.unread_limits = None;
        self
    }

    /// Sets the id of the first key of the line of successors that led to this key. Limits count the keys of a line as one.
    pub fn first_id(mut self, id: impl Into<String>) -> Self {
        self.principal = self.principal.edit().first_id(id.into()).build();
        self
    }

    /// Sets the hint: a few characters by which the owner recognises the key
    /// ([`KeyFormat::hint`](crate::KeyFormat::hint)).
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.principal = self.principal.edit().credential_hint(hint).build();
        self
    }

    /// Sets the state of the key.
    pub const fn state(mut self, state: KeyState) -> Self {
        self.state = state;
        self
    }

    /// Sets whether the account is suspended.
    pub const fn account_suspended(mut self, suspended: bool) -> Self {
        self.account_suspended = suspended;
        self
    }

    /// Sets whether the organisation is suspended.
    pub const fn organization_suspended(mut self, suspended: bool) -> Self {
        self.organization_suspended = suspended;
        self
    }

    /// Sets the first moment at which the key may be used.
    pub const fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// Sets the first moment at which the key is expired.
    pub const fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets when the key was used last, as far as the store knows; the creation of the key if it was never used. The time
    /// of [`Restrictions::idle_after`] counts from it. If a key with that restriction has no such time, every use of it is
    /// answered 500.
    pub const fn last_used_at(mut self, time: SystemTime) -> Self {
        self.last_used_at = Some(time);
        self
    }

    /// Sets from where and for how long the key may be used.
    pub fn restrictions(mut self, restrictions: Restrictions) -> Self {
        self.restrictions = restrictions;
        self
    }

    /// Sets the environment that the key belongs to, such as `live` or `test`; see
    /// [`ApiKeyLayer::environment`](crate::ApiKeyLayer::environment).
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into().into());
        self
    }

    /// Sets the version of the pepper under which the store keeps the key; `None` for a plain SHA-256. A
    /// `WatchedKeyStore` then moves a key of an old pepper to the current one when the
    /// key is used.
    pub const fn pepper(mut self, version: Option<u32>) -> Self {
        self.digested = Digested::Under(version);
        self
    }

    /// Returns whether the store keeps the key under another pepper than this one.
    pub(crate) fn is_under_another_pepper(&self, current: Option<u32>) -> bool {
        matches!(self.digested, Digested::Under(version) if version != current)
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        self.principal.credential_id().unwrap_or_default()
    }

    /// Returns the holder, as handlers see it.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn into_principal(self) -> Principal {
        self.principal
    }

    /// Returns the status of the key at this time.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> KeyStatus {
        match self {
            Self { state: KeyState::Revoked, .. } => KeyStatus::Revoked,
            Self { organization_suspended: true, .. } => KeyStatus::OrganizationSuspended,
            Self { account_suspended: true, .. } => KeyStatus::AccountSuspended,
            Self { state: KeyState::Deactivated, .. } => KeyStatus::Deactivated,
            Self { state: KeyState::Paused, .. } => KeyStatus::Paused,
            Self { state: KeyState::Active, .. } => self.status_by_time(now),
        }
    }

    fn status_by_time(&self, now: SystemTime) -> KeyStatus {
        match (self.first_end(), self.not_before) {
            (Some(end), _) if now >= end => KeyStatus::Expired(end),
            (_, Some(start)) if now < start => KeyStatus::NotYetValid(start),
            _ => KeyStatus::Active,
        }
    }

    /// Returns when the key expires: at its expiry, or when it has been unused for too long.
    pub(crate) fn first_end(&self) -> Option<SystemTime> {
        let idle = self.restrictions.idle_limit();
        let unused = idle.and_then(|idle| self.last_used_at?.checked_add(idle));
        self.expires_at.into_iter().chain(unused).min()
    }

    /// Returns the restrictions.
    pub const fn current_restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Returns the environment.
    #[must_use]
    pub fn current_environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// Returns when the key was used last, as far as the store knows.
    #[must_use]
    pub const fn last_use(&self) -> Option<SystemTime> {
        self.last_used_at
    }

    pub(crate) const fn current_state(&self) -> KeyState {
        self.state
    }

    pub(crate) const fn start(&self) -> Option<SystemTime> {
        self.not_before
    }

    pub(crate) const fn end(&self) -> Option<SystemTime> {
        self.expires_at
    }

    pub(crate) const fn is_suspended(&self) -> bool {
        self.account_suspended || self.organization_suspended
    }

    /// Returns the record without an expiry.
    pub(crate) fn without_end(self) -> Self {
        Self { expires_at: None, ..self }
    }

    /// Returns the record of a successor of this key. Both are counted in the same bucket.
    pub(crate) fn successor(&self, id: &str) -> Self {
        let principal = self.principal.clone().edit().succeeding(id).build();
        Self { principal, ..self.clone() }
    }

    /// Returns which of its names is empty, if any. Keys with an empty name could not be distinguished.
    pub(crate) fn nameless(&self) -> Option<&'static str> {
        let holder = &self.principal;
        let names = [("id", self.id()), ("subject", holder.subject()), ("account", holder.account().unwrap_or("none"))];
        names.into_iter().find(|(_, name)| is_blank(name)).map(|(what, _)| what)
    }

    pub(crate) const fn is_revoked(&self) -> bool {
        matches!(self.state, KeyState::Revoked)
    }

    /// Whether a clock has to be read to know the status.
    pub(crate) fn has_times(&self) -> bool {
        self.expires_at.is_some() || self.not_before.is_some() || self.restrictions.idle_limit().is_some()
    }

    /// Whether the key expires when it is unused, but nobody knows since when it is.
    pub(crate) fn lacks_last_use(&self) -> bool {
        self.last_used_at.is_none() && self.restrictions.idle_limit().is_some()
    }
}

/// Whether a name has no character but white space. Most names start with a visible one.
fn is_blank(name: &str) -> bool {
    !name.as_bytes().first().is_some_and(u8::is_ascii_graphic) && name.trim().is_empty()
}
