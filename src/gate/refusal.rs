use http::request::Parts;

use crate::{Decision, Rejection};

/// Logs the refusal of a layer that is not a guard, in the same way as the refusal of a guard.
pub(crate) fn refuse(rejection: Rejection, layer: &'static str, request: &Parts) -> Rejection {
    let rejection = rejection.refused_by(layer);
    Decision::new(request.into(), layer, Some(&rejection)).log();
    rejection
}
