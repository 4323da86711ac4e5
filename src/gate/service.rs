use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{admission::Admission, guards::Guards, response::ResponseFuture};
use crate::RequestId;

/// The service that every guarding layer makes: the guards in front of the inner service.
///
/// It is made by layers ([`ApiKeyLayer`](crate::ApiKeyLayer), [`AuthLayer`](crate::AuthLayer),
/// [`RequireLayer`](crate::RequireLayer)) and named only where a type has to be written out.
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

    /// Asks the guards, and gives what came of it without making a response of a refusal yet.
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
