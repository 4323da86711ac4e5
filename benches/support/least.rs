//! The minimum work of a service with a key, a rule and a limit, written by hand: a lower bound for the cost of the
//! whole stack.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service};

use super::whole_stack::{Told, known_keys};

/// Finds the caller by the SHA-256 of the key, compares the path with one rule, counts in one bucket, and writes six
/// headers. It refuses nothing, reads the key from one header, and has no envelope, no log and no budget of failures.
#[derive(Clone)]
pub(crate) struct Least(Arc<Shared>);

struct Shared {
    keys: HashMap<[u8; 32], Who>,
    /// For each caller, the time at which the count of its bucket is zero again.
    buckets: Mutex<HashMap<Arc<str>, Duration>>,
    start: Instant,
}

#[derive(Clone)]
struct Who(Arc<str>);

impl Least {
    pub(crate) fn new() -> Self {
        let digest = |key: String| Sha256::digest(key).into();
        let keys = known_keys().enumerate().map(|(n, key)| (digest(key), Who(format!("key_{n}").into()))).collect();
        Self(Arc::new(Shared { keys, buckets: Mutex::default(), start: Instant::now() }))
    }
}

impl<S> Layer<S> for Least {
    type Service = LeastService<S>;

    fn layer(&self, inner: S) -> LeastService<S> {
        LeastService { inner, shared: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(crate) struct LeastService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, R> Service<Request<B>> for LeastService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = LeastFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let key = request.headers().get("x-api-key").expect("the client sends a key");
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let who = self.shared.keys.get(&digest).expect("the key is known").clone();
        assert!(request.uri().path().starts_with("/v1/models/"), "the rule matches the path");
        let now = self.shared.start.elapsed();
        let mut buckets = self.shared.buckets.lock().expect("no code panics while it holds the lock");
        let empty = buckets.entry(Arc::clone(&who.0)).or_default();
        *empty = (*empty).max(now) + Duration::from_nanos(15);
        let reset = SystemTime::now() + empty.saturating_sub(now);
        drop(buckets);
        request.extensions_mut().insert(who);
        LeastFuture { inner: self.inner.call(request), reset }
    }
}

pin_project! {
    pub(crate) struct LeastFuture<F> {
        #[pin]
        inner: F,
        reset: SystemTime,
    }
}

impl<F, R, E> Future for LeastFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        std::hint::black_box(this.reset);
        Told { cache: true, id: true, limit: true }.write(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}
