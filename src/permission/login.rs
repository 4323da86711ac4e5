use std::time::Duration;

use super::{
    policy::Permission,
    requirement::Requirement,
    verdict::{Denial, PermissionFuture, Verdict},
};
use crate::{AuthMethod, Principal, RequestHead, rejection::StepUp};

/// How far the clock of an issuer may be ahead of that of the service.
const AHEAD: Duration = Duration::from_secs(60);

/// The policy of [`acr`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HasAcr(Vec<String>);

/// Returns a policy that requires a login of one of these classes ([`Principal::acr`]), such as one with a second factor.
/// The classes are compared as they are: no class implies another. If the list is empty, the policy denies every request.
///
/// Any other token is refused with 401 `INSUFFICIENT_USER_AUTHENTICATION`, and the challenge asks for another login (RFC
/// 9470). A token that does not say the class is refused too. An API key is refused with 403, because nobody logs in with
/// it: combine with [`or`](Permission::or) where a key may do.
///
/// ```
/// use tower_auth::{Rules, permission::{Permission, acr, scope}};
///
/// let rules = Rules::new().require("POST /v1/payouts", scope("payouts").and(acr(["urn:example:mfa"])));
/// ```
#[must_use]
pub fn acr<S: Into<String>>(values: impl IntoIterator<Item = S>) -> HasAcr {
    HasAcr(values.into_iter().map(Into::into).collect())
}

impl HasAcr {
    fn needed(&self) -> StepUp {
        StepUp::new().acr_values(self.0.clone())
    }
}

impl Permission for HasAcr {
    #[inline]
    fn check(&self, who: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        let satisfied = who.acr().is_some_and(|acr| self.0.iter().any(|value| value == acr));
        PermissionFuture::ready(decide(satisfied, who, || self.needed()))
    }

    fn describe(&self) -> String {
        format!("login of class {}", self.0.join(" or "))
    }

    fn requirement(&self) -> Requirement {
        Requirement::of_login(self.needed())
    }
}

/// The policy of [`logged_in_within`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedInWithin(Duration);

/// Returns a policy that requires the user to have logged in at most this long ago ([`Principal::logged_in_at`]). The age of
/// the token does not matter: it may be from a refresh.
///
/// Any other token is refused with 401 `INSUFFICIENT_USER_AUTHENTICATION`, and the challenge asks for a new login (RFC
/// 9470). A token that does not say the time is refused too, and so is one that says a time in the future: the clock of
/// the issuer may be ahead by a minute. An API key is refused with 403, as by [`acr`].
///
/// The client needs some time for the login and the new token. With less than a minute, it may have to ask forever.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Rules, permission::{Permission, logged_in_within, scope}};
///
/// let recent = logged_in_within(Duration::from_secs(300));
/// let rules = Rules::new().require("DELETE /v1/account", scope("account").and(recent));
/// ```
#[must_use]
pub const fn logged_in_within(age: Duration) -> LoggedInWithin {
    LoggedInWithin(age)
}

impl LoggedInWithin {
    fn needed(self) -> StepUp {
        StepUp::new().max_age(self.0)
    }
}

impl Permission for LoggedInWithin {
    #[inline]
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        let satisfied = who.logged_in_at().is_some_and(|login| match request.now().duration_since(login) {
            Ok(age) => age <= self.0,
            Err(ahead) => ahead.duration() <= AHEAD,
        });
        PermissionFuture::ready(decide(satisfied, who, || self.needed()))
    }

    fn describe(&self) -> String {
        format!("login within {} s", self.0.as_secs())
    }

    fn requirement(&self) -> Requirement {
        Requirement::of_login(self.needed())
    }
}

/// Nobody logs in with a key, so another login is no way out for its holder.
fn decide(satisfied: bool, who: &Principal, needed: impl FnOnce() -> StepUp) -> Verdict {
    if satisfied {
        return Verdict::Granted;
    }
    Verdict::Denied(match who.method() {
        AuthMethod::ApiKey => Denial::new(),
        _ => Denial::new().step_up(needed()),
    })
}
