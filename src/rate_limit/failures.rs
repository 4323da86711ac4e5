use std::{fmt, sync::Arc};

use http::{StatusCode, request::Parts};

use super::{
    client_ip::ClientIp,
    guard::{Counter, Ruling, refusal},
    headers::Style,
};
use crate::{
    Answer, ConfigError, Rejection, RejectionKind,
    attempts::{Attempts, Budget},
    gate::{Answered, Charge, Guard, Outcome, Verdict},
    limit::{Bucket, Decided, Limits, Taken},
};

/// Counts failed attempts by address, and refuses who has made too many.
#[derive(Clone)]
pub(super) struct FailureGuard(pub(super) Arc<Facts>);

#[derive(Clone)]
pub(super) struct Facts {
    pub(super) limits: Option<Limits>,
    pub(super) ip: ClientIp,
    pub(super) counter: Counter,
    /// Whether whoever tells who is calling stands behind, and draws on the budget only before what is costly.
    pub(super) deferred: bool,
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

const LAYER: &str = "rate_limit";

impl Facts {
    fn conclude(&self, decided: Ruling) -> Result<Taken, Rejection> {
        let refused = match (decided?, &self.limits) {
            (Some((Decided::Refused { levels, wait }, _)), Some(limits)) => {
                refusal(limits, &levels, wait, Style::NONE, None, self.counter.clock())
            }
            (Some((Decided::Admitted(levels), at)), _) => return Ok(Taken::new(1, &levels, at)),
            _ => return Ok(Taken::nothing()),
        };
        let refused = refused.cause("too many failed attempts came from this address").refused_by(LAYER);
        if self.report_only && self.deferred {
            tracing::warn!(target: "tower_auth", layer = LAYER, "an attempt would have been refused: too many failed from its address");
            return Ok(Taken::nothing());
        }
        Err(refused)
    }
}

impl Budget for Facts {
    fn draw(&self, bucket: Bucket) -> Answer<Result<Taken, Rejection>> {
        let Some(limits) = &self.limits else { return Answer::ready(Ok(Taken::nothing())) };
        match self.counter.decide(bucket, limits, 1).now() {
            Ok(decided) => Answer::ready(self.conclude(decided)),
            Err(future) => {
                let this = self.clone();
                Answer::boxed(async move { this.conclude(future.await) })
            }
        }
    }

    fn give_back(&self, bucket: Bucket, taken: &Taken) {
        self.counter.give_back(bucket, taken);
    }
}

impl FailureGuard {
    const fn charge(bucket: Bucket, taken: Taken) -> Charge {
        Charge { bucket, taken, size: 0, remaining: 0, reset: 0, interval: 0, fields: None }
    }
}

impl Guard for FailureGuard {
    fn name(&self) -> &'static str {
        LAYER
    }

    fn enforced(&self) -> bool {
        !self.0.report_only
    }

    fn check(&self, request: &Parts) -> Answer<Verdict> {
        if let Some(fault) = &self.0.fault {
            return Answer::ready(Err(Rejection::internal(fault.clone())));
        }
        let bucket = match self.0.ip.of(request) {
            Ok(address) => Bucket::address(address),
            Err(rejection) => return Answer::ready(Err(rejection)),
        };
        if self.0.deferred {
            let attempts = Some(Attempts::new(Arc::clone(&self.0) as Arc<dyn Budget>, bucket));
            let charge = Some(Self::charge(bucket, Taken::nothing()));
            return Answer::ready(Ok(Outcome { charge, attempts, ..Outcome::default() }));
        }
        let admitted = move |drawn: Result<Taken, Rejection>| {
            drawn.map(|taken| Outcome { charge: Some(Self::charge(bucket, taken)), ..Outcome::default() })
        };
        self.0.draw(bucket).map(admitted)
    }

    /// A refusal of who may not costs an attempt, wherever it comes from; it is charged once.
    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) -> bool {
        let failed = match (answered.status, answered.refusal) {
            // Who brings nothing has guessed nothing.
            (StatusCode::UNAUTHORIZED, kind) => kind != Some(RejectionKind::MissingCredential),
            (status, _) => status == StatusCode::FORBIDDEN,
        };
        let charged = failed && !answered.charged;
        match (!self.0.deferred, charged) {
            (true, false) => self.0.give_back(charge.bucket, &charge.taken),
            // It went through: at most what is refused next counts from a little later.
            (false, true) => drop(self.0.draw(charge.bucket).now()),
            (true, true) | (false, false) => {}
        }
        charged
    }
}

impl fmt::Debug for FailureGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureGuard").field("ip", &self.0.ip).finish_non_exhaustive()
    }
}
