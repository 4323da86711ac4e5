//! What the floors have in common: a service that does nothing, and a check in front of it that decides at once.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready as ready_or_return},
};

use axum::body::Body;
use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

/// A service that does nothing: its answer is ready and has no headers and no body.
#[derive(Clone, Copy)]
pub(crate) struct Bare;

impl Service<Request<Body>> for Bare {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// What a floor checks.
pub(crate) trait Check {
    type Told: Tell;

    /// Admits the request, or answers it.
    #[expect(clippy::result_large_err, reason = "a box would add an allocation to the floor")]
    fn check(&self, request: &mut Request<Body>) -> Result<Self::Told, Response<Body>>;
}

/// What is set on the response to an admitted request.
pub(crate) trait Tell {
    fn tell(&self, headers: &mut HeaderMap);
}

/// The prototype that does the minimum work: a check, and headers on the response.
#[derive(Clone)]
pub(crate) struct Checked<S, C> {
    pub(crate) inner: S,
    pub(crate) check: C,
}

impl<S, C> Service<Request<Body>> for Checked<S, C>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    C: Check,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = CheckedFuture<S::Future, C::Told>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.check.check(&mut request) {
            Ok(told) => CheckedFuture::Admitted { inner: self.inner.call(request), told },
            Err(response) => CheckedFuture::Refused { response: Some(response) },
        }
    }
}

pin_project! {
    #[project = CheckedFutureProj]
    pub(crate) enum CheckedFuture<F, T> {
        Admitted { #[pin] inner: F, told: T },
        Refused { response: Option<Response<Body>> },
    }
}

impl<F, T, E> Future for CheckedFuture<F, T>
where
    F: Future<Output = Result<Response<Body>, E>>,
    T: Tell,
{
    type Output = Result<Response<Body>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CheckedFutureProj::Admitted { inner, told } => {
                let mut response = ready_or_return!(inner.poll(cx))?;
                told.tell(response.headers_mut());
                Poll::Ready(Ok(response))
            }
            CheckedFutureProj::Refused { response } => response.take().map_or(Poll::Pending, |r| Poll::Ready(Ok(r))),
        }
    }
}
