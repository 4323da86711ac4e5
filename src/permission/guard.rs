use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    policy::Permission,
    requirement::add,
    verdict::{Denial, Verdict as Decided},
};
use crate::{
    Anonymous, Rejection, RejectionKind, RequestHead,
    base::{clock::TimedOut, time_limit::TimeLimit},
    context::{request::RequestContext, request_ext::caller},
    gate::{Guard, Outcome, Verdict},
    rejection::Demand,
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
    match policy.check(who, request).now() {
        Ok(Decided::Granted) => Verdict::Admit,
        Ok(decided) => Verdict::of(conclude(decided, masked, &**policy)),
        Err(future) => {
            let (policy, limit) = (Arc::clone(policy), limit.clone());
            Verdict::Wait(Box::pin(async move {
                let decided = limit.wait(future).await.unwrap_or_else(|late| undecided(&*policy, late));
                conclude(decided, masked, &*policy).map(|()| Outcome::default())
            }))
        }
    }
}

fn undecided(policy: &dyn Permission, late: TimedOut) -> Decided {
    Decided::Undecided(format!("the policy `{}` {late}", policy.describe()).into())
}

fn conclude(decided: Decided, masked: bool, policy: &dyn Permission) -> Result<(), Rejection> {
    match decided {
        Decided::Granted => Ok(()),
        Decided::Denied(denial) => Err(told(denied(denial, policy), masked, policy)),
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

/// Names what would do. The gate writes the challenge, because it knows how the caller has authenticated.
fn denied(denial: Denial, policy: &dyn Permission) -> Rejection {
    if let Some(organization) = denial.organization {
        let rejection = Rejection::new(RejectionKind::OrganizationDenied);
        return if organization.is_empty() { rejection } else { rejection.detail("organization_id", organization) };
    }
    let (mut scopes, step_up) = policy.requirement().into_parts();
    if let Some(needed) = denial.step_up {
        let (needed, scopes) = match step_up {
            Some(all) => (all.and(needed), scopes),
            // The login is one way out of several, and the scopes are of another.
            None => (needed, Vec::new()),
        };
        return Rejection::step_up(needed).needing(&scopes).needing(&denial.scopes);
    }
    // If something else is missing, no scope helps.
    if denial.scopes.is_empty() && denial.permissions.is_empty() {
        scopes.clear();
    }
    let permissions = if denial.permissions.is_empty() { denial.scopes.clone() } else { denial.permissions };
    let named =
        if denial.scopes.is_empty() { permissions.first().cloned().into_iter().collect() } else { denial.scopes };
    add(&mut scopes, named);
    let mut rejection =
        Rejection::new(RejectionKind::InsufficientPermissions).demanding(Demand { step_up: None, scopes });
    if let Some(role) = denial.role {
        rejection = rejection.detail("required_role", role.into_owned());
    }
    if !permissions.is_empty() {
        rejection = rejection.detail("required_permissions", permissions);
    }
    rejection
}

impl fmt::Debug for RequireGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireGuard").field("masked", &self.masked).finish_non_exhaustive()
    }
}
