use super::{
    guard::{ask, passes_preflight},
    rules::{Found, Rules},
};
use crate::{
    Rejection, RejectionKind, RequestHead,
    context::request_ext::caller,
    gate::{Guard, Outcome, Verdict},
};

/// Asks the table about a request whose caller is known, or known to be nobody.
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
            // A preflight of whose OPTIONS the table says nothing.
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

const MOVED: &str = "the path is not the one by which a router chose the route: the Rules stand inside axum's nest, where the \
                     prefix of the path is gone, or behind something that rewrites paths, so that they could mean other \
                     routes than they say; mount the stack with the rules around the whole router, in front of what \
                     rewrites, or call Rules::match_rewritten_path where the stack stands around the inner router and its \
                     rules are written for the paths of that router";

/// A stranger learns nothing but that a credential is missing.
fn refuse(request: &RequestHead<'_>, rejection: Rejection) -> Rejection {
    match caller(request.context()) {
        Ok(_) => rejection,
        Err(unknown) => unknown,
    }
}
