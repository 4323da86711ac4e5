/// What is done with a leaked key.
///
/// ```
/// use tower_auth::leaks::LeakPolicy;
///
/// assert_eq!(LeakPolicy::default(), LeakPolicy::Revoke);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeakPolicy {
    /// The key is revoked at once: it is public.
    #[default]
    Revoke,
    /// The key stays as it is. [`on_leak`](super::LeakReports::on_leak) tells somebody, who decides.
    AlertOnly,
}

/// What was done with a leaked key.
///
/// ```
/// use tower_auth::leaks::LeakOutcome;
///
/// assert_eq!(LeakOutcome::AlreadyRevoked.as_str(), "already_revoked");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeakOutcome {
    /// This report has revoked the key.
    Revoked,
    /// The key was revoked or deleted before, perhaps by an earlier report. Nothing was changed.
    AlreadyRevoked,
    /// The key is not revoked, and the policy is [`AlertOnly`](LeakPolicy::AlertOnly). Nothing was changed.
    Alerted,
}

impl LeakOutcome {
    /// Returns the name, as logs show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::AlreadyRevoked => "already_revoked",
            Self::Alerted => "alerted",
        }
    }
}

/// A key of this service that GitHub has found: the argument of [`on_leak`](super::LeakReports::on_leak).
///
/// It never contains the key. The texts of the report are escaped and shortened, for logs and messages.
///
/// ```
/// use tower_auth::leaks::{LeakOutcome, LeakedKey};
///
/// /// The message to the owner. A key may have been revoked by a report whose answer was lost, so the owner is told then too.
/// fn message(leak: &LeakedKey) -> String {
///     let done = match leak.outcome {
///         LeakOutcome::Alerted => "Please rotate it.",
///         _ => "It is revoked.",
///     };
///     format!("Your key {} is public: {} {done}", leak.hint, leak.url)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakedKey {
    /// The id of the key.
    pub key_id: String,
    /// A few characters of the key.
    pub hint: String,
    /// The account of the key.
    pub account: Option<String>,
    /// The organisation that owns the key.
    pub organization: Option<String>,
    /// Where the key was found. It may be empty.
    pub url: String,
    /// In what it was found, such as `commit` or `issue_comment`.
    pub source: String,
    /// The name of the pattern that GitHub has found it by.
    pub token_type: String,
    /// What was done with the key.
    pub outcome: LeakOutcome,
}
