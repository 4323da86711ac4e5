use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode};

use super::{
    counter::{Counted, Counter, Ruling},
    headers::{self, Standing, Style},
    plans::{Plans, Told, own_scope},
};
use crate::{
    ClientIp, ConfigError, Principal, Rejection, RejectionKind, RequestHead,
    base::{maybe_ready::BoxFuture, protocol::is_preflight},
    context::{identity::Identity, pass::Pass, request::RequestContext, request_ext::caller},
    gate::{Answered, Charge, Guard, LIMITS, Outcome, Verdict},
    limit::{BucketKey, LimitDecision, LimitTime, Limits, Reservation, WindowStates},
};

/// Counts requests in buckets, and refuses requests above the limit.
#[derive(Clone)]
pub(super) struct LimitGuard(pub(super) Arc<Facts>);

#[derive(Clone)]
pub(super) struct Facts {
    pub(super) whose: Whose,
    pub(super) cost: Option<Cost>,
    pub(super) counter: Counter,
    pub(super) style: Style,
    /// Whether the authentication further in passes preflights without a credential. They are not counted then.
    pub(super) passes_preflights: bool,
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

/// Returns the cost of a request.
pub(super) type Cost = Arc<dyn Fn(&RequestHead<'_>) -> u32 + Send + Sync>;
/// Returns the class of a request's route.
pub(super) type Class = Arc<dyn Fn(&RequestHead<'_>) -> Option<&'static str> + Send + Sync>;
/// Returns the bucket of a request, by a rule of the service.
pub(super) type Own = Arc<dyn Fn(&Principal, &RequestHead<'_>) -> BucketKey + Send + Sync>;

/// Which requests are counted together, and by which limits.
#[derive(Clone)]
pub(super) enum Whose {
    Plan {
        plans: Plans,
        partition: Partition,
        class: Option<Class>,
    },
    Address {
        limits: Limits,
        ip: ClientIp,
        scope: BucketKey,
    },
    Own {
        limits: Limits,
        bucket: Own,
    },
    /// The layer is misconfigured: every request is refused with the `fault`.
    Nobody,
}

/// Which requests share a bucket under a plan.
///
/// ```
/// use tower_auth::{Plans, RateLimitLayer, rate_limit::Partition};
///
/// fn one_budget_for_all_keys_of_an_account(plans: &Plans) -> RateLimitLayer {
///     RateLimitLayer::by_plan(plans).partition(Partition::Account)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partition {
    /// Counts by key, and for tokens by issuer and subject: all tokens of a subject share a bucket. A token that was
    /// exchanged for a key shares the bucket of the key (`TokenVerifierBuilder::key_from`). If callers can create keys, use
    /// [`Account`](Self::Account), because each key has the whole limit.
    #[default]
    Credential,
    /// Counts by subject, with all its credentials. Equal subjects of different token issuers are counted separately.
    Subject,
    /// Counts by account, with all its keys and users. A caller without an account is counted by subject.
    Account,
}

impl Partition {
    #[inline]
    pub(super) fn bucket(self, who: &Principal) -> BucketKey {
        match (self, who.account()) {
            (Self::Credential, _) => who.bucket(),
            (Self::Account, Some(account)) => BucketKey::new(["account", account]),
            (Self::Subject | Self::Account, _) => {
                // A token that was exchanged for a key is counted with the key, which has no issuer.
                let issuer = who.issuer().filter(|_| who.first_id().is_none());
                BucketKey::new(["subject", issuer.unwrap_or_default(), who.subject()])
            }
        }
    }
}

impl LimitGuard {
    #[inline]
    fn count(
        &self,
        request: &RequestHead<'_>,
        bucket: BucketKey,
        limits: &Limits,
        whose: Named<'_>,
        outcome: &mut Outcome,
    ) -> Verdict {
        let cost = self.0.cost.as_ref().map_or(1, |cost| cost(request));
        let counting = Counting { bucket, cost, limits, whose };
        let counter = &self.0.counter;
        let elapsed = request.pass().map_or_else(|| counter.clock().elapsed(), |pass| pass.elapsed(counter.clock()));
        // The time of day is read for calendar windows only.
        let at = if limits.has_calendar() { LimitTime::new(elapsed, self.now(request.pass())) } else { elapsed.into() };
        if let Some(limiter) = counter.memory() {
            let decided = limiter.try_acquire(bucket, limits, cost, at);
            return self.conclude(&decided, at, &counting, request.pass(), outcome);
        }
        match counter.decide(bucket, limits, cost, at).now() {
            Ok(ruling) => self.heed(ruling, &counting, request.pass(), outcome),
            Err(future) => self.wait(future, &counting),
        }
    }

    fn wait(&self, future: BoxFuture<Ruling>, counting: &Counting<'_>) -> Verdict {
        let Counting { bucket, cost, limits, whose } = *counting;
        let (this, limits) = (self.clone(), limits.clone());
        let (plan, client) = (whose.plan.cloned(), whose.client);
        Verdict::Wait(Box::pin(async move {
            let ruling = future.await;
            let whose = Named { plan: plan.as_ref(), client };
            let mut outcome = Outcome::default();
            match this.heed(ruling, &Counting { bucket, cost, limits: &limits, whose }, None, &mut outcome) {
                Verdict::Refuse(rejection) => Err(rejection),
                Verdict::Admit | Verdict::Wait(_) => Ok(outcome),
            }
        }))
    }

    fn heed(&self, ruling: Ruling, counting: &Counting<'_>, pass: Option<&Pass<'_>>, outcome: &mut Outcome) -> Verdict {
        match ruling {
            Ok(Some(Counted { decided, at, alone: None })) => self.conclude(&decided, at, counting, pass, outcome),
            Ok(Some(Counted { decided, at, alone: Some(share) })) => {
                self.conclude_alone(&decided, at, &share, counting, outcome)
            }
            Ok(None) => Verdict::Admit,
            Err(rejection) => Verdict::Refuse(rejection),
        }
    }

    /// Applies the limiter's decision to the request.
    #[inline]
    fn conclude(
        &self,
        decided: &LimitDecision,
        at: LimitTime,
        counting: &Counting<'_>,
        pass: Option<&Pass<'_>>,
        outcome: &mut Outcome,
    ) -> Verdict {
        let Counting { bucket, cost, limits, whose } = *counting;
        // The end of a period is computed from the time of day that the decision had.
        let wall = || at.given_wall().unwrap_or_else(|| self.now(pass));
        match decided {
            LimitDecision::Admitted(levels) => {
                let level = levels.tightest();
                outcome.charge = Some(Charge {
                    bucket,
                    reservation: Reservation::new(cost, limits, levels, at.elapsed()),
                    size: size(limits, levels),
                    remaining: level.remaining,
                    reset: u64::try_from(level.reset.as_nanos()).unwrap_or(u64::MAX),
                    interval: limits.interval(levels.tightest_index()),
                    wall: if self.0.style.unix { headers::nanos_of_day(wall()) } else { 0 },
                    fields: self.fields(limits, levels, Duration::ZERO, whose).map(Box::new),
                });
                Verdict::Admit
            }
            LimitDecision::Refused { levels, wait } => {
                let fields = self.fields(limits, levels, *wait, whose);
                let refused = refusal(limits, levels, *wait, self.0.style, fields.as_ref(), wall);
                Verdict::Refuse(whose.name(refused))
            }
            LimitDecision::TooCostly { most } => Verdict::Refuse(whose.name(too_costly(*most, cost))),
        }
    }

    /// Applies a decision of this process alone, by its share of the limits. No header and no member of a body shows the
    /// share: the caller has the limit, and how it stands is known to the limiter only.
    #[cold]
    fn conclude_alone(
        &self,
        decided: &LimitDecision,
        at: LimitTime,
        share: &Limits,
        counting: &Counting<'_>,
        outcome: &mut Outcome,
    ) -> Verdict {
        let Counting { bucket, cost, limits, whose } = *counting;
        match decided {
            LimitDecision::Admitted(levels) => {
                let reservation = Reservation::new(cost, share, levels, at.elapsed()).by_this_process();
                outcome.charge = Some(Charge::without_headers(bucket, reservation));
                Verdict::Admit
            }
            LimitDecision::Refused { levels, wait } => {
                let refused = refusal(limits, levels, *wait, Style::NONE, None, || self.now(None));
                Verdict::Refuse(whose.name(refused))
            }
            LimitDecision::TooCostly { most } => Verdict::Refuse(whose.name(too_costly(*most, cost))),
        }
    }

    fn now(&self, pass: Option<&Pass<'_>>) -> SystemTime {
        let clock = self.0.counter.clock();
        pass.map_or_else(|| clock.now(), |pass| pass.now(clock))
    }

    fn fields(
        &self,
        limits: &Limits,
        levels: &WindowStates,
        wait: Duration,
        whose: Named<'_>,
    ) -> Option<[HeaderValue; 2]> {
        let policy = || whose.plan.map_or_else(|| headers::policy(limits), |plan| plan.policy.clone());
        self.0.style.ietf.then(|| [policy(), headers::state(limits, levels, wait)])
    }
}

/// A request that is counted.
#[derive(Clone, Copy)]
struct Counting<'a> {
    bucket: BucketKey,
    cost: u32,
    limits: &'a Limits,
    whose: Named<'a>,
}

/// The plan or the client address of a limit, for the log.
#[derive(Clone, Copy, Default)]
struct Named<'a> {
    plan: Option<&'a Arc<Told>>,
    client: Option<IpAddr>,
}

impl Named<'_> {
    fn name(self, mut refusal: Rejection) -> Rejection {
        if let Some(told) = self.plan {
            refusal = refusal.of_plan(Arc::clone(&told.plan));
        }
        if let Some(client) = self.client {
            refusal = refusal.counted(client);
        }
        refusal
    }
}

/// Returns a 429, with the headers of the window that has refused.
pub(super) fn refusal(
    limits: &Limits,
    levels: &WindowStates,
    wait: Duration,
    style: Style,
    fields: Option<&[HeaderValue; 2]>,
    now: impl FnOnce() -> SystemTime,
) -> Rejection {
    let (level, size) = (levels.tightest(), size(limits, levels));
    let wait = wait.max(Duration::from_nanos(1));
    let standing = Standing { size, remaining: level.remaining, reset: level.reset, wait };
    let name = limits.windows().nth(levels.tightest_index()).map_or("", |window| window.name);
    Rejection::rate_limited(size, wait, name, standing.of_refusal(style, fields, now))
}

fn too_costly(most: u32, cost: u32) -> Rejection {
    let refused = Rejection::new(RejectionKind::TooCostly).detail("limit", u64::from(most));
    refused.detail("cost", u64::from(cost))
}

/// Returns the size of the tightest window.
#[inline]
fn size(limits: &Limits, levels: &WindowStates) -> u32 {
    limits.windows().nth(levels.tightest_index()).map_or(0, |window| window.size)
}

impl Guard for LimitGuard {
    fn name(&self) -> &'static str {
        LIMITS
    }

    fn enforced(&self) -> bool {
        !self.0.report_only
    }

    #[inline]
    fn check(&self, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict {
        if let Some(fault) = &self.0.fault {
            return Verdict::Refuse(Rejection::internal(fault.clone()));
        }
        let Whose::Address { limits, ip, scope } = &self.0.whose else {
            return match request.context().and_then(RequestContext::identity) {
                Some(Identity::Principal(who)) => self.count_caller(who, request, outcome),
                // An anonymous caller has no plan, and is limited by address only.
                Some(Identity::Anonymous(_)) => Verdict::Admit,
                None => Verdict::of(caller(request.context()).map(|_| ())),
            };
        };
        if self.0.passes_preflights && is_preflight(request.method(), request.headers()) {
            return Verdict::Admit;
        }
        match ip.bucket(request.headers(), request.extensions()) {
            Ok(Some((address, bucket))) => {
                let whose = Named { client: Some(address), ..Named::default() };
                self.count(request, bucket.scoped(*scope), limits, whose, outcome)
            }
            Ok(None) => Verdict::Admit,
            Err(rejection) => Verdict::Refuse(rejection),
        }
    }

    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        // A request that is refused further in is refunded, except to an address.
        let denied = matches!(answered.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && answered
                .refusal
                .is_some_and(|kind| !matches!(kind, RejectionKind::Custom | RejectionKind::InvalidCredentials));
        if (denied || answered.limited) && charge.reservation.cost > 0 && !matches!(self.0.whose, Whose::Address { .. })
        {
            self.0.counter.refund(charge.bucket, &charge.reservation);
            if charge.reservation.local {
                return;
            }
            let refilled = charge.interval.saturating_mul(u64::from(charge.reservation.cost));
            let given_back = Charge {
                reservation: Reservation::nothing(),
                remaining: charge.remaining.saturating_add(charge.reservation.cost).min(charge.size),
                reset: charge.reset.saturating_sub(refilled),
                fields: None,
                ..*charge
            };
            return self.settle(&given_back, answered);
        }
        // If another limit has refused, the response has the headers of that limit. If this process counted alone, nobody
        // here knows how the limit stands.
        if self.0.style.is_any() && !answered.limited && !charge.reservation.local {
            let reset = Duration::from_nanos(charge.reset);
            let standing = Standing { size: charge.size, remaining: charge.remaining, reset, wait: Duration::ZERO };
            // A redirect has no IETF headers, because it is followed at once (the draft, section 6).
            let fields = charge.fields.as_deref().filter(|_| !answered.status.is_redirection());
            let now = || SystemTime::UNIX_EPOCH + Duration::from_nanos(charge.wall);
            standing.write(self.0.style, fields, answered.headers, now);
        }
    }
}

impl LimitGuard {
    #[inline]
    fn count_caller(&self, who: &Principal, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict {
        match &self.0.whose {
            Whose::Plan { plans, partition, class } => {
                let bucket = partition.bucket(who);
                if let Some(own) = who.limits() {
                    return self.count(request, bucket.scoped(own_scope()), own, Named::default(), outcome);
                }
                let table = plans.table();
                let class = class.as_ref().and_then(|class| class(request));
                match plans.find(&table, who, class) {
                    Some(row) => {
                        let whose = Named { plan: Some(&row.told), ..Named::default() };
                        self.count(request, bucket.scoped(row.scope), &row.limits, whose, outcome)
                    }
                    // Unreachable: `PlansBuilder::build` requires limits for all routes.
                    None => Verdict::Refuse(Rejection::internal("a plan has no limits for this route")),
                }
            }
            Whose::Own { limits, bucket } => {
                self.count(request, bucket(who, request), limits, Named::default(), outcome)
            }
            Whose::Address { .. } | Whose::Nobody => Verdict::Admit,
        }
    }
}

impl fmt::Debug for LimitGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitGuard").field("style", &self.0.style).finish_non_exhaustive()
    }
}
