use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admission::Admission;

pin_project! {
    /// The future of every guarding layer. It resolves to the inner service's response, or to a refusal with an empty
    /// body.
    ///
    /// Name it only where a type has to be written out.
    ///
    /// ```
    /// use tower_auth::gate::{Gate, ResponseFuture};
    /// use tower::Service;
    ///
    /// fn call<S, B, R>(gate: &mut Gate<S>, request: http::Request<B>) -> ResponseFuture<S, B>
    /// where
    ///     S: Service<http::Request<B>, Response = http::Response<R>> + Clone,
    ///     R: Default,
    /// {
    ///     gate.call(request)
    /// }
    /// ```
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        admission: Admission<S, B>,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) const fn new(admission: Admission<S, B>) -> Self {
        Self { admission }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Output = Result<Response<R>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().admission.poll_answer(cx, |response| response, |refused| refused.map(|()| R::default()))
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
