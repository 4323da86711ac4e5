use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{body::EnvelopeBody, edge::Edge, future::ResponseFuture, settings::Settings};
use crate::context::faults::watched;

/// The service of an [`ErrorEnvelopeLayer`](crate::ErrorEnvelopeLayer).
///
/// ```
/// use tower::{Layer, service_fn};
/// use tower_auth::{ErrorEnvelopeLayer, envelope::ErrorEnvelope};
///
/// let service: ErrorEnvelope<_> = ErrorEnvelopeLayer::detailed().layer(service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::<bytes::Bytes>::default()))
/// }));
/// ```
#[derive(Clone, Debug)]
pub struct ErrorEnvelope<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> ErrorEnvelope<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for ErrorEnvelope<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<EnvelopeBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let edge = Edge::enter(&self.settings, &request);
        let kept = edge.mark(&mut request);
        ResponseFuture::new(watched(|| self.inner.call(request)), edge, kept)
    }
}
