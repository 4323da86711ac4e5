use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, request::Parts};

use super::{
    client_ip::ClientIp,
    headers::{self, Standing, Style},
    plans::{Plans, own_scope},
};
use crate::{
    Answer, BoxError, Clock, ConfigError, Principal, Rejection, RejectionKind,
    gate::{Answered, Charge, Guard, LIMITS, Outcome, Verdict},
    identity::Identity,
    limit::{Bucket, Decided, Levels, Limiter, Limits, MemoryLimiter, Taken},
    protocol::is_preflight,
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
    pub(super) report_only: bool,
    pub(super) fault: Option<ConfigError>,
}

/// What a request costs.
pub(super) type Cost = Arc<dyn Fn(&Parts) -> u32 + Send + Sync>;
/// The class of a request's route.
pub(super) type Class = Arc<dyn Fn(&Parts) -> Option<&'static str> + Send + Sync>;
/// Whose a request is, by a rule of the service's own.
pub(super) type Own = Arc<dyn Fn(&Principal, &Parts) -> Bucket + Send + Sync>;

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
        scope: Bucket,
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
    /// Each key alone, by its id; of tokens, each subject, whatever token it comes with.
    #[default]
    Key,
    /// Each subject, whatever it comes with.
    Subject,
    /// Each account with all its keys and users; a caller without an account counts by the subject.
    Account,
}

impl Partition {
    #[inline]
    fn bucket(self, who: &Principal) -> Bucket {
        match (self, who.account()) {
            (Self::Key, _) => who.bucket(),
            (Self::Account, Some(account)) => Bucket::of(["account", account]),
            (Self::Subject | Self::Account, _) => Bucket::of(["subject", who.subject()]),
        }
    }
}

/// What is done where the limiter does not answer.
///
/// ```
/// use tower_auth::{Limiter, Plans, RateLimitLayer, rate_limit::OnOutage};
///
/// fn layer(plans: &Plans, shared: impl Limiter) -> RateLimitLayer {
///     RateLimitLayer::by_plan(plans).limiter(shared).on_outage(OnOutage::CountLocally)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnOutage {
    /// 503: nobody is let in whom nobody counts.
    #[default]
    Refuse,
    /// Everybody is let in, and nothing is said of limits.
    Admit,
    /// This process counts alone, by the same limits: as many processes, as many times the limit.
    CountLocally,
}

/// What a limiter decided and when it was asked, if it did; or why the request goes no further.
pub(super) type Ruling = Result<Option<Counted>, Rejection>;

/// A decision, when it was asked for, and whether this process decided alone.
pub(super) struct Counted {
    pub(super) decided: Decided,
    pub(super) at: Duration,
    pub(super) local: bool,
}

/// What counts, by which clock, and what is done where it does not answer.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) limiter: Arc<dyn Limiter>,
    /// Of all clones of a layer, so that a stack's is that of the layer on another route.
    pub(super) clock: Arc<OnceLock<Clock>>,
    pub(super) on_outage: OnOutage,
    pub(super) outages: Arc<AtomicU64>,
    /// Counts while the limiter does not.
    pub(super) local: Arc<OnceLock<MemoryLimiter>>,
}

impl Counter {
    pub(super) fn new(limiter: impl Limiter) -> Self {
        Self {
            limiter: Arc::new(limiter),
            clock: Arc::default(),
            on_outage: OnOutage::Refuse,
            outages: Arc::default(),
            local: Arc::default(),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        self.clock.get_or_init(Clock::system)
    }

    /// What the limiter says, and when it was asked; nothing where it says nothing and the request goes on all the same.
    #[inline]
    pub(super) fn decide(&self, bucket: Bucket, limits: &Limits, cost: u32) -> Answer<Ruling> {
        let now = self.clock().elapsed();
        match self.limiter.decide(bucket, limits, cost, now).now() {
            Ok(Ok(decided)) => Answer::ready(Ok(Some(Counted { decided, at: now, local: false }))),
            Ok(Err(error)) => Answer::ready(self.out(error, bucket, limits, cost, now)),
            Err(future) => {
                let (this, limits) = (self.clone(), limits.clone());
                Answer::boxed(async move {
                    future.await.map_or_else(
                        |error| this.out(error, bucket, &limits, cost, now),
                        |decided| Ok(Some(Counted { decided, at: now, local: false })),
                    )
                })
            }
        }
    }

    pub(super) fn give_back(&self, bucket: Bucket, taken: &Taken) {
        let now = self.clock().elapsed();
        match self.local.get().filter(|_| taken.local) {
            Some(local) => local.give_back(bucket, taken, now),
            None if taken.cost > 0 && !taken.local => self.limiter.give_back(bucket, taken, now),
            None => {}
        }
    }

    /// Counts one that has happened already.
    pub(super) fn charge(&self, bucket: Bucket, limits: &Limits) {
        self.limiter.charge(bucket, limits, 1, self.clock().elapsed());
    }

    /// The log is told of the first outage, and of every doubling; a refusal tells of itself.
    #[cold]
    fn out(&self, error: BoxError, bucket: Bucket, limits: &Limits, cost: u32, now: Duration) -> Ruling {
        let before = self.outages.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            let error = error.to_string().escape_debug().to_string();
            tracing::error!(
                target: "tower_auth",
                error,
                requests = before + 1,
                policy = ?self.on_outage,
                "a limiter does not answer: see whether its server runs and can be reached"
            );
        }
        match self.on_outage {
            OnOutage::Refuse => Err(Rejection::unavailable(error)),
            OnOutage::Admit => Ok(None),
            OnOutage::CountLocally => {
                let decided = self.local.get_or_init(MemoryLimiter::new).take(bucket, limits, cost, now);
                Ok(Some(Counted { decided, at: now, local: true }))
            }
        }
    }
}

impl LimitGuard {
    #[inline]
    fn count(&self, request: &Parts, bucket: Bucket, limits: &Limits, policy: Option<&HeaderValue>) -> Answer<Verdict> {
        let cost = self.0.cost.as_ref().map_or(1, |cost| cost(request));
        match self.0.counter.decide(bucket, limits, cost).now() {
            Ok(decided) => Answer::ready(self.conclude(decided, bucket, cost, limits, policy)),
            Err(future) => {
                let (this, limits, policy) = (self.clone(), limits.clone(), policy.cloned());
                Answer::boxed(async move { this.conclude(future.await, bucket, cost, &limits, policy.as_ref()) })
            }
        }
    }

    #[inline]
    fn conclude(
        &self,
        decided: Ruling,
        bucket: Bucket,
        cost: u32,
        limits: &Limits,
        policy: Option<&HeaderValue>,
    ) -> Verdict {
        let Some(Counted { decided, at, local }) = decided? else { return Ok(Outcome::default()) };
        match decided {
            Decided::Admitted(levels) => {
                let level = levels.speaking();
                let charge = Charge {
                    bucket,
                    taken: Taken::new(cost, &levels, at).by_this_process(local),
                    size: size(limits, &levels),
                    remaining: level.remaining,
                    reset: u64::try_from(level.reset.as_nanos()).unwrap_or(u64::MAX),
                    interval: limits.interval(levels.place()),
                    wall: if self.0.style.unix { headers::nanos_of_day(self.0.counter.clock().now()) } else { 0 },
                    fields: self.fields(limits, &levels, Duration::ZERO, policy).map(Box::new),
                };
                Ok(Outcome { charge: Some(charge), ..Outcome::default() })
            }
            Decided::Refused { levels, wait } => {
                let fields = self.fields(limits, &levels, wait, policy);
                Err(refusal(limits, &levels, wait, self.0.style, fields.as_ref(), self.0.counter.clock()))
            }
            Decided::TooCostly { most } => Err(Rejection::new(RejectionKind::TooCostly)
                .detail("limit", u64::from(most))
                .detail("cost", u64::from(cost))),
        }
    }

    fn fields(
        &self,
        limits: &Limits,
        levels: &Levels,
        wait: Duration,
        policy: Option<&HeaderValue>,
    ) -> Option<[HeaderValue; 2]> {
        let policy = || policy.cloned().unwrap_or_else(|| headers::policy(limits));
        self.0.style.ietf.then(|| [policy(), headers::state(limits, levels, wait)])
    }
}

/// 429, with what the headers say of the window that has to be waited for.
pub(super) fn refusal(
    limits: &Limits,
    levels: &Levels,
    wait: Duration,
    style: Style,
    fields: Option<&[HeaderValue; 2]>,
    clock: &Clock,
) -> Rejection {
    let (level, size) = (levels.speaking(), size(limits, levels));
    let wait = wait.max(Duration::from_nanos(1));
    let standing = Standing { size, remaining: level.remaining, reset: level.reset, wait };
    let name = limits.windows().nth(levels.place()).map_or("", |window| window.name);
    Rejection::new(RejectionKind::RateLimited)
        .detail("limit", u64::from(size))
        .detail("retry_after", headers::up(wait).max(1))
        .retry_after(wait)
        .violating(name)
        .headers(standing.of_refusal(style, fields, || clock.now()))
}

/// How much fits into the window that speaks.
#[inline]
fn size(limits: &Limits, levels: &Levels) -> u32 {
    limits.windows().nth(levels.place()).map_or(0, |window| window.size)
}

impl Guard for LimitGuard {
    fn name(&self) -> &'static str {
        LIMITS
    }

    fn enforced(&self) -> bool {
        !self.0.report_only
    }

    #[inline]
    fn check(&self, request: &Parts) -> Answer<Verdict> {
        if let Some(fault) = &self.0.fault {
            return Answer::ready(Err(Rejection::internal(fault.clone())));
        }
        let (limits, ip, scope) = match &self.0.whose {
            Whose::Address { limits, ip, scope } => (limits, ip, scope),
            Whose::Plan { .. } | Whose::Own { .. } | Whose::Nobody => {
                return match request.extensions.get() {
                    Some(Identity::Principal(who)) => self.count_caller(who, request),
                    // Visitors have no plan; what they may do is limited by address.
                    Some(Identity::Anonymous(_)) => Answer::ready(Ok(Outcome::default())),
                    None => Answer::ready(Identity::principal_in(&request.extensions).map(|_| Outcome::default())),
                };
            }
        };
        // A browser asks for its user, who has sent nothing yet.
        if is_preflight(&request.method, &request.headers) {
            return Answer::ready(Ok(Outcome::default()));
        }
        match ip.of(request) {
            Ok(address) => self.count(request, Bucket::address(address).scoped(*scope), limits, None),
            Err(rejection) => Answer::ready(Err(rejection)),
        }
    }

    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        // Whoever was refused further in has had nothing for it.
        let denied = matches!(answered.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && answered.refusal.is_some_and(|kind| kind != RejectionKind::Custom);
        if (denied || answered.limited) && charge.taken.cost > 0 && !matches!(self.0.whose, Whose::Address { .. }) {
            self.0.counter.give_back(charge.bucket, &charge.taken);
            let refilled = charge.interval.saturating_mul(u64::from(charge.taken.cost));
            let given_back = Charge {
                taken: Taken::nothing(),
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
    fn count_caller(&self, who: &Principal, request: &Parts) -> Answer<Verdict> {
        match &self.0.whose {
            Whose::Plan { plans, partition, class } => {
                let bucket = partition.bucket(who);
                if let Some(own) = who.limits() {
                    return self.count(request, bucket.scoped(own_scope()), own, None);
                }
                let table = plans.table();
                let class = class.as_ref().and_then(|class| class(request));
                match plans.find(&table, who, class) {
                    Some(row) => self.count(request, bucket.scoped(row.scope), &row.limits, Some(&row.policy)),
                    // Every plan has limits for all routes.
                    None => Answer::ready(Err(Rejection::internal("a plan has no limits for this route"))),
                }
            }
            Whose::Own { limits, bucket } => self.count(request, bucket(who, request), limits, None),
            Whose::Address { .. } | Whose::Nobody => Answer::ready(Ok(Outcome::default())),
        }
    }
}

impl fmt::Debug for LimitGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitGuard").field("style", &self.0.style).finish_non_exhaustive()
    }
}
