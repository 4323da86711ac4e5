use std::time::SystemTime;

use super::{
    Cursor, Entry,
    page::{LARGEST_PAGE, PAGE},
};

/// Selects the keys to list, and the page. Keys are listed in the order of their creation.
///
/// ```
/// use tower_auth::registry::KeyFilter;
///
/// let mine = KeyFilter::account("acme").limit(20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a filter does nothing until it is passed to a registry"]
pub struct KeyFilter {
    account: Option<String>,
    organization: Option<String>,
    deleted: bool,
    deleted_before: Option<SystemTime>,
    expires: Option<(SystemTime, SystemTime)>,
    #[expect(clippy::option_option, reason = "a plain SHA-256 is a version too, the one without a number")]
    other_pepper: Option<Option<u32>>,
    after: Option<Cursor>,
    limit: usize,
}

impl KeyFilter {
    /// Selects the keys of an account.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), ..Self::all() }
    }

    /// Selects the keys of an organisation.
    pub fn organization(organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..Self::all() }
    }

    /// Selects all keys that were not deleted.
    pub const fn all() -> Self {
        Self {
            account: None,
            organization: None,
            deleted: false,
            deleted_before: None,
            expires: None,
            other_pepper: None,
            after: None,
            limit: PAGE,
        }
    }

    /// Selects deleted keys as well.
    pub const fn with_deleted(mut self) -> Self {
        self.deleted = true;
        self
    }

    /// Selects only the keys that were deleted before this time.
    pub const fn deleted_before(mut self, time: SystemTime) -> Self {
        (self.deleted, self.deleted_before) = (true, Some(time));
        self
    }

    /// Selects only the keys that expire after `after` and not after `until`.
    pub const fn expires_between(mut self, after: SystemTime, until: SystemTime) -> Self {
        self.expires = Some((after, until));
        self
    }

    /// Selects only the keys whose digest was not made with this version of the peppers. `None` is a plain SHA-256.
    pub const fn not_under(mut self, version: Option<u32>) -> Self {
        self.other_pepper = Some(version);
        self
    }

    /// Begins the page after this place ([`Page::next`](super::Page::next)).
    pub const fn after(mut self, place: Cursor) -> Self {
        self.after = Some(place);
        self
    }

    /// Sets the number of keys on the page: 100 by default, 1 at the least and 1000 at the most.
    pub fn limit(mut self, keys: usize) -> Self {
        self.limit = keys.clamp(1, LARGEST_PAGE);
        self
    }

    /// Returns whether this key is selected. The place and the size of the page do not count.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        let key = entry.key();
        let who = key.principal();
        self.account.as_deref().is_none_or(|account| who.account() == Some(account))
            && self.organization.as_deref().is_none_or(|organization| who.is_member_of(organization))
            && (self.deleted || !key.is_deleted())
            && self.deleted_before.is_none_or(|time| key.deleted_at().is_some_and(|at| at < time))
            && self.expires.is_none_or(|(after, until)| key.expires_at().is_some_and(|end| after < end && end <= until))
            && self.other_pepper.is_none_or(|version| entry.pepper() != version)
    }
}

/// What a store makes a query of.
impl KeyFilter {
    /// Returns the account whose keys are selected.
    #[must_use]
    pub fn of_account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Returns the organisation whose keys are selected.
    #[must_use]
    pub fn of_organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// Returns whether deleted keys are selected.
    #[must_use]
    pub const fn includes_deleted(&self) -> bool {
        self.deleted
    }

    /// Returns the time before which a selected key was deleted.
    #[must_use]
    pub const fn deletion_before(&self) -> Option<SystemTime> {
        self.deleted_before
    }

    /// Returns the time after which, and the time until which, a selected key expires.
    #[must_use]
    pub const fn expiry_between(&self) -> Option<(SystemTime, SystemTime)> {
        self.expires
    }

    /// Returns the version of the peppers under which a selected key is not.
    #[must_use]
    pub const fn other_pepper(&self) -> Option<Option<u32>> {
        self.other_pepper
    }

    /// Returns the place after which the page begins.
    #[must_use]
    pub const fn place(&self) -> Option<Cursor> {
        self.after
    }

    /// Returns the largest number of keys on the page.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.limit
    }
}

impl Default for KeyFilter {
    fn default() -> Self {
        Self::all()
    }
}
