//! Several threads use one bucket of a limiter.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use loom::sync::Arc;

use super::{bucket::BucketKey, memory::MemoryLimiter, *};

fn alice() -> BucketKey {
    BucketKey::new(["alice"])
}

fn admits(limiter: &MemoryLimiter, limits: &Limits, cost: u32) -> bool {
    matches!(limiter.try_acquire(alice(), limits, cost, NOW), LimitDecision::Admitted(_))
}

fn remaining(limiter: &MemoryLimiter, limits: &Limits) -> Vec<u32> {
    let LimitDecision::Admitted(levels) = limiter.try_acquire(alice(), limits, 0, NOW) else { panic!("a query with zero cost was refused") };
    levels.all().iter().map(|level| level.remaining).collect()
}

/// Returns a closure that sends `requests` requests of this cost and counts the admitted ones.
fn asks(limiter: &Arc<MemoryLimiter>, limits: &Limits, requests: u32, cost: u32) -> Box<dyn FnOnce() -> u32 + Send> {
    let (limiter, limits) = (Arc::clone(limiter), limits.clone());
    Box::new(move || (0..requests).map(|_| u32::from(admits(&limiter, &limits, cost))).sum())
}

#[test]
fn r133_two_and_three_threads_admit_exactly_the_limit() {
    let all = [(2, 1, 1), (2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 2, 2)];
    for (threads, limit, requests) in all {
        // Three threads with two requests each have a hundred thousand interleavings, so one kind of limiter is enough.
        for narrow in [false, true].into_iter().take(if threads * requests > 4 { 1 } else { 2 }) {
            every_order(&format!("{threads} threads, {requests} each, {limit} fit, narrow: {narrow}"), move || {
                let limits = limits([Quota::per_minute(limit)]);
                let limiter = Arc::new(if narrow { MemoryLimiter::narrow() } else { MemoryLimiter::new() });
                let through = together((0..threads).map(|_| asks(&limiter, &limits, requests, 1)).collect());
                assert_eq!(through.iter().sum::<u32>(), limit);
                assert_eq!(remaining(&limiter, &limits), [0]);
                assert_eq!((limiter.len(), limiter.shared_bucket_count()), (1, 0));
            });
        }
    }
}

#[test]
fn r133_several_windows_count_all_or_nothing() {
    every_order("3 threads, several windows, cost 2", || {
        let limits = limits([Quota::per_minute(5), Quota::per_hour(4), Quota::per_day(9)]);
        let limiter = Arc::new(MemoryLimiter::new());
        let through =
            together(vec![asks(&limiter, &limits, 1, 2), asks(&limiter, &limits, 2, 2), asks(&limiter, &limits, 1, 2)]);
        assert_eq!(through.iter().sum::<u32>(), 2);
        assert_eq!(remaining(&limiter, &limits), [1, 0, 5]);
    });
}

/// Either the request comes before the refund and is refused, or it uses the refund. A refund is neither lost nor used
/// twice.
#[test]
fn r133_one_gives_back_while_others_ask() {
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    every_order("2 threads ask while one gives back", || {
        let limits = limits([Quota::per_minute(1), Quota::per_day(10)]);
        let limiter = Arc::new(MemoryLimiter::new());
        let LimitDecision::Admitted(levels) = limiter.try_acquire(alice(), &limits, 1, NOW) else { panic!("the first is refused") };
        let taken = Reservation::new(1, &limits, &levels, NOW);
        let giver = Arc::clone(&limiter);
        let gives = Box::new(move || {
            giver.refund(alice(), &taken, NOW.into());
            0
        });
        let through =
            together(vec![asks(&limiter, &limits, 1, 1), gives, asks(&limiter, &limits, 1, 1)]).iter().sum::<u32>();
        assert!(through <= 1);
        assert_eq!(remaining(&limiter, &limits), [1 - through, 10 - through]);
        SEEN.lock().unwrap().push(through);
    });
    let seen = SEEN.lock().unwrap();
    assert!(seen.contains(&0) && seen.contains(&1), "one of the interleavings was not tried");
}

/// Two sets of limits, each with three requests, alternate on one bucket: in every interleaving, three are admitted.
#[test]
fn r138_limits_change_while_others_ask() {
    every_order("limits change under 2 threads", || {
        let (old, new) = (limits([Quota::per_minute(3)]), limits([Quota::per_day(3), Quota::per_minute(3)]));
        let limiter = Arc::new(MemoryLimiter::new());
        let through = together(vec![asks(&limiter, &old, 2, 1), asks(&limiter, &new, 2, 1)]);
        assert_eq!(through.iter().sum::<u32>(), 3);
        let left = remaining(&limiter, &new);
        // The day does not include requests under the old limits that came after the first request under the new ones.
        assert!(left[0] <= 2 && left[1] == 0, "{left:?}");
        assert_eq!(remaining(&limiter, &old), [0]);
    });
}

/// Concurrent requests under the old limits reset no count of the new limits. In every interleaving, the minute is used
/// up by one request under the old limits or by two under the new limits, and not by more.
#[test]
fn r138_a_larger_limit_comes_while_others_ask() {
    every_order("a larger limit under 3 threads", || {
        let (old, new) = (limits([Quota::per_minute(1)]), limits([Quota::per_minute(2)]));
        let limiter = Arc::new(MemoryLimiter::new());
        let through =
            together(vec![asks(&limiter, &old, 1, 1), asks(&limiter, &new, 2, 1), asks(&limiter, &old, 1, 1)]);
        // A request under the old limits fits while nothing is counted; one under the new, while half of the minute is
        // free.
        let through = through.iter().sum::<u32>();
        assert!((1..=2).contains(&through), "{through}");
        assert_eq!(remaining(&limiter, &old), [0]);
    });
}

/// Shows that loom detects a race: a check before a separate count admits two requests where one fits.
#[test]
fn a_check_before_the_count_is_found() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    every_order("look first, count later", || {
        let limits = limits([Quota::per_minute(1)]);
        let limiter = Arc::new(MemoryLimiter::new());
        let looks = || {
            let (limiter, limits) = (Arc::clone(&limiter), limits.clone());
            Box::new(move || {
                let there = remaining(&limiter, &limits) == [1];
                limiter.try_acquire(alice(), &limits, 1, NOW);
                u32::from(there)
            }) as Box<dyn FnOnce() -> u32 + Send>
        };
        let through = together(vec![looks(), looks()]).iter().sum::<u32>();
        BROKEN.fetch_or(through == 2, Ordering::Relaxed);
    });
    assert!(BROKEN.load(Ordering::Relaxed), "loom did not detect the race");
}
