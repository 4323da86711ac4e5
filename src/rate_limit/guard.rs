use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, request::Parts};

use super::{
    counter::{Counted, Counter, Ruling},
    headers::{self, Standing, Style},
    plans::{Plans, Told, own_scope},
};
use crate::{
    ClientIp, Clock, ConfigError, MaybeReady, Principal, Rejection, RejectionKind,
    base::protocol::is_preflight,
    context::identity::Identity,
    gate::{Answered, Charge, Guard, LIMITS, Outcome, Verdict},
    limit::{BucketKey, LimitDecision, Limits, Reservation, WindowStates},
};

/// Counts requests of somebody, and refuses what is too much.
#[derive(Clone)]
pub(super) struct LimitGuard(pub(super) Arc<Facts>);

#[derive(Clone)]
pub(super) struct Facts {
    pub(super) whose: Whose,
    pub(super) cost: Option<Cost>,
    pub(super) counter: Counter,
    pub(super) style: Style,
    /// Whether the authentication behind passes preflights without reading a credential: then they count nothing.
    pub(super) passes_preflights: bool,
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

/// What a request costs.
pub(super) type Cost = Arc<dyn Fn(&Parts) -> u32 + Send + Sync>;
/// The class of a request's route.
pub(super) type Class = Arc<dyn Fn(&Parts) -> Option<&'static str> + Send + Sync>;
/// Whose a request is, by a rule of the service's own.
pub(super) type Own = Arc<dyn Fn(&Principal, &Parts) -> BucketKey + Send + Sync>;

/// Whose requests are counted together, and by which limits.
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
    /// It was put together wrongly.
    Nobody,
}

/// Whose requests are counted together under a plan.
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
    /// Each key alone, by its id; of tokens, each subject of an issuer, whatever token it comes with. Who may create keys has
    /// as many times the limit: there, count accounts.
    #[default]
    Credential,
    /// Each subject, whatever it comes with; subjects of different issuers of tokens are different.
    Subject,
    /// Each account with all its keys and users; a caller without an account counts by the subject.
    Account,
}

impl Partition {
    #[inline]
    fn bucket(self, who: &Principal) -> BucketKey {
        match (self, who.account()) {
            (Self::Credential, _) => who.bucket(),
            (Self::Account, Some(account)) => BucketKey::new(["account", account]),
            (Self::Subject | Self::Account, _) => {
                BucketKey::new(["subject", who.issuer().unwrap_or_default(), who.subject()])
            }
        }
    }
}

impl LimitGuard {
    #[inline]
    fn count(&self, request: &Parts, bucket: BucketKey, limits: &Limits, whose: Named<'_>) -> MaybeReady<Verdict> {
        let cost = self.0.cost.as_ref().map_or(1, |cost| cost(request));
        match self.0.counter.decide(bucket, limits, cost).now() {
            Ok(decided) => MaybeReady::ready(self.conclude(decided, bucket, cost, limits, whose)),
            Err(future) => {
                let (this, limits) = (self.clone(), limits.clone());
                let (plan, client) = (whose.plan.cloned(), whose.client);
                MaybeReady::boxed(async move {
                    let whose = Named { plan: plan.as_ref(), client };
                    this.conclude(future.await, bucket, cost, &limits, whose)
                })
            }
        }
    }

    #[inline]
    fn conclude(&self, decided: Ruling, bucket: BucketKey, cost: u32, limits: &Limits, whose: Named<'_>) -> Verdict {
        let Some(Counted { decided, at, local }) = decided? else { return Ok(Outcome::default()) };
        match decided {
            LimitDecision::Admitted(levels) => {
                let level = levels.tightest();
                let charge = Charge {
                    bucket,
                    taken: Reservation::new(cost, limits, &levels, at).by_this_process(local),
                    size: size(limits, &levels),
                    remaining: level.remaining,
                    reset: u64::try_from(level.reset.as_nanos()).unwrap_or(u64::MAX),
                    interval: limits.interval(levels.tightest_index()),
                    wall: if self.0.style.unix { headers::nanos_of_day(self.0.counter.clock().now()) } else { 0 },
                    fields: self.fields(limits, &levels, Duration::ZERO, whose).map(Box::new),
                };
                Ok(Outcome { charge: Some(charge), ..Outcome::default() })
            }
            LimitDecision::Refused { levels, wait } => {
                let fields = self.fields(limits, &levels, wait, whose);
                Err(whose.name(refusal(limits, &levels, wait, self.0.style, fields.as_ref(), self.0.counter.clock())))
            }
            LimitDecision::TooCostly { most } => Err(whose.name(
                Rejection::new(RejectionKind::TooCostly)
                    .detail("limit", u64::from(most))
                    .detail("cost", u64::from(cost)),
            )),
        }
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

/// Whose limit it is, for the log.
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

/// 429, with what the headers say of the window that has to be waited for.
pub(super) fn refusal(
    limits: &Limits,
    levels: &WindowStates,
    wait: Duration,
    style: Style,
    fields: Option<&[HeaderValue; 2]>,
    clock: &Clock,
) -> Rejection {
    let (level, size) = (levels.tightest(), size(limits, levels));
    let wait = wait.max(Duration::from_nanos(1));
    let standing = Standing { size, remaining: level.remaining, reset: level.reset, wait };
    let name = limits.windows().nth(levels.tightest_index()).map_or("", |window| window.name);
    Rejection::rate_limited(size, wait, name, standing.of_refusal(style, fields, || clock.now()))
}

/// How much fits into the window that speaks.
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
    fn check(&self, request: &Parts) -> MaybeReady<Verdict> {
        if let Some(fault) = &self.0.fault {
            return MaybeReady::ready(Err(Rejection::internal(fault.clone())));
        }
        let (limits, ip, scope) = match &self.0.whose {
            Whose::Address { limits, ip, scope } => (limits, ip, scope),
            Whose::Plan { .. } | Whose::Own { .. } | Whose::Nobody => {
                return match request.extensions.get() {
                    Some(Identity::Principal(who)) => self.count_caller(who, request),
                    // Visitors have no plan; what they may do is limited by address.
                    Some(Identity::Anonymous(_)) => MaybeReady::ready(Ok(Outcome::default())),
                    None => MaybeReady::ready(Identity::principal_in(&request.extensions).map(|_| Outcome::default())),
                };
            }
        };
        if self.0.passes_preflights && is_preflight(&request.method, &request.headers) {
            return MaybeReady::ready(Ok(Outcome::default()));
        }
        match ip.bucket(request) {
            Ok(Some((address, bucket))) => {
                let whose = Named { client: Some(address), ..Named::default() };
                self.count(request, bucket.scoped(*scope), limits, whose)
            }
            Ok(None) => MaybeReady::ready(Ok(Outcome::default())),
            Err(rejection) => MaybeReady::ready(Err(rejection)),
        }
    }

    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        // Whoever was refused further in has had nothing for it.
        let denied = matches!(answered.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && answered
                .refusal
                .is_some_and(|kind| !matches!(kind, RejectionKind::Custom | RejectionKind::InvalidCredentials));
        if (denied || answered.limited) && charge.taken.cost > 0 && !matches!(self.0.whose, Whose::Address { .. }) {
            self.0.counter.refund(charge.bucket, &charge.taken);
            let refilled = charge.interval.saturating_mul(u64::from(charge.taken.cost));
            let given_back = Charge {
                taken: Reservation::nothing(),
                remaining: charge.remaining.saturating_add(charge.taken.cost).min(charge.size),
                reset: charge.reset.saturating_sub(refilled),
                fields: None,
                ..*charge
            };
            return self.settle(&given_back, answered);
        }
        // Another limit that has refused speaks for itself.
        if self.0.style.is_any() && !answered.limited {
            let reset = Duration::from_nanos(charge.reset);
            let standing = Standing { size: charge.size, remaining: charge.remaining, reset, wait: Duration::ZERO };
            // A redirect is followed at once, whatever is left (the draft, section 6).
            let fields = charge.fields.as_deref().filter(|_| !answered.status.is_redirection());
            let now = || SystemTime::UNIX_EPOCH + Duration::from_nanos(charge.wall);
            standing.write(self.0.style, fields, answered.headers, now);
        }
    }
}

impl LimitGuard {
    #[inline]
    fn count_caller(&self, who: &Principal, request: &Parts) -> MaybeReady<Verdict> {
        match &self.0.whose {
            Whose::Plan { plans, partition, class } => {
                let bucket = partition.bucket(who);
                if let Some(own) = who.limits() {
                    return self.count(request, bucket.scoped(own_scope()), own, Named::default());
                }
                let table = plans.table();
                let class = class.as_ref().and_then(|class| class(request));
                match plans.find(&table, who, class) {
                    Some(row) => {
                        let whose = Named { plan: Some(&row.told), ..Named::default() };
                        self.count(request, bucket.scoped(row.scope), &row.limits, whose)
                    }
                    // Every plan has limits for all routes.
                    None => MaybeReady::ready(Err(Rejection::internal("a plan has no limits for this route"))),
                }
            }
            Whose::Own { limits, bucket } => self.count(request, bucket(who, request), limits, Named::default()),
            Whose::Address { .. } | Whose::Nobody => MaybeReady::ready(Ok(Outcome::default())),
        }
    }
}

impl fmt::Debug for LimitGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitGuard").field("style", &self.0.style).finish_non_exhaustive()
    }
}
