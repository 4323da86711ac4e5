//! Tools to measure limits: the minimum work for a limit (the floor), requests with a client address, buckets shared by two
//! threads, and the memory per address.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll, Waker, ready as ready_or_return},
    thread,
    time::{Duration, Instant, SystemTime},
};

use allocation_counter::measure;
use axum::body::Body;
use hashbrown::HashTable;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower::Service;
use tower_auth::{
    Clock, Quota,
    limit::{BucketKey, LimitDecision, Limits, MemoryLimiter},
};

use super::{
    harness::{Bench, Report, Row},
    services::Template,
};

/// The path of every request.
pub(crate) const PATH: &str = "/v1/models";
/// The client address of every request.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// The key of the caller's bucket in the floor. The floor does not know the keys in advance.
const CALLER: Key = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];
/// A limit that is never reached: a burst of a thousand, and another request every ten nanoseconds.
pub(crate) const SIZE: u32 = 1_000;
pub(crate) const INTERVAL: u64 = 10;

/// A quota that no client on this machine can use up.
pub(crate) fn ample() -> Quota {
    Quota::per_second(100_000_000).burst(SIZE)
}

/// A second such quota, with a larger window.
pub(crate) fn ample_too() -> Quota {
    Quota::per_minute(3_000_000_000).burst(10 * SIZE)
}

/// A quota that no address uses up.
pub(crate) fn hourly() -> Quota {
    Quota::per_hour(100)
}

/// A quota that one request uses up for the whole benchmark.
pub(crate) fn scant() -> Quota {
    Quota::per_hour(1)
}

/// Requests without a header, so that mostly the limit is measured.
pub(crate) fn request() -> Template {
    Template::new(Method::GET, PATH, &[], Body::empty)
}

/// A service that does nothing.
#[derive(Clone, Copy)]
pub(crate) struct Bare;

impl Service<Request<Body>> for Bare {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// Puts the client address into a request, as a server does after `accept`.
#[derive(Clone)]
pub(crate) struct Connected<S, T> {
    pub(crate) inner: S,
    pub(crate) told: T,
}

impl<S, T, B> Service<Request<B>> for Connected<S, T>
where
    S: Service<Request<B>>,
    T: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.told.clone());
        self.inner.call(request)
    }
}

/// Returns the service after one request, which used up its limit.
pub(crate) fn spent<S, B, R>(mut service: S, request: Request<B>) -> S
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    assert_eq!(ask(&mut service, request), StatusCode::OK, "the first request is let through");
    service
}

#[inline]
pub(crate) fn ask<S, B, R>(service: &mut S, request: Request<B>) -> StatusCode
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready(), "every inner service is always ready");
    let mut future = pin!(service.call(request));
    loop {
        if let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) {
            return response.status();
        }
    }
}

/// 128 random bits. They are not hashed again.
pub(crate) type Key = [u64; 2];

/// Buckets with `N` windows, in many tables, so that threads rarely wait for the same lock.
pub(crate) struct Buckets<const N: usize> {
    shards: Box<[Padded<N>]>,
    windows: [Window; N],
    start: Instant,
}

#[repr(align(128))]
struct Padded<const N: usize>(Mutex<HashTable<(Key, [u64; N])>>);

#[derive(Clone, Copy)]
struct Window {
    interval: u64,
    capacity: u64,
}

/// The state of the first window.
#[derive(Clone, Copy)]
struct Standing {
    remaining: u64,
    reset: u64,
}

impl<const N: usize> Buckets<N> {
    fn new(windows: [Window; N]) -> Arc<Self> {
        let shards = (0..64).map(|_| Padded(Mutex::new(HashTable::new()))).collect();
        Arc::new(Self { shards, windows, start: Instant::now() })
    }

    /// One step of the generic cell rate algorithm. Returns the time to wait if the request does not fit.
    #[inline]
    fn take(&self, key: Key) -> Result<Standing, u64> {
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

fn window(interval: u64, size: u32) -> Window {
    Window { interval, capacity: interval * u64::from(size) }
}

/// The prototype that does the minimum work: it reads the clock once, looks up one bucket, and counts.
#[derive(Clone)]
pub(crate) struct Floor<S, const N: usize> {
    inner: S,
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
        Self { inner, buckets: Buckets::new(windows), key: |_| Some(black_box(CALLER)), told: Told::Nothing }
    }

    /// Counts by the key that `key` reads from the request.
    pub(crate) fn by(self, key: fn(&Extensions) -> Option<Key>) -> Self {
        Self { key, ..self }
    }

    pub(crate) fn telling(self, told: Told) -> Self {
        Self { told, ..self }
    }
}

impl<S, const N: usize> Service<Request<Body>> for Floor<S, N>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = FloorFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let key = (self.key)(request.extensions()).expect("the request has a key");
        let (told, size) = (self.told, self.buckets.windows[0].capacity / self.buckets.windows[0].interval);
        match self.buckets.take(key) {
            Ok(standing) => FloorFuture::Admitted { inner: self.inner.call(request), told, size, standing },
            Err(wait) => FloorFuture::Refused { response: Some(refusal(told, size, wait)) },
        }
    }
}

pin_project! {
    #[project = FloorFutureProj]
    pub(crate) enum FloorFuture<F> {
        Admitted { #[pin] inner: F, told: Told, size: u64, standing: Standing },
        Refused { response: Option<Response<Body>> },
    }
}

impl<F, E> Future for FloorFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            FloorFutureProj::Admitted { inner, told, size, standing } => {
                let mut response = ready_or_return!(inner.poll(cx))?;
                standing.tell(*told, *size, response.headers_mut());
                Poll::Ready(Ok(response))
            }
            FloorFutureProj::Refused { response } => response.take().map_or(Poll::Pending, |r| Poll::Ready(Ok(r))),
        }
    }
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Standing {
    #[inline]
    fn tell(self, told: Told, size: u64, headers: &mut HeaderMap) {
        let reset = match told {
            Told::Nothing => return,
            Told::Seconds => self.reset.div_ceil(1_000_000_000),
            Told::Unix => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is after 1970");
                let then = now + Duration::from_nanos(self.reset);
                then.as_secs() + u64::from(then.subsec_nanos() > 0)
            }
        };
        headers.insert(LIMIT, HeaderValue::from(size));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

/// A 429 like that of our layers, without a reason in the extensions.
#[inline]
fn refusal(told: Told, size: u64, wait: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1_000_000_000)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Standing { remaining: 0, reset: wait }.tell(told, size, headers);
    response
}

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
        let other = Other::start(move || many(&other, &*second));
        let together = bench.work(&format!("{what}, 16384 takes in each of two threads"), move || {
            other.begin();
            many(&this, &*take);
            other.end();
        });
        Self { what, alone, together }
    }

    /// Prints the time per request in nanoseconds, as each thread sees it.
    pub(crate) fn print(&self, report: &Report) {
        let each = |row| report.added(row) / f64::from(TAKES);
        let (alone, together) = (each(self.alone), each(self.together));
        println!("- {}: {alone:.1} ns a take alone, {together:.1} ns in each of two threads", self.what);
    }
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

/// A second thread. It sleeps while other rows run.
struct Other {
    begin: Sender<()>,
    end: Receiver<()>,
}

impl Other {
    fn start(mut work: impl FnMut() + Send + 'static) -> Self {
        let ((begin, asked), (done, end)) = (channel(), channel());
        // The thread ends when the row drops its channels.
        thread::spawn(move || {
            while asked.recv().is_ok() {
                work();
                if done.send(()).is_err() {
                    break;
                }
            }
        });
        Self { begin, end }
    }

    fn begin(&self) {
        self.begin.send(()).expect("the second thread is waiting");
    }

    fn end(&self) {
        self.end.recv().expect("the second thread answers");
    }
}

/// Returns the time of our own limiter's clock.
#[inline]
pub(crate) fn elapsed() -> Duration {
    Clock::system().elapsed()
}

/// Numbers of addresses: the first nearly fills the tables of most maps, the second makes them grow to twice the size.
pub(crate) const ADDRESSES: [u32; 2] = [850_000, 1_000_000];

/// Prints the memory that is allocated to count these addresses: after each has sent one request, and at the peak. `take`
/// returns false for a refusal.
pub(crate) fn print_memory(what: &str, addresses: u32, mut take: impl FnMut(IpAddr) -> bool) {
    let mut refused = 0;
    let memory = measure(|| {
        let all = (0..addresses).map(|n| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)));
        refused = all.filter(|address| !take(*address)).count();
    });
    // At most a few hundred megabytes, so it fits into a `u32`.
    let each = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(addresses);
    let held = each(u64::try_from(memory.bytes_current).unwrap_or(0));
    let most = each(memory.bytes_max);
    println!("- {addresses} addresses, {what}: {held:.1} bytes each, {most:.1} on the way, {refused} refused");
}
