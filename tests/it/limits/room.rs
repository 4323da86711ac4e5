//! A limiter that has room for no more.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limiter as _, Limits, MemoryLimiter, Reservation, WindowState, WindowStates},
};

use super::{DAY, HOUR, SECOND, admits, limits, remaining};

const PARTS: u32 = 64;

fn named(number: u32) -> BucketKey {
    BucketKey::new([number.to_string().as_str()])
}

/// A limiter in which every part is full of buckets that count, and who is in it.
fn full(each: u32, limits: &Limits, now: Duration) -> (MemoryLimiter, Vec<BucketKey>) {
    let limiter = MemoryLimiter::new().max_buckets((each * PARTS) as usize);
    let mut kept = Vec::new();
    for number in 0.. {
        let before = limiter.shared_bucket_count();
        assert!(matches!(
            limiter.try_acquire(named(number), limits, 1, now),
            LimitDecision::Admitted(_) | LimitDecision::Refused { .. }
        ));
        if limiter.shared_bucket_count() == before {
            kept.push(named(number));
        }
        if limiter.len() == (each * PARTS) as usize {
            assert_eq!(kept.len(), limiter.len());
            return (limiter, kept);
        }
    }
    unreachable!()
}

/// Some twenty thousand newcomers, none of whom was there before.
fn newcomers() -> impl Iterator<Item = BucketKey> {
    (0..20_000).map(|number: u32| BucketKey::new(["new", number.to_string().as_str()]))
}

/// Each asks once.
fn all(limiter: &MemoryLimiter, buckets: impl Iterator<Item = BucketKey>, limits: &Limits, now: Duration) {
    for bucket in buckets {
        limiter.try_acquire(bucket, limits, 1, now);
    }
}

#[test]
fn p46_r135_newcomers_reset_nobody_who_counts_something() {
    for each in [1, 2, 7, 20] {
        let limits = limits([Quota::per_hour(5), Quota::per_day(100)]);
        let (limiter, kept) = full(each, &limits, HOUR);
        // Each has used up another part of it.
        for (place, bucket) in kept.iter().enumerate() {
            super::admitted(&limiter, *bucket, &limits, HOUR, u32::try_from(place % 5).unwrap());
        }
        for newcomer in newcomers() {
            limiter.try_acquire(newcomer, &limits, 1, HOUR);
        }
        assert_eq!(limiter.len(), (each * PARTS) as usize);
        for (place, bucket) in kept.iter().enumerate() {
            let used = u32::try_from(place % 5).unwrap() + 1;
            assert_eq!(remaining(&limiter, *bucket, &limits, HOUR), [5 - used, 100 - used], "{place} of {each} each");
        }
    }
}

/// All that newcomers get is what one bucket has, in each of the 64 parts of the store: not what each would have had.
#[test]
fn p46_newcomers_share_what_one_would_have_in_each_part() {
    let limits = limits([Quota::per_hour(5)]);
    let (limiter, kept) = full(1, &limits, HOUR);
    assert!(kept.iter().all(|bucket| super::admitted(&limiter, *bucket, &limits, HOUR, 5) == 4));
    let before = limiter.shared_bucket_count();
    all(&limiter, newcomers(), &limits, HOUR);
    assert_eq!(limiter.shared_bucket_count() - before, 20_000);
    // All of it is used up now. As much as one part refills is what one part lets through.
    assert_eq!(newcomers().filter(|newcomer| admits(&limiter, *newcomer, &limits, HOUR)).count(), 0);
    let later = HOUR + Duration::from_secs(720);
    assert_eq!(newcomers().filter(|newcomer| admits(&limiter, *newcomer, &limits, later)).count(), PARTS as usize);
    let full = later + 2 * HOUR;
    // By then the others are full: one newcomer takes the place of each, and the rest share again.
    let through = newcomers().filter(|newcomer| admits(&limiter, *newcomer, &limits, full)).count();
    assert_eq!(through, 6 * PARTS as usize);
    assert_eq!(limiter.len(), PARTS as usize);
}

/// "Newcomers then share, in each of 64 parts of the limiter, what one of them would have": all of it, and no more, although
/// none of them has been there before.
#[test]
fn p46_newcomers_share_one_bucket_in_each_of_64_parts() {
    let limits = limits([Quota::per_hour(5)]);
    let limiter = MemoryLimiter::new().max_buckets(64);
    let mut through = 0;
    for number in 0..20_000 {
        let before = limiter.shared_bucket_count();
        let got = admits(&limiter, named(number), &limits, HOUR);
        through += u32::from(got && limiter.shared_bucket_count() > before);
    }
    assert_eq!((limiter.len(), limiter.shared_bucket_count()), (64, 20_000 - 64));
    assert_eq!(through, 5 * PARTS);
}

/// Under limits that change, what newcomers share is counted on.
#[test]
fn p46_what_newcomers_share_is_carried_over_to_other_limits() {
    let (small, fast, large) =
        (limits([Quota::per_hour(5)]), limits([Quota::per_hour(8)]), limits([Quota::per_hour(5).burst(8)]));
    let (limiter, _) = full(1, &small, HOUR);
    all(&limiter, newcomers(), &small, HOUR);
    let through = |limits| newcomers().filter(|newcomer| admits(&limiter, *newcomer, limits, HOUR)).count();
    // All of an hour is all of an hour, at any rate; a burst is more of them.
    assert_eq!(through(&fast), 0);
    assert_eq!(through(&large), 3 * PARTS as usize);
    assert_eq!((through(&small), through(&fast), through(&large)), (0, 0, 0));
}

/// All or none holds for what is shared.
#[test]
fn p46_what_is_shared_is_counted_in_all_windows_or_in_none() {
    let limits = limits([Quota::per_second(2), Quota::per_day(3)]);
    let (limiter, _) = full(1, &limits, HOUR);
    let through = |now| newcomers().filter(|newcomer| admits(&limiter, *newcomer, &limits, now)).count();
    assert!(through(HOUR) <= 2 * PARTS as usize);
    assert_eq!(through(HOUR), 0);
    // The first part of the day is used up in one more second, and after it the seconds do not help.
    assert_eq!(through(HOUR + 2 * SECOND), PARTS as usize);
    assert_eq!(through(HOUR + 4 * SECOND), 0);
}

/// Giving back what was counted in what is shared refills nobody else's.
#[test]
fn p46_a_newcomer_gives_nothing_back_to_what_is_shared() {
    let limits = limits([Quota::per_hour(5)]);
    let (limiter, kept) = full(1, &limits, HOUR);
    all(&limiter, newcomers(), &limits, HOUR);
    // It is given back by all who could think that they have something there.
    let levels = WindowStates::new([WindowState::new(0, HOUR)], 0);
    newcomers()
        .for_each(|newcomer| limiter.refund(newcomer, &Reservation::new(5, &limits, &levels, HOUR), HOUR.into()));
    assert_eq!(newcomers().filter(|newcomer| admits(&limiter, *newcomer, &limits, HOUR)).count(), 0);
    assert!(kept.iter().all(|bucket| remaining(&limiter, *bucket, &limits, HOUR) == [4]));
}

/// Room is counted in parts of 64, rounded up, and there is always some.
#[test]
fn p46_the_most_is_rounded_up_to_a_multiple_of_64() {
    for (asked, kept) in [(0, 64), (1, 64), (64, 64), (65, 128), (1_000, 1_024), (6_400, 6_400)] {
        let (limiter, limits) = (MemoryLimiter::new().max_buckets(asked), limits([Quota::per_day(1)]));
        all(&limiter, newcomers(), &limits, SECOND);
        assert_eq!(limiter.len(), kept, "of {asked}");
        assert_eq!(limiter.shared_bucket_count(), 20_000 - kept as u64);
    }
}

/// Any number may be asked for; nothing is reserved.
#[test]
fn p46_room_that_nobody_uses_costs_nothing() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(usize::MAX), limits([Quota::per_day(1)]));
    assert_eq!((limiter.len(), limiter.memory_bytes(), limiter.shared_bucket_count()), (0, 0, 0));
    newcomers().for_each(|newcomer| assert!(admits(&limiter, newcomer, &limits, SECOND)));
    assert_eq!((limiter.len(), limiter.shared_bucket_count()), (20_000, 0));
}

/// "Full buckets are looked for ten times a second": not a nanosecond before, and then one takes the place of each.
#[test]
fn p46_full_buckets_are_looked_for_ten_times_a_second() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits([Quota::per_second(1_000).burst(1)]));
    let mut shared = 0;
    let mut ask = |round: &str, now, kept: u64| {
        let buckets = (0..5_000).map(|number: u32| BucketKey::new([round, number.to_string().as_str()]));
        all(&limiter, buckets, &limits, now);
        shared += 5_000 - kept;
        assert_eq!((limiter.len(), limiter.shared_bucket_count()), (64, shared), "at {now:?}");
    };
    // The first newcomer in each part looks: its table is to grow.
    ask("first", DAY, 64);
    for look in ["a", "b", "c"] {
        let now = DAY + (u32::from(look.as_bytes()[0] - b'a') + 1) * Duration::from_millis(100);
        ask(&format!("before {look}"), super::before(now, super::NANO), 0);
        ask(look, now, 64);
    }
}

/// So nobody shares when a tenth of a second lies between any two, and one place is enough.
#[test]
fn p46_nobody_shares_what_is_full_for_a_tenth_of_a_second() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits([Quota::per_second(1_000).burst(1)]));
    let mut now = DAY;
    for newcomer in newcomers().take(10_000) {
        now += Duration::from_millis(100);
        assert!(admits(&limiter, newcomer, &limits, now));
    }
    assert_eq!(limiter.shared_bucket_count(), 0);
}
