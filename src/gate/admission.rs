use std::{
    future::Future,
    mem,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    effects::Effects,
    guard::Verdict,
    guards::{Guards, Progress},
};
use crate::{Decision, PeerAddr, Rejection, TraceId, answer::BoxFuture, decision::Kept};

pin_project! {
    /// A request on its way through a gate: it ends with the inner service's response, or with a refusal that nobody
    /// has made a response of yet.
    ///
    /// It may be dropped at any await: guards have no state of their own here.
    pub(crate) struct Admission<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        effects: Effects,
        // Where they are needed when the response comes.
        guards: Option<Arc<Guards>>,
        watch: Option<Watch>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Admitted { #[pin] inner: S::Future },
        Refused { rejection: Option<Rejection> },
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
    }
}

/// A request whose guard has to be waited for, with the service that was polled ready for it.
struct Waiting<S, B> {
    answer: BoxFuture<Verdict>,
    place: usize,
    guards: Arc<Guards>,
    request: request::Parts,
    body: B,
    service: S,
}

/// Somebody wants to hear of refusals from further in.
struct Watch {
    trace_id: Option<TraceId>,
    peer: Option<IpAddr>,
}

impl<S, B, R> Admission<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    #[inline]
    pub(super) fn start(guards: &Arc<Guards>, service: &mut S, request: Request<B>) -> Self {
        let (mut request, body) = request.into_parts();
        let mut effects = Effects::default();
        let progress = guards.run(0, &mut request, &mut effects);
        let watch = guards.watches().then(|| Watch {
            trace_id: request.extensions.get().copied(),
            peer: PeerAddr::of(&request.extensions).map(|peer| peer.0),
        });
        let waits = matches!(progress, Progress::Waiting(..));
        let kept = (watch.is_some() || waits || effects.is_charged()).then(|| Arc::clone(guards));
        let state = match progress {
            Progress::Admitted => State::Admitted { inner: service.call(Request::from_parts(request, body)) },
            Progress::Refused(rejection) => State::Refused { rejection: Some(rejection) },
            Progress::Waiting(place, answer) => {
                // The service that was polled ready is the one to call; its clone has not been polled.
                let clone = service.clone();
                let service = mem::replace(service, clone);
                let guards = Arc::clone(guards);
                State::Waiting { waiting: Some(Box::new(Waiting { answer, place, guards, request, body, service })) }
            }
        };
        Self { state, effects, guards: kept, watch }
    }
}

impl<S, B, R> Admission<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    /// What `pass` makes of the inner service's response, or `answer` of a refusal's, which has no body yet. A
    /// response is large: it is handed on at once and not moved through a value that could hold either.
    #[inline]
    pub(crate) fn poll_answer<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pass: impl FnOnce(Response<R>) -> Response<T>,
        answer: impl FnOnce(Response<()>) -> Response<T>,
    ) -> Poll<Result<Response<T>, S::Error>> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Admitted { inner } => {
                    let mut response = ready!(inner.poll(cx))?;
                    let guards = this.guards.as_deref();
                    this.effects.apply(&mut response, Guards::settling(guards));
                    if let (Some(watch), Some(guards)) = (this.watch, guards) {
                        watch.report(&mut response, this.effects, guards);
                    }
                    return Poll::Ready(Ok(pass(response)));
                }
                StateProj::Refused { rejection } => {
                    // A future polled after it was done stays pending for ever, rather than panicking.
                    let Some(rejection) = rejection.take() else { return Poll::Pending };
                    let mut response = rejection.into_response();
                    this.effects.apply(&mut response, Guards::settling(this.guards.as_deref()));
                    return Poll::Ready(Ok(answer(response)));
                }
                StateProj::Waiting { waiting: slot } => {
                    let Some(waiting) = slot else { return Poll::Pending };
                    ready!(waiting.poll(cx, this.effects)).map_or_else(
                        |rejection| State::Refused { rejection: Some(rejection) },
                        |()| slot.take().map_or(State::Refused { rejection: None }, |waiting| waiting.call()),
                    )
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Asks on until every guard has admitted, or one has not.
    fn poll(&mut self, cx: &mut Context<'_>, effects: &mut Effects) -> Poll<Result<(), Rejection>> {
        loop {
            let verdict = ready!(self.answer.as_mut().poll(cx));
            match self.guards.resume(self.place, verdict, &mut self.request, effects) {
                Progress::Admitted => return Poll::Ready(Ok(())),
                Progress::Refused(rejection) => return Poll::Ready(Err(rejection)),
                Progress::Waiting(place, answer) => (self.place, self.answer) = (place, answer),
            }
        }
    }

    fn call(mut self) -> State<S, B> {
        State::Admitted { inner: self.service.call(Request::from_parts(self.request, self.body)) }
    }
}

impl Watch {
    /// Tells of a refusal from further in, and logs one of the handler's, which no gate has done.
    fn report<B>(&self, response: &mut Response<B>, effects: &Effects, guards: &Guards) {
        let Some(refusal) = Rejection::of(response) else { return };
        let kept = Kept { principal: effects.principal(), trace_id: self.trace_id, peer: self.peer };
        let decision = Decision::from_further_in(refusal, kept);
        if let Some(observer) = &guards.observer {
            observer.tell(&decision);
        }
        if !refusal.is_logged() {
            decision.log();
            let logged = refusal.clone().logged();
            response.extensions_mut().insert(logged);
        }
    }
}
