//! One shape for every refusal: the error envelope.
//!
//! [`ErrorEnvelopeLayer`] stands outside of everything else. It gives the request a trace id, puts `x-request-id` on
//! every response, and turns a [`Rejection`](crate::Rejection) into bytes: the same JSON for a missing key, a missing
//! scope, a handler's own refusal and, where it [adopts](ErrorEnvelopeLayer::adopt_foreign_errors) them, the router's
//! 404 and 405.
//!
//! ```
//! use http_body_util::BodyExt as _;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_auth::*;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let handler = service_fn(|_: http::Request<()>| async {
//!     let refusal = Rejection::custom(http::StatusCode::CONFLICT, "NAME_TAKEN").message("This name is taken.");
//!     Ok::<_, std::convert::Infallible>(refusal.into_response::<http_body_util::Full<bytes::Bytes>>())
//! });
//! let service = ErrorEnvelopeLayer::detailed().layer(handler);
//!
//! let response = service.oneshot(http::Request::new(())).await.unwrap();
//! assert_eq!(response.headers()["content-type"], "application/json");
//! let body = response.into_body().collect().await.unwrap().to_bytes();
//! assert!(body.starts_with(br#"{"success":false,"error":{"code":"NAME_TAKEN","message":"This name is taken.","#));
//! # });
//! ```
//!
//! # The detailed format
//!
//! `success`, and an `error` with `code`, `message`, `system_message`, `type`, `status`, `details`, `trace_id`,
//! `timestamp`, in this order. `trace_id` equals the `x-request-id` header; `timestamp` is RFC 3339, UTC, whole
//! seconds. The words come from a [`Catalogue`].
//!
//! # What it keeps and what it does not
//!
//! Status, `Allow`, `WWW-Authenticate`, `Retry-After` and all other headers of a response stay; those that describe a
//! body that is replaced go. A response to HEAD keeps the length of the body that GET would get. The private cause of
//! a refusal goes to the log, under the trace id, and never to the client. The refusal stays in the response's
//! extensions.
//!
//! A request that the HTTP server itself refuses, before any service sees it, has no envelope.
//!
//! # When not to use it
//!
//! Inside another envelope that already speaks for the whole service; the inner one would win.

mod adopt;
mod body;
mod catalogue;
mod edge;
mod format;
mod future;
mod layer;
mod render;
mod service;
mod settings;

#[cfg(feature = "tonic")]
pub(crate) use self::format::grpc;
pub use self::{
    body::EnvelopeBody,
    catalogue::{Catalogue, Words},
    format::{ErrorFormat, Refusal},
    future::ResponseFuture,
    layer::ErrorEnvelopeLayer,
    service::ErrorEnvelope,
};
pub(crate) use self::{edge::Edge, settings::Settings};
