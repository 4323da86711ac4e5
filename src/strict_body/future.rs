use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::{
    head::unread,
    reading::{Reading, Whole},
    replay::ReplayBody,
    valid::ValidBody,
};
use crate::{
    BoxError, Rejection,
    context::validated::ValidatedBytes,
    gate,
    json::{self, JsonLimits},
};

pin_project! {
    /// The future of a [`StrictBody`](super::StrictBody): the inner service's response, or a refusal with an empty
    /// body.
    ///
    /// The future is cancel-safe: dropping it releases the bytes that it holds. Use the name only if a type must be
    /// written out.
    ///
    /// ```
    /// use tower::Service;
    /// use tower_auth::strict_body::{ReplayBody, ResponseFuture, StrictBody};
    ///
    /// fn call<S, B, R>(service: &mut StrictBody<S, Vec<String>>, request: http::Request<B>) -> ResponseFuture<S, B, Vec<String>>
    /// where
    ///     S: Service<http::Request<ReplayBody<B>>, Response = http::Response<R>> + Clone,
    ///     B: http_body::Body<Error: Into<tower_auth::BoxError>>,
    ///     R: Default,
    /// {
    ///     service.call(request)
    /// }
    /// ```
    pub struct ResponseFuture<S, B, T>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S, B>,
        documented: PhantomData<fn() -> T>,
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
struct Waiting<S> {
    request: Parts,
    service: S,
    limits: JsonLimits,
}

impl<S, B, T> ResponseFuture<S, B, T>
where
    S: Service<Request<ReplayBody<B>>>,
{
    const fn new(state: State<S, B>) -> Self {
        Self { state, documented: PhantomData }
    }

    pub(super) const fn called(inner: S::Future) -> Self {
        Self::new(State::Called { inner })
    }

    pub(super) fn refused(rejection: Rejection, request: Parts) -> Self {
        Self::new(State::Refused { refusal: Some((rejection, request)) })
    }

    pub(super) const fn reading(reading: Reading<B>, request: Parts, service: S, limits: JsonLimits) -> Self {
        Self::new(State::Reading { reading, waiting: Some(Waiting { request, service, limits }) })
    }
}

impl<S, B, T, R> Future for ResponseFuture<S, B, T>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<BoxError>,
    T: DeserializeOwned + Send + 'static,
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
                        Ok(whole) => waiting.call::<B, T>(whole),
                        Err(rejection) => {
                            let rejection = unread(rejection, waiting.request.version);
                            State::Refused { refusal: Some((rejection, waiting.request)) }
                        }
                    }
                }
                StateProj::Called { inner } => return inner.poll(cx),
                StateProj::Refused { refusal } => {
                    let Some((rejection, request)) = refusal.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(gate::refuse(rejection, "strict_body", &request).into_response()));
                }
            };
            state.set(next);
        }
    }
}

impl<S> Waiting<S> {
    /// Reads the bytes into the type, and calls the service with both.
    fn call<B, T>(mut self, whole: Whole) -> State<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
        T: DeserializeOwned + Send + 'static,
    {
        let Whole { bytes, trailers, absent } = whole;
        self.request.extensions.insert(ValidatedBytes::new(bytes.clone()));
        if !absent {
            match json::from_slice::<T>(&bytes, &self.limits) {
                Ok(value) => drop(self.request.extensions.insert(ValidBody::new(value))),
                Err(error) => return State::Refused { refusal: Some((error.into(), self.request)) },
            }
        }
        let request = Request::from_parts(self.request, ReplayBody::checked(bytes, trailers));
        State::Called { inner: self.service.call(request) }
    }
}

impl<S, B, T> fmt::Debug for ResponseFuture<S, B, T>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
