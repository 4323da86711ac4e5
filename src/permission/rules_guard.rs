use super::{
    guard::{ask, passes_preflight},
    rules::{Found, Rules},
};
use crate::{
    Rejection, RejectionKind, RequestHead,
    context::request_ext::caller,
    gate::{Guard, Outcome, Verdict},
};

/// Checks a request against the table, after authentication.
impl Guard for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn enforced(&self) -> bool {
        !self.report_only
    }

    #[inline]
    fn check(&self, request: &RequestHead<'_>, _: &mut Outcome) -> Verdict {
        match self.find(request) {
            Found::Public => Verdict::Admit,
            Found::Requires(policy) => ask(policy, request, false, &self.limit),
            // A preflight with an OPTIONS that matches no rule.
            Found::Nothing if passes_preflight(request) && self.knows_path(request) => Verdict::Admit,
            Found::Nothing => Verdict::Refuse(refuse(request, Rejection::not_found())),
            Found::Moved => Verdict::Refuse(Rejection::internal(MOVED)),
            Found::Ambiguous(what) => {
                let rejection = Rejection::new(RejectionKind::MalformedRequest).detail("path", what);
                Verdict::Refuse(refuse(request, rejection))
            }
        }
    }
}

const MOVED: &str = "the path differs from the path by which a router chose the route, so that the Rules could match \
                     the wrong routes: they are inside axum's nest, which removes the prefix of the path, or behind \
                     a layer that rewrites paths; mount the stack with the rules around the whole router, in front \
                     of that layer, or, if the stack is around the inner router and its rules are written for the \
                     paths of that router, call Rules::match_rewritten_path";

/// Returns the rejection for an authenticated caller. Any other caller only learns that a credential is missing.
fn refuse(request: &RequestHead<'_>, rejection: Rejection) -> Rejection {
    match caller(request.context()) {
        Ok(_) => rejection,
        Err(unknown) => unknown,
    }
}
