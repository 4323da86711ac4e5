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
    counter::{Counter, Engine},
    failures::{self, FailureGuard, MOST_IN_FLIGHT},
    guard::{self, LimitGuard, Partition, Whose},
    headers::Style,
    outage::OutagePolicy,
    plans::Plans,
};
use crate::{
    ClientIp, Clock, ConfigError, Principal, Quota, RequestHead,
    context::attempts::InFlight,
    gate::{Gate, Guard, Guards},
    limit::{BucketKey, Limiter, Limits, MemoryLimiter},
};

/// Limits requests, and answers 429 to requests above the limit.
///
/// Limits by plan or by caller need an outer authentication layer. The response to an admitted request shows the state
/// of the limit in its headers; a refusal has `Retry-After`. The [module page](crate::rate_limit) lists every case.
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

/// The id of the next budget of failed attempts.
static BUDGETS: AtomicU64 = AtomicU64::new(1);

impl RateLimitLayer {
    /// Limits requests by the caller's plan ([`Principal::plan`]), or by the caller's own limits
    /// ([`Principal::limits`]).
    ///
    /// Only authenticated callers are counted; anonymous requests are admitted. Without an outer authentication layer,
    /// every request is answered 500.
    pub fn by_plan(plans: &Plans) -> Self {
        let whose = Whose::Plan { plans: plans.clone(), partition: Partition::Credential, class: None };
        Self::limit(whose, None, MemoryLimiter::new())
    }

    /// Limits requests by address, as [`ClientIp`] finds it. By default, an IPv6 address counts by its /64. All clients
    /// behind one address share its limit, such as the clients of an office or a mobile network.
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

    /// Limits requests by the bucket that the closure `bucket` returns. The closure is called for authenticated callers
    /// only, so an attacker cannot spend the limit of another caller. All buckets have the same limits.
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
    /// address. Failures with a verified credential (expired, paused or revoked, or a 403) are charged to that
    /// credential, and never to other clients at the same address.
    ///
    /// **In a stack, the budget charges a handler's 401, but does not stop the next attempt.** A stack checks the
    /// budget only before a store lookup that has to wait, and before a signature check. If a handler answers a wrong
    /// one-time code or password with 401, the failure is charged, but the next attempt still reaches the handler. Put
    /// a clone of this layer on that route too. A layer that is mounted alone, for example on a login route, checks the
    /// budget before every request, and does not call the handler when the budget is spent. Clones share one budget,
    /// and a failure is charged once.
    ///
    /// Successful requests are never charged. [`max_in_flight`](Self::max_in_flight) limits the attempts of one address
    /// that are in progress. Keys and tokens found in memory are accepted even when the budget is spent. When the
    /// budget of a credential is spent, further failures with it are answered 429, and successful requests with it are
    /// admitted.
    ///
    /// When a client disconnects during a lookup, the lookup is completed on the tokio runtime, and the attempt is
    /// charged if the credential is invalid (with the features that use tokio: `axum`, `strict-body`, tokens). Without
    /// a runtime, and for a layer alone in front of a handler, the result is unknown and the attempt is charged.
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

    /// Sets which requests share one limit under a plan. By default, each credential has its own limit.
    pub fn partition(mut self, by: Partition) -> Self {
        match &mut self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Plan { partition, .. }, .. }) => *partition = by,
            _ => self.misplaced("partition", "by_plan"),
        }
        self
    }

    /// Sets the closure that returns the class of a request's route. A plan can have separate limits for a class
    /// ([`Plan::class`](super::Plan::class)); otherwise the general limits of the plan apply.
    pub fn class(mut self, of: impl Fn(&RequestHead<'_>) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        match &mut self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Plan { class, .. }, .. }) => *class = Some(Arc::new(of)),
            _ => self.misplaced("class", "by_plan"),
        }
        self
    }

    /// Sets the closure that returns the cost of a request; the cost is one by default. A cost of zero is not counted.
    /// A cost above the burst is answered 400, because retrying cannot succeed.
    pub fn cost(mut self, of: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static) -> Self {
        match &mut self.0 {
            Kind::Limit(facts) => facts.cost = Some(Arc::new(of)),
            Kind::Failures(_) => self.misplaced("cost", "by_plan, by_address and by_bucket"),
        }
        self
    }

    /// Limits how many attempts of one address may be in progress at once; 256 by default. Further attempts are
    /// answered 429 with `Retry-After: 1`.
    ///
    /// Credential checks that have to wait are counted. In a layer alone, every request is counted until its handler
    /// has answered. This bounds parallel guesses: at most the budget plus this number are checked. Zero refuses every
    /// request with 500, and fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
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
                    "RateLimitLayer::max_in_flight(0) would refuse every request that needs a credential lookup",
                    "use at least 1; the default is 256",
                );
                facts.fault.get_or_insert(fault);
            }
            Kind::Limit(_) => self.misplaced("max_in_flight", "failures"),
        }
        self
    }

    /// Sets the quotas for failures with a verified credential, counted by credential. By default, the quotas of the
    /// address apply to credentials too.
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

    /// Sets the limiter; by default, requests are counted in memory. Layers of one kind that share a limiter count in
    /// the same buckets.
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.counter().limiter = Engine::Other(Arc::new(limiter));
        self
    }

    /// Sets what happens when the limiter fails or does not answer; 503 by default. [`OutagePolicy`] says which policy fits
    /// which limit.
    pub fn on_outage(mut self, policy: OutagePolicy) -> Self {
        self.counter().on_outage = policy;
        self
    }

    /// Sets the timeout for a decision of the [limiter](Self::limiter). By default, this is the timeout of the
    /// [stack](crate::stack::AuthStackBuilder::decision_timeout), or 5 s. After the timeout,
    /// [`on_outage`](Self::on_outage) applies.
    ///
    /// The [clock](Self::clock) measures the time. A clock without a timer means no timeout, and a warning is logged.
    /// `Duration::MAX` means no timeout. Zero fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build);
    /// in a layer alone, zero means that every decision that is not ready at once times out.
    pub fn decision_timeout(mut self, limit: Duration) -> Self {
        self.counter().decision_timeout = Some(limit);
        self
    }

    /// Writes `X-RateLimit-Reset` as a time in Unix seconds, instead of as seconds from now.
    pub fn unix_reset(self) -> Self {
        self.style("unix_reset", |style| style.unix = true)
    }

    /// Adds the header `X-RateLimit-Retry-After`: the seconds to wait, zero when the request was admitted.
    pub fn x_retry_after(self) -> Self {
        self.style("x_retry_after", |style| style.retry_after = true)
    }

    /// Adds the headers `RateLimit-Policy` and `RateLimit`, which describe all windows
    /// (draft-ietf-httpapi-ratelimit-headers-11).
    pub fn ietf_headers(self) -> Self {
        self.style("ietf_headers", |style| style.ietf = true)
    }

    /// Writes no headers. To write only the IETF headers, call [`ietf_headers`](Self::ietf_headers) after this method.
    pub fn without_headers(self) -> Self {
        self.style("without_headers", |style| *style = Style::NONE)
    }

    /// Counts, and reports refusals to the log and the observer, but enforces none. Use it for a trial period before a
    /// limit is enforced. A budget of failed attempts in a stack reports to the log only.
    pub fn report_only(mut self) -> Self {
        match &mut self.0 {
            Kind::Limit(facts) => facts.report_only = true,
            Kind::Failures(facts) => facts.report_only = true,
        }
        self
    }

    /// Sets the clock. In a stack, the default is the clock of the stack. All clones of a layer share one clock: the
    /// first that is set.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        let _ = self.shared_counter().clock.set(clock.into());
        self
    }

    /// Returns how many requests the limiter failed to decide. The [`OutagePolicy`] was applied to these requests.
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
            format!("RateLimitLayer::{method} was called on a layer of another kind, where it has no effect"),
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
