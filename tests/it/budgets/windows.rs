//! Several windows: a request is counted in all of them or in none.

use super::*;

fn three() -> Limits {
    limits([Quota::per_minute(4), Quota::per_calendar_day(6), Quota::per_calendar_month(7)])
}

#[tokio::test]
async fn what_one_window_refuses_is_counted_in_none() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-02T18:00:00Z"));
    let process = Process::new(&store, &hand);
    let limits = three();
    assert_eq!((process.spend(&limits, 9).await, process.remaining(&limits).await), (4, vec![0, 2, 3]));
    hand.advance(SECOND * 60);
    assert_eq!((process.spend(&limits, 9).await, process.remaining(&limits).await), (2, vec![2, 0, 1]));
    hand.set("2026-06-03T00:00:00Z");
    hand.advance(SECOND * 60);
    assert_eq!((process.spend(&limits, 9).await, process.remaining(&limits).await), (1, vec![3, 5, 0]));
    let LimitDecision::Refused { levels, wait } = process.decide(&limits, 1).await else {
        panic!("the month is spent")
    };
    assert_eq!((levels.tightest_index(), wait), (2, Duration::from_secs(28 * 86_400 - 60)));
    process.limiter.start().stop().await;
    assert_eq!((store.used(&period(20_260_602)).await, store.used(&june()).await), (6, 7));
}

/// A window that is refilled evenly refuses before the store is asked.
#[tokio::test]
async fn a_request_that_memory_refuses_costs_no_call() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let limits = limits([Quota::per_minute(1), Quota::per_calendar_month(2)]);
    assert!(process.admits(&limits, 1).await);
    assert_eq!(store.calls(), ["take 1"]);
    for _ in 0..3 {
        let LimitDecision::Refused { levels, wait } = process.decide(&limits, 1).await else { panic!("a minute") };
        assert_eq!((wait, levels.tightest_index(), remaining(&levels)), (SECOND * 60, 0, vec![0, 1]));
    }
    assert!(store.calls().is_empty());
}

/// The store fails after one calendar window has got its lease: the request is counted nowhere.
#[tokio::test]
async fn a_failure_in_the_middle_counts_nothing() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    assert!(process.admits(&limits([Quota::per_minute(4), Quota::per_calendar_day(6)]), 1).await);
    store.set_down(true);
    // The month is not known.
    assert!(process.limiter.decide(acme(), &three(), 1, now(&hand)).await.is_err());
    store.set_down(false);
    assert_eq!(process.remaining(&three()).await, [3, 5, 7]);
}

#[tokio::test]
async fn a_refund_goes_to_all_windows() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let limits = three();
    let reserved = process.reserved(&limits, 3).await;
    assert_eq!(process.remaining(&limits).await, [1, 3, 4]);
    process.refund(&reserved);
    assert_eq!(process.remaining(&limits).await, [4, 6, 7]);
    // Under other limits, nothing comes back.
    let reserved = process.reserved(&limits, 3).await;
    let others = super::limits([Quota::per_minute(5), Quota::per_calendar_day(6), Quota::per_calendar_month(7)]);
    assert_eq!(process.remaining(&others).await[1..], [3, 4]);
    process.refund(&reserved);
    assert_eq!(process.remaining(&others).await[1..], [3, 4]);
}

/// The order of the quotas is that of the states, whatever their kind.
#[tokio::test]
async fn states_are_in_the_order_of_the_quotas() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let quotas = [
        Quota::per_calendar_month(70),
        Quota::per_minute(40).named("even"),
        Quota::per_calendar_day(60),
        Quota::per_hour(50),
    ];
    let limits = limits(quotas);
    let LimitDecision::Admitted(levels) = process.decide(&limits, 5).await else { panic!("it fits") };
    assert_eq!(remaining(&levels), [65, 35, 55, 45]);
    let periods: Vec<_> = levels.all().iter().map(tower_auth::limit::WindowState::period).collect();
    assert_eq!(periods, [Some(202_606), None, Some(20_260_602), None]);
    assert_eq!(levels.tightest_index(), 1);
    let reserved = Reservation::new(5, &limits, &levels, now(&hand).elapsed());
    process.refund(&reserved);
    assert_eq!(process.remaining(&limits).await, [70, 40, 60, 50]);
}

/// Two windows of the same calendar share a count: the smaller one refuses, and a request counts once.
#[tokio::test]
async fn two_windows_of_one_calendar_share_a_count() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let limits = limits([Quota::per_calendar_month(20).named("soft"), Quota::per_calendar_month(12).named("hard")]);
    let reserved = process.reserved(&limits, 2).await;
    assert_eq!(process.remaining(&limits).await, [18, 10]);
    process.refund(&reserved);
    assert_eq!(process.remaining(&limits).await, [20, 12]);
    assert_eq!(process.spend(&limits, 30).await, 12);
    let LimitDecision::Refused { levels, .. } = process.decide(&limits, 1).await else { panic!("it is spent") };
    assert_eq!((levels.tightest_index(), remaining(&levels)), (1, vec![8, 0]));
}

/// Limits without a calendar window never ask the store.
#[tokio::test]
async fn even_windows_are_counted_in_memory() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    let even = limits([Quota::per_minute(3), Quota::per_hour(5)]);
    assert_eq!(process.spend(&even, 9).await, 3);
    assert!(store.calls().is_empty() && process.limiter.is_empty());
    // When a calendar window is added, the others go on.
    let both = limits([Quota::per_minute(3), Quota::per_hour(5), Quota::per_calendar_day(100)]);
    assert_eq!(process.remaining(&both).await, [0, 2, 100]);
    hand.advance(SECOND * 60);
    assert_eq!(process.spend(&both, 9).await, 2);
}
