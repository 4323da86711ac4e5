use std::time::{Duration, SystemTime};

use super::RegistryError;

/// What the keys of a registry may be, and how long what they leave behind is kept.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::registry::KeyPolicy;
///
/// const DAY: Duration = Duration::from_secs(86_400);
/// let policy = KeyPolicy::new().max_lifetime(90 * DAY).purge_after(30 * DAY).keep_addresses(30 * DAY);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until a registry has it"]
pub struct KeyPolicy {
    max_lifetime: Option<Duration>,
    pub(super) purge_after: Option<Duration>,
    pub(super) keep_audit: Option<Duration>,
    pub(super) keep_addresses: Option<Duration>,
    pub(super) expiring: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl KeyPolicy {
    /// Creates the policy that every registry has at first: keys of any lifetime, deleted keys purged after 90 days, the
    /// audit log kept without limit, and keys reported as expiring seven days before their end.
    pub const fn new() -> Self {
        Self {
            max_lifetime: None,
            purge_after: Some(DAY.saturating_mul(90)),
            keep_audit: None,
            keep_addresses: None,
            expiring: DAY.saturating_mul(7),
        }
    }

    /// Sets how long a key may be valid, from its creation on. A new key without an expiry is then refused, and a change
    /// cannot move the expiry further. Imported keys and keys of the time before are not changed.
    pub const fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// Sets how long a deleted key is kept, 90 days by default; [`Duration::MAX`] means without limit. Then its entry is removed,
    /// and only its digest stays: 32 bytes, so that the key can never be used again.
    pub const fn purge_after(mut self, time: Duration) -> Self {
        self.purge_after = Some(time);
        self
    }

    /// Sets how long a row of the audit log is kept; without limit by default.
    pub const fn keep_audit(mut self, time: Duration) -> Self {
        self.keep_audit = Some(time);
        self
    }

    /// Sets how long a row of the audit log keeps its address, which is personal data; as long as the row by default.
    pub const fn keep_addresses(mut self, time: Duration) -> Self {
        self.keep_addresses = Some(time);
        self
    }

    /// Sets how long before its expiry a key is reported as [`Expiring`](super::KeyAction::Expiring): seven days by
    /// default.
    pub const fn report_expiring(mut self, before: Duration) -> Self {
        self.expiring = before;
        self
    }

    /// Returns the lifetime of a successor of a key with this lifetime.
    pub(super) fn lifetime(&self, lifetime: Option<Duration>) -> Option<Duration> {
        match (lifetime, self.max_lifetime) {
            (Some(lifetime), Some(most)) => Some(lifetime.min(most)),
            (lifetime, most) => lifetime.or(most),
        }
    }

    pub(super) fn check_end(&self, end: Option<SystemTime>, created: SystemTime) -> Result<(), RegistryError> {
        let Some(most) = self.max_lifetime else { return Ok(()) };
        let latest = created.checked_add(most);
        if end.is_some_and(|end| latest.is_none_or(|latest| end <= latest)) {
            return Ok(());
        }
        let seconds = most.as_secs();
        let reason = if end.is_none() {
            format!("is required: a key is valid for at most {seconds} seconds")
        } else {
            format!("is too far away: a key is valid for at most {seconds} seconds from its creation")
        };
        Err(RegistryError::invalid("/expires_at", reason))
    }
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self::new()
    }
}
