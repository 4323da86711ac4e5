use std::{fmt, sync::Arc};

use http::{HeaderValue, Request, StatusCode};

use super::{
    effects::Effects,
    guard::{Answered, Charge, Guard, Outcome, Verdict, Waited},
};
use crate::{
    ClientIp, Clock, Rejection, RejectionKind, RequestHead,
    base::{challenges, maybe_ready::BoxFuture},
    context::{
        decision::{Decision, Observer},
        pass::Pass,
    },
};

/// Returns whether a request is authenticated by answers that are not from a cache.
pub(crate) type WantsFresh = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// Returns all scopes that a request needs, for the challenge of a refusal.
pub(crate) type RouteScopes = Arc<dyn Fn(&RequestHead<'_>) -> Vec<String> + Send + Sync>;

/// The guards of one gate, in the order in which they run, and the observer of their decisions.
#[derive(Clone)]
pub(crate) struct Guards {
    list: Box<[Arc<dyn Guard>]>,
    pub(super) observer: Option<Observer>,
    watch: bool,
    expose: bool,
    late_refusals: bool,
    client_ip: Option<ClientIp>,
    fresh: Option<WantsFresh>,
    scopes: Option<RouteScopes>,
    /// Whether a caller that is not authenticated is told the scopes too.
    tells_anyone: bool,
    clock: Clock,
}

/// The result of running guards.
pub(super) enum Progress {
    Admitted,
    Refused(Rejection),
    /// The decision of the guard at this place has to be awaited.
    Waiting(usize, BoxFuture<Waited>),
}

impl Guards {
    pub(crate) fn new(list: impl IntoIterator<Item = Arc<dyn Guard>>) -> Self {
        Self {
            list: list.into_iter().collect(),
            observer: None,
            watch: false,
            expose: false,
            late_refusals: false,
            client_ip: None,
            fresh: None,
            scopes: None,
            tells_anyone: false,
            clock: Clock::system(),
        }
    }

    /// Logs all refusals from further in, and reports decisions to the observer if there is one.
    pub(crate) fn watched_by(self, observer: Option<Observer>) -> Self {
        Self { observer, watch: true, ..self }
    }

    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub(crate) fn with_client_ip(self, client_ip: Option<ClientIp>) -> Self {
        Self { client_ip, ..self }
    }

    pub(crate) fn with_fresh(self, fresh: Option<WantsFresh>) -> Self {
        Self { fresh, ..self }
    }

    /// Names these scopes in the challenge of a 403, and, if `tells_anyone`, in that of a 401.
    pub(crate) fn with_scopes(self, scopes: RouteScopes, tells_anyone: bool) -> Self {
        Self { scopes: Some(scopes), tells_anyone, ..self }
    }

    pub(super) const fn client_ip(&self) -> Option<&ClientIp> {
        self.client_ip.as_ref()
    }

    /// Sets whether handlers may refuse with a [`LateRefusal`](crate::LateRefusal).
    pub(crate) fn late_refusals(self, late_refusals: bool) -> Self {
        Self { late_refusals, ..self }
    }

    pub(super) const fn accepts_late_refusals(&self) -> bool {
        self.late_refusals
    }

    /// Returns whether all refusals from further in are logged here. If not, only faults are.
    pub(super) const fn logs_all(&self) -> bool {
        self.watch
    }

    /// Returns whether the facts of a request are kept, to report or log a refusal from further in.
    #[inline]
    pub(super) fn keeps(&self) -> bool {
        self.observer.is_some() || Decision::faults_are_logged()
    }

    pub(crate) fn expose_principal(self, expose: bool) -> Self {
        Self { expose, ..self }
    }

    pub(super) const fn pass(&self) -> Pass<'_> {
        Pass::new(&self.clock, self.client_ip.as_ref())
    }

    #[inline]
    fn wants_fresh<B>(&self, request: &Request<B>) -> bool {
        self.fresh.as_ref().is_some_and(|fresh| fresh(&RequestHead::in_pass(request, None)))
    }

    /// Runs the guards from this place on.
    #[inline]
    pub(super) fn run<B>(&self, from: usize, request: &mut Request<B>, effects: &mut Effects) -> Progress {
        let pass = self.pass().fresh(self.wants_fresh(request));
        let mut outcome = Outcome::default();
        for (place, guard) in self.list.iter().enumerate().skip(from) {
            match guard.check(&RequestHead::in_pass(request, Some(&pass)), &mut outcome) {
                Verdict::Admit => {}
                Verdict::Refuse(rejection) => {
                    match self.refuse(&**guard, rejection, RequestHead::in_pass(request, Some(&pass))) {
                        Some(rejection) => return Progress::Refused(rejection),
                        None => guard.instead(&mut outcome),
                    }
                }
                Verdict::Wait(answer) => return Progress::Waiting(place, answer),
            }
            effects.absorb(&mut outcome, place, request, self.expose);
        }
        // Without an observer and logs at level DEBUG, the principal is not looked up.
        if self.observer.is_some() || Decision::admissions_are_logged() {
            self.tell(&Decision::new(RequestHead::in_pass(request, Some(&pass)), "gate", None));
        }
        Progress::Admitted
    }

    /// Continues with the result of the guard at `place`, which was awaited.
    pub(super) fn resume<B>(
        &self,
        place: usize,
        answer: Waited,
        request: &mut Request<B>,
        effects: &mut Effects,
    ) -> Progress {
        let Some(guard) = self.list.get(place) else { return self.run(place + 1, request, effects) };
        let mut outcome = match answer {
            Ok(outcome) => outcome,
            Err(rejection) => {
                let mut instead = Outcome::default();
                match self.refuse(&**guard, rejection, RequestHead::in_pass(request, Some(&self.pass()))) {
                    Some(rejection) => return Progress::Refused(rejection),
                    None => guard.instead(&mut instead),
                }
                instead
            }
        };
        effects.absorb(&mut outcome, place, request, self.expose);
        self.run(place + 1, request, effects)
    }

    /// Reports the refusal of a guard. Returns it if the guard is enforced, and `None` if the request continues.
    fn refuse(&self, guard: &dyn Guard, rejection: Rejection, request: RequestHead<'_>) -> Option<Rejection> {
        let rejection = self.name_scopes(of_holder(rejection.refused_by(guard.name()), &request), &request);
        let decision = Decision::new(request, rejection.layer().unwrap_or("gate"), Some(&rejection));
        if guard.enforced() {
            self.tell(&decision);
            return Some(rejection);
        }
        self.tell(&decision.report_only());
        None
    }

    /// Adds the scopes of the route to what the client reads of tokens.
    fn name_scopes(&self, rejection: Rejection, request: &RequestHead<'_>) -> Rejection {
        let Some(scopes) = &self.scopes else { return rejection };
        if rejection.demand().is_some() {
            return rejection.needing(&scopes(request));
        }
        let own = rejection.own_challenge().filter(|_| self.tells_anyone).and_then(|own| own.to_str().ok());
        match own.map(|own| challenges::with_scopes(own, &scopes(request))) {
            // The scopes are visible ASCII, as the rest is, so the conversion does not fail.
            Some(named) => match HeaderValue::try_from(named) {
                Ok(named) => rejection.offering(Some(Arc::new(named))),
                Err(_) => rejection,
            },
            None => rejection,
        }
    }

    /// Returns a closure that lets the guard at a place settle its charge.
    #[inline]
    pub(super) fn settling(guards: Option<&Self>) -> impl FnMut(usize, &Charge, &mut Answered<'_>) {
        move |place, charge, answered| {
            let guard = guards.and_then(|guards| guards.list.get(place));
            if let Some(guard) = guard {
                guard.settle(charge, answered);
            }
        }
    }

    #[inline]
    fn tell(&self, decision: &Decision<'_>) {
        decision.log();
        if let Some(observer) = &self.observer {
            observer.tell(decision);
        }
    }
}

/// Adds the caller to a refusal of what it may do, so that a budget of failed attempts further out can charge its credential.
fn of_holder(rejection: Rejection, request: &RequestHead<'_>) -> Rejection {
    match request.principal() {
        Some(who) if denies(&rejection) && rejection.principal().is_none() => rejection.with_principal(who.clone()),
        _ => rejection,
    }
}

fn denies(rejection: &Rejection) -> bool {
    rejection.status() == StatusCode::FORBIDDEN || rejection.kind() == RejectionKind::InsufficientAuthentication
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|guard| guard.name())).finish()
    }
}
