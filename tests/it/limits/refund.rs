//! What is given back.

use std::{num::NonZeroU32, time::Duration};

use tower_auth::{
    Quota,
    limit::{BucketKey, Limiter as _, MemoryLimiter, Reservation, WindowState, WindowStates},
};

use super::{DAY, MINUTE, NANO, SECOND, admits, admitted, alice, before, limits, remaining, taken};

#[test]
fn what_is_given_back_can_be_taken_again_in_every_window() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(10), Quota::per_day(100)]));
    let three = taken(&limiter, alice(), &limits, 3, SECOND);
    let four = taken(&limiter, alice(), &limits, 4, SECOND);
    assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [3, 93]);
    limiter.refund(alice(), &four, SECOND.into());
    assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [7, 97]);
    limiter.refund(alice(), &taken(&limiter, alice(), &limits, 0, SECOND), SECOND.into());
    assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [7, 97]);
    limiter.refund(alice(), &three, SECOND.into());
    assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [10, 100]);
}

#[test]
fn giving_back_more_than_was_taken_fills_the_bucket_and_no_more() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(10), Quota::per_day(100)]));
    let seven = taken(&limiter, alice(), &limits, 7, SECOND);
    for _ in 0..50 {
        limiter.refund(alice(), &seven, SECOND.into());
    }
    assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [10, 100]);
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 30), 10);
}

#[test]
fn giving_back_to_a_bucket_that_nobody_has_drawn_on_makes_none() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(2)]));
    let bobs = taken(&limiter, BucketKey::new(["bob"]), &limits, 1, SECOND);
    let nobodys = Reservation::new(100, &limits, &WindowStates::new([WindowState::new(0, DAY)], 0), SECOND);
    for taken in [bobs, nobodys] {
        limiter.refund(alice(), &taken, SECOND.into());
        assert_eq!(limiter.len(), 1);
        assert_eq!(remaining(&limiter, BucketKey::new(["bob"]), &limits, SECOND), [1]);
    }
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 5), 2);
}

/// `refund` takes any number, and nobody has looked whether it fits.
#[test]
fn any_number_can_be_given_back() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_day(10), Quota::new(1, 366 * DAY)]));
    for cost in [u32::MAX, 1 << 31, 600, NonZeroU32::MIN.get()] {
        let one = taken(&limiter, alice(), &limits, 1, SECOND);
        let mut full = one.full();
        let mut level = || WindowState::new(0, full.next().flatten().unwrap().checked_sub(SECOND).unwrap());
        let levels = WindowStates::new([level(), level()], 0);
        assert_eq!(Reservation::new(1, &limits, &levels, SECOND), one);
        limiter.refund(alice(), &Reservation::new(cost, &limits, &levels, SECOND), SECOND.into());
        assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [10, 1], "{cost}");
    }
    for reset in [Duration::ZERO, NANO, Duration::MAX] {
        let levels = WindowStates::new([WindowState::new(0, reset); 4], 0);
        for at in [Duration::ZERO, SECOND, Duration::MAX] {
            let _ = taken(&limiter, alice(), &limits, 1, SECOND);
            limiter.refund(alice(), &Reservation::new(u32::MAX, &limits, &levels, at), Duration::ZERO.into());
            limiter.refund(
                alice(),
                &Reservation::new(
                    u32::MAX,
                    &limits,
                    &WindowStates::new([WindowState::new(0, DAY * 400); 2], 0),
                    SECOND,
                ),
                SECOND.into(),
            );
            assert_eq!(remaining(&limiter, alice(), &limits, SECOND), [10, 1], "{reset:?} {at:?}");
        }
    }
}

/// What was refilled meanwhile is not given back a second time ("as far as it is not refilled already"): of the requests
/// that stay counted no more than the limit get through at once.
#[test]
fn what_is_refilled_already_is_not_given_back() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(1)]));
    let first = taken(&limiter, alice(), &limits, 1, Duration::ZERO);
    // A minute later the first is refilled; the second uses it up.
    assert!(admits(&limiter, alice(), &limits, MINUTE));
    // The first turns out to cost nothing. It has been refilled since.
    limiter.refund(alice(), &first, MINUTE.into());
    assert!(!admits(&limiter, alice(), &limits, MINUTE), "two stay counted in the same instant, of one in a minute");
    assert!(!admits(&limiter, alice(), &limits, before(2 * MINUTE, NANO)));
    assert!(admits(&limiter, alice(), &limits, 2 * MINUTE));
}

/// Of what is refilled in part, the other part is given back; and each window has its own.
#[test]
fn what_is_not_refilled_yet_is_given_back_window_by_window() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(10), Quota::per_day(100)]));
    let ten = taken(&limiter, alice(), &limits, 10, SECOND);
    // After half a minute five are refilled, and others take them.
    assert_eq!(admitted(&limiter, alice(), &limits, 31 * SECOND, 9), 5);
    limiter.refund(alice(), &ten, (31 * SECOND).into());
    assert_eq!(remaining(&limiter, alice(), &limits, 31 * SECOND), [5, 95]);
    // The minute has refilled all of them, the day none.
    let ten = taken(&limiter, alice(), &limits, 5, 31 * SECOND);
    let now = 61 * SECOND + MINUTE;
    assert_eq!(admitted(&limiter, alice(), &limits, now, 20), 10);
    limiter.refund(alice(), &ten, now.into());
    assert_eq!(remaining(&limiter, alice(), &limits, now), [0, 85]);
}

/// What lies before it is refilled first: so long all of it is given back.
#[test]
fn what_came_before_is_refilled_before() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(60)]));
    let _ = taken(&limiter, alice(), &limits, 40, SECOND);
    let last = taken(&limiter, alice(), &limits, 20, SECOND);
    assert_eq!(last.cost(), 20);
    assert_eq!(last.full().next(), Some(Some(61 * SECOND)));
    // The first forty are refilled, and used up again.
    let _ = taken(&limiter, alice(), &limits, 40, 41 * SECOND);
    limiter.refund(alice(), &last, (41 * SECOND).into());
    assert_eq!(remaining(&limiter, alice(), &limits, 41 * SECOND), [20]);
    // And a quarter of the twenty by then.
    let (limiter, other) = (MemoryLimiter::new(), BucketKey::new(["other"]));
    let _ = taken(&limiter, other, &limits, 40, SECOND);
    let last = taken(&limiter, other, &limits, 20, SECOND);
    let _ = taken(&limiter, other, &limits, 45, 46 * SECOND);
    limiter.refund(other, &last, (46 * SECOND).into());
    assert_eq!(remaining(&limiter, other, &limits, 46 * SECOND), [15]);
}
