//! What is written, and what is lost.

use std::sync::atomic::{AtomicU32, Ordering};

use tower_auth::{
    Decision, Health,
    testing::{FakeAuth, conformance},
    usage::{Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageFuture, UsageQuery, UsageStore},
};

use super::*;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_usage(async || MemoryKeyStore::new()).await;
}

/// A store that fails so many times: before it adds a batch, or after.
#[derive(Clone)]
struct Faulty {
    store: MemoryKeyStore,
    before: Arc<AtomicU32>,
    after: Arc<AtomicU32>,
}

impl Faulty {
    fn new(before: u32, after: u32) -> Self {
        Self { store: MemoryKeyStore::new(), before: Arc::new(before.into()), after: Arc::new(after.into()) }
    }
}

fn fails(times: &AtomicU32) -> bool {
    times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1)).is_ok()
}

impl UsageStore for Faulty {
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()> {
        if fails(&self.before) {
            return UsageFuture::ready(Err("the connection was refused".into()));
        }
        let added = self.store.add(batch);
        if fails(&self.after) { UsageFuture::ready(Err("the answer was lost".into())) } else { added }
    }

    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>> {
        self.store.counts(query)
    }

    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>> {
        self.store.last_uses(keys)
    }

    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>> {
        self.store.refusals(key, limit)
    }

    fn forget(&self, what: &Forget, limit: usize) -> UsageFuture<usize> {
        self.store.forget(what, limit)
    }
}

/// A stack that admits a caller by the name in a header.
fn stack(usage: &Usage, clock: &ManualClock) -> AuthStack {
    let auth = FakeAuth::from_fn(|request| {
        let name = request.headers().get("x-user")?.to_str().ok()?;
        Some(Principal::builder(name).account(name).build())
    });
    AuthStack::builder().auth(auth).on_decision(usage.observer()).clock(clock).build().unwrap()
}

async fn answered(usage: &Usage, account: &str) -> u64 {
    usage.totals(UsageOf::account(account), 1).await.unwrap().answered()
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_not_counted_twice() {
    let (store, clock) = (Faulty::new(2, 3), ManualClock::at(NOW));
    let usage = Usage::with(store, UsagePolicy::new(), &clock);
    let stack = stack(&usage, &clock);
    let mut failures = 0;
    for _ in 0..10 {
        assert_eq!(ask(&stack, get("/", &[("x-user", "acme")])).await, 200);
        failures += usize::from(usage.flush().await.is_err());
    }
    usage.flush().await.unwrap();
    assert_eq!((failures, answered(&usage, "acme").await), (5, 10));
}

#[tokio::test]
async fn a_store_that_is_down_loses_nothing_within_the_room() {
    let (store, clock) = (Faulty::new(u32::MAX, 0), ManualClock::at(NOW));
    let usage = Usage::with(store.clone(), UsagePolicy::new().max_waiting(1), &clock);
    let stack = stack(&usage, &clock);
    for _ in 0..3 {
        assert_eq!(ask(&stack, get("/", &[("x-user", "acme")])).await, 200);
    }
    let error = usage.flush().await.unwrap_err().to_string();
    assert_eq!(error, "the store of the usage failed: the connection was refused");
    assert_eq!(usage.lost_count(), 0);
    for user in ["acme", "acme", "other", "other"] {
        assert_eq!(ask(&stack, get("/", &[("x-user", user)])).await, 200, "a request does not depend on it");
    }
    assert_eq!(usage.lost_count(), 2, "there is room for one caller");
    store.before.store(0, Ordering::SeqCst);
    usage.flush().await.unwrap();
    assert_eq!((answered(&usage, "acme").await, answered(&usage, "other").await), (5, 0));
}

/// One thread may count all callers: it has the whole room.
#[tokio::test]
async fn the_room_is_that_of_the_process() {
    let clock = ManualClock::at(NOW);
    let usage = Usage::with(MemoryKeyStore::new(), UsagePolicy::new().max_waiting(100), &clock);
    let stack = stack(&usage, &clock);
    for lost in [0, 1] {
        for number in 0..100 + lost {
            assert_eq!(ask(&stack, get("/", &[("x-user", &*format!("u{number}"))])).await, 200);
        }
        assert_eq!(usage.lost_count(), lost);
        usage.flush().await.unwrap();
    }
}

/// The room does not grow with the number of attempts to write.
#[tokio::test]
async fn a_store_that_stays_down_fills_the_room_once() {
    let (store, clock) = (Faulty::new(u32::MAX, 0), ManualClock::at(NOW));
    let usage = Usage::with(store.clone(), UsagePolicy::new().max_waiting(1), &clock);
    let stack = stack(&usage, &clock);
    for number in 0..10 {
        assert_eq!(ask(&stack, get("/", &[("x-user", &*format!("u{number}"))])).await, 200);
        usage.flush().await.unwrap_err();
    }
    assert_eq!(usage.lost_count(), 8, "one caller waits in a batch, and one in the table");
    store.before.store(0, Ordering::SeqCst);
    usage.flush().await.unwrap();
    let mut written = Vec::new();
    for number in 0..10 {
        written.push(answered(&usage, &format!("u{number}")).await);
    }
    assert_eq!(written, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// A flush that is dropped half-way leaves the rest to the next one.
#[tokio::test]
async fn a_flush_that_is_dropped_loses_nothing() {
    let (store, clock) = (MemoryKeyStore::new(), ManualClock::at(NOW));
    let usage = Usage::with(store, UsagePolicy::new(), &clock);
    let stack = stack(&usage, &clock);
    for number in 0..3_000 {
        assert_eq!(ask(&stack, get("/", &[("x-user", &*format!("u{number}"))])).await, 200);
    }
    let mut flush = Box::pin(usage.flush());
    let first = std::future::poll_fn(|cx| std::task::Poll::Ready(flush.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "others run between two batches");
    drop(flush);
    let mut sum = 0;
    usage.flush().await.unwrap();
    for number in 0..3_000 {
        sum += answered(&usage, &format!("u{number}")).await;
    }
    assert_eq!(sum, 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_of_many_threads_is_lost_while_others_write() {
    let (store, clock) = (MemoryKeyStore::new(), ManualClock::at(NOW));
    let usage = Usage::with(store, UsagePolicy::new(), &clock);
    let stack = stack(&usage, &clock);
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let (stack, usage) = (stack.clone(), usage.clone());
            tokio::spawn(async move {
                for number in 0..500 {
                    let user = ["a", "b", "c", "d", "e", "f", "g", "h"][(task + number) % 8];
                    assert_eq!(ask(&stack, get("/", &[("x-user", user)])).await, 200);
                    if number % 50 == 0 {
                        usage.flush().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    usage.flush().await.unwrap();
    let mut sums = Vec::new();
    for user in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        sums.push(answered(&usage, user).await);
    }
    assert_eq!(sums, [2_000; 8]);
}

#[tokio::test(start_paused = true)]
async fn the_task_writes_at_intervals_and_when_it_stops() {
    let clock = tower_auth::Clock::from_fn(SystemTime::now);
    let store = Faulty::new(1, 0);
    let usage = Usage::with(store, UsagePolicy::new().flush_every(Duration::from_secs(1)), clock);
    let hand = ManualClock::at(NOW);
    let stack = stack(&usage, &hand);
    let task = usage.start();
    assert_eq!(ask(&stack, get("/", &[("x-user", "acme")])).await, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(matches!(task.health(), Health::Degraded(_)), "{:?}", task.health());
    assert_eq!(answered(&usage, "acme").await, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((task.health(), answered(&usage, "acme").await), (Health::Good, 1));
    assert_eq!(ask(&stack, get("/", &[("x-user", "acme")])).await, 200);
    task.stop().await;
    assert_eq!(answered(&usage, "acme").await, 2, "what was counted is written at the end");
}

#[tokio::test]
async fn old_counts_are_forgotten_by_the_policy() {
    let it = Counted::with(UsagePolicy::new().keep_hours(2 * DAY).keep_days(10 * DAY));
    let key = it.key(KeyRecord::new("key_1", "acme"));
    let stack = it.stack();
    for _ in 0..12 {
        assert_eq!(ask(&stack, request(&key, &[])).await, 200);
        it.clock.advance(DAY);
    }
    it.usage.flush().await.unwrap();
    it.usage.forget().await.unwrap();
    let times = SystemTime::UNIX_EPOCH..it.clock.now();
    assert_eq!(it.usage.hours(UsageOf::key("key_1"), times.clone()).await.unwrap().len(), 2);
    assert_eq!(it.usage.days(UsageOf::key("key_1"), times).await.unwrap().len(), 10);
}

/// An observer holds the counts, not the whole.
#[test]
fn what_an_observer_needs_is_send_and_sync() {
    fn is_observer(_: impl Fn(&Decision<'_>) + Send + Sync + 'static) {}
    is_observer(Usage::new(MemoryKeyStore::new()).observer());
}
