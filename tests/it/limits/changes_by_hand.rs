//! Limits that change, told by hand.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{LimitDecision, Limiter as _, Limits, MemoryLimiter},
};

use super::{HOUR, MINUTE, SECOND, admits, admitted, alice, limits, remaining};

const NOW: Duration = HOUR;

/// A limiter on which alice has made so many requests.
fn after(limits: &Limits, requests: u32) -> MemoryLimiter {
    let limiter = MemoryLimiter::new();
    assert_eq!(admitted(&limiter, alice(), limits, NOW, requests), requests);
    limiter
}

/// All of the old minute used is all of the new one used.
#[test]
fn p44_a_larger_quota_refills_nothing_and_fills_at_its_own_rate() {
    let limiter = after(&limits([Quota::per_minute(10)]), 10);
    let larger = limits([Quota::per_minute(100)]);
    assert_eq!(remaining(&limiter, alice(), &larger, NOW), [0]);
    assert!(!admits(&limiter, alice(), &larger, super::before(NOW + Duration::from_millis(600), super::NANO)));
    assert_eq!(admitted(&limiter, alice(), &larger, NOW + 30 * SECOND, 100), 50);
    let half = after(&limits([Quota::per_minute(10)]), 5);
    assert_eq!(remaining(&half, alice(), &larger, NOW), [50]);
    assert_eq!(remaining(&half, alice(), &larger, NOW + 30 * SECOND), [100]);
}

#[test]
fn p44_a_smaller_quota_has_the_same_part_used() {
    let limiter = after(&limits([Quota::per_minute(100)]), 60);
    let smaller = limits([Quota::per_minute(10)]);
    assert_eq!(admitted(&limiter, alice(), &smaller, NOW, 10), 4);
    assert!(!admits(&limiter, alice(), &smaller, super::before(NOW + 6 * SECOND, super::NANO)));
    assert_eq!(admitted(&limiter, alice(), &smaller, NOW + 6 * SECOND, 10), 1);
}

/// What is more than fits is not dropped: it is waited for as long as it would have been.
#[test]
fn p44_what_does_not_fit_is_waited_for() {
    let limiter = after(&limits([Quota::per_minute(100)]), 60);
    let smaller = limits([Quota::per_minute(10).burst(2)]);
    let LimitDecision::Refused { levels, wait } = limiter.try_acquire(alice(), &smaller, 1, NOW) else {
        panic!("36 s are counted")
    };
    assert_eq!((levels.tightest().remaining, levels.tightest().reset, wait), (0, 36 * SECOND, 30 * SECOND));
    assert!(!admits(&limiter, alice(), &smaller, super::before(NOW + 30 * SECOND, super::NANO)));
    assert_eq!(admitted(&limiter, alice(), &smaller, NOW + 30 * SECOND, 9), 1);
    assert_eq!(remaining(&limiter, alice(), &smaller, NOW + 42 * SECOND), [2]);
}

/// Times are carried over, not requests: three fifths of ten are three fifths of a hundred.
#[test]
fn p44_what_is_not_refilled_yet_is_carried_over_in_time() {
    let limiter = after(&limits([Quota::per_minute(10)]), 10);
    let larger = limits([Quota::per_minute(100)]);
    assert_eq!(remaining(&limiter, alice(), &larger, NOW + 24 * SECOND), [40]);
    assert_eq!(remaining(&limiter, alice(), &larger, NOW + 24 * SECOND + Duration::from_millis(599)), [40]);
    assert_eq!(remaining(&limiter, alice(), &larger, NOW + 24 * SECOND + Duration::from_millis(600)), [41]);
    assert_eq!(remaining(&limiter, alice(), &larger, super::before(NOW + MINUTE, super::NANO)), [99]);
    assert_eq!(remaining(&limiter, alice(), &larger, NOW + MINUTE), [100]);
}

#[test]
fn p44_windows_that_are_added_take_over_the_most_that_was_counted() {
    let two = limits([Quota::per_minute(10), Quota::per_day(500)]);
    let limiter = after(&two, 10);
    assert_eq!(admitted(&limiter, alice(), &two, NOW + MINUTE, 5), 5);
    // Five of the minute, fifteen of the day (but for what a minute refills).
    let three = limits([Quota::per_minute(10), Quota::per_hour(100), Quota::per_day(500)]);
    assert_eq!(remaining(&limiter, alice(), &three, NOW + MINUTE), [5, 85, 485]);
}

#[test]
fn p44_windows_that_are_left_out_take_nothing_from_those_that_stay() {
    let two = limits([Quota::per_minute(10), Quota::per_day(500)]);
    let limiter = after(&two, 10);
    let day = limits([Quota::per_day(500)]);
    assert_eq!(remaining(&limiter, alice(), &day, NOW), [490]);
    assert_eq!(admitted(&limiter, alice(), &day, NOW, 500), 490);
}

#[test]
fn p44_windows_in_another_order_keep_what_each_has_counted() {
    let limiter = after(&limits([Quota::per_minute(10), Quota::per_day(500)]), 10);
    let turned = limits([Quota::per_day(500), Quota::per_minute(10)]);
    assert_eq!(remaining(&limiter, alice(), &turned, NOW), [490, 0]);
    assert_eq!(remaining(&limiter, alice(), &turned, NOW + MINUTE), [490, 10]);
}

#[test]
fn p44_another_period_takes_over_what_was_counted() {
    let limiter = after(&limits([Quota::per_minute(10)]), 10);
    let hour = limits([Quota::per_hour(60)]);
    assert_eq!(remaining(&limiter, alice(), &hour, NOW), [50]);
    // At one a minute.
    assert_eq!(remaining(&limiter, alice(), &hour, NOW + 9 * MINUTE), [59]);
}

/// A burst is no rate: it is changed alone.
#[test]
fn p44_another_burst_keeps_what_was_counted() {
    let limiter = after(&limits([Quota::per_minute(10)]), 8);
    assert_eq!(remaining(&limiter, alice(), &limits([Quota::per_minute(10).burst(20)]), NOW), [12]);
    let smaller = limits([Quota::per_minute(10).burst(9)]);
    assert_eq!(remaining(&limiter, alice(), &smaller, NOW), [1]);
    let larger = limits([Quota::per_minute(10).burst(20)]);
    assert_eq!(admitted(&limiter, alice(), &larger, NOW, 9), 9);
    // Seventeen are counted, nine fit, and eight have to be refilled before the ninth is.
    assert!(!admits(&limiter, alice(), &smaller, super::before(NOW + 54 * SECOND, super::NANO)));
    assert_eq!(admitted(&limiter, alice(), &smaller, NOW + 54 * SECOND, 9), 1);
}

/// One a second, sixty at once: by the minute and by the second it is the same sum, and yet another period.
#[test]
fn p44_another_period_of_the_same_rate_takes_over_the_most_that_was_counted() {
    let limiter = after(&limits([Quota::per_minute(60), Quota::per_day(500)]), 10);
    let by_minute = limits([Quota::per_minute(60), Quota::per_day(500)]);
    assert_eq!(admitted(&limiter, alice(), &by_minute, NOW + MINUTE, 5), 5);
    assert_eq!(remaining(&limiter, alice(), &by_minute, NOW + MINUTE), [55, 485]);
    let by_second = limits([Quota::per_second(1).burst(60), Quota::per_day(500)]);
    assert_eq!(remaining(&limiter, alice(), &by_second, NOW + MINUTE), [45, 485]);
    assert_eq!(remaining(&limiter, alice(), &by_minute, NOW + MINUTE), [55, 485]);
}

/// A question and a refusal under other limits leave what was counted as it was, when it fits.
#[test]
fn p44_asking_under_other_limits_refills_nothing() {
    let (minute, day) = (limits([Quota::per_minute(10)]), limits([Quota::per_day(10)]));
    let limiter = after(&minute, 10);
    for _ in 0..100 {
        assert_eq!(remaining(&limiter, alice(), &day, NOW), [0]);
        assert!(!admits(&limiter, alice(), &day, NOW));
        assert!(!admits(&limiter, alice(), &minute, NOW));
    }
}

/// In a window that was not there then, nothing was taken that could be put back.
#[test]
fn p44_nothing_is_given_back_after_a_change() {
    let (old, new) = (limits([Quota::per_minute(10)]), limits([Quota::per_minute(60), Quota::per_day(100)]));
    let limiter = after(&old, 7);
    let three = super::taken(&limiter, alice(), &old, 3, NOW);
    assert_eq!(remaining(&limiter, alice(), &new, NOW), [0, 90]);
    limiter.refund(alice(), &three, NOW.into());
    assert_eq!(remaining(&limiter, alice(), &new, NOW), [0, 90], "other limits hold by now");
}

/// The minute is refilled by then, whatever place it has.
#[test]
fn p44_what_is_refilled_is_not_given_back_after_the_order_has_changed() {
    let (old, new) =
        (limits([Quota::per_day(500), Quota::per_minute(10)]), limits([Quota::per_minute(10), Quota::per_day(500)]));
    let limiter = MemoryLimiter::new();
    let ten = super::taken(&limiter, alice(), &old, 10, NOW);
    assert_eq!(admitted(&limiter, alice(), &new, NOW + MINUTE, 20), 10);
    limiter.refund(alice(), &ten, (NOW + MINUTE).into());
    assert_eq!(admitted(&limiter, alice(), &new, NOW + MINUTE, 20), 0, "in a minute of ten");
}

/// Keys of one tenant, of two plans: what was taken at the rate of one is not given back at the rate of the other.
#[test]
fn p44_giving_back_under_another_plan_wins_nothing() {
    let (small, large) = (limits([Quota::per_minute(10)]), limits([Quota::per_minute(100)]));
    let limiter = after(&large, 99);
    let one = super::taken(&limiter, alice(), &large, 1, NOW);
    assert_eq!(remaining(&limiter, alice(), &small, NOW), [0]);
    limiter.refund(alice(), &one, NOW.into());
    assert_eq!(admitted(&limiter, alice(), &large, NOW, 100), 0, "nothing was given back");
}

/// Ten fit at once by either: of one that takes six seconds to refill them, and of one that takes a minute. It is time that is
/// carried over: six seconds are one request of the slow one. Going back, nothing is left.
#[test]
fn p44_alternating_between_bursts_that_take_unlike_times_fills_no_bucket_sooner() {
    let (fast, slow) = (limits([Quota::per_minute(100).burst(10)]), limits([Quota::per_minute(10)]));
    let limiter = after(&fast, 10);
    assert_eq!(admitted(&limiter, alice(), &slow, NOW, 10), 9);
    assert_eq!(admitted(&limiter, alice(), &fast, NOW, 10), 0);
    assert_eq!(admitted(&limiter, alice(), &slow, NOW, 10), 0);
}

/// "One that is not there now is kept for when it is again, as long as a bucket has room for four": then the shortest goes.
#[test]
fn p44_a_window_that_is_left_out_is_kept_while_there_is_room() {
    let week = || Quota::new(1_000, 7 * super::DAY).named("week");
    let short = limits([Quota::per_second(20), Quota::per_minute(30)]);
    let limiter = after(&short, 5);
    let long = limits([Quota::per_hour(100), Quota::per_day(500)]);
    assert_eq!(admitted(&limiter, alice(), &long, NOW, 2), 2);
    assert_eq!(remaining(&limiter, alice(), &long, NOW), [93, 493]);
    // All four are there: what the others have counted meanwhile is not in them.
    assert_eq!(remaining(&limiter, alice(), &short, NOW), [15, 25]);
    assert_eq!(remaining(&limiter, alice(), &long, NOW), [93, 493]);
    // A fifth: it starts with seven, in the place of the second.
    assert_eq!(remaining(&limiter, alice(), &limits([week()]), NOW), [993]);
    assert_eq!(admitted(&limiter, alice(), &limits([week()]), NOW, 4), 4);
    assert_eq!(remaining(&limiter, alice(), &limits([Quota::per_minute(30), Quota::per_hour(100)]), NOW), [25, 93]);
    // So the second starts anew, with the most of those in force; the day goes for it, as the shortest that is not.
    let all = limits([Quota::per_second(20), Quota::per_minute(30), Quota::per_hour(100), week()]);
    assert_eq!(remaining(&limiter, alice(), &all, NOW), [13, 25, 93, 989]);
    assert_eq!(remaining(&limiter, alice(), &limits([Quota::per_day(500)]), NOW), [489]);
}

/// A name is what headers show, and counts nothing.
#[test]
fn r138_another_name_changes_nothing() {
    let limiter = after(&limits([Quota::per_minute(10), Quota::per_day(10).burst(20)]), 7);
    let named = limits([Quota::per_minute(10).named("short"), Quota::per_day(10).burst(20).named("long")]);
    assert_eq!(remaining(&limiter, alice(), &named, NOW), [3, 13]);
}

/// Two windows of one period: each is its own predecessor. That the first stands for both would refill the other.
#[test]
fn p44_two_windows_of_one_period_are_not_taken_for_each_other() {
    let quotas = |more: u32| {
        [Quota::per_minute(100).burst(10).named("smooth"), Quota::per_minute(10).burst(200 + more).named("long")]
    };
    let (old, new) = (limits(quotas(0)), limits(quotas(1)));
    let limiter = MemoryLimiter::new();
    let mut through = 0;
    for second in 0..20 {
        through += admitted(&limiter, alice(), &old, NOW + second * SECOND, 10);
    }
    let now = NOW + 20 * SECOND;
    let before = remaining(&limiter, alice(), &old, now);
    assert!(through > 40 && before[1] == 200 - through + 3, "{through} {before:?}");
    assert_eq!(remaining(&limiter, alice(), &new, now), [before[0], before[1] + 1]);
}

/// Keys of one tenant, of two plans, on one bucket: a caller that alternates gets what the larger plan admits.
#[test]
fn p44_alternating_between_a_small_and_a_large_plan_wins_nothing() {
    let (small, large) = (limits([Quota::per_minute(10)]), limits([Quota::per_minute(100)]));
    let limiter = after(&large, 100);
    let mut more = 0;
    for _ in 0..10 {
        more += u32::from(admits(&limiter, alice(), &small, NOW));
        more += admitted(&limiter, alice(), &large, NOW, 100);
    }
    assert_eq!(more, 0, "a hundred in a minute were let through already");
}

/// As above, with the window of the day that one of the plans has not.
#[test]
fn p44_a_day_is_not_forgotten_by_asking_under_a_plan_without_one() {
    let (short, long) = (limits([Quota::per_minute(10)]), limits([Quota::per_minute(10), Quota::per_day(100)]));
    let limiter = MemoryLimiter::new();
    let mut through = 0;
    for minute in 0..30 {
        through += admitted(&limiter, alice(), &long, NOW + minute * MINUTE, 10);
        admits(&limiter, alice(), &short, NOW + minute * MINUTE);
    }
    assert!(through <= 103, "{through} of 100 in a day, and 3 that half an hour refills");
}
