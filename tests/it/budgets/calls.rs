//! Calls of the store: one at a time for a bucket, slow ones, failing ones, and requests that go away.

use std::task::{Context, Poll, Waker};

use futures_util::{FutureExt as _, future::join_all};

use super::*;

#[tokio::test]
async fn requests_of_a_bucket_wait_for_one_call() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(16_000);
    store.set_slow(true);
    let all = join_all((0..100).map(|_| process.admits(&budget, 1)));
    let other = process.limiter.decide(BucketKey::new(["other"]), &budget, 1, now(&hand));
    let pass = async {
        settle().await;
        assert_eq!(store.started(), 2, "one for each bucket");
        store.pass(2);
    };
    let (all, other, ()) = tokio::join!(all, other, pass);
    assert!(all.into_iter().all(|admitted| admitted));
    assert!(matches!(other.unwrap(), LimitDecision::Admitted(_)));
    assert_eq!(store.calls(), ["take 1000"; 2]);
    assert_eq!(process.limiter.unused(), 900 + 999);
}

/// The request that has asked goes away. Another one gets the lease, and so does a later one.
#[tokio::test]
async fn a_request_that_goes_away_loses_nothing() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    store.set_slow(true);
    let mut first = Box::pin(process.decide(&budget, 1));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(process.decide(&budget, 1));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    store.pass(1);
    assert!(matches!(second.await, LimitDecision::Admitted(_)));
    assert_eq!((store.calls(), process.limiter.unused()), (vec!["take 10".to_owned()], 9));
    // All go away.
    assert_eq!(process.spend(&budget, 9).await, 9);
    let mut last = Box::pin(process.decide(&budget, 1));
    assert!(last.as_mut().now_or_never().is_none());
    drop(last);
    store.pass(1);
    settle().await;
    assert_eq!((store.calls(), process.limiter.unused()), (vec!["take 9".to_owned()], 9));
}

/// A decision that is never polled asks for nothing.
#[tokio::test]
async fn a_decision_that_is_dropped_at_once_asks_for_nothing() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    drop(process.limiter.decide(acme(), &month(10), 1, now(&hand)));
    settle().await;
    assert_eq!(store.started(), 0);
    assert!(process.limiter.is_empty());
}

/// The answer comes after all have stopped waiting. The lease is used by the next request, or given back.
#[tokio::test]
async fn a_late_answer_is_not_lost() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    store.set_slow(true);
    let decision = process.limiter.decide(acme(), &budget, 1, now(&hand));
    let late = async {
        settle().await;
        hand.advance(Duration::from_secs(10));
    };
    let (decided, ()) = tokio::join!(decision, late);
    assert_eq!(decided.unwrap_err().to_string(), "the store of budgets did not answer within 10 s");
    // Another call may be made meanwhile. Both are answered, in any order.
    let decision = process.limiter.decide(acme(), &budget, 1, now(&hand));
    let pass = async {
        settle().await;
        assert_eq!(store.started(), 2);
        store.pass(2);
    };
    let (decided, ()) = tokio::join!(decision, pass);
    assert!(matches!(decided.unwrap(), LimitDecision::Admitted(_)));
    settle().await;
    store.set_slow(false);
    assert_eq!(store.calls(), ["take 10", "take 9"]);
    assert_eq!(process.limiter.unused(), 18);
    for _ in 0..3 {
        hand.advance(IDLE);
        settle().await;
    }
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (0, 1));
    assert!(process.limiter.is_empty());
}

/// The bucket has left memory when the answer comes.
#[tokio::test]
async fn an_answer_that_is_very_late_is_given_back() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-30T23:58:00Z"));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    // The first sweep also removes old counts, for which it would wait.
    assert_eq!(process.remaining(&budget).await, [160]);
    hand.advance(IDLE);
    settle().await;
    store.set_slow(true);
    let mut decision = process.limiter.decide(acme(), &budget, 1, now(&hand));
    assert!((&mut decision).now_or_never().is_none());
    drop(decision);
    settle().await;
    for _ in 0..4 {
        hand.advance(IDLE);
        settle().await;
    }
    assert!(process.limiter.is_empty());
    store.pass(1);
    settle().await;
    store.set_slow(false);
    assert_eq!(process.limiter.unused(), 10);
    hand.advance(IDLE);
    settle().await;
    assert_eq!((process.limiter.unused(), store.used(&june()).await), (0, 0));
}

#[tokio::test]
async fn a_failure_is_told_to_all_that_wait_and_the_next_request_asks_again() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    store.set_down(true);
    let all = join_all((0..5).map(|_| process.limiter.decide(acme(), &budget, 1, now(&hand)))).await;
    assert!(all.into_iter().all(|decided| decided.unwrap_err().to_string() == "connection refused"));
    assert_eq!(store.started(), 1);
    store.set_down(false);
    assert!(process.admits(&budget, 1).await);
}

/// The store has counted a lease, and its answer is lost: it is used by nobody, and the budget is not exceeded.
#[tokio::test]
async fn an_answer_that_is_lost_costs_a_lease() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    store.set_mute(true);
    assert!(process.limiter.decide(acme(), &budget, 1, now(&hand)).await.is_err());
    store.set_mute(false);
    assert_eq!(process.spend(&budget, 200).await, 150);
    assert_eq!(store.used(&june()).await, 160);
}

/// A store that panics, or that has no answer for what remains, is an error and no endless loop.
#[tokio::test]
async fn a_store_that_is_wrong_is_an_error() {
    #[derive(Clone)]
    struct Wrong(bool);

    impl BudgetStore for Wrong {
        fn take(&self, _: &BudgetPeriod, _: BudgetTake) -> BudgetFuture<BudgetTaken> {
            assert!(!self.0, "as the test wants");
            BudgetFuture::ready(Ok(BudgetTaken::new(0, 0)))
        }

        fn used(&self, _: &BudgetPeriod) -> BudgetFuture<u64> {
            BudgetFuture::ready(Ok(0))
        }

        fn give_back(&self, _: &[BudgetReturn]) -> BudgetFuture<()> {
            BudgetFuture::ready(Ok(()))
        }

        fn forget(&self, _: CalendarUnit, _: u32, _: usize) -> BudgetFuture<usize> {
            BudgetFuture::ready(Ok(0))
        }
    }

    let hand = ManualClock::at(NOW);
    for (panics, said) in [(false, "grants nothing, although"), (true, "has ended")] {
        let process = Process::new(&Wrong(panics), &hand);
        for _ in 0..2 {
            let error = process.limiter.decide(acme(), &month(10), 1, now(&hand)).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}

#[test]
fn outside_of_a_runtime_it_says_so() {
    let hand = ManualClock::at(NOW);
    let process = Process::new(&MemoryKeyStore::new(), &hand);
    let mut decision = process.limiter.decide(acme(), &month(10), 1, now(&hand));
    let polled = std::pin::Pin::new(&mut decision).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(error)) if error.to_string().contains("outside of a tokio runtime")));
    // Windows that are refilled evenly need none.
    let even = limits(Quota::per_minute(1));
    let decided = process.limiter.decide(acme(), &even, 1, now(&hand)).now_or_never();
    assert!(matches!(decided, Some(Ok(LimitDecision::Admitted(_)))));
}

/// A charge does not wait, and is not lost.
#[tokio::test]
async fn a_charge_is_carried_out_in_the_background() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let budget = month(160);
    store.set_slow(true);
    process.limiter.charge(acme(), &budget, 3, now(&hand));
    settle().await;
    store.pass(1);
    settle().await;
    assert_eq!(process.remaining(&budget).await, [157]);
    process.limiter.charge(acme(), &budget, 2, now(&hand));
    assert_eq!(process.remaining(&budget).await, [155]);
}
