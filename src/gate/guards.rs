use std::{fmt, sync::Arc};

use http::request::Parts;

use super::{
    effects::{Effects, Readers},
    guard::{Answered, Charge, Guard, Verdict},
};
use crate::{
    Rejection,
    answer::BoxFuture,
    decision::{Decision, Observer},
};

/// The guards of one gate, in the order in which they are asked, and whoever is told of the decision.
#[derive(Clone)]
pub(crate) struct Guards {
    list: Box<[Arc<dyn Guard>]>,
    pub(super) observer: Option<Observer>,
    readers: Readers,
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
        Self { list: list.into_iter().collect(), observer: None, readers: Readers::default() }
    }

    /// Tells somebody of decisions, and in any case logs who was refused further in.
    pub(crate) fn watched_by(self, observer: Option<Observer>) -> Self {
        let readers = Readers { watch: true, ..self.readers };
        Self { observer, readers, ..self }
    }

    pub(super) const fn watches(&self) -> bool {
        self.readers.watch
    }

    pub(crate) fn expose_principal(self, expose: bool) -> Self {
        Self { readers: Readers { outer_layers: expose, ..self.readers }, ..self }
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
            self.tell(&Decision::new(&request.extensions, "gate", None));
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
                let rejection = rejection.refused_by(guard.name());
                let layer = rejection.layer().unwrap_or("gate");
                let decision = Decision::new(&request.extensions, layer, Some(&rejection));
                if guard.enforced() {
                    self.tell(&decision);
                    return Err(rejection);
                }
                self.tell(&decision.report_only());
                guard.instead()
            }
        };
        effects.absorb(outcome, place, request, self.readers);
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

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|guard| guard.name())).finish()
    }
}
