//! Requests to a service, and what is seen of each key.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{poll_fn, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tower::{Layer as _, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_auth::{ApiKeyLayer, CachedKeyStore, KeyDigests, KeyRecord, KeyStore, StoreFuture};

use crate::{
    dice::once_in,
    keys::{scheme, secret},
    order::{Order, Seen, Span, is_rare, now},
};

/// The time between two passes of a task, between which is one of the other task. Without optimisation, passes take longer.
const PERIOD: Duration = Duration::from_millis(if cfg!(debug_assertions) { 4 } else { 2 });
/// Requests for one key that wait at once.
const MOST_WAITING: u32 = 2;

/// A rare key is asked for once in so many passes.
const RARE: u64 = 40;

pub(crate) type Cache = CachedKeyStore<Arc<dyn KeyStore>>;
type Answer = Response<()>;

/// A service with a cache, and the keys that it is asked for.
pub(crate) struct Load {
    cache: Cache,
    service: BoxCloneSyncService<Request<()>, Answer, Infallible>,
    server: u32,
    first: u32,
    keys: Box<[Key]>,
    /// The first key that is asked for all the time, and the first that is not asked for yet.
    hot: AtomicU32,
    unborn: AtomicU32,
    /// The next key of those that were hot.
    cold: AtomicU32,
    is_over: AtomicBool,
    is_used: AtomicBool,
    lapses: AtomicU64,
}

#[derive(Default)]
struct Key {
    waiting: AtomicU32,
    seen: Mutex<Seen>,
}

/// Where an answer is from.
#[derive(Clone, Copy)]
enum From {
    Cache,
    /// A lookup of the store that another request may have begun before.
    Shared,
    Store,
}

thread_local! {
    /// Whether the last lookup was answered at once.
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
}

/// A cache of which it is noted whether it answers at once.
struct Noted(Cache);

impl KeyStore for Noted {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let mut found = self.0.find(key);
        // A lookup that is not ready is polled again, by the service, with its own waker.
        let polled = Pin::new(&mut found).poll(&mut Context::from_waker(Waker::noop()));
        AT_ONCE.set(polled.is_ready());
        match polled {
            Poll::Ready(found) => StoreFuture::ready(found),
            Poll::Pending => found,
        }
    }
}

impl Load {
    pub(crate) fn new(cache: Cache, order: &Order) -> Self {
        let layer = ApiKeyLayer::new(scheme(), Noted(cache.clone()));
        let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(()))));
        let service = layer.layer(inner).map_response(|answer| answer.map(drop));
        Self {
            cache,
            service: BoxCloneSyncService::new(service),
            server: order.server,
            first: order.first,
            keys: (0..order.count).map(|_| Key::default()).collect(),
            hot: AtomicU32::new(order.first),
            unborn: AtomicU32::new(order.first),
            cold: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            is_used: AtomicBool::new(true),
            lapses: AtomicU64::new(0),
        }
    }

    pub(crate) fn slide(&self, hot: u32, unborn: u32) {
        self.hot.store(hot, Ordering::Release);
        self.unborn.store(unborn, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Asks for the hot keys again and again, and for one of those that were hot before.
    pub(crate) async fn work(self: Arc<Self>) {
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over.load(Ordering::Acquire) {
            tick.tick().await;
            let (began, hot) = (Instant::now(), self.hot.load(Ordering::Acquire));
            for number in hot..self.unborn.load(Ordering::Acquire) {
                if !is_rare(self.server, number) || once_in(RARE) {
                    self.ask(number).await;
                }
            }
            if hot > self.first {
                let cold = self.cold.fetch_add(1, Ordering::Relaxed);
                self.ask(self.first + cold % (hot - self.first)).await;
            }
            self.look_at_lease();
            // Two processors are enough for all processes.
            sleep(began.elapsed()).await;
        }
    }

    /// Asks for each key once more, when nothing is broken any longer.
    pub(crate) async fn ask_all(self: &Arc<Self>) {
        for number in (self.first..).take(self.keys.len()) {
            self.ask(number).await;
            while self.waits(number) {
                sleep(Duration::from_micros(200)).await;
            }
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.keys.iter().map(|key| *key.seen.lock().unwrap()).collect()
    }

    pub(crate) fn lapses(&self) -> u64 {
        self.lapses.load(Ordering::Relaxed)
    }

    fn look_at_lease(&self) {
        let is_used = self.cache.health().is_used;
        let was_used = self.is_used.swap(is_used, Ordering::Relaxed);
        self.lapses.fetch_add(u64::from(was_used && !is_used), Ordering::Relaxed);
    }

    fn key(&self, number: u32) -> &Key {
        &self.keys[(number - self.first) as usize]
    }

    fn waits(&self, number: u32) -> bool {
        self.key(number).waiting.load(Ordering::Acquire) > 0
    }

    /// Sends one request. If it is not answered at once, the answer is awaited by a task of its own.
    async fn ask(self: &Arc<Self>, number: u32) {
        let began = now();
        let waiting = self.key(number).waiting.fetch_add(1, Ordering::AcqRel);
        if waiting >= MOST_WAITING {
            self.key(number).waiting.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let request = Request::get("/").header("x-api-key", secret(number)).body(()).unwrap();
        let mut answer = Box::pin(self.service.clone().oneshot(request));
        let polled = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        // Nothing else runs on this thread meanwhile.
        let from = match (AT_ONCE.get(), waiting) {
            (true, _) => From::Cache,
            (false, 0) => From::Store,
            (false, _) => From::Shared,
        };
        match polled {
            Poll::Ready(answer) => self.note(number, began, from, answer),
            Poll::Pending => {
                let load = Arc::clone(self);
                tokio::spawn(async move { load.note(number, began, from, answer.await) });
            }
        }
    }

    fn note(&self, number: u32, began: u64, from: From, answer: Result<Answer, Infallible>) {
        let (key, Ok(answer)) = (self.key(number), answer);
        key.seen.lock().unwrap().note(from, Span { began, ended: now() }, answer.status());
        key.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Seen {
    fn note(&mut self, from: From, span: Span, status: StatusCode) {
        match status {
            StatusCode::OK => {
                self.refused = self.refused.filter(|refused| refused.began > span.began);
                let last = match from {
                    From::Cache => &mut self.from_cache,
                    From::Shared => &mut self.from_shared,
                    From::Store => &mut self.from_store,
                };
                // Answers of several requests arrive in any order.
                let before = last.unwrap_or(span);
                *last = Some(Span { began: before.began.max(span.began), ended: before.ended.max(span.ended) });
            }
            StatusCode::UNAUTHORIZED => drop(self.refused.get_or_insert(span)),
            // The store does not answer.
            StatusCode::SERVICE_UNAVAILABLE => {}
            status => panic!("{status}"),
        }
    }
}
