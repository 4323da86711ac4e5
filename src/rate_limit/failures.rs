use std::{fmt, sync::Arc, time::Duration};

use super::{
    carried::Carried,
    counter::{Counted, Counter, Ruling},
    guard::refusal,
    headers::Style,
};
use crate::{
    ClientIp, ConfigError, MaybeReady, Principal, Rejection, RequestHead,
    base::{maybe_ready::BoxFuture, protocol::Protocol},
    context::attempts::{Allowed, Attempts, Budget, InFlight, NotCarried, Runtime, Slot, UnderWay},
    gate::{Guard, LIMITS, Outcome, Verdict},
    limit::{BucketKey, LimitDecision, Limits, WindowStates},
};

/// Counts guesses by address and failures of verified credentials by holder, and refuses above the limit.
#[derive(Clone)]
pub(super) struct FailureGuard(pub(super) Arc<Facts>);

#[derive(Clone)]
pub(super) struct Facts {
    /// The id of the budget, shared by all clones of a layer.
    pub(super) id: u64,
    /// Separate the buckets of addresses and of holders from each other and from those of other limits.
    pub(super) scope: BucketKey,
    pub(super) holders: BucketKey,
    pub(super) limits: Option<Limits>,
    /// The limits of holders, if they differ from those of addresses.
    pub(super) of_holders: Option<Limits>,
    pub(super) ip: ClientIp,
    pub(super) counter: Counter,
    pub(super) in_flight: Arc<InFlight>,
    /// How many attempts of an address may be in progress.
    pub(super) most_in_flight: u32,
    pub(super) carried: Arc<Carried>,
    /// Whether the guard stands in a stack, where the authentication checks the budget itself, before costly work only.
    pub(super) deferred: bool,
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

const LAYER: &str = LIMITS;
/// The default number of attempts of an address that may be in progress: enough for an office or a mobile network
/// behind one address.
pub(super) const MOST_IN_FLIGHT: u32 = 256;
const CROWDED_FOR: Duration = Duration::from_secs(1);
const CROWDED: &str = "too many credential checks from this address are in progress";

impl Facts {
    /// Returns the decision of the budget, or logs a refusal where the budget only reports. In a layer alone, the gate
    /// logs the refusals that come before the request goes on.
    fn answer(&self, allowed: Allowed, before: bool) -> Allowed {
        match allowed {
            Err(refused) if self.report_only && (self.deferred || !before) => {
                let kind = refused.kind();
                tracing::warn!(target: "tower_auth", layer = LAYER, ?kind, "an attempt would have been refused");
                Ok(())
            }
            allowed => allowed,
        }
    }

    fn weigh(&self, ruling: Ruling, limits: &Limits, why: impl FnOnce() -> String) -> Allowed {
        let Some(Counted { decided, alone, .. }) = ruling? else { return Ok(()) };
        let (levels, wait) = match decided {
            LimitDecision::Refused { levels, wait } => (levels, wait),
            LimitDecision::Admitted(levels) => match spent(alone.as_ref().unwrap_or(limits), levels) {
                Some(spent) => spent,
                None => return Ok(()),
            },
            LimitDecision::TooCostly { .. } => return Ok(()),
        };
        let refused = refusal(limits, &levels, wait, Style::NONE, None, || self.counter.clock().now());
        Err(refused.cause(why()).refused_by(LAYER))
    }

    /// Charges attempts to a bucket; a cost of zero only reads its state.
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, why: Why) -> MaybeReady<Allowed> {
        let ruling =
            if cost == 0 { self.counter.ask(bucket, limits) } else { self.counter.decide_now(bucket, limits, cost) };
        match ruling.now() {
            Ok(ruling) => MaybeReady::ready(self.conclude(ruling, limits, cost, &why)),
            Err(future) => {
                let (this, limits) = (self.clone(), limits.clone());
                MaybeReady::boxed(async move { this.conclude(future.await, &limits, cost, &why) })
            }
        }
    }

    fn conclude(&self, ruling: Ruling, limits: &Limits, cost: u32, why: &Why) -> Allowed {
        // The charge succeeded. A bucket that is empty now refuses the next attempt, not this one.
        if cost > 0 && matches!(&ruling, Ok(Some(Counted { decided: LimitDecision::Admitted(_), .. }))) {
            return Ok(());
        }
        let told = why.holder().cloned();
        let allowed = self.answer(self.weigh(ruling, limits, || why.to_string()), cost == 0);
        match told {
            Some(holder) => allowed.map_err(|refused| refused.with_principal(holder)),
            None => allowed,
        }
    }

    fn holder_limits(&self) -> Option<&Limits> {
        self.of_holders.as_ref().or(self.limits.as_ref())
    }
}

/// Returns the empty window that refills last, and how long it takes until one attempt fits; `None` if no window is
/// empty.
fn spent(limits: &Limits, levels: WindowStates) -> Option<(WindowStates, Duration)> {
    let mut longest = None;
    for (place, (window, level)) in limits.windows().zip(levels.all()).enumerate() {
        if level.remaining == 0 {
            // The window is full after `reset`. One attempt fits `size - 1` intervals before that, and in a calendar
            // window, where the interval is zero, at the end of the period.
            let others = limits.interval(place).saturating_mul(u64::from(window.size.saturating_sub(1)));
            let wait = level.reset.saturating_sub(Duration::from_nanos(others));
            longest = longest.max(Some((wait, std::cmp::Reverse(place))));
        }
    }
    let (wait, std::cmp::Reverse(place)) = longest?;
    let mut levels = levels;
    levels.set_tightest(place);
    Some((levels, wait))
}

/// Whose budget refuses, and the last failure of a holder.
enum Why {
    Address,
    Holder(Principal, Option<String>),
}

impl Why {
    const fn holder(&self) -> Option<&Principal> {
        match self {
            Self::Address => None,
            Self::Holder(holder, _) => Some(holder),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("too many failed attempts came from this address"),
            Self::Holder(_, last) => {
                f.write_str("too many requests with this credential were refused")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, "; the last refusal: {last}"))
            }
        }
    }
}

impl Budget for Facts {
    fn id(&self) -> u64 {
        self.id
    }

    fn ask(&self, address: BucketKey) -> MaybeReady<Allowed> {
        let Some(limits) = &self.limits else { return MaybeReady::ready(Ok(())) };
        self.decide(address, limits, 0, Why::Address)
    }

    fn enter(&self, address: BucketKey) -> Result<Option<Slot>, Rejection> {
        let slot = self.in_flight.enter(address, self.most_in_flight);
        if slot.is_none() {
            let refused = Rejection::rate_limited(self.most_in_flight, CROWDED_FOR, "in_flight", Vec::new());
            self.answer(Err(refused.cause(CROWDED).refused_by(LAYER)), true)?;
        }
        Ok(slot)
    }

    fn charge(&self, address: BucketKey) -> MaybeReady<Allowed> {
        let Some(limits) = &self.limits else { return MaybeReady::ready(Ok(())) };
        self.decide(address, limits, 1, Why::Address)
    }

    fn charge_holder(&self, holder: &Principal, failure: Option<&Rejection>) -> MaybeReady<Allowed> {
        let Some(limits) = self.holder_limits() else { return MaybeReady::ready(Ok(())) };
        let last = failure.map(|failure| failure.private_cause().map_or(failure.to_string(), ToString::to_string));
        self.decide(holder.bucket().scoped(self.holders), limits, 1, Why::Holder(holder.clone(), last))
    }

    fn charge_unheard(&self, address: BucketKey) {
        if let Some(limits) = &self.limits {
            self.counter.charge(address, limits);
        }
    }

    fn carry_on(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        self.carried.run(check, runtime)
    }
}

impl FailureGuard {
    /// Checks the address's budget, and counts the request as in progress until the handler has answered.
    fn begin(attempts: Attempts, outcome: &mut Outcome) -> Verdict {
        // The slot comes first, so that waiting for the budget counts as in progress too.
        let slot = match attempts.enter() {
            Ok(slot) => slot,
            Err(refused) => return Verdict::Refuse(refused),
        };
        match attempts.ask().now() {
            Ok(Err(refused)) => Verdict::Refuse(refused),
            Ok(Ok(())) => {
                under_way(attempts, slot, outcome);
                Verdict::Admit
            }
            Err(answer) => Verdict::Wait(Box::pin(async move {
                answer.await?;
                let mut outcome = Outcome::default();
                under_way(attempts, slot, &mut outcome);
                Ok(outcome)
            })),
        }
    }
}

fn under_way(attempts: Attempts, slot: Option<Slot>, outcome: &mut Outcome) {
    outcome.under_way = slot.map(|slot| Box::new(UnderWay::new(attempts.clone(), slot)));
    outcome.attempts = Some(attempts);
}

impl Guard for FailureGuard {
    fn name(&self) -> &'static str {
        LAYER
    }

    fn enforced(&self) -> bool {
        !self.0.report_only
    }

    #[inline]
    fn check(&self, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict {
        if let Some(fault) = &self.0.fault {
            return Verdict::Refuse(Rejection::internal(fault.clone()));
        }
        let (client, address) = match self.0.ip.bucket(request.headers(), request.extensions()) {
            Ok(Some((client, bucket))) => (client, bucket.scoped(self.0.scope)),
            Ok(None) => return Verdict::Admit,
            Err(rejection) => return Verdict::Refuse(rejection),
        };
        // A gRPC response without a body has its status in a header.
        let grpc = Protocol::of(request.method(), request.version(), request.headers()) != Protocol::Http;
        let attempts = Attempts::new(Arc::clone(&self.0) as Arc<dyn Budget>, address, client, grpc);
        if self.0.deferred {
            outcome.attempts = Some(attempts);
            return Verdict::Admit;
        }
        Self::begin(attempts, outcome)
    }
}

impl fmt::Debug for FailureGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureGuard").field("ip", &self.0.ip).finish_non_exhaustive()
    }
}
