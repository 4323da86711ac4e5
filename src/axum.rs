//! For axum 0.8 (feature `axum`): extractors, refusals as responses, and organisations by path parameter.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use ::axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, RawPathParams, rejection::RawPathParamsRejection},
    response::{IntoResponse, Response},
};
use http::{Request, request::Parts};

use crate::{Principal, Rejection, RequestExt as _, permission::OrgSource};

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

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

impl OrgSource {
    /// A path parameter of the matched route, decoded as the handler sees it. It is found inside `nest` too.
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
fn path_param(request: &Parts, name: &str) -> Option<String> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.extensions = request.extensions.clone();
    let mut extracting = pin!(RawPathParams::from_request_parts(&mut head, &()));
    let mut context = Context::from_waker(Waker::noop());
    match extracting.as_mut().poll(&mut context) {
        Poll::Ready(Ok(params)) => params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.to_owned()),
        // A parameter that is no UTF-8 is the caller's doing and names no organisation.
        Poll::Ready(Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) => Some(String::new()),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}
