//! What a calendar window keeps: over a clock that is set back, refunds, sweeps, and changes of limits.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, LimitTime, Limiter as _, Limits, MemoryLimiter, Reservation},
};

use super::{
    SECOND, alice,
    calendar::{at, spend, wall},
    limits,
};

fn reserved(limiter: &MemoryLimiter, limits: &Limits, cost: u32, now: LimitTime) -> Reservation {
    match limiter.try_acquire(alice(), limits, cost, now) {
        LimitDecision::Admitted(levels) => Reservation::new(cost, limits, &levels, now.elapsed()),
        other => panic!("{other:?}"),
    }
}

fn left(limiter: &MemoryLimiter, limits: &Limits, now: LimitTime) -> Vec<u32> {
    match limiter.try_acquire(alice(), limits, 0, now) {
        LimitDecision::Admitted(levels) => levels.all().iter().map(|level| level.remaining).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_that_is_set_back_gives_no_fresh_budget() {
    let (limiter, limits) = (MemoryLimiter::new(), limits(Quota::per_calendar_month(5)));
    let (may, june) = (at("2026-05-31T23:59:59Z"), at("2026-06-01T00:00:01Z"));
    assert_eq!(spend(&limiter, &limits, 3, may), 3);
    assert_eq!(spend(&limiter, &limits, 4, june), 4);
    // Back in May, what is counted is June.
    assert_eq!(spend(&limiter, &limits, 9, may), 1);
    let LimitDecision::Refused { wait, levels } = limiter.try_acquire(alice(), &limits, 1, may) else { panic!() };
    assert_eq!((wait, levels.tightest().period()), (Duration::from_secs(30 * 86_400 + 1), Some(202_606)));
    assert_eq!(spend(&limiter, &limits, 9, june), 0);
    assert_eq!(spend(&limiter, &limits, 9, at("2026-07-01T00:00:00Z")), 5);
}

#[test]
fn a_refund_counts_within_the_period_only() {
    let quotas = [Quota::per_calendar_day(10), Quota::per_calendar_month(20)];
    let (limiter, limits) = (MemoryLimiter::new(), limits(quotas));
    let (first, second, june) = (at("2026-05-30T12:00:00Z"), at("2026-05-31T12:00:00Z"), at("2026-06-01T12:00:00Z"));
    let three = reserved(&limiter, &limits, 3, first);
    assert_eq!(three.periods().take(2).collect::<Vec<_>>(), [Some(20_260_530), Some(202_605)]);
    assert!(three.full().take(2).eq([None, None]));
    let four = reserved(&limiter, &limits, 4, second);
    limiter.refund(alice(), &three, second);
    assert_eq!(left(&limiter, &limits, second), [6, 16], "the day before is over, the month goes on");
    let _ = reserved(&limiter, &limits, 1, june);
    limiter.refund(alice(), &four, june);
    assert_eq!(left(&limiter, &limits, june), [9, 19]);
    // More than was counted is never given back.
    let one = reserved(&limiter, &limits, 1, june);
    for _ in 0..5 {
        limiter.refund(alice(), &one, june);
    }
    assert_eq!(left(&limiter, &limits, june), [10, 20]);
    assert_eq!(spend(&limiter, &limits, 99, june), 10);
}

#[test]
fn a_budget_that_is_changed_keeps_the_count() {
    let (limiter, now) = (MemoryLimiter::new(), at("2026-05-30T12:00:00Z"));
    let month = |events| limits(Quota::per_calendar_month(events));
    assert_eq!(spend(&limiter, &month(5), 4, now), 4);
    assert_eq!(spend(&limiter, &month(10), 99, now), 6, "raised");
    assert_eq!(spend(&limiter, &month(7), 99, now), 0, "lowered");
    assert_eq!(spend(&limiter, &month(11), 99, now), 1);
    // The name makes no difference, and another window in front neither.
    let renamed = limits([Quota::per_minute(100), Quota::per_calendar_month(12).named("budget")]);
    assert_eq!(spend(&limiter, &renamed, 99, now), 1);
    assert_eq!(spend(&limiter, &renamed, 99, at("2026-06-01T00:00:00Z")), 12, "a new month");
}

#[test]
fn a_new_unit_starts_with_what_was_counted() {
    let now = at("2026-05-30T12:00:00Z");
    let (day, month) = (|n| limits(Quota::per_calendar_day(n)), |n| limits(Quota::per_calendar_month(n)));
    let limiter = MemoryLimiter::new();
    assert_eq!(spend(&limiter, &day(10), 4, now), 4);
    assert_eq!(spend(&limiter, &month(20), 99, now), 16);
    // Back again: the day has kept its own count.
    assert_eq!(spend(&limiter, &day(10), 99, now), 6);
    assert_eq!(spend(&limiter, &day(10), 99, at("2026-05-31T12:00:00Z")), 10);
    // A count of a day that is over is not carried into a month that has not been counted.
    let limiter = MemoryLimiter::new();
    assert_eq!(spend(&limiter, &day(10), 4, now), 4);
    assert_eq!(spend(&limiter, &month(20), 99, at("2026-05-31T12:00:00Z")), 20);
    // Another zone is another window.
    let limiter = MemoryLimiter::new();
    let berlin = limits(Quota::per_calendar_day(10).in_time_zone("Europe/Berlin"));
    assert_eq!((spend(&limiter, &day(10), 4, now), spend(&limiter, &berlin, 99, now)), (4, 6));
}

/// A month that is spent must not close the first day of a new daily budget, nor the next month in another zone.
#[test]
fn a_longer_or_earlier_period_is_not_carried_over() {
    let (month, day) = (Quota::per_calendar_month(10), Quota::per_calendar_day(4));
    let limiter = MemoryLimiter::new();
    let morning = at("2026-06-20T00:01:00Z");
    assert_eq!(spend(&limiter, &limits(month.clone()), 7, morning), 7);
    assert_eq!(spend(&limiter, &limits([day, month.clone()]), 99, morning), 3, "what is left of the month");
    let limiter = MemoryLimiter::new();
    let berlin = limits(month.clone().in_time_zone("Europe/Berlin"));
    let june = at("2026-06-30T22:30:00Z");
    assert_eq!(spend(&limiter, &limits(month), 99, june), 10);
    assert_eq!(spend(&limiter, &berlin, 99, june), 10, "it is July there");
}

/// Limits without a calendar in between are no way to a second budget.
#[test]
fn a_change_in_two_steps_gives_no_second_budget() {
    let now = at("2026-06-20T12:00:00Z");
    let limiter = MemoryLimiter::new();
    let month = Quota::per_calendar_month(10);
    assert_eq!(spend(&limiter, &limits(month.clone()), 99, now), 10);
    let minute = limits(Quota::per_minute(5));
    let later = LimitTime::new(3_600 * SECOND, wall("2026-06-20T13:00:00Z"));
    spend(&limiter, &minute, 1, later);
    let latest = LimitTime::new(7_200 * SECOND, wall("2026-06-20T14:00:00Z"));
    assert_eq!(spend(&limiter, &limits(month.in_time_zone("Europe/Berlin")), 99, latest), 0);
}

#[test]
fn counts_are_carried_between_both_kinds() {
    let now = at("2026-05-30T12:00:00Z");
    let (hour, day) = (limits(Quota::per_hour(10)), limits(Quota::per_calendar_day(10)));
    let limiter = MemoryLimiter::new();
    assert_eq!((spend(&limiter, &hour, 4, now), spend(&limiter, &day, 99, now)), (4, 6));
    let limiter = MemoryLimiter::new();
    assert_eq!((spend(&limiter, &day, 4, now), spend(&limiter, &hour, 99, now)), (4, 6));
    // Half an hour has refilled five of ten.
    let limiter = MemoryLimiter::new();
    assert_eq!(spend(&limiter, &hour, 99, now), 10);
    let later = LimitTime::new(1_801 * SECOND, wall("2026-05-30T12:30:00Z"));
    assert_eq!(spend(&limiter, &day, 99, later), 5);
}

/// Limits that are read from a store are new in each request.
#[test]
fn equal_limits_count_in_one_bucket() {
    let limiter = MemoryLimiter::new();
    let read = || limits(Quota::per_calendar_month(3).in_time_zone("Europe/Berlin"));
    assert_eq!((0..5).map(|_| spend(&limiter, &read(), 1, at("2026-05-30T12:00:00Z"))).sum::<u32>(), 3);
    assert_eq!((0..5).map(|_| spend(&limiter, &read(), 1, at("2026-05-31T22:00:00Z"))).sum::<u32>(), 3);
}

/// The number of buckets after so many callers came once at each of these times.
fn kept(limiter: &MemoryLimiter, limits: &Limits, names: std::ops::Range<u32>, now: LimitTime) -> usize {
    for name in names {
        let bucket = BucketKey::new(["caller", &name.to_string()]);
        assert!(matches!(limiter.try_acquire(bucket, limits, 1, now), LimitDecision::Admitted(_)));
    }
    limiter.len()
}

#[test]
fn buckets_of_a_period_that_is_over_are_removed() {
    let (limiter, limits) = (MemoryLimiter::new(), limits(Quota::per_calendar_day(10)));
    let now = |seconds: u64, time: &str| LimitTime::new(Duration::from_secs(seconds), wall(time));
    assert_eq!(kept(&limiter, &limits, 0..10_000, now(10, "2026-05-30T23:00:00Z")), 10_000);
    assert_eq!(kept(&limiter, &limits, 10_000..20_000, now(20, "2026-05-30T23:59:59Z")), 20_000, "the day goes on");
    assert_eq!(
        kept(&limiter, &limits, 20_000..40_000, now(30, "2026-05-31T00:59:59Z")),
        40_000,
        "the clock may be set back"
    );
    let all = kept(&limiter, &limits, 40_000..90_000, now(40, "2026-05-31T01:00:00Z"));
    assert_eq!(all, 70_000);
}

/// A full shard lets newcomers share a bucket, until the old period is over.
#[test]
fn a_full_limiter_makes_room_when_the_period_is_over() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits(Quota::per_calendar_day(1_000)));
    let now = |seconds: u64, time: &str| LimitTime::new(Duration::from_secs(seconds), wall(time));
    let full = kept(&limiter, &limits, 0..600, now(10, "2026-05-30T23:00:00Z"));
    assert!(limiter.shared_bucket_count() > 0);
    let shared = limiter.shared_bucket_count();
    let _ = kept(&limiter, &limits, 1_000..1_001, now(20, "2026-05-31T02:00:00Z"));
    assert_eq!(
        (limiter.len(), limiter.shared_bucket_count()),
        (full, shared),
        "the one bucket of its shard was replaced"
    );
}
