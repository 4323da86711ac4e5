use std::borrow::Cow;

use crate::{BoxError, MaybeReady};

/// What a policy answers: ready now ([`MaybeReady::ready`]), or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::permission::{PermissionFuture, Verdict};
///
/// let yes = PermissionFuture::ready(Verdict::Granted);
/// ```
pub type PermissionFuture = MaybeReady<Verdict>;

/// What a policy decided.
///
/// ```
/// use tower_auth::permission::Verdict;
///
/// assert!(matches!(Verdict::from(true), Verdict::Granted));
/// assert!(matches!(Verdict::from(false), Verdict::Denied(_)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The principal may.
    Granted,
    /// The principal may not: 403.
    Denied(Denial),
    /// Nobody could tell: 503, and the cause is logged.
    Undecided(BoxError),
    /// The policy cannot work where it is mounted: 500, and the text is logged. Never a grant.
    Misconfigured(Cow<'static, str>),
}

impl From<bool> for Verdict {
    fn from(granted: bool) -> Self {
        if granted { Self::Granted } else { Self::Denied(Denial::new()) }
    }
}

/// Why a policy denied, as far as the client may know.
///
/// ```
/// use tower_auth::permission::{Denial, Verdict};
///
/// let verdict = Verdict::Denied(Denial::new().role("admin"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a denial denies nothing until it is returned"]
pub struct Denial {
    pub(super) role: Option<Cow<'static, str>>,
    pub(super) permissions: Vec<String>,
    pub(super) organization: Option<String>,
}

impl Denial {
    /// A denial without details.
    pub fn new() -> Self {
        Self::default()
    }

    /// The role that was missing: `required_role` in the details.
    pub fn role(self, role: impl Into<Cow<'static, str>>) -> Self {
        Self { role: Some(role.into()), ..self }
    }

    /// The scopes of which one was missing: `required_permissions` in the details.
    pub fn permissions<S: Into<String>>(self, permissions: impl IntoIterator<Item = S>) -> Self {
        Self { permissions: permissions.into_iter().map(Into::into).collect(), ..self }
    }

    /// The organisation that the principal does not belong to: another kind of refusal, and `organization_id` in the
    /// details.
    pub fn organization(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }
}
