use std::{fmt, sync::Arc};

use http::{HeaderValue, header, request::Parts};

use super::{
    policy::Permission,
    verdict::{Denial, Verdict as Decided},
};
use crate::{
    Answer, AuthMethod, Challenge, Rejection, RejectionKind,
    gate::{Guard, Outcome, Verdict},
    identity::Identity,
};

/// Asks a policy about the principal that an outer guard left.
#[derive(Clone)]
pub(super) struct RequireGuard {
    pub(super) policy: Arc<dyn Permission>,
    pub(super) masked: bool,
    pub(super) report_only: bool,
}

impl Guard for RequireGuard {
    fn name(&self) -> &'static str {
        "permission"
    }

    fn enforced(&self) -> bool {
        !self.report_only
    }

    #[inline]
    fn check(&self, request: &Parts) -> Answer<Verdict> {
        if passes_preflight(request) {
            Answer::ready(Ok(Outcome::default()))
        } else {
            ask(&*self.policy, request, self.masked)
        }
    }
}

/// A CORS preflight that the authentication let pass is never anybody's.
pub(super) fn passes_preflight(request: &Parts) -> bool {
    matches!(request.extensions.get(), Some(Identity::Anonymous(nobody)) if nobody.is_preflight())
}

/// Asks a policy about the principal that an outer guard left.
#[inline]
pub(super) fn ask(policy: &dyn Permission, request: &Parts, masked: bool) -> Answer<Verdict> {
    match Identity::principal_in(&request.extensions) {
        Ok(who) => {
            let token = *who.method() == AuthMethod::Token;
            policy.check(who, request).map(move |decided| conclude(decided, masked, token))
        }
        Err(rejection) => Answer::ready(Err(rejection)),
    }
}

fn conclude(decided: Decided, masked: bool, token: bool) -> Verdict {
    match decided {
        Decided::Granted => Ok(Outcome::default()),
        Decided::Denied(_) if masked => Err(Rejection::not_found().cause("the path is hidden from this principal")),
        Decided::Denied(denial) => Err(denied(denial, token)),
        Decided::Undecided(cause) => Err(Rejection::unavailable(cause)),
        Decided::Mismounted(fault) => Err(Rejection::internal(fault)),
    }
}

fn denied(denial: Denial, token: bool) -> Rejection {
    if let Some(organization) = denial.organization {
        let rejection = Rejection::new(RejectionKind::OrganizationDenied);
        return if organization.is_empty() { rejection } else { rejection.detail("organization_id", organization) };
    }
    let mut rejection = Rejection::new(RejectionKind::InsufficientPermissions);
    if token {
        rejection = rejection.header(header::WWW_AUTHENTICATE, insufficient_scope(&denial.permissions));
    }
    if let Some(role) = denial.role {
        rejection = rejection.detail("required_role", role.into_owned());
    }
    if !denial.permissions.is_empty() {
        rejection = rejection.detail("required_permissions", denial.permissions);
    }
    rejection
}

/// What the holder of a token would have to ask the issuer for (RFC 6750, section 3.1).
fn insufficient_scope(scopes: &[String]) -> HeaderValue {
    let challenge = Challenge::new("Bearer").param("error", "insufficient_scope");
    // A scope that cannot stand in the field is left out of it.
    let printable = |scope: &&String| scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
    let scopes: Vec<&str> = scopes.iter().filter(printable).map(String::as_str).collect();
    let challenge = if scopes.is_empty() { challenge } else { challenge.param("scope", &scopes.join(" ")) };
    HeaderValue::try_from(challenge.as_str()).unwrap_or(HeaderValue::from_static("Bearer error=\"insufficient_scope\""))
}

impl fmt::Debug for RequireGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireGuard").field("masked", &self.masked).finish_non_exhaustive()
    }
}
