//! What a refusal looks like in every format: a snapshot of all of them, RFC 9457 (rules 153 to 157), negotiation
//! (rule 158), the formats that documents show, and a format of a user's own.

mod documents;
mod negotiation;
mod own;
mod problem;
mod snapshot;

use http::{HeaderName, Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ErrorEnvelopeLayer, Rejection, envelope::EnvelopeBody, testing::ManualClock};

use crate::support::{Body, strict};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
const NOW: &str = "2025-01-15T10:30:00Z";
const TYPES: &str = "https://api.example.com/problems/";

/// What an envelope makes of a handler's refusal, for a request with these headers, at a fixed time and under a fixed
/// id.
async fn shown(
    layer: &ErrorEnvelopeLayer,
    headers: &[(&str, &str)],
    refusal: &Rejection,
) -> Response<EnvelopeBody<Body>> {
    let refusal = refusal.clone();
    answered(layer, headers, strict(move |_| refusal.clone().into_response())).await
}

/// The same, of any answer.
async fn answered<F>(
    layer: &ErrorEnvelopeLayer,
    headers: &[(&str, &str)],
    handler: crate::support::Strict<F>,
) -> Response<EnvelopeBody<Body>>
where
    F: Fn(Request<Body>) -> Response<Body> + Clone,
{
    // gRPC is sent with POST alone.
    let mut request = Request::post("/").body(Body::default()).unwrap();
    for (name, value) in [("traceparent", TRACEPARENT)].iter().chain(headers) {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    layer.clone().clock(&ManualClock::at(NOW)).layer(handler).oneshot(request).await.unwrap()
}
