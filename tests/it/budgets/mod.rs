//! Calendar budgets that survive a restart: leases, what is exact, and what a failure loses.

mod broken;
mod calls;
mod edges;
mod exact;
mod layers;
mod model;
mod stores;
mod upkeep;
mod windows;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;
use tower_auth::{
    BudgetLimiter, Clock, Limiter as _, MemoryKeyStore, Quota,
    limit::{
        BucketKey, CalendarUnit, LimitDecision, LimitTime, Limits, Reservation, WindowStates,
        budget::{BudgetFuture, BudgetPeriod, BudgetPolicy, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
    },
    testing::ManualClock,
};

const NOW: &str = "2026-06-02T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
/// After this time without a request, a lease has been given back.
const IDLE: Duration = Duration::from_secs(30);

fn acme() -> BucketKey {
    BucketKey::new(["acme"])
}

fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
    Limits::new(quotas).unwrap()
}

fn month(budget: u32) -> Limits {
    limits(Quota::per_calendar_month(budget))
}

/// The period of this number: a month, or a day.
fn period(number: u32) -> BudgetPeriod {
    let unit = if number > 999_999 { CalendarUnit::Day } else { CalendarUnit::Month };
    BudgetPeriod::new(acme(), unit, "UTC", number)
}

fn june() -> BudgetPeriod {
    BudgetPeriod::new(acme(), CalendarUnit::Month, "UTC", 202_606)
}

fn now(hand: &ManualClock) -> LimitTime {
    LimitTime::new(Clock::from(hand).elapsed(), hand.now())
}

/// A process: a limiter, and the clock that its requests come with.
struct Process {
    limiter: BudgetLimiter,
    hand: ManualClock,
}

impl Process {
    fn new(store: &(impl BudgetStore + Clone), hand: &ManualClock) -> Self {
        Self::with(store, BudgetPolicy::new(), hand)
    }

    fn with(store: &(impl BudgetStore + Clone), policy: BudgetPolicy, hand: &ManualClock) -> Self {
        Self { limiter: BudgetLimiter::with(store.clone(), policy, hand), hand: hand.clone() }
    }

    async fn decide(&self, limits: &Limits, cost: u32) -> LimitDecision {
        self.limiter.decide(acme(), limits, cost, now(&self.hand)).await.unwrap()
    }

    async fn admits(&self, limits: &Limits, cost: u32) -> bool {
        matches!(self.decide(limits, cost).await, LimitDecision::Admitted(_))
    }

    /// How many of so many single requests are admitted.
    async fn spend(&self, limits: &Limits, requests: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..requests {
            admitted += u32::from(self.admits(limits, 1).await);
        }
        admitted
    }

    /// Takes so many, and returns what is needed to give them back.
    async fn reserved(&self, limits: &Limits, cost: u32) -> Reservation {
        match self.decide(limits, cost).await {
            LimitDecision::Admitted(levels) => Reservation::new(cost, limits, &levels, now(&self.hand).elapsed()),
            other => panic!("{cost} were not admitted: {other:?}"),
        }
    }

    fn refund(&self, reservation: &Reservation) {
        self.limiter.refund(acme(), reservation, now(&self.hand));
    }

    /// What remains in every window, asked without taking anything.
    async fn remaining(&self, limits: &Limits) -> Vec<u32> {
        match self.decide(limits, 0).await {
            LimitDecision::Admitted(levels) => remaining(&levels),
            other => panic!("a question was answered with {other:?}"),
        }
    }
}

fn remaining(levels: &WindowStates) -> Vec<u32> {
    levels.all().iter().map(|level| level.remaining).collect()
}

/// Lets spawned tasks run until they wait.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// A store behind a network, as the test says: it counts its calls, and may be down or slow. Clones are the same store.
#[derive(Clone)]
struct Remote(Arc<State>);

struct State {
    store: MemoryKeyStore,
    calls: Mutex<Vec<String>>,
    /// A permit lets one call through.
    gate: Semaphore,
    slow: AtomicBool,
    down: AtomicBool,
    /// Calls are carried out, and then their answer is lost.
    mute: AtomicBool,
    started: AtomicUsize,
}

impl Remote {
    fn new() -> Self {
        Self(Arc::new(State {
            store: MemoryKeyStore::new(),
            calls: Mutex::default(),
            gate: Semaphore::new(0),
            slow: AtomicBool::new(false),
            down: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            started: AtomicUsize::new(0),
        }))
    }

    fn set_slow(&self, slow: bool) {
        self.0.slow.store(slow, Ordering::SeqCst);
    }

    fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    fn set_mute(&self, mute: bool) {
        self.0.mute.store(mute, Ordering::SeqCst);
    }

    /// Lets so many calls of a slow store through.
    fn pass(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    /// The calls since the last time, such as `take 5`, that were carried out.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    fn started(&self) -> usize {
        self.0.started.load(Ordering::SeqCst)
    }

    async fn used(&self, period: &BudgetPeriod) -> u64 {
        self.0.store.used(period).await.unwrap()
    }

    fn call<T: Send + 'static>(
        &self,
        name: impl FnOnce(&T) -> String + Send + 'static,
        work: impl FnOnce(&MemoryKeyStore) -> BudgetFuture<T> + Send + 'static,
    ) -> BudgetFuture<T> {
        let state = Arc::clone(&self.0);
        BudgetFuture::boxed(async move {
            state.started.fetch_add(1, Ordering::SeqCst);
            if state.down.load(Ordering::SeqCst) {
                return Err("connection refused".into());
            }
            if state.slow.load(Ordering::SeqCst) {
                state.gate.acquire().await?.forget();
            }
            let done = work(&state.store).await?;
            state.calls.lock().unwrap().push(name(&done));
            if state.mute.load(Ordering::SeqCst) {
                return Err("connection reset".into());
            }
            Ok(done)
        })
    }
}

impl BudgetStore for Remote {
    fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken> {
        let period = period.clone();
        self.call(|taken: &BudgetTaken| format!("take {}", taken.granted), move |store| store.take(&period, take))
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        let period = period.clone();
        self.call(|used| format!("used {used}"), move |store| store.used(&period))
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        let (unused, sum) = (unused.to_vec(), unused.iter().map(|unused| unused.count).sum::<u32>());
        self.call(move |()| format!("give back {sum}"), move |store| store.give_back(&unused))
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        let name = move |_: &usize| format!("forget {} {before}", unit.as_str());
        self.call(name, move |store| BudgetStore::forget(store, unit, before, limit))
    }
}
