use std::{fmt, sync::Arc};

use http::{StatusCode, request::Parts};

use super::{
    effects::Effects,
    guard::{Answered, Charge, Guard, Verdict},
};
use crate::{
    Rejection,
    base::maybe_ready::BoxFuture,
    context::{
        decision::{Decision, Observer},
        identity::Identity,
    },
};

/// The guards of one gate, in the order in which they are asked, and whoever is told of the decision.
#[derive(Clone)]
pub(crate) struct Guards {
    list: Box<[Arc<dyn Guard>]>,
    pub(super) observer: Option<Observer>,
    watch: bool,
    expose: bool,
}

/// How far the guards have come.
pub(super) enum Progress {
    Admitted,
    Refused(Rejection),
    /// The guard at this place has to be waited for.
    Waiting(usize, BoxFuture<Verdict>),
}

impl Guards {
    pub(crate) fn new(list: impl IntoIterator<Item = Arc<dyn Guard>>) -> Self {
        Self { list: list.into_iter().collect(), observer: None, watch: false, expose: false }
    }

    /// Tells somebody of decisions, and in any case logs who was refused further in.
    pub(crate) fn watched_by(self, observer: Option<Observer>) -> Self {
        Self { observer, watch: true, ..self }
    }

    /// Whether all refusals from further in are logged here; where not, faults alone are.
    pub(super) const fn logs_all(&self) -> bool {
        self.watch
    }

    /// Whether anybody is to be told of refusals from further in.
    #[inline]
    pub(super) fn keeps(&self) -> bool {
        self.observer.is_some() || Decision::faults_are_logged()
    }

    pub(crate) fn expose_principal(self, expose: bool) -> Self {
        Self { expose, ..self }
    }

    /// Asks the guards from this place on.
    #[inline]
    pub(super) fn run(&self, from: usize, request: &mut Parts, effects: &mut Effects) -> Progress {
        for (place, guard) in self.list.iter().enumerate().skip(from) {
            let verdict = match guard.check(request).now() {
                Ok(verdict) => verdict,
                Err(answer) => return Progress::Waiting(place, answer),
            };
            if let Err(rejection) = self.heed(place, &**guard, verdict, request, effects) {
                return Progress::Refused(rejection);
            }
        }
        // Most admissions interest nobody: then not even the principal is looked up.
        if self.observer.is_some() || Decision::admissions_are_logged() {
            self.tell(&Decision::new(request, "gate", None));
        }
        Progress::Admitted
    }

    /// Goes on where the guard at `place` has been waited for.
    pub(super) fn resume(
        &self,
        place: usize,
        verdict: Verdict,
        request: &mut Parts,
        effects: &mut Effects,
    ) -> Progress {
        match self.list.get(place).map(|guard| self.heed(place, &**guard, verdict, request, effects)) {
            Some(Err(rejection)) => Progress::Refused(rejection),
            Some(Ok(())) | None => self.run(place + 1, request, effects),
        }
    }

    /// Does what a guard wants; its refusal ends the way of the request where the guard is enforced.
    #[inline]
    fn heed(
        &self,
        place: usize,
        guard: &dyn Guard,
        verdict: Verdict,
        request: &mut Parts,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let outcome = match verdict {
            Ok(outcome) => outcome,
            Err(rejection) => {
                let rejection = of_holder(rejection.refused_by(guard.name()), request);
                let layer = rejection.layer().unwrap_or("gate");
                let decision = Decision::new(request, layer, Some(&rejection));
                if guard.enforced() {
                    self.tell(&decision);
                    return Err(rejection);
                }
                self.tell(&decision.report_only());
                guard.instead()
            }
        };
        effects.absorb(outcome, place, request, self.expose);
        Ok(())
    }

    /// Lets the guard at a place settle what it charged.
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

/// A 403 says whose it is, to a budget of failed attempts that stands further out.
fn of_holder(rejection: Rejection, request: &Parts) -> Rejection {
    match request.extensions.get() {
        Some(Identity::Principal(who))
            if rejection.status() == StatusCode::FORBIDDEN && rejection.principal().is_none() =>
        {
            rejection.with_principal(who.clone())
        }
        _ => rejection,
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|guard| guard.name())).finish()
    }
}
