use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    decide::{Approved, by_body, name_caller},
    table::Table,
};
use crate::{
    BodyLimits, BoxError, Rejection,
    context::validated::ValidatedBytes,
    gate, json,
    strict_body::{Reading, ReplayBody, Whole, unread},
};

pin_project! {
    /// The future of an [`McpScopesService`](super::McpScopesService): the inner service's response, or a refusal with an
    /// empty body.
    ///
    /// The future is cancel-safe: dropping it releases the bytes that it holds. Use the name only if a type must be written
    /// out.
    ///
    /// ```
    /// use tower::Service;
    /// use tower_auth::{mcp::{McpScopesService, ResponseFuture}, strict_body::ReplayBody};
    ///
    /// fn call<S, B, R>(service: &mut McpScopesService<S>, request: http::Request<B>) -> ResponseFuture<S, B>
    /// where
    ///     S: Service<http::Request<ReplayBody<B>>, Response = http::Response<R>> + Clone,
    ///     B: http_body::Body<Error: Into<tower_auth::BoxError>>,
    ///     R: Default,
    /// {
    ///     service.call(request)
    /// }
    /// ```
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        Reading { #[pin] reading: Reading<B>, waiting: Option<Waiting<S>> },
        Called { #[pin] inner: S::Future },
        Refused { refusal: Option<(Rejection, Parts)> },
    }
}

/// A request while its body arrives, with the service that was polled ready for it.
pub(super) struct Waiting<S> {
    pub(super) request: Parts,
    pub(super) service: S,
    pub(super) table: Arc<Table>,
    pub(super) limits: BodyLimits,
    pub(super) approved: Approved,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(super) const fn called(inner: S::Future) -> Self {
        Self { state: State::Called { inner } }
    }

    pub(super) const fn refused(rejection: Rejection, request: Parts) -> Self {
        Self { state: State::Refused { refusal: Some((rejection, request)) } }
    }

    pub(super) const fn reading(reading: Reading<B>, waiting: Waiting<S>) -> Self {
        Self { state: State::Reading { reading, waiting: Some(waiting) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Reading { reading, waiting } => {
                    let read = ready!(reading.poll(cx));
                    // A future that is polled after completion stays pending for ever instead of panicking.
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    match read {
                        Ok(whole) => waiting.call::<B>(whole),
                        Err(rejection) => {
                            let rejection = unread(rejection, waiting.request.version);
                            State::Refused { refusal: Some((rejection, waiting.request)) }
                        }
                    }
                }
                StateProj::Called { inner } => return inner.poll(cx),
                StateProj::Refused { refusal } => {
                    let Some((rejection, request)) = refusal.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(gate::refuse(rejection, "mcp", &request).into_response()));
                }
            };
            state.set(next);
        }
    }
}

impl<S> Waiting<S> {
    /// Decides by the bytes, and calls the service with the same bytes.
    fn call<B>(self, whole: Whole) -> State<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let Self { mut request, mut service, table, limits, approved } = self;
        let Whole { bytes, trailers, absent } = whole;
        let messages = if absent { Ok(None) } else { json::from_slice(&bytes, limits.of_json()).map(Some) };
        let messages = messages.map_err(Rejection::from);
        let decided = messages.and_then(|messages| by_body(&request, &table, &approved, messages.as_ref()));
        if let Err(rejection) = decided {
            return State::Refused { refusal: Some((rejection, request)) };
        }
        name_caller(&mut request);
        request.extensions.insert(ValidatedBytes::new(bytes.clone()));
        State::Called { inner: service.call(Request::from_parts(request, ReplayBody::checked(bytes, trailers))) }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
