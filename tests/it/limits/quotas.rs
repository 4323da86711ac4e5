//! What a quota says, and which ones cannot be kept.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{LimitDecision, Limits, MemoryLimiter, Refill},
};

use super::{DAY, HOUR, MINUTE, NANO, SECOND, admits, admitted, alice, limits};

#[test]
fn p41_four_thousand_a_second_are_four_thousand_in_a_second() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_second(4_000)]));
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 5_000), 4_000);
    // One every 250 µs from then on, and all of them a second later.
    assert!(!admits(&limiter, alice(), &limits, super::before(SECOND + Duration::from_micros(250), NANO)));
    assert!(admits(&limiter, alice(), &limits, SECOND + Duration::from_micros(250)));
    assert_eq!(admitted(&limiter, alice(), &limits, 2 * SECOND, 5_000), 3_999);
    assert_eq!(admitted(&limiter, alice(), &limits, 3 * SECOND, 5_000), 4_000);
}

#[test]
fn p41_every_constructor_reads_one_way() {
    let quotas = [
        (Quota::per_second(5), SECOND, "second"),
        (Quota::per_minute(5), MINUTE, "minute"),
        (Quota::per_hour(5), HOUR, "hour"),
        (Quota::per_day(5), DAY, "day"),
        (Quota::new(5, 7 * DAY), 7 * DAY, "default"),
        (Quota::new(5, MINUTE).named("login"), MINUTE, "login"),
    ];
    for (quota, period, name) in quotas {
        let limits = limits(quota.clone());
        let facts = limits.windows().next().unwrap();
        assert_eq!((facts.name, facts.size, facts.refill), (name, 5, Refill::Even(period)));
        assert_eq!((limits.len(), limits.max_cost()), (1, 5));
        let limiter = MemoryLimiter::new();
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 10), 5, "{quota}");
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND + period / 5, 10), 1, "{quota}");
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND + period / 5 + period, 10), 5, "{quota}");
    }
}

fn refill(limits: &Limits) -> Duration {
    let Refill::Even(refill) = limits.windows().next().unwrap().refill else { panic!("no calendar") };
    refill
}

#[test]
fn p41_a_burst_changes_how_many_at_once_and_not_the_rate() {
    for burst in [1, 50, 120, 1_000] {
        let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(100).burst(burst)]));
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 2_000), burst);
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND + Duration::from_millis(599), 9), 0);
        assert_eq!(admitted(&limiter, alice(), &limits, SECOND + Duration::from_millis(600), 9), 1);
        assert_eq!(refill(&limits), Duration::from_millis(600) * burst);
    }
}

/// Three a second are one every 333,333,334 ns: rounded so that no more get through than was said.
#[test]
fn p41_what_does_not_divide_is_rounded_against_whoever_asks() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_second(3)]));
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 9), 3);
    assert!(!admits(&limiter, alice(), &limits, SECOND + Duration::from_nanos(333_333_333)));
    assert!(admits(&limiter, alice(), &limits, SECOND + Duration::from_nanos(333_333_334)));
}

#[test]
fn p45_what_costs_more_than_fits_at_once_is_told_so_and_counted_in_nothing() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(20), Quota::per_day(7).burst(5)]));
    for cost in [6, 20, 21, u32::MAX] {
        assert!(
            matches!(limiter.try_acquire(alice(), &limits, cost, SECOND), LimitDecision::TooCostly { most: 5 }),
            "{cost}"
        );
    }
    assert!(limiter.is_empty());
    assert!(matches!(limiter.try_acquire(alice(), &limits, 5, SECOND), LimitDecision::Admitted(_)));
    // Also of a bucket that is used up: it would not get through later either.
    assert!(matches!(limiter.try_acquire(alice(), &limits, 6, SECOND), LimitDecision::TooCostly { most: 5 }));
    assert!(matches!(limiter.try_acquire(alice(), &limits, 5, SECOND), LimitDecision::Refused { .. }));
}

/// What is wrong and what to do about it, in the terms in which the quota was written.
#[test]
fn p41_quotas_that_cannot_be_kept_are_errors_that_say_how_to_mend_them() {
    let year = 366 * DAY;
    let quotas = [
        (Quota::per_minute(0), "0 per 60s", "it admits no request"),
        (Quota::per_minute(10).burst(0), "10 per 60s, 0 at once", "it admits no request"),
        (Quota::per_minute(0).burst(5), "0 per 60s, 5 at once", "it admits no request"),
        (Quota::new(5, Duration::ZERO), "5 per 0ns", "its period is zero"),
        (Quota::new(5, year + NANO), "5 per ", "longer than a year"),
        (Quota::new(5, Duration::MAX), "5 per ", "longer than a year"),
        (Quota::per_day(1).burst(u32::MAX), "1 per 86400s, 4294967295 at once", "more than a hundred years"),
        (Quota::new(1, year).burst(200), "200 at once", "more than a hundred years"),
        (Quota::new(1_001, Duration::from_micros(1)), "1001 per 1µs", "more than one event per nanosecond"),
        (Quota::per_second(u32::MAX), "4294967295 per 1s", "more than one event per nanosecond"),
        (Quota::per_second(1).named(""), "1 per 1s", "its name"),
        (Quota::per_second(1).named("a\"b"), "1 per 1s", "its name"),
        (Quota::per_second(1).named("a\\b"), "1 per 1s", "its name"),
        (Quota::per_second(1).named("a\nb"), "1 per 1s", "its name"),
        (Quota::per_second(1).named("\u{7f}"), "1 per 1s", "its name"),
        (Quota::per_second(1).named("für"), "1 per 1s", "its name"),
        (Quota::per_second(1).named("x".repeat(65)), "1 per 1s", "its name"),
    ];
    for (quota, shown, why) in quotas {
        let error = Limits::new([Quota::per_hour(1).named("fine"), quota.clone()]).unwrap_err().to_string();
        assert!(error.contains(shown) && error.contains(why), "{error}");
        assert!(error.contains("; help: "), "{error}");
        assert_eq!(Limits::new(quota).unwrap_err().to_string(), error);
    }
}

#[test]
fn p41_the_largest_and_the_smallest_quotas_that_can_be_kept_are_kept() {
    let quotas = [
        Quota::new(1_000, Duration::from_micros(1)),
        Quota::new(1, NANO),
        Quota::new(u32::MAX, Duration::from_secs(5)),
        Quota::new(1, 366 * DAY).burst(145),
        Quota::per_second(1).named("x".repeat(64)),
        Quota::per_second(1).named(" ~!#$%&'()*+,-./:;<=>?@[]^_`{|}"),
    ];
    for quota in quotas {
        let (limiter, limits) = (MemoryLimiter::new(), limits(quota.clone()));
        assert!(
            matches!(limiter.try_acquire(alice(), &limits, limits.max_cost(), SECOND), LimitDecision::Admitted(_)),
            "{quota}"
        );
        assert!(!admits(&limiter, alice(), &limits, SECOND), "{quota}");
        let refill = refill(&limits);
        assert!(
            matches!(
                limiter.try_acquire(alice(), &limits, limits.max_cost(), SECOND + refill),
                LimitDecision::Admitted(_)
            ),
            "{quota}"
        );
    }
}

#[test]
fn limits_are_one_to_four_quotas_of_different_names() {
    let none = Limits::new([]).unwrap_err().to_string();
    assert!(none.contains("0 quotas") && none.contains("use 1 to 4"), "{none}");
    let numbered = |count: u32| (1..=count).map(|number| Quota::per_second(number).named(format!("w{number}")));
    for count in 1..=4 {
        assert_eq!(limits(numbered(count)).len(), count as usize);
    }
    let five = Limits::new(numbered(5)).unwrap_err().to_string();
    assert!(five.contains("5 quotas") && five.contains("use 1 to 4"), "{five}");
    let twice = Limits::new([Quota::per_second(1), Quota::per_day(3), Quota::new(2, HOUR).named("second")]);
    let twice = twice.unwrap_err().to_string();
    assert!(twice.contains("\"second\"") && twice.contains(".named("), "{twice}");
}

#[test]
fn limits_are_equal_when_their_quotas_are() {
    let one = limits([Quota::per_minute(100), Quota::per_day(1_000)]);
    assert_eq!(one, limits([Quota::per_minute(100), Quota::per_day(1_000)]));
    assert_eq!(one, one.clone());
    for other in [
        limits([Quota::per_minute(100)]),
        limits([Quota::per_minute(101), Quota::per_day(1_000)]),
        limits([Quota::per_day(1_000), Quota::per_minute(100)]),
        limits([Quota::per_minute(100).burst(99), Quota::per_day(1_000)]),
        limits([Quota::per_minute(100).named("short"), Quota::per_day(1_000)]),
        limits([Quota::per_minute(100), Quota::per_day(1_000), Quota::per_hour(1)]),
    ] {
        assert_ne!(one, other);
    }
    assert_eq!(one.to_string(), "100 per 60s; 1000 per 86400s");
    assert_eq!(limits(Quota::new(5, 900 * SECOND).burst(9)).to_string(), "5 per 900s, 9 at once");
}
