use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    envelope::{Edge, EnvelopeBody, Settings},
    gate::{Admission, Gate},
};

/// The service of an [`AuthStack`](crate::AuthStack). Use the name only if a type must be written out.
///
/// ```
/// use tower::{Layer, service_fn};
/// use tower_auth::{AuthStack, stack::AuthStackService};
///
/// fn mount<S>(stack: &AuthStack, inner: S) -> AuthStackService<S> {
///     stack.layer(inner)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthStackService<S> {
    pub(super) gate: Gate<S>,
    pub(super) settings: Arc<Settings>,
}

impl<S, B, R> Service<Request<B>> for AuthStackService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
{
    type Response = Response<EnvelopeBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.gate.poll_inner(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let edge = Edge::enter(&self.settings, &request);
        ResponseFuture { admission: self.gate.admit(request, Some(edge.request_id())), edge }
    }
}

pin_project! {
    /// The future of an [`AuthStack`](crate::AuthStack). Use the name only if a type must be written out.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        admission: Admission<S, B>,
        edge: Edge,
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Output = Result<Response<EnvelopeBody<R>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let edge = this.edge;
        this.admission.poll_answer(cx, |response| edge.leave(response, None), |refused| edge.refuse(refused))
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
