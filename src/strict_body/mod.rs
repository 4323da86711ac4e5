//! Strict bodies: a request body with an undocumented field is refused.
//!
//! [`StrictBodyLayer`] reads the body of a request, checks every byte, and reads it into a type. Then it calls the
//! inner service with both the value and the same bytes. An undocumented field is answered 422 with a pointer to the
//! field and the name that was probably meant:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use tower_auth::{ErrorEnvelopeLayer, StrictBodyLayer, strict_body::{ReplayBody, ValidBody}};
//!
//! #[derive(serde::Deserialize)]
//! struct Login {
//!     email: String,
//!     password: String,
//! }
//!
//! async fn login(request: Request<ReplayBody<Full<Bytes>>>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
//!     let login = request.extensions().get::<ValidBody<Login>>().and_then(ValidBody::take);
//!     Ok(Response::new(Full::from(login.map_or(String::new(), |login| login.email))))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ErrorEnvelopeLayer::compact().layer(StrictBodyLayer::<Login>::new()?.layer(service_fn(login)));
//! let post = |body: &'static str| {
//!     Request::post("/login").header("content-type", "application/json").body(Full::from(body)).unwrap()
//! };
//! let response = service.clone().oneshot(post(r#"{"email":"a@b.c","password":"…"}"#)).await?;
//! assert_eq!(response.status(), 200);
//! let response = service.oneshot(post(r#"{"email_adress":"a@b.c","password":"…"}"#)).await?;
//! assert_eq!(response.status(), 422);
//! # Ok(())
//! # }
//! ```
//!
//! In axum (feature `axum`), the extractor `StrictJson<T>` does the same for one handler. Behind the layer, it takes
//! the layer's value. Use the layer with hyper and tonic, for handlers that also need the bytes, and for policies that
//! read the body before the handler: [`OrgSource::body_field`](crate::permission::OrgSource::body_field). The
//! extractors `StrictPath<T>` and `StrictQuery<T>` read path and query parameters with the same strictness.
//!
//! # What is refused
//!
//! | what | answer |
//! |---|---|
//! | a media type that is not `application/json` or `application/*+json`; a `charset` that is not UTF-8; a body without a media type; two media types | 415, with the accepted type in `Accept` |
//! | a content coding | 415, `Accept-Encoding: identity`; an outer layer may decode the body first |
//! | a transfer coding other than `chunked` | 415 |
//! | a body that ends too early | 400, `INVALID_REQUEST` |
//! | a declared length above the limit | 413 at once, before a byte is read |
//! | more bytes than the limit, declared or not | 413 as soon as they arrive |
//! | a body that has not arrived within the timeout | 408 |
//! | more bytes in flight than all bodies together may hold | 503 with `Retry-After` |
//! | a missing body if one is required; a body that is not JSON ([what is JSON](crate::json)) | 400, `INVALID_JSON`, with line and column |
//! | JSON of another shape than the type | 422, `VALIDATION_ERROR`, with the fields |
//!
//! If a request is refused for its head, a client that sends `Expect: 100-continue` gets the refusal at once and need
//! not send the body. An HTTP/1 connection is closed if its request was not read to the end.
//!
//! If the method usually has no body (`GET`, `HEAD`, `DELETE`, `OPTIONS`, `TRACE`, `CONNECT`) or the layer is
//! [`optional`](StrictBodyLayer::optional), a request that declares an empty body passes, and the other headers of the
//! body are not checked. A body that is not empty is checked. Only
//! [`allow_other_media_types`](StrictBodyLayer::allow_other_media_types) lets a body of another media type than JSON
//! pass.
//!
//! # Where to place it
//!
//! Place it inside authentication and authorization, so that a client without access to the resource does not learn its
//! schema.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_auth::*;
//! # #[derive(serde::Deserialize)]
//! # struct Prompt { organization_id: String, prompt: String }
//!
//! # fn stack(keys: ApiKeyLayer) -> Result<(), ConfigError> {
//! let layers = ServiceBuilder::new()                             // the outermost layer first
//!     .layer(AuthStack::builder().auth(keys).build()?)
//!     .layer(RequireLayer::scope("write"))
//!     .layer(StrictBodyLayer::<Prompt>::new()?)
//!     .layer(RequireLayer::new(permission::member_of(permission::OrgSource::body_field("organization_id"))));
//! # Ok(())
//! # }
//! ```
//!
//! # Memory and time
//!
//! [`BodyLimits`] set how large a body may be (1 MiB), how long it may take to arrive (10 s), and how many bytes all
//! bodies that are still arriving may hold together (64 MiB). No memory is allocated for bytes that are only declared:
//! a slow body holds at most twice the bytes that have arrived. A body in one piece is never copied. The pieces of any
//! other body are copied into one buffer as they arrive. The buffers of the HTTP server and the memory of handlers are
//! not counted.
//!
//! The timeout starts when the layer first has to wait for the body. The timeout uses system time and needs no timer of
//! the async runtime. In a test that pauses tokio's time (`tokio::time::pause`), the timeout follows the paused time.
//!
//! # When not to use it
//!
//! Do not use it for streamed bodies such as uploads: the whole body is buffered before the handler is called.

#[cfg(feature = "mcp")]
mod begun;
mod budget;
#[cfg(feature = "axum")]
mod checked;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod form;
mod future;
mod head;
mod layer;
mod limits;
mod media;
mod reading;
mod replay;
mod service;
mod valid;
#[cfg(any(feature = "axum", feature = "aws-lc-rs", feature = "rust-crypto"))]
mod whole;

#[cfg(feature = "axum")]
pub(crate) use self::checked::{check_type_once, extract, no_body};
#[cfg(any(feature = "mcp", feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) use self::head::unread;
#[cfg(feature = "mcp")]
pub(crate) use self::{
    begun::begin,
    reading::{Reading, Whole},
};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) use self::{
    form::read_form,
    media::{is_form, no_form},
    whole::read_json,
};
pub use self::{
    future::ResponseFuture, layer::StrictBodyLayer, limits::BodyLimits, replay::ReplayBody, service::StrictBody,
    valid::ValidBody,
};
