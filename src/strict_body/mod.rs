//! Strict bodies: nothing undocumented gets in.
//!
//! [`StrictBodyLayer`] reads the body of a request, checks every byte of it, reads it into a type, and only then calls the
//! inner service, with the value beside the same bytes. A field that is not documented is 422 with a pointer to it and the
//! name that was probably meant:
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
//! In axum (feature `axum`) the extractor `StrictJson<T>` does the same for one handler, and takes the layer's value where
//! the layer stands in front. The layer is for hyper and tonic, for handlers that want the bytes too, and for what has to
//! be known before the handler: [`OrgSource::body_field`](crate::permission::OrgSource::body_field). Path and query
//! parameters are read as strictly by the extractors `StrictPath<T>` and `StrictQuery<T>`.
//!
//! # What is refused
//!
//! | what | answer |
//! |---|---|
//! | a media type that is not `application/json` or `application/*+json`, or a `charset` that is not UTF-8; none, with a body; two | 415, `Accept` says what is taken |
//! | a content coding | 415, `Accept-Encoding: identity`; a layer outside may take the coding off first |
//! | a transfer coding beside `chunked` | 415 |
//! | a body that breaks off | 400, `INVALID_REQUEST` |
//! | a declared length above the limit | 413 at once, before a byte is read |
//! | more bytes than the limit, declared or not | 413 as soon as they are there |
//! | a body that is not there when the time is over | 408 |
//! | more bytes under way than all bodies together may hold | 503 with `Retry-After` |
//! | no body where one is required; no JSON ([what is JSON](crate::json)) | 400, `INVALID_JSON`, with line and column |
//! | JSON of another shape than the type | 422, `VALIDATION_ERROR`, with the fields |
//!
//! A client that asks with `Expect: 100-continue` gets the refusal that its head deserves, and is not invited to send the
//! body. An HTTP/1 connection whose request was not read to its end is closed.
//!
//! A request whose head says that it has no body passes, whatever else the head says of one, if its method is one that
//! usually has none (`GET`, `HEAD`, `DELETE`, `OPTIONS`, `TRACE`) or the layer is
//! [`optional`](StrictBodyLayer::optional); with a body it is checked. A body whose media type the layer was not told to
//! govern passes only under [`allow_other_media_types`](StrictBodyLayer::allow_other_media_types).
//!
//! # Where it stands
//!
//! Behind authentication and permission, so that nobody learns the schema who may not see the resource: inside the guards.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_auth::*;
//! # #[derive(serde::Deserialize)]
//! # struct Prompt { organization_id: String, prompt: String }
//!
//! # fn stack(keys: ApiKeyLayer) -> Result<(), ConfigError> {
//! let layers = ServiceBuilder::new()                             // from the outside in
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
//! [`BodyLimits`] say how large a body may be (1 MiB), how long it may take (10 s), and how many bytes all bodies that are
//! still arriving may hold together (64 MiB). Nothing is set aside for bytes that are only announced: a slow body holds
//! what it has sent, at most twice. A body that arrives in one piece is never copied; the pieces of another are put
//! together as they come. What the host holds of a connection is not counted, nor what a handler makes of a body.
//!
//! The time runs from the first time that the body has to be waited for. It is the system's, whatever runtime polls the
//! request and whether that has a timer; a test that pauses tokio's time (`tokio::time::pause`) moves it.
//!
//! # When not to use it
//!
//! For bodies that are streamed, uploads above all: it holds the whole body before the handler sees any of it.

mod budget;
#[cfg(feature = "axum")]
mod checked;
mod future;
mod head;
mod layer;
mod limits;
mod media;
mod reading;
mod replay;
mod service;
mod valid;

#[cfg(feature = "axum")]
pub(crate) use self::checked::{check_type_once, extract, no_body};
pub use self::{
    future::ResponseFuture, layer::StrictBodyLayer, limits::BodyLimits, replay::ReplayBody, service::StrictBody,
    valid::ValidBody,
};
