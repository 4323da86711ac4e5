use std::{fmt, sync::Arc};

use super::{
    asking::Methods,
    facts::{Facts, Found, Places, Settings, Settled},
};
use crate::{
    RequestHead,
    base::maybe_ready::BoxFuture,
    gate::{Guard, Outcome, Verdict},
};

/// Asks the methods in declared order, and decides the outcome.
#[derive(Clone)]
pub(super) struct AuthGuard(Methods);

impl AuthGuard {
    pub(super) fn new(settings: Settings) -> Self {
        Self(Methods(Arc::new(Facts::new(settings))))
    }

    fn waited(&self, answer: BoxFuture<Found>) -> Verdict {
        let facts = Arc::clone(&self.0.0);
        Verdict::Wait(Box::pin(async move {
            let (settled, mut outcome) = (answer.await?, Outcome::default());
            facts.write(settled, &mut outcome);
            Ok(outcome)
        }))
    }
}

impl Guard for AuthGuard {
    fn name(&self) -> &'static str {
        "auth"
    }

    fn enforced(&self) -> bool {
        !self.0.0.report_only
    }

    fn instead(&self, outcome: &mut Outcome) {
        self.0.0.write(Settled { identity: self.0.0.nobody(), header: None }, outcome);
    }

    #[inline]
    fn check(&self, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict {
        let found = match self.0.0.unasked(request) {
            Some(found) => found,
            None => match self.0.ask(request, 0, Places::default()).now() {
                Ok(found) => found,
                Err(answer) => return self.waited(answer),
            },
        };
        match found {
            Ok(settled) => {
                self.0.0.write(settled, outcome);
                Verdict::Admit
            }
            Err(rejection) => Verdict::Refuse(rejection),
        }
    }
}

impl fmt::Debug for AuthGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthGuard").field("challenge", &self.0.0.policy.challenge).finish_non_exhaustive()
    }
}
