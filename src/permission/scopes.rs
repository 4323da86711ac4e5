use std::borrow::Cow;

use super::{
    policy::Permission,
    requirement::Requirement,
    verdict::{Denial, PermissionFuture, Verdict},
};
use crate::{Principal, RequestHead};

/// The policy of [`scope`] and [`any_scope`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyScope {
    /// The scopes of which one is required.
    accepted: Vec<String>,
    /// The scopes that a denial names.
    told: Vec<String>,
}

impl AnyScope {
    pub(super) const fn new(accepted: Vec<String>, told: Vec<String>) -> Self {
        Self { accepted, told }
    }
}

/// Returns a policy that requires the credential to have this scope.
///
/// ```
/// use tower_auth::{RequireLayer, permission::scope};
///
/// let layer = RequireLayer::new(scope("read"));
/// ```
#[must_use]
pub fn scope(scope: &str) -> AnyScope {
    any_scope([scope])
}

/// Returns a policy that requires the credential to have one of these scopes. If the list is empty, the policy denies
/// every request. The challenge of a denial names the first, so name the weakest first.
///
/// ```
/// use tower_auth::{RequireLayer, permission::any_scope};
///
/// let layer = RequireLayer::new(any_scope(["write", "admin"]));
/// ```
#[must_use]
pub fn any_scope<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> AnyScope {
    let accepted: Vec<String> = scopes.into_iter().map(Into::into).collect();
    AnyScope::new(accepted.clone(), accepted)
}

impl Permission for AnyScope {
    #[inline]
    fn check(&self, who: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready(if self.accepted.iter().any(|scope| who.has_scope(scope)) {
            Verdict::Granted
        } else {
            Verdict::Denied(Denial::new().permissions(self.told.iter().cloned()))
        })
    }

    fn describe(&self) -> String {
        format!("scope {}", self.told.join(" or "))
    }

    fn requirement(&self) -> Requirement {
        Requirement::of_scopes(self.told.first())
    }
}

/// The policy of [`role`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HasRole(Cow<'static, str>);

/// Returns a policy that requires the caller to have this role.
///
/// ```
/// use tower_auth::{RequireLayer, permission::role};
///
/// let layer = RequireLayer::new(role("admin"));
/// ```
#[must_use]
pub fn role(role: impl Into<Cow<'static, str>>) -> HasRole {
    HasRole(role.into())
}

impl Permission for HasRole {
    #[inline]
    fn check(&self, who: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready(if who.has_role(&self.0) {
            Verdict::Granted
        } else {
            Verdict::Denied(Denial::new().role(self.0.clone()))
        })
    }

    fn describe(&self) -> String {
        format!("role {}", self.0)
    }
}

/// The policy of [`authenticated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsAuthenticated(());

/// Returns a policy that grants every principal, and refuses the anonymous requests that an optional layer admits.
///
/// ```
/// use tower_auth::{RequireLayer, permission::authenticated};
///
/// let layer = RequireLayer::new(authenticated());
/// ```
#[must_use]
pub const fn authenticated() -> IsAuthenticated {
    IsAuthenticated(())
}

impl Permission for IsAuthenticated {
    #[inline]
    fn check(&self, _: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready(Verdict::Granted)
    }

    fn describe(&self) -> String {
        "authenticated".to_owned()
    }
}
