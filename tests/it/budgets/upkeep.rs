//! What is given back, what leaves memory, and what is forgotten.

use tower_auth::Health;

use super::*;

async fn pass(hand: &ManualClock, intervals: u32) {
    for _ in 0..intervals {
        hand.advance(IDLE);
        settle().await;
    }
}

/// No task is started by the caller.
#[tokio::test]
async fn a_lease_that_idles_is_given_back_and_leaves_memory() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    assert_eq!(process.spend(&budget, 3).await, 3);
    pass(&hand, 1).await;
    assert_eq!(process.limiter.unused(), 97, "it was used in this interval");
    pass(&hand, 1).await;
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (0, 3));
    pass(&hand, 1).await;
    assert!(process.limiter.is_empty());
    // A lease that is used stays.
    for _ in 0..5 {
        assert!(process.admits(&budget, 1).await);
        pass(&hand, 1).await;
    }
    assert_eq!(store.used(&june()).await, 3 + 99);
}

/// A question does not keep a lease.
#[tokio::test]
async fn questions_keep_no_lease() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    assert!(process.admits(&budget, 1).await);
    for _ in 0..3 {
        assert_eq!(process.remaining(&budget).await, [1_599]);
        pass(&hand, 1).await;
    }
    assert_eq!(store.used(&june()).await, 1);
}

#[tokio::test]
async fn many_buckets_are_given_back_in_batches() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    let bucket = |number: u32| BucketKey::new([number.to_string().as_str()]);
    for number in 0..20_000 {
        let decided = process.limiter.decide(bucket(number), &budget, 1, now(&hand)).await.unwrap();
        assert!(matches!(decided, LimitDecision::Admitted(_)));
    }
    assert_eq!((process.limiter.len(), process.limiter.unused()), (20_000, 99 * 20_000));
    store.calls();
    process.limiter.start().stop().await;
    assert_eq!(process.limiter.unused(), 0);
    let calls = store.calls().iter().filter(|call| call.starts_with("give back")).count();
    assert!((200..=64 + 20_000 / 100 + 64).contains(&calls), "{calls} calls");
    for number in [0, 7_777, 19_999] {
        let mut june = june();
        june.bucket = bucket(number);
        assert_eq!(store.used(&june).await, 1);
    }
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    let task = process.limiter.start();
    store.set_slow(true);
    let mut decision = process.limiter.decide(acme(), &budget, 1, now(&hand));
    assert!(futures_util::FutureExt::now_or_never(&mut decision).is_none());
    drop(decision);
    settle().await;
    let release = async {
        settle().await;
        store.pass(100);
    };
    tokio::join!(task.stop(), release);
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (0, 0));
    assert!(store.calls().contains(&"take 100".to_owned()));
}

/// The store is down: leases are kept, and given back when it is there again. The health says so.
#[tokio::test]
async fn while_the_store_is_down_nothing_is_lost() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    let task = process.limiter.start();
    settle().await;
    assert!(process.admits(&budget, 1).await);
    store.set_down(true);
    pass(&hand, 4).await;
    assert_eq!(process.limiter.unused(), 99);
    assert_eq!(task.health(), Health::Degraded("connection refused".into()));
    assert!(process.admits(&budget, 1).await, "the lease is there");
    store.set_down(false);
    pass(&hand, 2).await;
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (0, 2));
    assert_eq!(task.health(), Health::Good);
}

/// The answer to a give-back is lost. It is not repeated, because the second time would be a second budget.
#[tokio::test]
async fn a_give_back_is_not_repeated() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    let task = process.limiter.start();
    settle().await;
    assert_eq!(process.spend(&budget, 30).await, 30);
    pass(&hand, 1).await;
    store.calls();
    store.set_slow(true);
    hand.advance(IDLE);
    settle().await;
    store.pass(1); // the question
    settle().await;
    store.set_mute(true);
    store.pass(1);
    settle().await;
    store.set_mute(false);
    store.set_slow(false);
    assert!(
        matches!(task.health(), Health::Degraded(why) if why.contains("1 leases of budgets may be lost: connection reset"))
    );
    pass(&hand, 3).await;
    let calls: Vec<_> = store.calls().into_iter().filter(|call| call.starts_with("give back")).collect();
    assert_eq!(calls, ["give back 70"]);
    assert_eq!(store.used(&june()).await, 30);
    assert_eq!(process.spend(&budget, 2_000).await, 1_570);
}

/// A request that comes while its lease is being given back waits, and takes a new one: it is not refused.
#[tokio::test]
async fn a_request_waits_for_a_lease_that_is_given_back() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(10);
    let task = process.limiter.start();
    settle().await;
    let reserved = process.reserved(&budget, 10).await;
    process.refund(&reserved);
    pass(&hand, 1).await;
    store.set_slow(true);
    hand.advance(IDLE);
    settle().await;
    let release = async {
        settle().await;
        store.set_slow(false);
        store.pass(2);
    };
    let (admitted, ()) = tokio::join!(process.admits(&budget, 3), release);
    assert!(admitted);
    assert_eq!(store.used(&june()).await, 3);
    task.stop().await;
}

/// Refunds add to a lease. More than a lease is not kept.
#[tokio::test]
async fn refunds_do_not_pile_up() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::with(&store, BudgetPolicy::new().max_lease(10), &hand);
    let budget = month(1_600);
    let mut reserved = Vec::new();
    for _ in 0..40 {
        reserved.push(process.reserved(&budget, 1).await);
    }
    for reserved in &reserved {
        process.refund(reserved);
    }
    assert_eq!(process.limiter.unused(), 40);
    pass(&hand, 1).await;
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (10, 10));
}

#[tokio::test]
async fn old_periods_are_forgotten() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-30T12:00:00Z"));
    let process = Process::new(&store, &hand);
    let both = limits([Quota::per_calendar_month(100), Quota::per_calendar_day(10)]);
    assert!(process.admits(&both, 1).await);
    process.limiter.start().stop().await;
    let day = period(20_260_630);
    let task = process.limiter.start();
    for (time, left) in [("2026-08-04T11:59:00Z", (1, 1)), ("2026-08-04T23:01:00Z", (0, 0))] {
        hand.set(time);
        hand.advance(Duration::from_secs(3_600));
        settle().await;
        assert_eq!((store.used(&day).await, store.used(&june()).await), left, "{time}");
    }
    task.stop().await;
    let forgotten = store.calls();
    assert!(forgotten.contains(&"forget day 20260701".to_owned()), "{forgotten:?}");
}

/// The limiter's own task ends with the limiter, and makes way for one of the caller.
#[tokio::test]
async fn one_task_at_a_time() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    assert!(process.admits(&budget, 1).await);
    let task = process.limiter.start();
    settle().await;
    for _ in 0..4 {
        assert!(process.admits(&budget, 1).await);
        pass(&hand, 1).await;
    }
    assert_eq!(process.limiter.unused(), 95, "two tasks would find it idle");
    drop(task);
    settle().await;
    let weak = Arc::downgrade(&store.0);
    drop((process, store));
    pass(&hand, 2).await;
    assert!(weak.upgrade().is_none(), "nothing holds the store");
}
