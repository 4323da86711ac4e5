use std::{fmt, sync::Arc};

use super::{
    combine::{both, combine, decided_by_and, decided_by_or, either},
    requirement::Requirement,
    verdict::{PermissionFuture, Verdict},
};
use crate::{Principal, RequestHead};

/// A policy: it decides whether a principal may make a request.
///
/// The [module page](crate::permission) shows a complete implementation.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy: it does not implement `Permission`",
    note = "use `permission::from_fn` for a closure, or implement `check`; the page of the module `permission` shows both"
)]
pub trait Permission: Send + Sync + 'static {
    /// Decides whether the principal may make the request.
    ///
    /// The future must own its data, and may be dropped at any await. If the future takes longer than
    /// [`AuthStackBuilder::decision_timeout`](crate::stack::AuthStackBuilder::decision_timeout) or
    /// [`RequireLayer::decision_timeout`](crate::RequireLayer::decision_timeout), 5 s by default, it is dropped and the
    /// request is refused with 503.
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture;

    /// Returns what the policy requires, in a few words for a table of rules. By default, this is the name of its type.
    fn describe(&self) -> String {
        let name = std::any::type_name::<Self>();
        name.rsplit("::").next().unwrap_or(name).to_owned()
    }

    /// Returns what a token needs for this policy to grant, as far as a client can ask for it; nothing by default. Challenges
    /// and metadata name it. Of alternatives, return one, so that no client asks for more than it needs.
    ///
    /// ```
    /// use tower_auth::{Principal, RequestHead, permission::{Denial, Permission, PermissionFuture, Requirement, Verdict}};
    ///
    /// struct Weekdays;
    ///
    /// impl Permission for Weekdays {
    ///     fn check(&self, who: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
    ///         let denied = || Verdict::Denied(Denial::new().permissions(["office"]));
    ///         PermissionFuture::ready(if who.has_scope("office") { Verdict::Granted } else { denied() })
    ///     }
    ///
    ///     fn requirement(&self) -> Requirement {
    ///         Requirement::of_scopes(["office"])
    ///     }
    /// }
    /// ```
    fn requirement(&self) -> Requirement {
        Requirement::nothing_to_ask_for()
    }

    /// Returns a policy that requires both policies to grant. The second policy is not asked if the first denies at
    /// once. If the first has to wait, `check` of the second is called, and its future is polled only if it is needed.
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
        And(self, other)
    }

    /// Returns a policy that requires one of the policies to grant. The second policy is not asked if the first grants
    /// at once. If the first has to wait, `check` of the second is called, and its future is polled only if it is
    /// needed.
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
        Or(self, other)
    }
}

impl<P: Permission + ?Sized> Permission for Arc<P> {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        (**self).check(who, request)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn requirement(&self) -> Requirement {
        (**self).requirement()
    }
}

/// The policy of [`Permission::and`].
#[derive(Clone, Debug)]
pub struct And<A, B>(A, B);

impl<A: Permission, B: Permission> Permission for And<A, B> {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        combine(self.0.check(who, request), || self.1.check(who, request), decided_by_and, both)
    }

    fn describe(&self) -> String {
        format!("{} and {}", self.0.describe(), self.1.describe())
    }

    fn requirement(&self) -> Requirement {
        self.0.requirement().and(self.1.requirement())
    }
}

/// The policy of [`Permission::or`].
#[derive(Clone, Debug)]
pub struct Or<A, B>(A, B);

impl<A: Permission, B: Permission> Permission for Or<A, B> {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        combine(self.0.check(who, request), || self.1.check(who, request), decided_by_or, either)
    }

    fn describe(&self) -> String {
        format!("({} or {})", self.0.describe(), self.1.describe())
    }

    fn requirement(&self) -> Requirement {
        self.0.requirement().or(self.1.requirement())
    }
}

/// The policy of a closure; see [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F>(F);

/// Creates a policy from a closure that returns a [`Verdict`] or a `bool`.
///
/// ```
/// use tower_auth::permission::from_fn;
///
/// let own_files = from_fn(|who, request| request.path().starts_with(&format!("/files/{}/", who.subject())));
/// ```
pub fn from_fn<F, V>(decide: F) -> FromFn<F>
where
    F: Fn(&Principal, &RequestHead<'_>) -> V + Send + Sync + 'static,
    V: Into<Verdict>,
{
    FromFn(decide)
}

impl<F, V> Permission for FromFn<F>
where
    F: Fn(&Principal, &RequestHead<'_>) -> V + Send + Sync + 'static,
    V: Into<Verdict>,
{
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::ready((self.0)(who, request).into())
    }

    fn describe(&self) -> String {
        "a closure".to_owned()
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("from_fn(..)")
    }
}
