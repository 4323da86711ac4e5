use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderValue, header};

use super::{
    policy::Permission,
    verdict::{Denial, Verdict as Decided},
};
use crate::{
    Anonymous, AuthMethod, Challenge, Rejection, RejectionKind, RequestHead,
    base::{clock::TimedOut, time_limit::TimeLimit},
    context::{request::RequestContext, request_ext::caller},
    gate::{Guard, Outcome, Verdict},
};

/// Checks a request against a policy. The principal comes from an outer guard.
#[derive(Clone)]
pub(super) struct RequireGuard {
    pub(super) policy: Arc<dyn Permission>,
    pub(super) masked: bool,
    pub(super) report_only: bool,
    pub(super) limit: TimeLimit,
}

impl Guard for RequireGuard {
    fn name(&self) -> &'static str {
        "permission"
    }

    fn enforced(&self) -> bool {
        !self.report_only
    }

    #[inline]
    fn check(&self, request: &RequestHead<'_>, _: &mut Outcome) -> Verdict {
        if passes_preflight(request) { Verdict::Admit } else { ask(&self.policy, request, self.masked, &self.limit) }
    }
}

/// Returns whether the request is a CORS preflight that the authentication admitted. It never has a principal.
pub(super) fn passes_preflight(request: &RequestHead<'_>) -> bool {
    request.context().and_then(RequestContext::anonymous).is_some_and(Anonymous::is_preflight)
}

/// Checks a request against a policy. The principal comes from an outer guard.
#[inline]
pub(super) fn ask(policy: &Arc<dyn Permission>, request: &RequestHead<'_>, masked: bool, limit: &TimeLimit) -> Verdict {
    let who = match caller(request.context()) {
        Ok(who) => who,
        Err(rejection) => return Verdict::Refuse(rejection),
    };
    let token = *who.method() == AuthMethod::Token;
    match policy.check(who, request).now() {
        Ok(Decided::Granted) => Verdict::Admit,
        Ok(decided) => Verdict::of(conclude(decided, masked, token, &**policy)),
        Err(future) => {
            let (policy, limit) = (Arc::clone(policy), limit.clone());
            Verdict::Wait(Box::pin(async move {
                let decided = limit.wait(future).await.unwrap_or_else(|late| undecided(&*policy, late));
                conclude(decided, masked, token, &*policy).map(|()| Outcome::default())
            }))
        }
    }
}

fn undecided(policy: &dyn Permission, late: TimedOut) -> Decided {
    Decided::Undecided(format!("the policy `{}` {late}", policy.describe()).into())
}

fn conclude(decided: Decided, masked: bool, token: bool, policy: &dyn Permission) -> Result<(), Rejection> {
    match decided {
        Decided::Granted => Ok(()),
        Decided::Denied(denial) => Err(told(denied(denial, token), masked, policy)),
        Decided::Undecided(cause) => Err(Rejection::unavailable(cause)),
        Decided::Misconfigured(fault) => Err(Rejection::internal(fault)),
    }
}

/// Records the missing permissions for the log, even if the client does not learn them.
fn told(denied: Rejection, masked: bool, policy: &dyn Permission) -> Rejection {
    let said = denied.required().map(Cow::into_owned);
    if said.is_some() && !masked {
        return denied;
    }
    let hidden = || Rejection::not_found().cause("the path is hidden from this principal");
    let refusal = if masked { hidden() } else { denied };
    refusal.requiring(said.unwrap_or_else(|| policy.describe()))
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

/// Returns the challenge that names the missing scopes of a token (RFC 6750, section 3.1).
fn insufficient_scope(scopes: &[String]) -> HeaderValue {
    let challenge = Challenge::new("Bearer").param("error", "insufficient_scope");
    // A scope with characters that the parameter does not allow is omitted.
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
