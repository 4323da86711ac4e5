//! Where periods end, clocks that are set back, and plans that change.

use super::*;

const BERLIN: &str = "Europe/Berlin";

#[tokio::test]
async fn each_month_has_its_budget() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-05-31T21:59:59Z"));
    let process = Process::new(&store, &hand);
    let budget = limits(Quota::per_calendar_month(40).in_time_zone(BERLIN));
    assert_eq!(process.spend(&budget, 50).await, 40);
    hand.advance(SECOND);
    assert_eq!(process.spend(&budget, 50).await, 40, "it is June in Berlin");
    let of = |number| BudgetPeriod::new(acme(), CalendarUnit::Month, BERLIN, number);
    assert_eq!((store.used(&of(202_605)).await, store.used(&of(202_606)).await), (40, 40));
}

/// What is unused of a lease at the end of the period is given back to that period, and is not used in the next.
#[tokio::test]
async fn a_lease_ends_with_its_period() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-30T23:59:59Z"));
    let process = Process::new(&store, &hand);
    let budget = month(1_600);
    assert!(process.admits(&budget, 1).await);
    hand.advance(SECOND);
    assert_eq!(process.spend(&budget, 2_000).await, 1_600);
    assert_eq!(store.used(&june()).await, 100);
    process.limiter.start().stop().await;
    assert_eq!(store.used(&june()).await, 1);
}

/// Days of 23 and 25 hours have the same budget.
#[tokio::test]
async fn days_of_daylight_saving_time() {
    let day = || limits(Quota::per_calendar_day(30).in_time_zone(BERLIN));
    for (start, hours) in [("2026-03-28T23:00:00Z", 23), ("2026-10-24T22:00:00Z", 25), ("2026-10-25T23:00:00Z", 24)] {
        let (store, hand, budget) = (Remote::new(), ManualClock::at(start), day());
        // A restart every hour.
        let mut admitted = Vec::new();
        for _ in 0..=hours {
            let process = Process::new(&store, &hand);
            admitted.push(process.spend(&budget, 2).await);
            process.limiter.start().stop().await;
            hand.advance(Duration::from_secs(3_600));
        }
        let day: u32 = admitted[..hours].iter().sum();
        assert_eq!((day, admitted[hours]), (30, 2), "{start}: {admitted:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_second_budget() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-05-31T23:59:00Z"));
    let process = Process::new(&store, &hand);
    let budget = month(40);
    assert_eq!(process.spend(&budget, 10).await, 10);
    hand.set("2026-06-01T00:00:01Z");
    assert_eq!(process.spend(&budget, 25).await, 25);
    hand.set("2026-05-31T23:59:00Z");
    // The bucket stays in June.
    let LimitDecision::Admitted(levels) = process.decide(&budget, 1).await else { panic!("14 are left") };
    assert_eq!(
        (levels.tightest().period(), levels.tightest().reset),
        (Some(202_606), SECOND * 60 + Duration::from_secs(30 * 86_400))
    );
    assert_eq!(process.spend(&budget, 50).await, 14);
    // After a restart, May goes on where it was.
    let process = Process::new(&store, &hand);
    let before = u32::try_from(store.used(&period(202_605)).await).unwrap();
    assert_eq!(process.spend(&budget, 50).await, 40 - before);
    hand.set("2026-06-01T00:00:01Z");
    hand.advance(SECOND);
    assert_eq!(process.spend(&budget, 50).await, 0);
    assert_eq!(store.used(&june()).await, 40);
}

/// A lease is refunded within its period only.
#[tokio::test]
async fn refunds_stay_in_their_period() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-30T23:59:59Z"));
    let process = Process::new(&store, &hand);
    let budget = month(5);
    let old = process.reserved(&budget, 2).await;
    let same = process.reserved(&budget, 3).await;
    process.refund(&same);
    assert_eq!(process.remaining(&budget).await, [3]);
    assert_eq!(process.spend(&budget, 9).await, 3);
    hand.advance(SECOND);
    assert_eq!(process.spend(&budget, 1).await, 1);
    process.refund(&old);
    assert_eq!(process.remaining(&budget).await, [4]);
    assert_eq!(process.spend(&budget, 9).await, 4);
}

/// What was counted stays counted, whatever the size of the budget is.
#[tokio::test]
async fn a_changed_plan_keeps_the_count() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    assert_eq!(process.spend(&month(100), 60).await, 60);
    assert_eq!(process.spend(&month(50), 9).await, 0, "a smaller budget is used up already");
    assert_eq!(process.remaining(&month(50)).await, [0]);
    hand.advance(SECOND);
    assert_eq!(process.spend(&month(50), 9).await, 0);
    assert_eq!(process.spend(&month(200), 300).await, 140, "a larger one has the difference");
    // Also over a restart.
    let process = Process::new(&store, &hand);
    assert_eq!(process.spend(&month(210), 300).await, 10);
    assert_eq!(process.spend(&month(100), 9).await, 0);
}

/// A process that has not heard of the smaller plan does not stop the others, and the sum is never above the larger one.
#[tokio::test]
async fn plans_that_differ_between_processes_share_a_count() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let [old, new] = [0, 1].map(|_| Process::new(&store, &hand));
    let mut sum = 0;
    for _ in 0..60 {
        sum += old.spend(&month(100), 1).await + new.spend(&month(80), 1).await;
    }
    assert!((80..=100).contains(&sum), "{sum}");
    assert_eq!(old.spend(&month(100), 200).await + sum, 100);
}

#[tokio::test]
async fn other_units_and_zones_have_counts_of_their_own() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let process = Process::new(&store, &hand);
    assert_eq!(process.spend(&month(10), 20).await, 10);
    let berlin = limits(Quota::per_calendar_month(10).in_time_zone(BERLIN));
    assert_eq!(process.spend(&berlin, 20).await, 10);
    assert_eq!(process.spend(&limits(Quota::per_calendar_day(10)), 20).await, 10);
    assert_eq!(process.spend(&month(10), 20).await, 0);
}
