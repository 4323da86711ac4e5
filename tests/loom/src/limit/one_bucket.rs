//! Several threads, one bucket, a whole limiter.

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
    let LimitDecision::Admitted(levels) = limiter.try_acquire(alice(), limits, 0, NOW) else { panic!("a question was refused") };
    levels.all().iter().map(|level| level.remaining).collect()
}

/// So many requests of this cost on a thread of its own; it gives how many got through.
fn asks(limiter: &Arc<MemoryLimiter>, limits: &Limits, requests: u32, cost: u32) -> Box<dyn FnOnce() -> u32 + Send> {
    let (limiter, limits) = (Arc::clone(limiter), limits.clone());
    Box::new(move || (0..requests).map(|_| u32::from(admits(&limiter, &limits, cost))).sum())
}

#[test]
fn r133_two_and_three_threads_admit_exactly_the_limit() {
    let all = [(2, 1, 1), (2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 2, 2)];
    for (threads, limit, requests) in all {
        // Three that ask twice have a hundred thousand orders: once is enough.
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

/// Either the request comes first and is refused, or what was given back is there for it: never is it lost, and never had
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
            giver.refund(alice(), &taken, NOW);
            0
        });
        let through =
            together(vec![asks(&limiter, &limits, 1, 1), gives, asks(&limiter, &limits, 1, 1)]).iter().sum::<u32>();
        assert!(through <= 1);
        assert_eq!(remaining(&limiter, &limits), [1 - through, 10 - through]);
        SEEN.lock().unwrap().push(through);
    });
    let seen = SEEN.lock().unwrap();
    assert!(seen.contains(&0) && seen.contains(&1), "one of the orders was not tried");
}

/// To and fro between two sets of limits that both hold three: three get through, whoever asks when.
#[test]
fn r138_limits_change_while_others_ask() {
    every_order("limits change under 2 threads", || {
        let (old, new) = (limits([Quota::per_minute(3)]), limits([Quota::per_day(3), Quota::per_minute(3)]));
        let limiter = Arc::new(MemoryLimiter::new());
        let through = together(vec![asks(&limiter, &old, 2, 1), asks(&limiter, &new, 2, 1)]);
        assert_eq!(through.iter().sum::<u32>(), 3);
        let left = remaining(&limiter, &new);
        // What came under the old limits after the first of the new is not in the day.
        assert!(left[0] <= 2 && left[1] == 0, "{left:?}");
        assert_eq!(remaining(&limiter, &old), [0]);
    });
}

/// Requests that are under way under the old limits let the new ones forget nothing: a minute is used up by one of the old,
/// by two of the new, and by no more than that, whoever comes when.
#[test]
fn r138_a_larger_limit_comes_while_others_ask() {
    every_order("a larger limit under 3 threads", || {
        let (old, new) = (limits([Quota::per_minute(1)]), limits([Quota::per_minute(2)]));
        let limiter = Arc::new(MemoryLimiter::new());
        let through =
            together(vec![asks(&limiter, &old, 1, 1), asks(&limiter, &new, 2, 1), asks(&limiter, &old, 1, 1)]);
        // An old one fits while nothing is counted, a new one while half of the minute is free.
        let through = through.iter().sum::<u32>();
        assert!((1..=2).contains(&through), "{through}");
        assert_eq!(remaining(&limiter, &old), [0]);
    });
}

/// That loom would find it: to look first and count later lets two through, of one.
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
    assert!(BROKEN.load(Ordering::Relaxed), "the mistake was not found");
}
