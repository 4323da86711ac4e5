use std::borrow::Cow;

use crate::{BoxError, MaybeReady, rejection::StepUp};

/// The answer of a policy: ready ([`MaybeReady::ready`]), or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::permission::{PermissionFuture, Verdict};
///
/// let yes = PermissionFuture::ready(Verdict::Granted);
/// ```
pub type PermissionFuture = MaybeReady<Verdict>;

/// The decision of a policy.
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
    /// The principal may make the request.
    Granted,
    /// The principal may not make the request: 403, or 401 if another [login](Denial::step_up) would do.
    Denied(Denial),
    /// The policy could not decide: 503, and the cause is logged.
    Undecided(BoxError),
    /// The policy cannot work on the route where it is mounted: 500, and the text is logged.
    Misconfigured(Cow<'static, str>),
}

impl From<bool> for Verdict {
    fn from(granted: bool) -> Self {
        if granted { Self::Granted } else { Self::Denied(Denial::new()) }
    }
}

/// The reason for a denial, as shown to the client.
///
/// ```
/// use tower_auth::permission::{Denial, Verdict};
///
/// let verdict = Verdict::Denied(Denial::new().role("admin"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a denial has no effect until it is returned"]
pub struct Denial {
    pub(super) role: Option<Cow<'static, str>>,
    pub(super) permissions: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) step_up: Option<StepUp>,
    pub(super) organization: Option<String>,
}

impl Denial {
    /// Creates a denial without details.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the missing role, sent to the client as the detail `required_role`.
    pub fn role(self, role: impl Into<Cow<'static, str>>) -> Self {
        Self { role: Some(role.into()), ..self }
    }

    /// Sets the scopes of which one is required, sent to the client as the detail `required_permissions`. The challenge names
    /// the first.
    pub fn permissions<S: Into<String>>(self, permissions: impl IntoIterator<Item = S>) -> Self {
        Self { permissions: permissions.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets scopes all of which the request needs. The challenge names them, with those of the policy's
    /// [`requirement`](super::Permission::requirement). They are also the detail `required_permissions`, unless
    /// [`permissions`](Self::permissions) sets it.
    ///
    /// ```
    /// use tower_auth::permission::Denial;
    ///
    /// let denial = Denial::new().scopes(["notes:read", "notes:write"]);
    /// ```
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { scopes: scopes.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the login that would do. The refusal then is 401, of the kind
    /// [`InsufficientAuthentication`](crate::RejectionKind::InsufficientAuthentication).
    ///
    /// ```
    /// use tower_auth::{permission::Denial, rejection::StepUp};
    ///
    /// let denial = Denial::new().step_up(StepUp::new().acr_values(["urn:example:mfa"]));
    /// ```
    pub fn step_up(self, needed: StepUp) -> Self {
        Self { step_up: Some(needed), ..self }
    }

    /// Sets the organisation that the principal does not belong to, sent to the client as the detail `organization_id`.
    /// The refusal then has the kind [`OrganizationDenied`](crate::RejectionKind::OrganizationDenied).
    pub fn organization(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }
}
