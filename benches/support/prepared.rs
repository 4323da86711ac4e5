//! Adds something to each request before a service gets it.

use std::task::{Context, Poll};

use http::Request;
use tower::Service;

/// What is added to a request.
pub(crate) trait Prepare {
    fn prepare<B>(&mut self, request: &mut Request<B>);
}

#[derive(Clone)]
pub(crate) struct Prepared<S, P> {
    pub(crate) inner: S,
    pub(crate) prepare: P,
}

impl<S, P, B> Service<Request<B>> for Prepared<S, P>
where
    S: Service<Request<B>>,
    P: Prepare,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.prepare.prepare(&mut request);
        self.inner.call(request)
    }
}
