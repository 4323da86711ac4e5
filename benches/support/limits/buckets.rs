//! Buckets with the minimum work for a limit, and the floor that counts in them.

use std::{
    hint::black_box,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use axum::body::Body;
use hashbrown::HashTable;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

use super::{INTERVAL, SIZE};
use crate::floor::{Check, Checked, Tell};

/// 128 random bits. They are not hashed again.
pub(crate) type Key = [u64; 2];

/// The key of the caller's bucket in the floor. The floor does not know the keys in advance.
pub(super) const CALLER: Key = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// Returns the key of a client address.
pub(crate) fn key_of(address: IpAddr) -> Option<Key> {
    match address {
        IpAddr::V4(address) => Some([u64::from(u32::from(address)), 4]),
        IpAddr::V6(_) => None,
    }
}

/// Buckets with `N` windows, in many tables, so that threads rarely wait for the same lock.
pub(crate) struct Buckets<const N: usize> {
    shards: Box<[Padded<N>]>,
    windows: [Window; N],
    start: Instant,
}

#[repr(align(128))]
struct Padded<const N: usize>(Mutex<HashTable<(Key, [u64; N])>>);

#[derive(Clone, Copy)]
pub(super) struct Window {
    interval: u64,
    capacity: u64,
}

/// The state of the first window.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    remaining: u64,
    reset: u64,
}

impl<const N: usize> Buckets<N> {
    pub(super) fn new(windows: [Window; N]) -> Arc<Self> {
        let shards = (0..64).map(|_| Padded(Mutex::new(HashTable::new()))).collect();
        Arc::new(Self { shards, windows, start: Instant::now() })
    }

    /// One step of the generic cell rate algorithm. Returns the time to wait if the request does not fit.
    #[inline]
    pub(super) fn take(&self, key: Key) -> Result<Standing, u64> {
        let time = self.start.elapsed();
        let now = time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos());
        // The hash table reads the highest and the lowest bits; the shard is chosen by others.
        let shard = &self.shards[(key[0] >> 32) as usize % self.shards.len()];
        let mut table = shard.0.lock().expect("no thread panics with the lock");
        let Some((_, arrivals)) = table.find_mut(key[0], |(known, _)| *known == key) else {
            table.insert_unique(key[0], (key, [0; N]), |(known, _)| known[0]);
            drop(table);
            return self.take(key);
        };
        let mut next = [0; N];
        for ((next, arrival), window) in next.iter_mut().zip(&*arrivals).zip(&self.windows) {
            let backlog = arrival.saturating_sub(now) + window.interval;
            if backlog > window.capacity {
                return Err(backlog - window.capacity);
            }
            *next = now + backlog;
        }
        *arrivals = next;
        let (backlog, window) = (next[0] - now, self.windows[0]);
        Ok(Standing { remaining: (window.capacity - backlog) / window.interval, reset: backlog })
    }
}

pub(super) fn window(interval: u64, size: u32) -> Window {
    Window { interval, capacity: interval * u64::from(size) }
}

/// The minimum work for a limit: it reads the clock once, looks up one bucket, and counts.
pub(crate) type Floor<S, const N: usize> = Checked<S, Counter<N>>;

#[derive(Clone)]
pub(crate) struct Counter<const N: usize> {
    buckets: Arc<Buckets<N>>,
    key: fn(&Extensions) -> Option<Key>,
    told: Told,
}

/// The headers of a response.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Told {
    Nothing,
    /// The limit, the remaining requests, and the seconds until the bucket is full.
    Seconds,
    /// The same, with the reset as a Unix time.
    Unix,
}

impl<S> Floor<S, 1> {
    /// Creates a floor with one window.
    pub(crate) fn ample(inner: S) -> Self {
        Self::ample_of(inner, SIZE)
    }

    /// Creates a floor with one window of this burst.
    pub(crate) fn ample_of(inner: S, size: u32) -> Self {
        Self::new(inner, [window(INTERVAL, size)])
    }

    /// Creates a floor with one window that one request uses up.
    pub(crate) fn scant(inner: S) -> Self {
        Self::new(inner, [window(3_600_000_000_000, 1)])
    }
}

impl<S> Floor<S, 2> {
    /// Creates a floor with two windows.
    pub(crate) fn ample_twice(inner: S) -> Self {
        Self::new(inner, [window(INTERVAL, SIZE), window(2 * INTERVAL, 10 * SIZE)])
    }
}

impl<S, const N: usize> Floor<S, N> {
    fn new(inner: S, windows: [Window; N]) -> Self {
        let buckets = Buckets::new(windows);
        Self { inner, check: Counter { buckets, key: |_| Some(black_box(CALLER)), told: Told::Nothing } }
    }

    /// Counts by the key that `key` reads from the request.
    pub(crate) fn by(mut self, key: fn(&Extensions) -> Option<Key>) -> Self {
        self.check.key = key;
        self
    }

    pub(crate) fn telling(mut self, told: Told) -> Self {
        self.check.told = told;
        self
    }
}

impl<const N: usize> Check for Counter<N> {
    type Told = Counted;

    #[inline]
    fn check(&self, request: &mut Request<Body>) -> Result<Counted, Response<Body>> {
        let key = (self.key)(request.extensions()).expect("the request has a key");
        let (told, first) = (self.told, self.buckets.windows[0]);
        let counted = |standing| Counted { told, size: first.capacity / first.interval, standing };
        match self.buckets.take(key) {
            Ok(standing) => Ok(counted(standing)),
            Err(wait) => Err(refusal(counted(Standing { remaining: 0, reset: wait }))),
        }
    }
}

/// What the headers of a response say.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    told: Told,
    size: u64,
    standing: Standing,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Tell for Counted {
    #[inline]
    fn tell(&self, headers: &mut HeaderMap) {
        let Standing { remaining, reset } = self.standing;
        let reset = match self.told {
            Told::Nothing => return,
            Told::Seconds => reset.div_ceil(1_000_000_000),
            Told::Unix => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is after 1970");
                let then = now + Duration::from_nanos(reset);
                then.as_secs() + u64::from(then.subsec_nanos() > 0)
            }
        };
        headers.insert(LIMIT, HeaderValue::from(self.size));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

/// A 429 like that of our layers, without a reason in the extensions.
#[inline]
fn refusal(counted: Counted) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(counted.standing.reset.div_ceil(1_000_000_000)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    counted.tell(headers);
    response
}
