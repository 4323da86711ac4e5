use std::sync::Arc;

use tower_layer::Layer;

use super::{guard::RequireGuard, policy::Permission, scopes::scope};
use crate::gate::{Gate, Guard, Guards};

/// Admits whom a policy grants.
///
/// In: a request that an authentication layer further out has seen. Out: the request as it is; 403 with what was
/// required; 401 where nobody presented a credential; 503 where the policy could not tell; 500 where no
/// authentication layer stands outside.
///
/// ```
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_auth::*;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let handler = service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// });
/// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let service = keys.layer(RequireLayer::scope("write").layer(handler));
///
/// let request = http::Request::get("/").header("x-api-key", "0123456789abcdef").body(()).unwrap();
/// assert_eq!(service.oneshot(request).await.unwrap().status(), http::StatusCode::FORBIDDEN);
/// # Ok::<_, ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct RequireLayer(RequireGuard);

impl RequireLayer {
    /// Requires this policy.
    pub fn new(policy: impl Permission) -> Self {
        Self(RequireGuard { policy: Arc::new(policy), masked: false, report_only: false })
    }

    /// Requires one scope: short for `RequireLayer::new(scope(..))`.
    pub fn scope(required: &str) -> Self {
        Self::new(scope(required))
    }

    /// Answers 404 where the policy denies, so that a caller cannot tell a forbidden resource from a missing one
    /// (RFC 9110, section 15.5.4).
    pub const fn mask_as_not_found(mut self) -> Self {
        self.0.masked = true;
        self
    }

    /// Decides, tells the log and the observer, and lets pass: for the weeks before a policy is enforced.
    pub const fn report_only(mut self) -> Self {
        self.0.report_only = true;
        self
    }

    pub(crate) fn guard(&self) -> Arc<dyn Guard> {
        Arc::new(self.0.clone())
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate::new(inner, Arc::new(Guards::new([self.guard()])))
    }
}
