//! For axum 0.8 (feature `axum`): extractors, refusals as responses, and organisations by path parameter.

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
        FromRequest, FromRequestParts, OptionalFromRequest, OptionalFromRequestParts, RawPathParams,
        rejection::RawPathParamsRejection,
    },
    response::{IntoResponse, Response},
};
use http::{Request, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    BodyLimits, Principal, Rejection, RequestExt as _, RequestHead, RequestId, TraceId, permission::OrgSource,
    strict_body,
};

pub use self::{strict_path::StrictPath, strict_query::StrictQuery};

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.principal().cloned()
    }
}

/// `None` for a visitor whom an optional layer let in; without any layer, 500 as for the principal itself.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        if parts.anonymous().is_some() { Ok(None) } else { parts.principal().cloned().map(Some) }
    }
}

/// The id that the client reads in `x-request-id`; 500 where no envelope stands in front.
impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.request_id().ok_or_else(|| Rejection::internal(WITHOUT_ENVELOPE))
    }
}

/// The trace id of the request; 500 where no envelope stands in front.
impl<S: Send + Sync> FromRequestParts<S> for TraceId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts.trace_id().ok_or_else(|| Rejection::internal(WITHOUT_ENVELOPE))
    }
}

const WITHOUT_ENVELOPE: &str = "a handler asks for the id of the request, and no envelope has given it one; mount an AuthStack or \
                                an ErrorEnvelopeLayer around the router";

/// The body of a request, read strictly into a type (feature `axum`): the whole check of a
/// [`StrictBodyLayer`](crate::StrictBodyLayer), or its value where one stands in front.
///
/// It is the last argument of a handler. `Option<StrictJson<T>>` takes a request without a body too. Limits other than
/// the defaults stand in the request's extensions: see [`BodyLimits`](crate::BodyLimits).
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_auth::{Rejection, StrictJson};
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     email: String, // a typo in a field's name is a 422 with a pointer to it
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
/// A type with parts whose fields nobody can see ([`json::check_type`](crate::json::check_type)) is answered 500, and the
/// log says which part.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "a value is all that it will ever be, and handlers take it apart")]
pub struct StrictJson<T>(pub T);

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

/// `None` where there is no body.
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

/// Where nobody has said how large bodies may be, axum's own limit holds too.
fn limited(request: Request<Body>) -> Request<Body> {
    if request.extensions().get::<BodyLimits>().is_some() { request } else { request.with_limited_body() }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

impl OrgSource {
    /// A path parameter of the matched route, decoded as the handler sees it. It is found inside `nest` too. A route that
    /// has two parameters of this name names no one organisation and is denied: 403.
    ///
    /// It knows the parameters of routers that have chosen a route by then: in front of a router that is mounted with
    /// `nest_service` or `route_service`, those of that router are unknown, and so is a second one of this name. Mount
    /// the layer with `route_layer` on the router that has the route.
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

/// axum shows path parameters to extractors alone, so one is run on a copy of the extensions; it never waits.
fn path_param(request: &RequestHead<'_>, name: &str) -> Option<String> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.extensions = request.extensions().clone();
    let mut extracting = pin!(RawPathParams::from_request_parts(&mut head, &()));
    let mut context = Context::from_waker(Waker::noop());
    match extracting.as_mut().poll(&mut context) {
        Poll::Ready(Ok(params)) => {
            let mut named = params.iter().filter(|(param, _)| *param == name).map(|(_, value)| value);
            let first = named.next()?;
            // A handler may read the other one of two.
            Some(if named.next().is_some() { String::new() } else { first.to_owned() })
        }
        // A parameter that is no UTF-8 is the caller's doing and names no organisation.
        Poll::Ready(Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) => Some(String::new()),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}
