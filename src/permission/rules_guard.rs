use http::request::Parts;

use super::{
    guard::{ask, passes_preflight},
    rules::{Found, Rules},
};
use crate::{
    Answer, Rejection, RejectionKind,
    gate::{Guard, Outcome, Verdict},
    identity::Identity,
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
    fn check(&self, request: &Parts) -> Answer<Verdict> {
        if passes_preflight(request) && self.passes_preflight(request) {
            return Answer::ready(Ok(Outcome::default()));
        }
        match self.find(request) {
            Found::Public => Answer::ready(Ok(Outcome::default())),
            Found::Requires(policy) => ask(&**policy, request, false),
            Found::Nothing => Answer::ready(Err(refuse(request, Rejection::not_found()))),
            Found::Nested => Answer::ready(Err(Rejection::internal(NESTED))),
            Found::Ambiguous(what) => {
                let rejection = Rejection::new(RejectionKind::MalformedRequest).detail("path", what);
                Answer::ready(Err(refuse(request, rejection)))
            }
        }
    }
}

const NESTED: &str = "Rules stand inside axum's nest, where the prefix of the path is gone, so that they would mean other routes \
                      than they say; mount the stack with the rules around the whole router";

/// A stranger learns nothing but that a credential is missing.
fn refuse(request: &Parts, rejection: Rejection) -> Rejection {
    match Identity::principal_in(&request.extensions) {
        Ok(_) => rejection,
        Err(unknown) => unknown,
    }
}
