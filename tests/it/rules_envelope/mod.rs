//! Rules 153 to 166, as far as they concern JSON: the shape of a refusal, its words, its id, and what is adopted.

mod adoption;
mod shape;
mod trace;
mod words;

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_auth::{ErrorEnvelopeLayer, Rejection, envelope::EnvelopeBody};

use crate::support::{Body, get, strict};

async fn answer<S, B>(service: S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

/// What an envelope makes of a handler's refusal.
async fn enveloped(layer: ErrorEnvelopeLayer, refusal: Rejection) -> Response<EnvelopeBody<Body>> {
    let handler = strict(move |_| refusal.clone().into_response());
    answer(layer.layer(handler), get("/", &[])).await
}

/// What a layer makes of a response that knows nothing of this crate.
async fn around(
    layer: &ErrorEnvelopeLayer,
    response: http::response::Builder,
    body: &'static str,
) -> Response<EnvelopeBody<Body>> {
    let response = response.body(body).unwrap();
    let handler = strict(move |_| response.clone().map(Body::from));
    answer(layer.layer(handler), get("/", &[])).await
}
