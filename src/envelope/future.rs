use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{body::EnvelopeBody, edge::Edge};
use crate::context::{decision::Kept, faults::watched};

pin_project! {
    /// The future of an [`ErrorEnvelope`](crate::envelope::ErrorEnvelope). Use the name only if a type must be written
    /// out.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        edge: Edge,
        kept: Option<Kept>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, edge: Edge, kept: Option<Kept>) -> Self {
        Self { inner, edge, kept }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<EnvelopeBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(watched(|| this.inner.poll(cx)))?;
        Poll::Ready(Ok(this.edge.leave(response, this.kept.as_ref())))
    }
}
