use std::{fmt, sync::Arc};

use http::request::Parts;

use super::{
    effects::{Effects, Readers},
    guard::{Guard, Verdict},
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

    pub(crate) fn observed_by(self, observer: Option<Observer>) -> Self {
        let readers = Readers { observer: observer.is_some(), ..self.readers };
        Self { observer, readers, ..self }
    }

    pub(crate) fn expose_principal(self, expose: bool) -> Self {
        Self { readers: Readers { outer_layers: expose, ..self.readers }, ..self }
    }

    /// Asks the guards from this place on.
    #[inline]
    pub(super) fn run(&self, from: usize, request: &mut Parts, effects: &mut Effects) -> Progress {
        for (place, guard) in self.list.iter().enumerate().skip(from) {
            match guard.check(request).now() {
                Ok(Ok(outcome)) => effects.absorb(outcome, request, self.readers),
                Ok(Err(rejection)) => return self.refuse(place, rejection, request),
                Err(answer) => return Progress::Waiting(place, answer),
            }
        }
        self.tell(&Decision::new(&request.extensions, "gate", None));
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
        match verdict {
            Ok(outcome) => {
                effects.absorb(outcome, request, self.readers);
                self.run(place + 1, request, effects)
            }
            Err(rejection) => self.refuse(place, rejection, request),
        }
    }

    fn refuse(&self, place: usize, rejection: Rejection, request: &Parts) -> Progress {
        let name = self.list.get(place).map_or("gate", |guard| guard.name());
        let rejection = rejection.refused_by(name);
        self.tell(&Decision::new(&request.extensions, rejection.layer().unwrap_or(name), Some(&rejection)));
        Progress::Refused(rejection)
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
