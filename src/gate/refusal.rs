use http::request::Parts;

use crate::{Decision, Rejection};

/// Logs the refusal of a layer that is no guard, as that of a guard is logged.
pub(crate) fn refuse(rejection: Rejection, layer: &'static str, request: &Parts) -> Rejection {
    let rejection = rejection.refused_by(layer);
    Decision::new(request.into(), layer, Some(&rejection)).log();
    rejection
}
