//! Integration with axum 0.8 (feature `axum`): extractors, rejections as responses, and organisations by path
//! parameter.

mod params;
mod strict_path;
mod strict_query;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use ::axum::{
    RequestExt as _,
    body::Body,
    extract::{
        FromRef, FromRequest, FromRequestParts, OptionalFromRequest, OptionalFromRequestParts, RawPathParams,
        rejection::RawPathParamsRejection,
    },
    response::{IntoResponse, Response},
};
use http::{Request, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    BodyLimits, FullBody, LateRefusal, Principal, RateLimitLayer, Rejection, RequestExt as _, RequestHead, RequestId,
    TraceId, permission::OrgSource, rate_limit::LimitStatus, strict_body,
};

pub use self::{strict_path::StrictPath, strict_query::StrictQuery};

/// Extracts the caller. Answers 401 if no credential was presented, and 500 if no authentication layer stands in front.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.principal().cloned()
    }
}

/// Extracts `None` from an anonymous request that an optional layer admitted. Answers 500 if no authentication layer
/// stands in front.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        if parts.anonymous().is_some() { Ok(None) } else { parts.principal().cloned().map(Some) }
    }
}

/// Extracts the id that the client reads in `x-request-id`. Answers 500 if no envelope stands in front.
impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.request_id().ok_or_else(|| Rejection::internal(WITHOUT_ENVELOPE))
    }
}

/// Extracts the trace id of the request. Answers 500 if no envelope stands in front.
impl<S: Send + Sync> FromRequestParts<S> for TraceId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.trace_id().ok_or_else(|| Rejection::internal(WITHOUT_ENVELOPE))
    }
}

/// Extracts the handle to refuse the request from inside a handler; 500 if the stack was built without
/// [`late_refusals`](crate::stack::AuthStackBuilder::late_refusals).
impl<S: Send + Sync> FromRequestParts<S> for LateRefusal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.late_refusal()
    }
}

/// Extracts how the limits of the caller stand. The state of the router is, or has, a clone of the layer that is mounted; a
/// layer that does not limit by plan is answered 500.
impl<S: Send + Sync> FromRequestParts<S> for LimitStatus
where
    RateLimitLayer: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        RateLimitLayer::from_ref(state).status(parts.principal()?).await
    }
}

/// Answers with the JSON of [`to_json`](Self::to_json), and `Cache-Control: no-store`.
impl IntoResponse for LimitStatus {
    fn into_response(self) -> Response {
        FullBody::json(self.to_json().to_string()).map(Body::new)
    }
}

const WITHOUT_ENVELOPE: &str = "the request has no id, because no envelope stands in front of the handler; mount an \
                                AuthStack or an ErrorEnvelopeLayer around the router";

/// The body of a request, read strictly into a type (feature `axum`). The extractor makes the same checks as a
/// [`StrictBodyLayer`](crate::StrictBodyLayer). Behind such a layer, the extractor takes the layer's value.
///
/// `StrictJson` must be the last argument of a handler. `Option<StrictJson<T>>` also accepts a request without a body.
/// To set other limits than the defaults, put them into the request's extensions: see
/// [`BodyLimits`](crate::BodyLimits).
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_auth::{Rejection, StrictJson};
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     email: String, // a typing error in a field name is answered 422 with a pointer to it
///     password: String,
/// }
///
/// async fn login(StrictJson(login): StrictJson<Login>) -> Result<String, Rejection> {
///     if login.password == "…" { Ok(login.email) } else { Err(Rejection::invalid_credentials()) }
/// }
///
/// let app = Router::<()>::new().route("/login", post(login));
/// ```
///
/// A type that cannot be read strictly ([`json::check_type`](crate::json::check_type)) is answered 500, and the reason
/// is logged.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "a value is all that it will ever be, and handlers take it apart")]
pub struct StrictJson<T>(pub T);

/// Extracts the value. Answers 400 if there is no body.
impl<T, S> FromRequest<S> for StrictJson<T>
where
    T: DeserializeOwned + Send + 'static,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Rejection> {
        strict_body::extract(limited(request), false).await?.map(Self).ok_or_else(strict_body::no_body)
    }
}

/// Extracts `None` if there is no body.
impl<T, S> OptionalFromRequest<S> for StrictJson<T>
where
    T: DeserializeOwned + Send + 'static,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(strict_body::extract(limited(request), true).await?.map(Self))
    }
}

/// Applies axum's own limit too, unless the request carries [`BodyLimits`].
fn limited(request: Request<Body>) -> Request<Body> {
    if request.extensions().get::<BodyLimits>().is_some() { request } else { request.with_limited_body() }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

impl OrgSource {
    /// Takes the organisation from a path parameter of the matched route, decoded as the handler sees it. Parameters in
    /// the prefix of `nest` are included. If the route has two parameters of this name, the organisation is ambiguous
    /// and the request is denied: 403.
    ///
    /// Only the parameters of routers that have already matched are known. A layer outside of a router that is mounted
    /// with `nest_service` or `route_service` does not see the parameters of that router, and does not detect a second
    /// parameter of this name in it. Mount the layer with `route_layer` on the router that has the route.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_auth::{RequireLayer, permission::{OrgSource, member_of}};
    ///
    /// let projects = Router::<()>::new()
    ///     .route("/projects", get(|| async { "ok" }))
    ///     .route_layer(RequireLayer::new(member_of(OrgSource::axum_param("org"))));
    /// let app = Router::<()>::new().nest("/v1/organizations/{org}", projects);
    /// ```
    #[must_use]
    pub fn axum_param(name: &'static str) -> Self {
        Self::named(format!("axum's path parameter {name:?}"), move |request| path_param(request, name))
    }
}

/// axum exposes path parameters only to extractors, so an extractor is run on a copy of the extensions. It never waits.
fn path_param(request: &RequestHead<'_>, name: &str) -> Option<String> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.extensions = request.extensions().clone();
    let mut extracting = pin!(RawPathParams::from_request_parts(&mut head, &()));
    let mut context = Context::from_waker(Waker::noop());
    match extracting.as_mut().poll(&mut context) {
        Poll::Ready(Ok(params)) => {
            let mut named = params.iter().filter(|(param, _)| *param == name).map(|(_, value)| value);
            let first = named.next()?;
            // With two of this name, a handler may read the other one, so neither is used.
            Some(if named.next().is_some() { String::new() } else { first.to_owned() })
        }
        // A parameter that is not UTF-8 is a fault of the client and names no organisation.
        Poll::Ready(Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) => Some(String::new()),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}
