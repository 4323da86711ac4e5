//! For axum 0.8 (feature `axum`): extractors, refusals as responses, and organisations by path parameter.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_auth::{ApiKeyLayer, AuthStack, Principal, Rejection, Secret};
//!
//! async fn me(who: Principal) -> String {
//!     format!("hello {}", who.subject())
//! }
//!
//! async fn model() -> Result<String, Rejection> {
//!     Err(Rejection::custom(http::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND").message("There is no such model."))
//! }
//!
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(keys).build()?;
//! let app: Router = Router::new().route("/me", get(me)).route("/models/{id}", get(model)).layer(stack);
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # Unknown paths
//!
//! `Router::layer` also wraps the router's fallback. A service whose private routes are merged into a public router answers an
//! unknown path 404 to anyone only where the outer router sets a fallback of its own.

use ::axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, RawPathParams},
    response::{IntoResponse, Response},
};
use http::{Request, request::Parts};

use crate::{Principal, Rejection, identity::Identity, permission::OrgSource};

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Identity::principal_in(&parts.extensions).cloned()
    }
}

/// `None` for a visitor whom an optional layer let in; without any layer, 500 as for the principal itself.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        match parts.extensions.get() {
            Some(Identity::Anonymous(_)) => Ok(None),
            _ => Identity::principal_in(&parts.extensions).cloned().map(Some),
        }
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
    let mut extracting = std::pin::pin!(RawPathParams::from_request_parts(&mut head, &()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(params)) = extracting.as_mut().poll(&mut context) else { return None };
    params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.to_owned())
}
