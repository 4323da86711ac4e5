use std::{
    any::type_name,
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::{
    future::ResponseFuture,
    head::{Governed, Plan, unread},
    limits::BodyLimits,
    reading::Reading,
    replay::ReplayBody,
};
use crate::{BoxError, context::validated::ValidatedBytes};

/// The service of a [`StrictBodyLayer`](crate::StrictBodyLayer). Use the name only if a type must be written out.
///
/// ```
/// use tower::Layer;
/// use tower_auth::{StrictBodyLayer, strict_body::StrictBody};
///
/// fn mount<S>(layer: &StrictBodyLayer<Vec<String>>, inner: S) -> StrictBody<S, Vec<String>> {
///     layer.layer(inner)
/// }
/// ```
pub struct StrictBody<S, T> {
    inner: S,
    governed: Governed,
    limits: BodyLimits,
    documented: PhantomData<fn() -> T>,
}

impl<S, T> StrictBody<S, T> {
    pub(super) const fn new(inner: S, governed: Governed, limits: BodyLimits) -> Self {
        Self { inner, governed, limits, documented: PhantomData }
    }
}

impl<S: Clone, T> Clone for StrictBody<S, T> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.governed, self.limits.clone())
    }
}

impl<S: fmt::Debug, T> fmt::Debug for StrictBody<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictBody")
            .field("inner", &self.inner)
            .field("type", &type_name::<T>())
            .finish_non_exhaustive()
    }
}

impl<S, T, B, R> Service<Request<B>> for StrictBody<S, T>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    T: DeserializeOwned + Send + 'static,
    B: Body,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut request, body) = request.into_parts();
        match self.governed.plan(&request, &body, self.limits.bytes) {
            // A body that reports itself empty is dropped unread, so nothing of it reaches the service.
            Plan::Absent => {
                drop(body);
                request.extensions.insert(ValidatedBytes::default());
                ResponseFuture::called(self.inner.call(Request::from_parts(request, ReplayBody::default())))
            }
            Plan::Pass => {
                request.extensions.insert(ValidatedBytes::default());
                ResponseFuture::called(self.inner.call(Request::from_parts(request, ReplayBody::untouched(body))))
            }
            Plan::Refuse(rejection) => {
                let version = request.version;
                ResponseFuture::refused(unread(rejection, version), request)
            }
            Plan::Read(empty) => {
                // The service that was polled ready must be called, because its clone is not ready.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::reading(Reading::new(body, empty, &self.limits), request, ready, self.limits.json)
            }
        }
    }
}
