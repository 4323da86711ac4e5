use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_layer::Layer;

use super::{
    counter::{Counter, Engine, OutagePolicy},
    failures::{self, FailureGuard, MOST_IN_FLIGHT},
    guard::{self, LimitGuard, Partition, Whose},
    headers::Style,
    plans::Plans,
};
use crate::{
    ClientIp, Clock, ConfigError, Principal, Quota, RequestHead,
    context::attempts::InFlight,
    gate::{Gate, Guard, Guards},
    limit::{BucketKey, Limiter, Limits, MemoryLimiter},
};

/// Lets so many requests through, and answers the others 429.
///
/// In: any request; where plans or callers count, one that an authentication layer further out has seen. Out: the request,
/// and on its response how the limit stands; or a refusal with `Retry-After`. The [module page](crate::rate_limit) has the
/// whole list.
///
/// ```
/// use tower_auth::{ClientIp, Plans, Quota, RateLimitLayer};
///
/// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
/// let by_plan = RateLimitLayer::by_plan(&plans).unix_reset();
/// let by_address = RateLimitLayer::by_address(Quota::per_second(20).burst(100), ClientIp::peer());
/// let failures = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::behind(["10.0.0.0/8"])?);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct RateLimitLayer(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Limit(guard::Facts),
    Failures(failures::Facts),
}

/// How many budgets of failed attempts there have been.
static BUDGETS: AtomicU64 = AtomicU64::new(1);

impl RateLimitLayer {
    /// Counts each caller by the limits of their plan ([`Principal::plan`]), or by limits of their own
    /// ([`Principal::limits`]). Only callers count whom an authentication layer further out has proved; visitors are let
    /// through, and without any such layer a request is answered 500.
    pub fn by_plan(plans: &Plans) -> Self {
        let whose = Whose::Plan { plans: plans.clone(), partition: Partition::Credential, class: None };
        Self::limit(whose, None, MemoryLimiter::new())
    }

    /// Counts each address, IPv6 by the /64 ([`ClientIp`]). All that come from one address share its limit: offices, mobile
    /// networks.
    pub fn by_address(quotas: impl IntoIterator<Item = Quota>, ip: ClientIp) -> Self {
        let scope = BucketKey::new(["address"]);
        match ip.check_config().and_then(|()| Limits::new(quotas)) {
            Ok(limits) => {
                let limiter = if limits.len() == 1 { MemoryLimiter::narrow() } else { MemoryLimiter::new() };
                Self::limit(Whose::Address { limits, ip, scope }, None, limiter)
            }
            Err(fault) => Self::limit(Whose::Nobody, Some(fault), MemoryLimiter::new()),
        }
    }

    /// Counts the callers that this puts into one bucket. It sees only callers whom an authentication layer has proved, so
    /// that no stranger spends another's limit; all callers have the same limits.
    ///
    /// ```
    /// use tower_auth::{Quota, RateLimitLayer, limit::BucketKey};
    ///
    /// let uploads = RateLimitLayer::by_bucket(Quota::per_hour(20), |who, _| BucketKey::new(["uploads", who.account().unwrap_or_default()]));
    /// ```
    pub fn by_bucket(
        quotas: impl IntoIterator<Item = Quota>,
        bucket: impl Fn(&Principal, &RequestHead<'_>) -> BucketKey + Send + Sync + 'static,
    ) -> Self {
        match Limits::new(quotas) {
            Ok(limits) => Self::limit(Whose::Own { limits, bucket: Arc::new(bucket) }, None, MemoryLimiter::new()),
            Err(fault) => Self::limit(Whose::Nobody, Some(fault), MemoryLimiter::new()),
        }
    }

    /// Limits failed attempts. Guesses (unknown and malformed keys, bad signatures, wrong passwords) are charged to the
    /// address; what a proved holder does wrong (an expired, paused or revoked credential, a 403) is charged to that
    /// credential and never to its neighbours.
    ///
    /// **A budget in a stack never refuses a handler's answer.** It is asked only before a store look-up that has to be waited
    /// for, and before a signature is checked: a wrong one-time code or password that a handler answers with 401 is charged
    /// and not refused, however many there are. Put a clone of this layer on that route too: alone, as in front of a login, it is asked before every
    /// request, and the handler is not called when nothing is left. Clones share one budget, and a failure is charged once.
    ///
    /// Only failures are charged: any number of good requests may be under way at once, up to a bound of its own for each
    /// address ([`max_in_flight`](Self::max_in_flight)). A key in memory and a remembered token are accepted whatever is left. When
    /// the budget of a credential is spent, its further failures are answered 429 and its good requests pass.
    ///
    /// A client that goes away during a look-up has failed if the credential turns out to be bad: the look-up is finished
    /// without it, on the tokio runtime (features that bring tokio: `axum`, `strict-body`, tokens). Without one, and alone
    /// in front of a handler, nobody learns what would have come of it, and the attempt is charged.
    pub fn failures(quotas: impl IntoIterator<Item = Quota>, ip: ClientIp) -> Self {
        let (limits, fault) = match ip.check_config().and_then(|()| Limits::new(quotas)) {
            Ok(limits) => (Some(limits), None),
            Err(fault) => (None, Some(fault)),
        };
        let narrow = limits.as_ref().is_none_or(|limits| limits.len() == 1);
        let limiter = if narrow { MemoryLimiter::narrow() } else { MemoryLimiter::new() };
        Self(Kind::Failures(failures::Facts {
            id: BUDGETS.fetch_add(1, Ordering::Relaxed),
            scope: BucketKey::new(["failures"]),
            holders: BucketKey::new(["failures", "holders"]),
            limits,
            of_holders: None,
            ip,
            counter: Counter::new(limiter),
            in_flight: Arc::new(InFlight::new()),
            most_in_flight: MOST_IN_FLIGHT,
            carried: Arc::default(),
            deferred: false,
            report_only: false,
            fault,
        }))
    }

    fn limit(whose: Whose, fault: Option<ConfigError>, limiter: MemoryLimiter) -> Self {
        let counter = Counter::new(limiter);
        Self(Kind::Limit(guard::Facts {
            whose,
            cost: None,
            counter,
            style: Style::LEGACY,
            passes_preflights: false,
            report_only: false,
            fault,
        }))
    }

    /// Whose requests count together under a plan; each credential's by default.
    pub fn partition(mut self, by: Partition) -> Self {
        match &mut self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Plan { partition, .. }, .. }) => *partition = by,
            _ => self.misplaced("partition", "by_plan"),
        }
        self
    }

    /// The class of a route, by which plans may have other limits ([`Plan::class`](super::Plan::class)); a class that a
    /// plan does not know is limited as all routes are.
    pub fn class(mut self, of: impl Fn(&RequestHead<'_>) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        match &mut self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Plan { class, .. }, .. }) => *class = Some(Arc::new(of)),
            _ => self.misplaced("class", "by_plan"),
        }
        self
    }

    /// What a request costs, one by default. Nought is counted nowhere; what costs more than ever fits at once is answered
    /// 400, for waiting would not help.
    pub fn cost(mut self, of: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static) -> Self {
        match &mut self.0 {
            Kind::Limit(facts) => facts.cost = Some(Arc::new(of)),
            Kind::Failures(_) => self.misplaced("cost", "by_plan, by_address and by_bucket"),
        }
        self
    }

    /// How many attempts of one address may be under way at once: checks of credentials that have to be waited for, and
    /// requests whose handler has not answered where the budget stands alone. 256 by default. Beyond it requests are
    /// answered 429 with `Retry-After: 1`. It bounds parallel guesses: no more than the budget and these are checked.
    ///
    /// Zero refuses every request with 500, and fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    ///
    /// ```
    /// use tower_auth::{ClientIp, Quota, RateLimitLayer};
    ///
    /// let all_behind_one_gateway = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()).max_in_flight(4096);
    /// ```
    pub fn max_in_flight(mut self, most: u32) -> Self {
        match &mut self.0 {
            Kind::Failures(facts) if most > 0 => facts.most_in_flight = most,
            Kind::Failures(facts) => {
                let fault = ConfigError::new(
                    "RateLimitLayer::max_in_flight(0) would refuse every request whose credential has to be looked up",
                    "give at least 1; the default is 256",
                );
                facts.fault.get_or_insert(fault);
            }
            Kind::Limit(_) => self.misplaced("max_in_flight", "failures"),
        }
        self
    }

    /// The quotas of what a proved holder does wrong, counted by credential; those of the address by default.
    ///
    /// ```
    /// use tower_auth::{ClientIp, Quota, RateLimitLayer};
    ///
    /// let failures = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer());
    /// let more_for_holders = failures.credential_quotas([Quota::per_minute(100), Quota::per_day(2_000)]);
    /// ```
    pub fn credential_quotas(mut self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        match (&mut self.0, Limits::new(quotas)) {
            (Kind::Failures(facts), Ok(limits)) => {
                if limits.len() > 1 {
                    facts.counter.limiter.widen();
                }
                facts.of_holders = Some(limits);
            }
            (Kind::Failures(facts), Err(fault)) => drop(facts.fault.get_or_insert(fault)),
            (Kind::Limit(_), _) => self.misplaced("credential_quotas", "failures"),
        }
        self
    }

    /// Counts with this instead of in memory. Layers of one kind that share a limiter count in the same buckets.
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.counter().limiter = Engine::Other(Arc::new(limiter));
        self
    }

    /// What is done where the limiter does not answer; 503 by default.
    pub fn on_outage(mut self, policy: OutagePolicy) -> Self {
        self.counter().on_outage = policy;
        self
    }

    /// How long a [limiter](Self::limiter) may take to decide; 5 s by default, or the
    /// [stack's](crate::stack::AuthStackBuilder::decision_timeout). One that takes longer has not answered, and
    /// [`on_outage`](Self::on_outage) says what is done.
    ///
    /// The time is that of the [clock](Self::clock): without a timer there is no limit, and the log says so. `Duration::MAX`
    /// is no limit either. Zero fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build); in a layer alone
    /// every decision that is not ready at once is then too late.
    pub fn decision_timeout(mut self, limit: Duration) -> Self {
        self.counter().decision_timeout = Some(limit);
        self
    }

    /// Writes `X-RateLimit-Reset` as a time of day in Unix seconds, instead of the seconds that are left.
    pub fn unix_reset(self) -> Self {
        self.style("unix_reset", |style| style.unix = true)
    }

    /// Writes `X-RateLimit-Retry-After` too: the seconds to wait, nought where the request was let through.
    pub fn x_retry_after(self) -> Self {
        self.style("x_retry_after", |style| style.retry_after = true)
    }

    /// Writes `RateLimit-Policy` and `RateLimit` too, which tell of all windows (draft-ietf-httpapi-ratelimit-headers-11).
    pub fn ietf_headers(self) -> Self {
        self.style("ietf_headers", |style| style.ietf = true)
    }

    /// Writes no `X-RateLimit` headers; together with [`ietf_headers`](Self::ietf_headers), called after it, those of the
    /// IETF alone.
    pub fn without_headers(self) -> Self {
        self.style("without_headers", |style| *style = Style::NONE)
    }

    /// Counts, tells the log and the observer, and lets pass: for the weeks before a limit is enforced. A budget of failed
    /// attempts in a stack tells the log alone.
    pub fn report_only(mut self) -> Self {
        match &mut self.0 {
            Kind::Limit(facts) => facts.report_only = true,
            Kind::Failures(facts) => facts.report_only = true,
        }
        self
    }

    /// The clock that limits go by; in a stack, the stack's. All clones of a layer have one: the first that is set.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        let _ = self.shared_counter().clock.set(clock.into());
        self
    }

    /// How often the limiter did not answer: each was refused, let in, or counted here, as [`OutagePolicy`] says.
    #[must_use]
    pub fn outage_count(&self) -> u64 {
        self.shared_counter().outages.load(Ordering::Relaxed)
    }

    fn style(mut self, name: &'static str, change: impl FnOnce(&mut Style)) -> Self {
        match &mut self.0 {
            Kind::Limit(facts) => change(&mut facts.style),
            Kind::Failures(_) => self.misplaced(name, "by_plan, by_address and by_bucket"),
        }
        self
    }

    fn misplaced(&mut self, method: &'static str, of: &'static str) {
        let fault = ConfigError::new(
            format!("RateLimitLayer::{method} was called on a layer that it means nothing to"),
            format!("call it on a layer made with {of}"),
        );
        match &mut self.0 {
            Kind::Limit(facts) => facts.fault.get_or_insert(fault),
            Kind::Failures(facts) => facts.fault.get_or_insert(fault),
        };
    }

    pub(super) fn counter(&mut self) -> &mut Counter {
        match &mut self.0 {
            Kind::Limit(facts) => &mut facts.counter,
            Kind::Failures(facts) => &mut facts.counter,
        }
    }

    pub(super) const fn shared_counter(&self) -> &Counter {
        match &self.0 {
            Kind::Limit(facts) => &facts.counter,
            Kind::Failures(facts) => &facts.counter,
        }
    }

    fn guard(&self) -> Arc<dyn Guard> {
        match &self.0 {
            Kind::Limit(facts) => Arc::new(LimitGuard(Arc::new(facts.clone()))),
            Kind::Failures(facts) => Arc::new(FailureGuard(Arc::new(facts.clone()))),
        }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        self.warn_without_timer();
        Gate::new(inner, Arc::new(Guards::new([self.guard()])))
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Limit(guard::Facts { whose, .. }) => match whose {
                Whose::Plan { .. } => "by_plan",
                Whose::Address { .. } => "by_address",
                Whose::Own { .. } => "by_bucket",
                Whose::Nobody => "faulty",
            },
            Kind::Failures(_) => "failures",
        };
        f.debug_tuple("RateLimitLayer").field(&kind).finish()
    }
}
