//! The guards of the endpoints, and the one way in which an answer is made behind them: as in a stack, they count,
//! charge, log and report.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::caller::Keys;
use crate::{
    AuthLayer, ClientIp, Clock, ConfigError, Dpop, FullBody, RateLimitLayer, Rejection, RequestHead, RequireLayer,
    base::time_limit::{self, TimeLimit},
    context::decision::Observer,
    gate::{Gate, Guard, Guards},
};

/// What the guards are built from.
#[derive(Clone, Default)]
pub(super) struct Guarding {
    pub(super) keys: Option<Keys>,
    pub(super) introspection: Option<RequireLayer>,
    /// Limits of callers.
    pub(super) limits: Vec<RateLimitLayer>,
    pub(super) client_ip: Option<ClientIp>,
    /// How proofs of possession are checked. It is no guard, and its settings are checked with them.
    pub(super) dpop: Option<Arc<Dpop>>,
    pub(super) observer: Option<Observer>,
}

/// The guards, prepared once for all requests.
#[derive(Clone)]
pub(super) struct Gates {
    /// For requests in which a client may present its key.
    calls: Arc<Guards>,
    /// For all others: it admits everything, and reports the refusals from further in.
    open: Arc<Guards>,
    introspection: Option<Arc<Guards>>,
}

impl Gates {
    /// Builds the guards.
    ///
    /// # Errors
    /// If a limit is misconfigured, or is none of callers, or if proofs cannot be checked.
    pub(super) fn new(settings: &Guarding, clock: &Clock) -> Result<Self, ConfigError> {
        settings.dpop.as_ref().map_or(Ok(()), |dpop| dpop.check_config())?;
        let limit = TimeLimit::new(clock.clone(), time_limit::DEFAULT);
        let watched = |list: Vec<Arc<dyn Guard>>| {
            let guards = Guards::new(list).with_clock(clock.clone()).with_client_ip(settings.client_ip.clone());
            Arc::new(guards.watched_by(settings.observer.clone()))
        };
        let mut calls: Vec<Arc<dyn Guard>> = Vec::new();
        if let Some(keys) = &settings.keys {
            calls.push(AuthLayer::first(keys.clone()).optional().clock(clock.clone()).guard());
            for layer in &settings.limits {
                layer.check_config()?;
                if layer.is_before_identity() {
                    return Err(ConfigError::new(
                        "AuthEndpoints::limit was given a limit by address",
                        "mount it in front of the endpoints: limit.layer(endpoints)",
                    ));
                }
                calls.push(layer.guard_in_stack(&limit, false, settings.client_ip.as_ref())?);
            }
        }
        let introspection = settings.introspection.as_ref().map(|permission| {
            let guards = Guards::new([permission.guard_in_stack(&limit)]).with_clock(clock.clone());
            Arc::new(guards.with_client_ip(settings.client_ip.clone()))
        });
        Ok(Self { calls: watched(calls), open: watched(Vec::new()), introspection })
    }

    /// Answers a request in which a client may present its key.
    pub(super) async fn calls<B, F, A>(&self, request: Request<B>, answer: F) -> Response<FullBody>
    where
        F: FnMut(Request<B>) -> A + Clone,
        A: Future<Output = Response<FullBody>> + Send + 'static,
    {
        behind(&self.calls, request, answer).await
    }

    /// Answers a request in which no key is read.
    pub(super) async fn open<B, F, A>(&self, request: Request<B>, answer: F) -> Response<FullBody>
    where
        F: FnMut(Request<B>) -> A + Clone,
        A: Future<Output = Response<FullBody>> + Send + 'static,
    {
        behind(&self.open, request, answer).await
    }

    /// Reports a request that is refused already.
    pub(super) async fn refused(&self, head: Parts, refusal: Refusing) -> Response<FullBody> {
        self.open(Request::from_parts(head, ()), move |_| ready((refusal.clone())())).await
    }

    /// Asks the policy whether the caller may introspect.
    pub(super) async fn permit(&self, head: &Parts) -> Result<(), Rejection> {
        let Some(guards) = &self.introspection else { return Err(Rejection::not_found()) };
        let request = RequestHead::from(head).to_request();
        let answer = behind(guards, request, |_| ready(Response::new(FullBody::default()))).await;
        Rejection::of(&answer).map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    /// Returns whether tokens can be introspected.
    pub(super) const fn have_introspection(&self) -> bool {
        self.introspection.is_some()
    }
}

/// Makes the response of a refusal.
pub(super) type Refusing = Arc<dyn Fn() -> Response<FullBody> + Send + Sync>;

async fn behind<B, F, A>(guards: &Arc<Guards>, request: Request<B>, answer: F) -> Response<FullBody>
where
    F: FnMut(Request<B>) -> A + Clone,
    A: Future<Output = Response<FullBody>> + Send + 'static,
{
    let Ok(response) = Gate::new(Answering(answer), Arc::clone(guards)).call(request).await;
    response
}

/// The service behind the guards: a closure.
#[derive(Clone)]
struct Answering<F>(F);

impl<B, F, A> Service<Request<B>> for Answering<F>
where
    F: FnMut(Request<B>) -> A,
    A: Future<Output = Response<FullBody>> + Send + 'static,
{
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FullBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
