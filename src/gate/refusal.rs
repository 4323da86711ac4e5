use http::request::Parts;

use crate::{Decision, Rejection};

/// What a layer that is no guard says when it refuses: the log is told, as of a guard's refusal.
pub(crate) fn refuse(rejection: Rejection, layer: &'static str, request: &Parts) -> Rejection {
    let rejection = rejection.refused_by(layer);
    Decision::new(request, layer, Some(&rejection)).log();
    rejection
}
