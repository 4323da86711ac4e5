//! Buckets without a service: rows in which one thread takes requests from them, and two at the same time.

use std::{hint::black_box, sync::Arc};

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limits, MemoryLimiter},
};

use super::{
    buckets::{Buckets, CALLER, Key, window},
    elapsed,
};
use crate::harness::{Bench, Report, Row};

/// The rows that take requests from buckets, in one thread and in two at once.
pub(crate) struct Takes {
    what: String,
    alone: Row,
    together: Row,
}

/// Requests per call. There are many, so that the time to wake the second thread is small in comparison.
const TAKES: u32 = 16_384;

/// Which buckets the threads use.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    One,
    /// Each thread uses 1024 buckets of its own.
    Own,
}

impl Keys {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Own];

    const fn name(self) -> &'static str {
        match self {
            Self::One => "one key",
            Self::Own => "1024 keys a thread",
        }
    }

    /// Returns the keys of a thread.
    fn of<K>(self, thread: u32, key: impl Fn(u32) -> K) -> Vec<K> {
        match self {
            Self::One => vec![key(0)],
            Self::Own => (0..1024).map(|n| key(n * 2 + thread)).collect(),
        }
    }
}

impl Takes {
    /// Adds two rows. `take` returns false for a refusal, which these rows must not measure.
    pub(crate) fn rows<K, T>(bench: &mut Bench, what: &str, keys: Keys, key: impl Fn(u32) -> K, take: T) -> Self
    where
        K: Send + 'static,
        T: Fn(&K) -> bool + Send + Sync + 'static,
    {
        let (this, other, take) = (keys.of(0, &key), keys.of(1, &key), Arc::new(take));
        let what = format!("{}: {what}", keys.name());
        let (mine, one) = (keys.of(0, &key), Arc::clone(&take));
        let alone = bench.work(&format!("{what}, 16384 takes"), move || many(&mine, &*one));
        let second = Arc::clone(&take);
        let name = format!("{what}, 16384 takes in each of two threads");
        let together = bench.in_two_threads(&name, move || many(&this, &*take), move || many(&other, &*second));
        Self { what, alone, together }
    }

    /// Prints the time per request in nanoseconds, as each thread sees it.
    fn print(&self, report: &Report) {
        let each = |row| report.added(row) / f64::from(TAKES);
        let (alone, together) = (each(self.alone), each(self.together));
        println!("- {}: {alone:.1} ns a take alone, {together:.1} ns in each of two threads", self.what);
    }
}

/// Prints a line for each pair of rows, and an empty one.
pub(crate) fn print_takes(takes: &[Takes], report: &Report) {
    for takes in takes {
        takes.print(report);
    }
    println!();
}

fn many<K>(keys: &[K], take: impl Fn(&K) -> bool) {
    let admitted = (0..TAKES).zip(keys.iter().cycle()).filter(|(_, key)| take(black_box(key))).count();
    assert_eq!(admitted, TAKES as usize, "nothing is refused here");
}

/// Takes from the buckets of the floor, which reads the clock itself.
pub(crate) fn floor_takes(bench: &mut Bench, keys: Keys) -> Takes {
    let buckets = Buckets::new([window(1, 1_000_000_000)]);
    Takes::rows(bench, "floor", keys, spread, move |key| buckets.take(*key).is_ok())
}

/// Takes from our own limiter, with the clock that a layer uses.
pub(crate) fn our_takes(bench: &mut Bench, keys: Keys, windows: usize) -> Takes {
    let quotas = [Quota::per_second(1_000_000_000), Quota::per_minute(4_000_000_000)];
    let limits = Limits::new(quotas.into_iter().take(windows)).expect("the quotas are valid");
    let limiter = MemoryLimiter::new();
    let key = |n: u32| BucketKey::new([n.to_string().as_str()]);
    let what = if windows == 1 { "MemoryLimiter".to_owned() } else { format!("MemoryLimiter, {windows} windows") };
    Takes::rows(bench, &what, keys, key, move |key| {
        matches!(limiter.try_acquire(*key, &limits, 1, elapsed()), LimitDecision::Admitted(_))
    })
}

/// Returns a pseudo-random key.
fn spread(n: u32) -> Key {
    let [low, high] = CALLER;
    [(u64::from(n) + 1).wrapping_mul(low), u64::from(n) ^ high]
}
