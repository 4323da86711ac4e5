use std::{fmt, sync::Arc};

use tokio::runtime::Handle;

use super::{
    entry::{Asked, Attempt},
    policy::BudgetPolicy,
    shared::Shared,
    store::BudgetStore,
};
use crate::{
    BoxError, Clock, MaybeReady,
    limit::{BucketKey, LimitDecision, LimitFuture, LimitTime, Limiter, Limits, Reservation},
};

/// Counts calendar quotas in a [`BudgetStore`], by leases, and quotas that are refilled evenly in memory. Calendar budgets are exact
/// over all processes, and survive a restart.
///
/// The [module page](super) says what is exact and what a crash loses. Clones share the leases. It needs a tokio runtime.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{BudgetLimiter, Limiter, MemoryKeyStore, Quota, limit::{BucketKey, LimitDecision, Limits}};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let limits = Limits::new([Quota::per_minute(100), Quota::per_calendar_month(1_000_000)])?;
/// let budgets = BudgetLimiter::new(MemoryKeyStore::new());
/// let decided = budgets.decide(BucketKey::new(["acme"]), &limits, 1, Duration::ZERO.into()).await?;
/// assert!(matches!(decided, LimitDecision::Admitted(levels) if levels.all()[1].remaining == 999_999));
/// # Ok::<_, tower_auth::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct BudgetLimiter(Arc<Shared>);

impl BudgetLimiter {
    /// Creates a limiter that counts in this store, with the default [`BudgetPolicy`].
    #[must_use]
    pub fn new(store: impl BudgetStore) -> Self {
        Self::with(store, BudgetPolicy::new(), Clock::system())
    }

    /// Creates a limiter that counts in this store, with this policy and clock. Use the clock of the stack.
    #[must_use]
    pub fn with(store: impl BudgetStore, policy: BudgetPolicy, clock: impl Into<Clock>) -> Self {
        Self(Arc::new(Shared::new(store, policy, clock.into())))
    }

    /// Returns the number of buckets that hold a lease, or that asked for one lately.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.table.buckets()
    }

    /// Returns whether no bucket is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of leased requests that are not used: what a crash of this process would lose now.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.0.table.unused()
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Limiter for BudgetLimiter {
    #[inline]
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        if !limits.has_calendar() {
            return self.0.table.memory().decide(bucket, limits, cost, now);
        }
        let most = limits.max_cost();
        if cost > most {
            return MaybeReady::ready(Ok(LimitDecision::TooCostly { most }));
        }
        let asked = Asked { bucket, limits, cost, now };
        match self.0.table.attempt(&asked, &self.0.policy, false) {
            Attempt::Decided(decided) => MaybeReady::ready(Ok(decided)),
            Attempt::Short { .. } => {
                let (shared, limits) = (Arc::clone(&self.0), limits.clone());
                MaybeReady::boxed(async move { decide(&shared, Asked { bucket, limits: &limits, cost, now }).await })
            }
        }
    }

    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) {
        let (Err(decision), Ok(runtime)) = (self.decide(bucket, limits, cost, now).now(), Handle::try_current()) else {
            return;
        };
        let limit = self.0.limit.clone();
        runtime.spawn(async move { limit.wait(decision).await });
    }

    fn refund(&self, bucket: BucketKey, reservation: &Reservation, now: LimitTime) {
        self.0.table.refund(bucket, reservation, now);
    }
}

/// Asks the store until the request can be decided. Each time, the store has granted a lease, which other requests may have used up,
/// or the budget has too few left.
async fn decide(shared: &Arc<Shared>, asked: Asked<'_>) -> Result<LimitDecision, BoxError> {
    // The runtime carries a call of the store out, also when this request goes away.
    let runtime = Handle::try_current()
        .map_err(|_| "a calendar budget was asked for outside of a tokio runtime: BudgetLimiter needs one")?;
    shared.be_tended(&runtime);
    loop {
        let (orders, flights) = match shared.table.attempt(&asked, &shared.policy, true) {
            Attempt::Decided(decided) => return Ok(decided),
            Attempt::Short { orders, flights } => (orders, flights),
        };
        for order in orders {
            runtime.spawn(Arc::clone(shared).carry_out(order));
        }
        for flight in flights {
            flight.landed().await?;
        }
    }
}

impl fmt::Debug for BudgetLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetLimiter").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}
