use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{admission::Admission, guards::Guards, response::ResponseFuture};
use crate::RequestId;

/// The service of every guarding layer: the guards and the inner service.
///
/// Layers create it, such as [`ApiKeyLayer`](crate::ApiKeyLayer), [`AuthLayer`](crate::AuthLayer) and
/// [`RequireLayer`](crate::RequireLayer). Name it only where a type has to be written out.
///
/// ```
/// use tower::{Layer, service_fn};
/// use tower_auth::{ApiKeyLayer, Secret, gate::Gate};
///
/// let layer = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let service: Gate<_> = layer.layer(service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// }));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    guards: Arc<Guards>,
}

impl<S> Gate<S> {
    pub(crate) const fn new(inner: S, guards: Arc<Guards>) -> Self {
        Self { inner, guards }
    }

    #[inline]
    pub(crate) fn poll_inner<B>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Request<B>>,
    {
        self.inner.poll_ready(cx)
    }

    /// Runs the guards. The caller of [`Admission::poll_answer`] chooses the response body of a refusal.
    #[inline]
    pub(crate) fn admit<B, R>(&mut self, request: Request<B>, request_id: Option<&RequestId>) -> Admission<S, B>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
    {
        Admission::start(&self.guards, &mut self.inner, request, request_id)
    }
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.admit(request, None))
    }
}
