use std::{borrow::Cow, fmt, sync::Arc};

use http::request::Parts;

use super::combine::{And, Or};
use crate::{Answer, BoxError, Principal};

/// What a policy answers: ready now ([`Answer::ready`]), or a boxed future ([`Answer::boxed`]).
///
/// ```
/// use tower_auth::permission::{Check, Verdict};
///
/// let yes = Check::ready(Verdict::Granted);
/// ```
pub type Check = Answer<Verdict>;

/// A policy: may this principal do this, here?
///
/// The [module page](crate::permission) has a whole one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no policy: it does not implement `Permission`",
    note = "take `permission::from_fn` for a closure, or implement `check`; the page of the module `permission` shows both"
)]
pub trait Permission: Send + Sync + 'static {
    /// Decides. The future must own what it needs. It may be dropped at any await.
    fn check(&self, who: &Principal, request: &Parts) -> Check;

    /// Both must grant. The second is not asked where the first denies.
    ///
    /// ```
    /// use tower_auth::permission::{Permission, role, scope};
    ///
    /// let policy = role("admin").and(scope("write"));
    /// ```
    fn and<P: Permission>(self, other: P) -> And<Self, P>
    where
        Self: Sized,
    {
        And::new(self, other)
    }

    /// One must grant. The second is not asked where the first grants.
    ///
    /// ```
    /// use tower_auth::permission::{Permission, scope};
    ///
    /// let policy = scope("read").or(scope("admin"));
    /// ```
    fn or<P: Permission>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
    {
        Or::new(self, other)
    }
}

impl<P: Permission + ?Sized> Permission for Arc<P> {
    fn check(&self, who: &Principal, request: &Parts) -> Check {
        (**self).check(who, request)
    }
}

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
    Mismounted(Cow<'static, str>),
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

    /// The organisation that the principal does not belong to: another kind of refusal, and `organization_id` in the details.
    pub fn organization(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }
}

/// The policy of a closure; see [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F>(F);

/// A policy from a closure that answers a [`Verdict`] or a `bool`.
///
/// ```
/// use tower_auth::permission::from_fn;
///
/// let own_files = from_fn(|who, request| request.uri.path().starts_with(&format!("/files/{}/", who.subject())));
/// ```
pub fn from_fn<F, V>(decide: F) -> FromFn<F>
where
    F: Fn(&Principal, &Parts) -> V + Send + Sync + 'static,
    V: Into<Verdict>,
{
    FromFn(decide)
}

impl<F, V> Permission for FromFn<F>
where
    F: Fn(&Principal, &Parts) -> V + Send + Sync + 'static,
    V: Into<Verdict>,
{
    fn check(&self, who: &Principal, request: &Parts) -> Check {
        Check::ready((self.0)(who, request).into())
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("from_fn(..)")
    }
}
