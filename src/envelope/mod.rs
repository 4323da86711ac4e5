//! The error envelope: one format for all refusals.
//!
//! [`ErrorEnvelopeLayer`] is the outermost layer. It gives the request a trace id, puts `x-request-id` on every
//! response, and renders every [`Rejection`](crate::Rejection) as bytes. The JSON has the same members for a missing
//! key, a missing scope, a handler's own refusal and, if the envelope
//! [adopts](ErrorEnvelopeLayer::adopt_foreign_errors) them, the router's 404 and 405.
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
//! The body has `success` and `error`. The members of `error` are `code`, `message`, `system_message`, `type`,
//! `status`, `details`, `trace_id` and `timestamp`, in this order. `trace_id` equals the `x-request-id` header;
//! `timestamp` is RFC 3339, UTC, whole seconds. The texts come from a [`Catalogue`].
//!
//! The trace id is that of a valid `traceparent` header, or a new one.
//! [`keep_request_ids`](ErrorEnvelopeLayer::keep_request_ids) shows the `x-request-id` of a proxy instead.
//!
//! # What is kept
//!
//! The status, `Allow`, `WWW-Authenticate`, `Retry-After` and all other headers of a response are kept, except headers
//! that describe a replaced body. A response to HEAD has the length of the body that GET would return. The private
//! cause of a refusal is logged with the trace id, and never sent. The refusal stays in the response's extensions.
//!
//! If the HTTP server itself refuses a request, before a service is called, the response has no envelope.
//!
//! # Errors from other code
//!
//! Routers, other layers, extractors and proxies have error formats of their own. Two methods of the layer convert such
//! errors to the format of the envelope:
//!
//! | error | [`adopt_foreign_errors`](ErrorEnvelopeLayer::adopt_foreign_errors) | [`adopt_text_errors`](ErrorEnvelopeLayer::adopt_text_errors) |
//! |---|---|---|
//! | 4xx or 5xx without a body | adopted | adopted |
//! | 5xx as plain text | adopted, the text is dropped | adopted, the text is dropped |
//! | 404, 405, 408, 413, 415 as plain text | adopted, the text is dropped | adopted, the text is kept |
//! | any other 4xx as plain text: axum's `Path`, `Query`, `Json`, `WebSocketUpgrade` | unchanged | adopted, the text is kept |
//! | JSON, HTML and every other media type | unchanged | unchanged |
//!
//! The text becomes the `system_message`, if its length is known and at most 8 KiB. The code follows from the status:
//! 502 is `BAD_GATEWAY`, 504 is `GATEWAY_TIMEOUT`, 409 is `CONFLICT`.
//!
//! # gRPC
//!
//! A gRPC client reads a refusal as a status with details: `google.rpc.ErrorInfo` with the code and the
//! [domain](ErrorEnvelopeLayer::grpc_domain) of the service, `RetryInfo`, `BadRequest`, and `RequestInfo` with the
//! trace id. A gRPC call is a POST of `application/grpc` over HTTP/2, or over HTTP/1.1 with `TE: trailers`, which
//! `tonic-web` adds. A gRPC-Web call is a POST of `application/grpc-web` over any version of HTTP. All other requests
//! get an HTTP response. With [`without_grpc`](ErrorEnvelopeLayer::without_grpc), every request gets an HTTP response.
//!
//! A `tonic::Status` that was made from a [`Rejection`](crate::Rejection) (feature `tonic`) gets the texts, the domain
//! and the trace id of the service, and a log line. This applies to the result of a method, and to an error in its
//! stream, which ends the response as trailers. It requires an outer envelope, because a gate without an envelope does
//! not see the stream.
//!
//! # When not to use it
//!
//! Inside another envelope for the whole service: the response would have the format of the inner envelope.

mod adopt;
mod answer;
mod body;
mod catalogue;
mod edge;
mod format;
mod future;
mod layer;
mod render;
mod service;
mod settings;
mod tail;

#[cfg(feature = "tonic")]
pub(crate) use self::format::grpc;
pub use self::{
    body::EnvelopeBody,
    catalogue::{Catalogue, CatalogueEntry},
    format::{ErrorFormat, ErrorView},
    future::ResponseFuture,
    layer::ErrorEnvelopeLayer,
    service::ErrorEnvelope,
};
pub(crate) use self::{edge::Edge, settings::Settings};
