use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    effects::{Charging, Effects},
    guard::{ChargedBy, Waited},
    guards::{Guards, Progress},
};
use crate::{
    Decision, Rejection, RequestId,
    base::maybe_ready::BoxFuture,
    context::{attempts::Allowed, decision::Kept, faults::watched, request::RequestContext},
};

pin_project! {
    /// A request in a gate. It ends with the inner service's response, or with a refusal, for which the caller of
    /// `poll_answer` chooses the body.
    ///
    /// It is cancel-safe: guards keep no state in it.
    pub(crate) struct Admission<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        effects: Effects,
        // `None` if the response does not need the guards.
        guards: Option<Arc<Guards>>,
        kept: Option<Kept>,
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
        Settling { settling: Option<Box<Settling<S::Response>>> },
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
    }
}

/// A request that waits for a guard, and the service that was polled ready for it.
struct Waiting<S, B> {
    answer: BoxFuture<Waited>,
    place: usize,
    guards: Arc<Guards>,
    request: Request<B>,
    service: S,
}

/// A failed request that waits until the limiter has charged the failure.
struct Settling<R> {
    answer: BoxFuture<Allowed>,
    budget: u64,
    failure: Failure<R>,
}

/// A 401 or 403: a refusal of the guards, or a response from further in.
enum Failure<R> {
    Guards(Rejection),
    FurtherIn(R),
}

impl<S, B, R> Admission<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    #[inline]
    pub(super) fn start(
        guards: &Arc<Guards>,
        service: &mut S,
        mut request: Request<B>,
        request_id: Option<&RequestId>,
    ) -> Self {
        let mut effects = Effects::default();
        if let Some(id) = request_id {
            let context = RequestContext::of_mut(request.extensions_mut());
            context.request_id.get_or_insert_with(|| id.clone());
        }
        if guards.accepts_late_refusals() {
            effects.accept_late_refusal(&mut request);
        }
        let progress = guards.run(0, &mut request, &mut effects);
        let admitted = matches!(progress, Progress::Admitted);
        let kept = (guards.keeps() && admitted).then(|| Kept::of(&(&request).into(), guards.client_ip()));
        let needed = (kept.is_some() || effects.is_charged() || matches!(progress, Progress::Waiting(..)))
            .then(|| Arc::clone(guards));
        let state = match progress {
            Progress::Admitted => State::Admitted { inner: watched(|| service.call(request)) },
            Progress::Refused(rejection) => State::Refused { rejection: Some(rejection) },
            Progress::Waiting(place, answer) => {
                // Take the service that was polled ready, and leave a clone in its place: the clone was not polled.
                let clone = service.clone();
                let service = mem::replace(service, clone);
                let guards = Arc::clone(guards);
                State::Waiting { waiting: Some(Box::new(Waiting { answer, place, guards, request, service })) }
            }
        };
        Self { state, effects, guards: needed, kept }
    }
}

impl<S, B, R> Admission<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    /// Polls for the response. `pass` converts the response of the inner service, and `answer` the response of a
    /// refusal, which has no body yet. A response is large, so it is passed on directly and not moved through an enum.
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
                    // Only a client that disconnects while the handler is pending is charged. A panic is not charged.
                    this.effects.answered();
                    let polled = watched(|| inner.poll(cx));
                    if polled.is_pending() {
                        this.effects.called();
                    }
                    let mut response = ready!(polled)?;
                    if let Some(refusal) = this.effects.late_refusal() {
                        let refused = handed_in(refusal, &response, this.guards.as_deref(), this.kept.as_ref());
                        this.state.set(refused);
                        continue;
                    }
                    match this.effects.charge_failure(&mut response) {
                        Charging::Done => {
                            finish(&mut response, this.effects, this.guards.as_deref(), this.kept.as_ref());
                            return Poll::Ready(Ok(pass(response)));
                        }
                        Charging::Spent(refusal) => spent(refusal, this.guards.as_deref(), this.kept.as_ref()),
                        Charging::Waiting(budget, answer) => {
                            Settling::wait(budget, answer, Failure::FurtherIn(response))
                        }
                    }
                }
                StateProj::Refused { rejection } => {
                    // A future that is polled after completion stays pending and does not panic.
                    let Some(rejection) = rejection.take() else { return Poll::Pending };
                    let mut response = rejection.clone().into_response();
                    match this.effects.charge_failure(&mut response) {
                        Charging::Done => {
                            this.effects.apply(&mut response, Guards::settling(this.guards.as_deref()));
                            return Poll::Ready(Ok(answer(response)));
                        }
                        Charging::Spent(refusal) => spent(refusal, this.guards.as_deref(), this.kept.as_ref()),
                        Charging::Waiting(budget, answer) => Settling::wait(budget, answer, Failure::Guards(rejection)),
                    }
                }
                StateProj::Settling { settling: slot } => {
                    let Some(settling) = slot else { return Poll::Pending };
                    let allowed = ready!(settling.answer.as_mut().poll(cx));
                    let Some(settling) = slot.take() else { return Poll::Pending };
                    match (allowed, settling.failure) {
                        (Err(refusal), _) => {
                            spent(refusal.charged(settling.budget), this.guards.as_deref(), this.kept.as_ref())
                        }
                        (Ok(()), Failure::Guards(rejection)) => {
                            State::Refused { rejection: Some(rejection.charged(settling.budget)) }
                        }
                        (Ok(()), Failure::FurtherIn(mut response)) => {
                            response.extensions_mut().insert(ChargedBy(settling.budget));
                            finish(&mut response, this.effects, this.guards.as_deref(), this.kept.as_ref());
                            return Poll::Ready(Ok(pass(response)));
                        }
                    }
                }
                StateProj::Waiting { waiting: slot } => {
                    let Some(waiting) = slot else { return Poll::Pending };
                    let rejection = ready!(waiting.poll(cx, this.effects)).err();
                    match slot.take().filter(|_| rejection.is_none()) {
                        Some(waiting) => {
                            let guards = &waiting.guards;
                            *this.kept =
                                guards.keeps().then(|| Kept::of(&(&waiting.request).into(), guards.client_ip()));
                            waiting.call()
                        }
                        None => State::Refused { rejection },
                    }
                }
            };
            this.state.set(next);
        }
    }
}

impl<R> Settling<R> {
    fn wait<S, B>(budget: u64, answer: BoxFuture<Allowed>, failure: Failure<R>) -> State<S, B>
    where
        S: Service<Request<B>, Response = R>,
    {
        State::Settling { settling: Some(Box::new(Self { answer, budget, failure })) }
    }
}

/// Completes a response from further in: applies the effects, and reports a refusal.
#[inline]
fn finish<R>(response: &mut Response<R>, effects: &Effects, guards: Option<&Guards>, kept: Option<&Kept>) {
    effects.apply(response, Guards::settling(guards));
    if let (Some(kept), Some(guards)) = (kept, guards) {
        report(response, kept, guards);
    }
}

/// Reports the refusal of a credential whose budget is spent, and returns the state that sends it.
#[cold]
fn spent<S, B>(refusal: Rejection, guards: Option<&Guards>, kept: Option<&Kept>) -> State<S, B>
where
    S: Service<Request<B>>,
{
    let decision = Decision::from_further_in(&refusal, kept);
    decision.log();
    tell(&decision, guards);
    State::Refused { rejection: Some(refusal) }
}

/// The same for a refusal that the handler has handed in with a [`LateRefusal`](crate::LateRefusal), in the place of this
/// response. It may have been logged where it was made.
#[cold]
fn handed_in<S, B, R>(
    refusal: Rejection,
    instead_of: &Response<R>,
    guards: Option<&Guards>,
    kept: Option<&Kept>,
) -> State<S, B>
where
    S: Service<Request<B>>,
{
    let decision = Decision::from_further_in(&refusal, kept);
    if !refusal.is_logged() {
        decision.log();
    }
    tell(&decision, guards);
    // A budget that was charged for the response is not charged again for the refusal.
    let marked = instead_of.extensions().get().map(|charged: &ChargedBy| charged.0);
    let charged = marked.or_else(|| Rejection::of(instead_of).and_then(Rejection::charged_by));
    let refusal = refusal.logged();
    State::Refused {
        rejection: Some(match charged {
            Some(budget) => refusal.charged(budget),
            None => refusal,
        }),
    }
}

fn tell(decision: &Decision<'_>, guards: Option<&Guards>) {
    if let Some(observer) = guards.and_then(|guards| guards.observer.as_ref()) {
        observer.tell(decision);
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Runs the remaining guards until all have admitted the request, or one has refused it.
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
        let request = self.request;
        State::Admitted { inner: watched(|| self.service.call(request)) }
    }
}

/// Reports a refusal from further in to the observer. Logs it unless another layer has: faults, and in a stack all
/// refusals.
fn report<B>(response: &mut Response<B>, kept: &Kept, guards: &Guards) {
    let Some(refusal) = Rejection::of(response) else {
        if response.status().is_server_error() {
            leave(response, kept);
        }
        return;
    };
    let decision = Decision::from_further_in(refusal, Some(kept));
    if let Some(observer) = &guards.observer {
        observer.tell(&decision);
    }
    if refusal.is_logged() {
        return;
    }
    if guards.logs_all() || refusal.status().is_server_error() {
        decision.log();
        let logged = refusal.clone().logged();
        response.extensions_mut().insert(logged);
    } else {
        leave(response, kept);
    }
}

/// Stores the facts of the request in the response. An envelope further out may log the error, and knows less about
/// the request.
fn leave<B>(response: &mut Response<B>, kept: &Kept) {
    if response.extensions().get::<Kept>().is_none() {
        response.extensions_mut().insert(kept.clone());
    }
}
