//! A limiter as one behind a network is: it may be slow, it may be down, and it is asked only when it is waited for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tower_auth::{
    BoxError, Limiter, MaybeReady,
    limit::{BucketKey, LimitDecision, LimitFuture, LimitTime, Limits, MemoryLimiter, Reservation},
};

/// A clone is the same limiter.
#[derive(Clone)]
pub(super) struct Remote(Arc<State>);

struct State {
    memory: MemoryLimiter,
    slow: bool,
    down: AtomicBool,
    /// How often it was asked, whether it answered or not.
    asked: AtomicUsize,
    /// How many requests it has let through, less those that were given back.
    taken: AtomicUsize,
    /// How many were given back.
    given_back: AtomicUsize,
}

impl Remote {
    pub(super) fn new(slow: bool) -> Self {
        Self(Arc::new(State {
            memory: MemoryLimiter::new(),
            slow,
            down: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            given_back: AtomicUsize::new(0),
        }))
    }

    /// One that answers at once, and one that has to be waited for.
    pub(super) fn both() -> [Self; 2] {
        [Self::new(false), Self::new(true)]
    }

    pub(super) fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    pub(super) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(super) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::SeqCst)
    }

    pub(super) fn given_back(&self) -> usize {
        self.0.given_back.load(Ordering::SeqCst)
    }

    /// How many buckets count something.
    pub(super) fn buckets(&self) -> usize {
        self.0.memory.len()
    }

    pub(super) fn is_slow(&self) -> bool {
        self.0.slow
    }

    fn now(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> Result<LimitDecision, BoxError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Err("PLANTED the limiter\nserver is down".into());
        }
        let decided = self.0.memory.try_acquire(bucket, limits, cost, now);
        if matches!(decided, LimitDecision::Admitted(_)) {
            self.0.taken.fetch_add(cost as usize, Ordering::SeqCst);
        }
        Ok(decided)
    }
}

impl Limiter for Remote {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        if !self.0.slow {
            return MaybeReady::ready(self.now(bucket, limits, cost, now));
        }
        let (this, limits) = (self.clone(), limits.clone());
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            this.now(bucket, &limits, cost, now)
        })
    }

    /// What it does in its own time is done at once here.
    fn charge(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) {
        let _ = self.now(bucket, limits, cost, now);
    }

    fn refund(&self, bucket: BucketKey, taken: &Reservation, now: LimitTime) {
        self.0.given_back.fetch_add(taken.cost() as usize, Ordering::SeqCst);
        self.0.memory.refund(bucket, taken, now);
    }
}
