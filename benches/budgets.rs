//! The cost of a decision from a lease of a calendar budget, compared with `MemoryLimiter` with the same quotas.
//!
//! `cargo bench --bench budgets` takes some seconds. It reports times and asserts none: only ratios within one run are
//! meaningful. The rows with two threads are meaningful only if two cores are idle.

#[path = "support/harness.rs"]
#[allow(dead_code, reason = "no row is a service")]
mod harness;
#[path = "support/services.rs"]
#[allow(dead_code, reason = "no row is a service")]
mod services;
#[path = "support/two_threads.rs"]
mod two_threads;

use std::{
    hint::black_box,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use tower_auth::{
    BudgetLimiter, Clock, Limiter, MemoryKeyStore, Quota,
    limit::{BucketKey, LimitDecision, LimitTime, Limits, MemoryLimiter, budget::BudgetPolicy},
};

use self::harness::{Bench, Effort, Report, Row, target};

/// The requests of one call.
const AT_ONCE: usize = 1_024;
/// How many times the time of `MemoryLimiter` a decision may take.
const LIMIT: f64 = 2.0;

fn main() {
    let mut bench = Bench::default();
    let pairs = [
        ("a month", vec![month()], 1),
        ("a month, 1024 buckets", vec![month()], AT_ONCE),
        ("a minute and a month, 1024 buckets", vec![Quota::per_minute(4_000_000_000), month()], AT_ONCE),
    ]
    .map(|(what, quotas, buckets)| (what, Pair::new(&mut bench, what, quotas, buckets)));
    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    for (what, pair) in pairs {
        pair.print(&report, what);
    }
}

/// A budget that no row uses up.
fn month() -> Quota {
    Quota::per_calendar_month(u32::MAX)
}

/// Rows in one thread, and in two.
struct Pair {
    memory: [Row; 2],
    leased: [Row; 2],
}

impl Pair {
    fn new(bench: &mut Bench, what: &str, quotas: Vec<Quota>, buckets: usize) -> Self {
        let limits = Limits::new(quotas).expect("the quotas are valid");
        let all: Vec<_> = (0..buckets).map(|number| BucketKey::new([number.to_string().as_str()])).collect();
        let memory = rows(bench, &format!("{what}: MemoryLimiter"), MemoryLimiter::new(), &limits, &all);
        let policy = BudgetPolicy::new().max_lease(u32::MAX).share(1);
        let budgets = BudgetLimiter::with(MemoryKeyStore::new(), policy, Clock::system());
        lease(&budgets, &limits, &all);
        Self { memory, leased: rows(bench, &format!("{what}: BudgetLimiter"), budgets, &limits, &all) }
    }

    fn print(&self, report: &Report, what: &str) {
        #[expect(clippy::cast_precision_loss, reason = "a thousand")]
        let each = |row: Row| report.added(row) / AT_ONCE as f64;
        for (threads, (memory, leased)) in ["one thread", "two threads"].iter().zip(self.memory.iter().zip(self.leased))
        {
            let (memory, leased) = (each(*memory), each(leased));
            println!("- {what}, {threads}: {memory:.1} ns in memory, {leased:.1} ns from a lease");
        }
        target(
            &format!("{what}, a decision from a lease"),
            each(self.leased[0]) / each(self.memory[0]),
            LIMIT,
            "x memory",
        );
    }
}

/// Takes a lease for each bucket.
fn lease(budgets: &BudgetLimiter, limits: &Limits, buckets: &[BucketKey]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("the runtime starts");
    runtime.block_on(async {
        for bucket in buckets {
            let decided = budgets.decide(*bucket, limits, 1, now()).await;
            assert!(matches!(decided, Ok(LimitDecision::Admitted(_))), "the store answers");
        }
    });
}

fn rows(bench: &mut Bench, name: &str, limiter: impl Limiter, limits: &Limits, buckets: &[BucketKey]) -> [Row; 2] {
    let limiter = Arc::new(limiter);
    let work = || {
        let (limiter, limits, buckets) = (Arc::clone(&limiter), limits.clone(), buckets.to_vec());
        move || {
            let admitted = buckets.iter().cycle().take(AT_ONCE).filter(|bucket| admits(&*limiter, **bucket, &limits));
            assert_eq!(admitted.count(), AT_ONCE, "nothing is refused here");
        }
    };
    let alone = bench.work(&format!("{name}, 1024 decisions"), work());
    [alone, bench.in_two_threads(&format!("{name}, 1024 decisions in each of two threads"), work(), work())]
}

fn admits(limiter: &impl Limiter, bucket: BucketKey, limits: &Limits) -> bool {
    let mut decision = limiter.decide(black_box(bucket), limits, 1, now());
    let decided = Pin::new(&mut decision).poll(&mut Context::from_waker(Waker::noop()));
    matches!(decided, Poll::Ready(Ok(LimitDecision::Admitted(_))))
}

fn now() -> LimitTime {
    LimitTime::new(Clock::system().elapsed(), SystemTime::now())
}
