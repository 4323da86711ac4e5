//! Many threads, one bucket: exactly the limit, however they meet.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limiter as _, MemoryLimiter},
};

use super::{SECOND, admits, limits, remaining};

const THREADS: [u32; 3] = [2, 4, 8];

/// Runs this on so many threads at once, with the number of the thread, and adds up what they say.
fn at_once(threads: u32, work: impl Fn(u32) -> u32 + Sync) -> u32 {
    let (barrier, sum) = (Barrier::new(threads as usize), AtomicU32::new(0));
    thread::scope(|scope| {
        for thread in 0..threads {
            let (barrier, sum, work) = (&barrier, &sum, &work);
            scope.spawn(move || {
                barrier.wait();
                sum.fetch_add(work(thread), Ordering::Relaxed);
            });
        }
    });
    sum.into_inner()
}

#[test]
fn p42_r133_two_four_and_eight_threads_get_exactly_the_limit() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(100)]));
    for threads in THREADS {
        for round in 0..200 {
            let bucket = BucketKey::new([threads.to_string().as_str(), round.to_string().as_str()]);
            let through = at_once(threads, |_| super::admitted(&limiter, bucket, &limits, SECOND, 100));
            assert_eq!(through, 100, "{threads} threads, round {round}");
        }
    }
}

/// A limit of one is where a race would show first: each round, all threads ask once.
#[test]
fn p42_r133_of_eight_threads_one_gets_the_only_one() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_day(1)]));
    let barrier = Barrier::new(8);
    let through = AtomicU32::new(0);
    let rounds: Vec<_> = (0..2_000).map(|round: u32| BucketKey::new([round.to_string().as_str()])).collect();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for bucket in &rounds {
                    barrier.wait();
                    through.fetch_add(u32::from(admits(&limiter, *bucket, &limits, SECOND)), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(through.into_inner(), 2_000);
    assert_eq!(limiter.len(), 2_000);
}

/// All windows or none: what was refused for the sake of one is in no other.
#[test]
fn p42_r133_threads_get_exactly_the_smallest_of_several_windows() {
    let quotas = [Quota::per_second(50), Quota::per_minute(40), Quota::per_hour(45), Quota::per_day(1_000)];
    let (limiter, limits) = (MemoryLimiter::new(), limits(quotas));
    for threads in THREADS {
        for round in 0..100 {
            let bucket = BucketKey::new([threads.to_string().as_str(), round.to_string().as_str()]);
            let through = at_once(threads, |_| super::admitted(&limiter, bucket, &limits, SECOND, 40));
            assert_eq!(through, 40, "{threads} threads, round {round}");
            assert_eq!(remaining(&limiter, bucket, &limits, SECOND), [10, 0, 5, 960]);
        }
    }
}

#[test]
fn p42_r133_threads_with_dear_requests_get_what_fits() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(100), Quota::per_day(500)]));
    for threads in THREADS {
        for round in 0..100 {
            let bucket = BucketKey::new([threads.to_string().as_str(), round.to_string().as_str()]);
            let through = at_once(threads, |_| {
                (0..40)
                    .map(|_| limiter.try_acquire(bucket, &limits, 3, SECOND))
                    .filter(admitted)
                    .count()
                    .try_into()
                    .unwrap()
            });
            assert_eq!(through, 33, "{threads} threads, round {round}");
            assert_eq!(remaining(&limiter, bucket, &limits, SECOND), [1, 401]);
        }
    }
}

fn admitted(decided: &LimitDecision) -> bool {
    matches!(decided, LimitDecision::Admitted(_))
}

/// Each on a time of its own, all within what refills one: the limit is the limit.
#[test]
fn p42_r133_threads_whose_clocks_differ_a_little_get_exactly_the_limit() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_second(100)]));
    for threads in THREADS {
        for round in 0..100 {
            let bucket = BucketKey::new([threads.to_string().as_str(), round.to_string().as_str()]);
            let through = at_once(threads, |thread| {
                let time = |request: u32| SECOND + Duration::from_nanos(u64::from((thread * 7 + request * 13) % 1_000));
                (0..100).map(|request| u32::from(admits(&limiter, bucket, &limits, time(request)))).sum()
            });
            assert_eq!(through, 100, "{threads} threads, round {round}");
        }
    }
}

/// Some take and give back, some only take: what is left is what was taken and not given back.
#[test]
fn p42_threads_that_give_back_lose_nothing_and_win_nothing() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_day(1_000), Quota::per_hour(5_000)]));
    for round in 0..50 {
        let bucket = BucketKey::new([round.to_string().as_str()]);
        let kept = at_once(8, |thread| {
            let mut kept = 0;
            for _ in 0..100 {
                // 800 of 1,000 fit.
                let taken = super::taken(&limiter, bucket, &limits, 1, SECOND);
                if thread % 2 == 0 {
                    limiter.refund(bucket, &taken, SECOND.into());
                } else {
                    kept += 1;
                }
            }
            kept
        });
        assert_eq!(kept, 400);
        assert_eq!(remaining(&limiter, bucket, &limits, SECOND), [600, 4_600], "round {round}");
    }
}

#[test]
fn p42_threads_on_buckets_of_their_own_do_not_disturb_each_other() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(10), Quota::per_day(20)]));
    let buckets =
        |thread: u32| (0..200).map(move |number: u32| BucketKey::new([format!("{thread}/{number}").as_str()]));
    let through = at_once(8, |thread| {
        let mut all = 0;
        for bucket in buckets(thread) {
            let through = super::admitted(&limiter, bucket, &limits, SECOND, 15);
            assert_eq!(through, 10);
            all += through;
        }
        all
    });
    assert_eq!(through, 8 * 200 * 10);
    assert_eq!((limiter.len(), limiter.shared_bucket_count()), (8 * 200, 0));
    for bucket in (0..8).flat_map(buckets) {
        assert_eq!(remaining(&limiter, bucket, &limits, SECOND), [0, 10]);
    }
}

/// While others fill the store and change the limits of their own buckets, a bucket is counted as ever.
#[test]
fn p42_a_bucket_counts_exactly_while_the_store_fills() {
    let (few, many) = (limits([Quota::per_day(50)]), limits([Quota::per_day(60), Quota::per_minute(70)]));
    for round in 0..20 {
        let limiter = MemoryLimiter::new().max_buckets(640);
        let through = at_once(4, |thread| {
            let mut through = 0;
            for request in 0..500_u32 {
                let name = if thread < 2 { "one".to_owned() } else { format!("{thread}/{}", request % 400) };
                let limits = if thread > 2 && request >= 400 { &many } else { &few };
                let got = admits(&limiter, BucketKey::new([name.as_str()]), limits, SECOND);
                through += u32::from(got && thread < 2);
            }
            through
        });
        // It may have come too late to be kept, and then it shares: no more than the limit gets through in any case.
        assert!(through <= 50 && (through == 50 || limiter.shared_bucket_count() > 0), "{through} in round {round}");
    }
}
