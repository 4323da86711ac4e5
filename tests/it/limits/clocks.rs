//! Times that stand still, go backwards, or are no times.

use std::{sync::Arc, thread, time::Duration};

use proptest::{collection::vec, prelude::*};
use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limiter, MemoryLimiter, Reservation},
};

use super::{DAY, HOUR, NANO, SECOND, admits, admitted, alice, exact::cases, limits, model, remaining};

#[test]
fn r136_a_time_that_stands_still_refills_nothing() {
    for now in [Duration::ZERO, NANO, SECOND, 365 * DAY] {
        let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_second(1_000), Quota::per_day(2_000)]));
        assert_eq!(admitted(&limiter, alice(), &limits, now, 5_000), 1_000);
        let LimitDecision::Refused { wait, .. } = limiter.try_acquire(alice(), &limits, 1, now) else {
            panic!("1,001 at once")
        };
        assert_eq!(wait, Duration::from_millis(1));
    }
}

/// A clock that was set back refills nothing, and what was counted is counted until the clock has caught up.
#[test]
fn r136_a_time_that_goes_backwards_refills_nothing() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(5), Quota::per_day(50)]));
    assert_eq!(admitted(&limiter, alice(), &limits, 10 * HOUR, 9), 5);
    for back in [NANO, SECOND, HOUR, 10 * HOUR] {
        assert_eq!(admitted(&limiter, alice(), &limits, super::before(10 * HOUR, back), 9), 0, "{back:?}");
        assert_eq!(remaining(&limiter, alice(), &limits, super::before(10 * HOUR, back))[0], 0);
    }
    let LimitDecision::Refused { wait, .. } = limiter.try_acquire(alice(), &limits, 1, 9 * HOUR) else {
        panic!("refilled")
    };
    assert_eq!(wait, HOUR + 12 * SECOND);
    assert_eq!(remaining(&limiter, alice(), &limits, 10 * HOUR), [0, 45]);
    assert_eq!(admitted(&limiter, alice(), &limits, 10 * HOUR + 12 * SECOND, 9), 1);
}

/// Nor is a bucket forgotten by looking through all of them with a time that lies behind.
#[test]
fn r136_a_time_that_goes_backwards_forgets_no_bucket() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits([Quota::per_hour(5)]));
    for number in 0..1_000 {
        admits(&limiter, BucketKey::new([number.to_string().as_str()]), &limits, 10 * HOUR);
    }
    assert_eq!(limiter.len(), 64);
    for number in 1_000..2_000 {
        admits(&limiter, BucketKey::new([number.to_string().as_str()]), &limits, HOUR);
    }
    assert_eq!(limiter.len(), 64);
    // And afterwards time goes on as ever: an hour later all are full, and room is made.
    for number in 2_000..3_000 {
        admits(&limiter, BucketKey::new([number.to_string().as_str()]), &limits, 12 * HOUR);
    }
    assert_eq!(remaining(&limiter, BucketKey::new(["2999"]), &limits, 12 * HOUR).len(), 1);
}

const EXTREMES: [Duration; 7] = [
    Duration::ZERO,
    NANO,
    Duration::from_nanos(u64::MAX / 2 - 1),
    Duration::from_nanos(u64::MAX / 2),
    Duration::from_secs(u64::MAX / 1_000_000_000 + 1),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

proptest! {
    #![proptest_config(cases(2_000))]

    /// No time is so wrong that anything panics: all orders of the extremes, all quotas, all costs, changes and gifts.
    #[test]
    fn r136_no_time_makes_it_panic(
        sets in vec(model::plans(), 1..=2),
        asked in vec((0..2_usize, 0..EXTREMES.len(), any::<u32>(), proptest::option::of(0..EXTREMES.len())), 1..20),
    ) {
        let limiter = MemoryLimiter::new().max_buckets(1);
        for (set, time, cost, gives_back) in asked {
            let limits = model::limits(&sets[set % sets.len()]);
            let (any, cost) = (cost, cost % limits.max_cost() + 1);
            let decided = limiter.try_acquire(alice(), &limits, cost, EXTREMES[time]);
            if let (LimitDecision::Admitted(levels) | LimitDecision::Refused { levels, .. }, Some(when)) = (decided, gives_back) {
                limiter.refund(alice(), &Reservation::new(any, &limits, &levels, EXTREMES[time]), EXTREMES[when].into());
            }
        }
    }

    /// Whatever order the times come in, no more get through than from the first of them to the last.
    #[test]
    fn r136_times_in_any_order_let_no_more_through(
        plan in model::plan(),
        asked in vec((any::<u64>(), any::<u32>()), 1..60),
    ) {
        let (limiter, limits) = (MemoryLimiter::new(), model::limits(&[plan]));
        let stretch = 3 * u64::try_from(plan.refill()).unwrap().min(1 << 60);
        let (mut first, mut last, mut sum) = (u64::MAX, 0, 0);
        for (time, cost) in asked {
            let (time, cost) = (time % stretch, cost % plan.size() + 1);
            if let LimitDecision::Admitted(_) = limiter.try_acquire(alice(), &limits, cost, Duration::from_nanos(time)) {
                sum += u128::from(cost);
            }
            (first, last) = (first.min(time), last.max(time));
        }
        let most = plan.refill() + u128::from(last - first);
        prop_assert!(sum * u128::from(plan.interval()) <= most, "{} got through", sum);
    }
}

/// Times that no process lives to see are all one time: at them as many get through as fit, and no more.
#[test]
fn r136_at_times_beyond_all_times_the_limit_is_the_limit() {
    for now in EXTREMES {
        let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(5)]));
        assert_eq!(admitted(&limiter, alice(), &limits, now, 20), 5, "{now:?}");
    }
}

/// Nor is one of them the start of all times: a caller that has used up the limit then is also refused before it.
#[test]
fn r136_a_time_beyond_all_times_lies_behind_all_others() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(5)]));
    assert_eq!(admitted(&limiter, alice(), &limits, Duration::MAX, 20), 5);
    for now in [Duration::ZERO, HOUR, 366 * DAY, Duration::from_nanos(u64::MAX / 2), Duration::from_secs(u64::MAX)] {
        assert!(!admits(&limiter, alice(), &limits, now), "{now:?}");
    }
}

/// The same for the times between, from 292 to 584 years: all are cut to 292.
#[test]
fn r136_at_times_between_292_and_584_years_the_limit_is_the_limit() {
    for nanos in [u64::MAX / 2 + 1, u64::MAX - (1 << 40), u64::MAX - 1, u64::MAX] {
        let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(5)]));
        assert_eq!(admitted(&limiter, alice(), &limits, Duration::from_nanos(nanos), 20), 5, "{nanos}");
    }
}

/// And going back from there: nothing overflows, and nobody gets in for it.
#[test]
fn r136_going_back_from_584_years_refills_nothing() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(5)]));
    assert!(admits(&limiter, alice(), &limits, Duration::from_nanos(u64::MAX)));
    for cost in 1..=5 {
        let decided = limiter.try_acquire(alice(), &limits, cost, SECOND);
        assert!(matches!(decided, LimitDecision::Refused { .. }), "{decided:?}");
    }
}

/// It is made and used without a runtime, and nothing runs in the background: it ends with its thread.
#[test]
fn p46_it_needs_no_runtime() {
    let counted = thread::spawn(|| {
        let (limiter, limits) = (MemoryLimiter::default(), limits([Quota::per_minute(5)]));
        let limiter = Arc::new(limiter);
        let answer = Limiter::decide(&limiter, alice(), &limits, 2, SECOND.into());
        assert_eq!(format!("{answer:?}"), "MaybeReady::Ready(..)");
        let taken = super::taken(&limiter, alice(), &limits, 2, SECOND);
        Limiter::refund(&limiter, alice(), &taken, SECOND.into());
        remaining(&limiter, alice(), &limits, SECOND)
    });
    assert_eq!(counted.join().unwrap(), [3]);
}
