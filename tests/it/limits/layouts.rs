//! More sets of limits than a limiter remembers.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{BucketKey, Limits, MemoryLimiter},
};

use super::{DAY, HOUR, admits, admitted, limits, remaining};

const NOW: Duration = HOUR;

fn set(number: u32) -> Limits {
    limits([Quota::per_day(5_000 + number)])
}

fn bucket(number: u32) -> BucketKey {
    BucketKey::new([number.to_string().as_str()])
}

/// More sets of limits than are remembered, each for a bucket of its own and then for one that goes through all of them.
#[test]
fn r138_thousands_of_sets_of_limits_are_told_apart() {
    let limiter = MemoryLimiter::new();
    let through = BucketKey::new(["through"]);
    for number in 0..3_000 {
        assert!(admits(&limiter, through, &set(number), NOW));
        if number % 10 == 0 {
            assert_eq!(admitted(&limiter, bucket(number), &set(number), NOW, 7), 7);
        }
    }
    // Each request is counted, at what it takes of a day by the limits that it came under.
    let interval = |number: u32| DAY.as_nanos().div_ceil(u128::from(5_000 + number));
    let counted: u128 = (0..3_000).map(interval).sum();
    let left = (interval(2_999) * 7_999 - counted) / interval(2_999);
    assert_eq!(remaining(&limiter, through, &set(2_999), NOW), [u32::try_from(left).unwrap()]);
    for number in (0..3_000).step_by(10) {
        assert_eq!(remaining(&limiter, bucket(number), &set(number), NOW), [5_000 + number - 7], "{number}");
    }
    // And each by its own rate: a day after they are full.
    for number in (0..3_000).step_by(10) {
        let interval = DAY / (5_000 + number);
        assert_eq!(
            remaining(&limiter, bucket(number), &set(number), NOW + 3 * interval + 3 * super::NANO),
            [5_000 + number - 4]
        );
    }
}

/// A limiter without room, and what newcomers share in it: it is counted by limits too.
#[test]
fn r138_what_newcomers_share_is_counted_on_after_thousands_of_sets() {
    let (limiter, few) = (MemoryLimiter::new().max_buckets(1), limits([Quota::per_minute(5)]));
    for number in 0..5_000 {
        limiter.try_acquire(bucket(number), &few, 1, NOW);
    }
    let newcomer = |number: u32| BucketKey::new(["new", number.to_string().as_str()]);
    let ask = |limits: &Limits| (0..5_000).filter(|number| admits(&limiter, newcomer(*number), limits, NOW)).count();
    ask(&few);
    assert_eq!((limiter.len(), ask(&few)), (64, 0));
    // Those that are kept go through more sets than are remembered, in each part of the store.
    let kept: Vec<_> = (0..5_000).map(bucket).filter(|bucket| remaining(&limiter, *bucket, &few, NOW) != [5]).collect();
    assert_eq!(kept.len(), 64);
    for number in 0..1_100 {
        // By these, what was counted by the minute would be next to nothing.
        let set = limits([Quota::per_day(5).burst(5_000 + number)]);
        assert!(kept.iter().all(|bucket| admits(&limiter, *bucket, &set, NOW)));
    }
    assert_eq!(ask(&few), 0, "what newcomers share was refilled");
    // A faster rate refills nothing; by a larger burst one more fits, one in each part.
    assert_eq!(ask(&limits([Quota::per_minute(6)])), 0);
    assert_eq!(ask(&limits([Quota::per_minute(5).burst(6)])), 64);
}

/// Sets that nobody is counted by any more are forgotten: a reload every minute is no leak.
#[test]
fn r138_sets_of_limits_that_nobody_uses_are_forgotten() {
    let mut one = None;
    let single = allocation_counter::measure(|| one = Some(set(1))).bytes_current;
    let limiter = MemoryLimiter::new();
    let kept = allocation_counter::measure(|| {
        for number in 0..5_000 {
            assert!(admits(&limiter, bucket(0), &set(number), NOW));
        }
    });
    // A thousand of them, each with as much again for which place is whose.
    let most = 2 * 1_100 * single;
    assert!(single > 100 && kept.bytes_current < most, "{} bytes, {single} each", kept.bytes_current);
}
