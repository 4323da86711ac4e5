use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, header};
use tower_service::Service;

use super::RateLimitLayer;
use crate::{ConfigError, FullBody, Principal, Rejection, RejectionKind, context::request_ext::RequestExt as _};

/// A service that answers with the limits of its caller as JSON: "my limits". Mount it on a route behind the
/// authentication.
///
/// It answers GET and HEAD with [`LimitStatus::to_json`](super::LimitStatus::to_json) and `Cache-Control: no-store`; 405 to
/// other methods; 401 to a caller without a credential; 503 if the limiter does not answer; 500 without an authentication
/// layer in front. The [envelope](crate::ErrorEnvelopeLayer) writes the body of a refusal. It takes nothing from a limit. A limit
/// in front of it does: see the [module page](crate::rate_limit#how-a-limit-stands).
///
/// ```
/// use http::{Request, Response};
/// use tower::{ServiceExt, Layer};
/// use tower_auth::{ApiKeyLayer, Plans, Quota, RateLimitLayer, Secret, rate_limit::LimitStatusService};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
/// let limits = RateLimitLayer::by_plan(&plans);
/// let service = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?.layer(LimitStatusService::new(&limits)?);
/// let request = Request::get("/v1/limits").header("x-api-key", "0123456789abcdef").body(()).unwrap();
/// assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct LimitStatusService(RateLimitLayer);

impl LimitStatusService {
    /// Creates the service for the limits of a layer by plan. The layer is a clone of the one that is mounted.
    ///
    /// # Errors
    /// If the layer does not limit by plan.
    pub fn new(layer: &RateLimitLayer) -> Result<Self, ConfigError> {
        layer.check_has_plans("LimitStatusService")?;
        Ok(Self(layer.clone()))
    }

    async fn answer(self, who: Principal) -> Result<Response<FullBody>, Infallible> {
        Ok(match self.0.status(&who).await {
            Ok(status) => FullBody::json(status.to_json().to_string()),
            Err(rejection) => rejection.into_response(),
        })
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<FullBody>, Infallible>> + Send>>;

impl<B> Service<Request<B>> for LimitStatusService {
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let refused = |rejection: Rejection| -> Answer { Box::pin(async { Ok(rejection.into_response()) }) };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let refusal = Rejection::new(RejectionKind::MethodNotAllowed);
            return refused(refusal.header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        match request.principal() {
            Ok(who) => Box::pin(self.clone().answer(who.clone())),
            Err(rejection) => refused(rejection),
        }
    }
}

impl fmt::Debug for LimitStatusService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LimitStatusService").finish_non_exhaustive()
    }
}
