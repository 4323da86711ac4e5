//! The outcome of authentication.

use std::sync::Arc;

use http::HeaderValue;

use crate::{Principal, Rejection};

/// The outcome of authentication when no credential was presented and the layer admits anonymous requests. It contains
/// the challenge of the methods, and no caller.
///
/// ```
/// use tower_auth::{ApiKeyLayer, RequestExt, Secret};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let layer = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?.optional();
/// let service = layer.layer(service_fn(|request: http::Request<()>| async move {
///     assert!(request.anonymous().is_some());
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// }));
/// service.oneshot(http::Request::new(())).await.unwrap();
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Anonymous {
    challenge: Option<Arc<HeaderValue>>,
    preflight: bool,
}

impl Anonymous {
    pub(crate) const fn new(challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge, preflight: false }
    }

    /// Returns the outcome for a CORS preflight that may pass every guard, because a preflight never has a credential.
    pub(crate) const fn preflight(challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge, preflight: true }
    }

    pub(crate) const fn is_preflight(&self) -> bool {
        self.preflight
    }

    /// Returns the value of `WWW-Authenticate` that a 401 would have.
    #[must_use]
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.challenge.as_deref()
    }

    pub(crate) fn refusal(&self) -> Rejection {
        Rejection::missing_credential(self.challenge.clone())
    }
}

/// The outcome of authentication. The type is private, so that only a gate can put it into a request: an authenticator
/// has authenticated every [`Principal`] that reaches a handler this way.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Principal(Principal),
    Anonymous(Anonymous),
}
