use std::{fmt, sync::Arc};

use http::{StatusCode, request::Parts};

use super::{
    client_ip::ClientIp,
    counter::{Counted, Counter, Ruling},
    guard::refusal,
    headers::Style,
};
use crate::{
    Answer, ConfigError, Rejection, RejectionKind,
    attempts::{Attempts, Budget},
    gate::{Answered, Charge, Guard, LIMITS, Outcome, Verdict},
    limit::{Bucket, Decided, Limits, Taken},
    protocol::is_preflight,
};

/// Counts failed attempts by address, and refuses who has made too many.
#[derive(Clone)]
pub(super) struct FailureGuard(pub(super) Arc<Facts>);

#[derive(Clone)]
pub(super) struct Facts {
    /// What tells it from other budgets; clones of a layer have one.
    pub(super) id: u64,
    /// What tells its buckets from those of other limits by address.
    pub(super) scope: Bucket,
    pub(super) limits: Option<Limits>,
    pub(super) ip: ClientIp,
    pub(super) counter: Counter,
    /// Whether whoever tells who is calling stands behind, and draws on the budget only before what is costly.
    pub(super) deferred: bool,
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

const LAYER: &str = LIMITS;

impl Facts {
    fn conclude(&self, decided: Ruling) -> Result<Taken, Rejection> {
        match self.weigh(decided) {
            // In a stack the methods draw, and only the log can be told.
            Err(refused) if self.report_only && self.deferred => {
                let kind = refused.kind();
                tracing::warn!(target: "tower_auth", layer = LAYER, ?kind, "an attempt would have been refused");
                Ok(Taken::nothing())
            }
            weighed => weighed,
        }
    }

    fn weigh(&self, decided: Ruling) -> Result<Taken, Rejection> {
        let refused = match (decided?, &self.limits) {
            (Some(Counted { decided: Decided::Refused { levels, wait }, .. }), Some(limits)) => {
                refusal(limits, &levels, wait, Style::NONE, None, self.counter.clock())
            }
            (Some(Counted { decided: Decided::Admitted(levels), at, local }), Some(limits)) => {
                return Ok(Taken::new(1, limits, &levels, at).by_this_process(local));
            }
            _ => return Ok(Taken::nothing()),
        };
        Err(refused.cause("too many failed attempts came from this address").refused_by(LAYER))
    }

    /// Nothing where the address is exempt.
    fn bucket(&self, request: &Parts) -> Result<Option<Bucket>, Rejection> {
        Ok(self.ip.bucket(request)?.map(|(_, bucket)| bucket.scoped(self.scope)))
    }
}

impl Budget for Facts {
    fn id(&self) -> u64 {
        self.id
    }

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
        Charge { bucket, taken, size: 0, remaining: 0, reset: 0, interval: 0, wall: 0, fields: None }
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
        // A browser asks for its user, who has tried nothing yet.
        if is_preflight(&request.method, &request.headers) {
            return Answer::ready(Ok(Outcome::default()));
        }
        let bucket = match self.0.bucket(request) {
            Ok(Some(bucket)) => bucket,
            Ok(None) => return Answer::ready(Ok(Outcome::default())),
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
    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        let failed = match (answered.status, answered.refusal) {
            // Who brings nothing has guessed nothing.
            (StatusCode::UNAUTHORIZED, kind) => kind != Some(RejectionKind::MissingCredential),
            (status, _) => status == StatusCode::FORBIDDEN,
        };
        let charged = failed && answered.charged != Some(self.0.id);
        match (!self.0.deferred, charged) {
            (true, false) => self.0.give_back(charge.bucket, &charge.taken),
            // It went through: at most what is refused next counts from a little later.
            (false, true) => {
                if let Some(limits) = &self.0.limits {
                    self.0.counter.charge(charge.bucket, limits);
                }
            }
            (true, true) | (false, false) => {}
        }
        if charged {
            answered.charged = Some(self.0.id);
        }
    }
}

impl fmt::Debug for FailureGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureGuard").field("ip", &self.0.ip).finish_non_exhaustive()
    }
}
