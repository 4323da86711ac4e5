//! What is exact: over tasks, processes and restarts.

use super::*;

#[tokio::test]
async fn a_budget_is_spent_to_its_end() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(100);
    assert_eq!(process.spend(&budget, 150).await, 100);
    assert_eq!(store.used(&june()).await, 100);
    // Leases shrink, and the last requests are leased one by one.
    let calls = store.calls();
    assert_eq!(calls[..4], ["take 6", "take 5", "take 5", "take 5"]);
    let last: Vec<_> = calls.iter().filter(|call| *call == "take 1").collect();
    assert_eq!(last.len(), 31, "{calls:?}");
    assert!(!calls.contains(&"take 0".to_owned()), "the answers have told that nothing is left");
    // Another process may have given something back.
    hand.advance(SECOND);
    assert_eq!(process.spend(&budget, 50).await, 0);
    assert_eq!(store.calls(), ["take 0"], "it is not asked for each refused request");
}

#[tokio::test]
async fn a_large_budget_is_leased_by_the_thousand() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_000_000);
    assert_eq!(process.spend(&budget, 2_500).await, 2_500);
    assert_eq!(store.calls(), ["take 1000"; 3]);
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (500, 3_000));
}

/// While requests of the lease are left, a decision is ready at once, and the store is not asked.
#[tokio::test]
async fn a_lease_is_spent_without_the_store() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    assert!(process.admits(&budget, 1).await);
    store.set_down(true);
    for left in (1_500..1_599).rev() {
        let mut decision = process.limiter.decide(acme(), &budget, 1, now(&hand));
        let decided = futures_util::FutureExt::now_or_never(&mut decision).expect("it is ready").unwrap();
        assert!(matches!(decided, LimitDecision::Admitted(levels) if levels.tightest().remaining == left));
    }
    let failed = process.limiter.decide(acme(), &budget, 1, now(&hand)).await.unwrap_err().to_string();
    assert_eq!(failed, "connection refused");
    store.set_down(false);
    assert!(process.admits(&budget, 1).await);
}

#[tokio::test]
async fn costs_fit_as_a_whole_or_not_at_all() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(10);
    let take = async |cost| process.decide(&budget, cost).await;
    assert!(matches!(take(7).await, LimitDecision::Admitted(levels) if remaining(&levels) == [3]));
    let rest = Duration::from_secs(28 * 86_400 + 12 * 3_600);
    assert!(matches!(take(4).await, LimitDecision::Refused { wait, levels }
        if wait == rest && remaining(&levels) == [3] && levels.tightest().period() == Some(202_606)));
    assert!(matches!(take(11).await, LimitDecision::TooCostly { most: 10 }));
    assert!(matches!(take(3).await, LimitDecision::Admitted(levels) if remaining(&levels) == [0]));
    assert_eq!(store.calls(), ["take 7", "take 3"]);
}

#[tokio::test]
async fn the_largest_budget_is_counted_to_the_end() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(u32::MAX);
    assert!(process.admits(&budget, u32::MAX - 1).await);
    assert!(!process.admits(&budget, 2).await);
    assert!(process.admits(&budget, 1).await);
    hand.advance(SECOND);
    assert!(!process.admits(&budget, 1).await);
}

/// A question takes nothing. Only for a bucket that the process does not know is the store asked.
#[tokio::test]
async fn a_question_takes_nothing() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let [process, other] = [0, 1].map(|_| Process::new(&store, &hand));
    let budget = month(1_600);
    assert_eq!(process.remaining(&budget).await, [1_600]);
    assert_eq!(process.remaining(&budget).await, [1_600]);
    assert_eq!(store.calls(), ["used 0"]);
    assert!(other.admits(&budget, 1).await);
    assert_eq!(other.remaining(&budget).await, [1_599], "the own lease is left");
    assert_eq!(store.calls(), ["take 100"]);
    // What others use meanwhile is not seen: an upper bound.
    assert_eq!(process.remaining(&budget).await, [1_600]);
    let third = Process::new(&store, &hand);
    assert_eq!(third.remaining(&budget).await, [1_500]);
    assert_eq!(store.calls(), ["used 100"]);
}

/// The end of a budget is shared: no process holds more than a share of it.
#[tokio::test]
async fn processes_share_the_end_of_a_budget() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let processes: Vec<_> = (0..4).map(|_| Process::new(&store, &hand)).collect();
    let budget = month(200);
    let mut sums = [0; 4];
    for turn in 0..400 {
        sums[turn % 4] += u32::from(processes[turn % 4].admits(&budget, 1).await);
    }
    assert_eq!(sums.iter().sum::<u32>(), 200);
    assert!(sums.iter().all(|sum| (40..=60).contains(sum)), "{sums:?}");
}

/// Tasks of two processes spend one budget, in several rounds. `end` ends the two processes of a round, and returns what they
/// held.
async fn rounds<S: BudgetStore + Clone>(open: impl AsyncFn() -> S, end: impl AsyncFn(&BudgetLimiter) -> u64) {
    const BUDGET: u32 = 3_000;
    let (hand, budget) = (ManualClock::at(NOW), month(BUDGET));
    let (mut admitted, mut lost) = (0, 0);
    for _ in 0..3 {
        let store = open().await;
        let processes = [0, 1].map(|_| BudgetLimiter::with(store.clone(), BudgetPolicy::new().max_lease(50), &hand));
        let tasks: Vec<_> = (0..32)
            .map(|task| {
                let (limiter, budget, now) = (processes[task % 2].clone(), budget.clone(), now(&hand));
                tokio::spawn(async move {
                    let mut admitted = 0;
                    for _ in 0..30 {
                        let decided = limiter.decide(acme(), &budget, 1, now).await.unwrap();
                        admitted += u32::from(matches!(decided, LimitDecision::Admitted(_)));
                        tokio::task::yield_now().await;
                    }
                    admitted
                })
            })
            .collect();
        for task in tasks {
            admitted += task.await.unwrap();
        }
        for limiter in &processes {
            let unused = end(limiter).await;
            assert!(unused <= 50, "at most a lease: {unused}");
            lost += u32::try_from(unused).unwrap();
        }
        let used = store.used(&june()).await.unwrap();
        assert_eq!(used, u64::from(admitted + lost));
    }
    let rest = Process::new(&open().await, &hand);
    admitted += rest.spend(&budget, BUDGET).await;
    assert_eq!(admitted + lost, BUDGET);
}

/// What two processes hold is given back before they end, so nothing is lost.
pub(super) async fn stopped<S: BudgetStore + Clone>(open: impl AsyncFn() -> S) {
    rounds(open, async |limiter| {
        limiter.start().stop().await;
        limiter.unused()
    })
    .await;
}

/// The processes are gone, and what they held is lost.
pub(super) async fn crashed<S: BudgetStore + Clone>(open: impl AsyncFn() -> S) {
    rounds(open, async |limiter| limiter.unused()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exact_over_32_tasks_two_processes_and_restarts() {
    let store = MemoryKeyStore::new();
    stopped(async || store.clone()).await;
    let store = MemoryKeyStore::new();
    crashed(async || store.clone()).await;
}
