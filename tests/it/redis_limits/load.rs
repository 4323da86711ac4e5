//! Requests that go on while something fails, and what an outage may cost.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{task::JoinHandle, time::timeout};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ClientIp, PeerAddr, RateLimitLayer, rate_limit::OutagePolicy};

use super::*;
use crate::support::{get, ok, process::until};

/// How many requests are under way at once.
pub(super) const TASKS: u64 = 8;

/// Long enough for a busy machine. Whatever is frozen in a test costs one of it.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// No request may take longer, whatever happens.
const HANGS: Duration = Duration::from_secs(60);

/// How many charges are made in an outage, of how many.
const CHARGES: u32 = 5;
const BUDGET: u32 = 50;

/// Waits until the answer is yes. It lets the tasks of the test go on.
pub(super) async fn eventually(mut question: impl FnMut() -> bool) -> bool {
    for _ in 0..6_000 {
        if question() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    question()
}

/// Tasks that ask for one request after the other, each in its own bucket.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    admitted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    /// The errors, each once.
    errors: Arc<Mutex<BTreeSet<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(api: &NamedLimiter) -> Self {
        let (stop, admitted, refused) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { stop, admitted, refused, errors: Arc::default(), tasks: Vec::new() };
        for number in 0..TASKS {
            let (api, stop) = (api.clone(), Arc::clone(&load.stop));
            let (admitted, refused) = (Arc::clone(&load.admitted), Arc::clone(&load.refused));
            let errors = Arc::clone(&load.errors);
            load.tasks.push(tokio::spawn(async move {
                let (bucket, limits) = (bucket(number), limits(Quota::per_day(10_000_000)));
                while !stop.load(Ordering::SeqCst) {
                    let decided = timeout(HANGS, api.decide(bucket, &limits, 1, Duration::ZERO.into())).await;
                    match decided.expect("a request hangs") {
                        Ok(decided) => {
                            super::admitted(decided);
                            admitted.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            errors.lock().unwrap().insert(error.to_string());
                            refused.fetch_add(1, Ordering::SeqCst);
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        load
    }

    /// Waits until so many more are admitted.
    pub(super) async fn goes_on(&self, more: u64) {
        let before = self.admitted.load(Ordering::SeqCst);
        let goes_on = eventually(|| self.admitted.load(Ordering::SeqCst) >= before + more).await;
        assert!(goes_on, "no request is admitted: {} were, {:?}", self.admitted(), self.errors.lock().unwrap());
    }

    pub(super) fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::SeqCst)
    }

    /// No request got an error.
    pub(super) fn is_unharmed(&self) {
        let (count, errors) = (self.refused.load(Ordering::SeqCst), self.errors.lock().unwrap());
        assert!(count == 0, "{count} requests failed: {errors:?}");
    }

    pub(super) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            timeout(HANGS, task).await.expect("a task hangs").unwrap();
        }
        self.admitted.load(Ordering::SeqCst)
    }
}

/// One of many buckets.
pub(super) fn bucket(number: u64) -> BucketKey {
    BucketKey::new(["load", &number.to_string()])
}

/// A layer of each policy, five requests an hour, each in a bucket of its own.
struct Layers(Vec<(OutagePolicy, RateLimitLayer)>);

const FIVE: usize = 5;

impl Layers {
    fn new(redis: &RedisLimiter) -> Self {
        let share = OutagePolicy::LocalShare { processes: 2 };
        let all = [OutagePolicy::FailClosed, OutagePolicy::FailOpen, OutagePolicy::FallBackToLocal, share];
        let layer = |policy: OutagePolicy| {
            let layer = RateLimitLayer::by_address(Quota::per_hour(5), ClientIp::peer());
            (policy, layer.limiter(redis.named(&format!("{policy:?}"))).on_outage(policy))
        };
        Self(all.map(layer).into())
    }

    /// The statuses of requests, and whether each has the headers of a limit.
    async fn ask(layer: &RateLimitLayer, count: usize) -> Vec<(u16, bool)> {
        let mut answers = Vec::new();
        for _ in 0..count {
            let mut request = get("/", &[]);
            request.extensions_mut().insert(PeerAddr("192.0.2.1".parse().unwrap()));
            let answer = timeout(HANGS, layer.layer(ok()).oneshot(request)).await.expect("a request hangs").unwrap();
            answers.push((answer.status().as_u16(), answer.headers().contains_key("x-ratelimit-limit")));
        }
        answers
    }

    /// While Redis counts, all policies are the same.
    async fn count(&self, count: usize, status: u16) {
        for (policy, layer) in &self.0 {
            assert_eq!(Self::ask(layer, count).await, vec![(status, true); count], "{policy:?}");
        }
    }

    /// While it does not, each does what it says for every request.
    async fn are_in_an_outage(&self) {
        for (policy, layer) in &self.0 {
            let wanted = match policy {
                OutagePolicy::FailClosed => vec![(503, false); 20],
                OutagePolicy::FailOpen => vec![(200, false); 20],
                OutagePolicy::FallBackToLocal => local(FIVE),
                OutagePolicy::LocalShare { .. } => local(FIVE / 2),
                other => panic!("{other:?}"),
            };
            assert_eq!(Self::ask(layer, 20).await, wanted, "{policy:?}");
        }
    }
}

/// What this process admits alone. What the headers would say is in the server.
fn local(count: usize) -> Vec<(u16, bool)> {
    [vec![(200, false); count], vec![(429, false); 20 - count]].concat()
}

/// What a failure leaves of the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Kept,
    Lost,
}

/// Lets something fail and mends it, under load. The outage costs one deadline, the policies do what they say, the limiter says what is wrong and
/// recovers by itself, and what was charged meanwhile is counted once.
pub(super) async fn outage(redis: &RedisLimiter, data: Data, fail: impl FnOnce(), mend: impl FnOnce()) {
    let (load, layers, charged) = (Load::start(&redis.named("load")), Layers::new(redis), redis.named("charged"));
    let budget = limits(Quota::per_day(BUDGET));
    load.goes_on(50).await;
    layers.count(2, 200).await;
    let taken = admitted(ask(&charged, alice(), &budget, 10).await);
    let taken = tower_auth::limit::Reservation::new(10, &budget, &taken, Duration::ZERO);
    let before = redis.health();
    assert_eq!((&before.trouble, before.failed, before.skipped), (&None, 0, 0));

    fail();
    assert!(until(|| redis.health().trouble.is_some()), "the limiter does not notice");
    for _ in 0..CHARGES {
        charged.charge(alice(), &budget, 1, Duration::ZERO.into());
    }
    charged.refund(alice(), &taken, Duration::ZERO.into());
    let skips = redis.health().skipped + 100;
    assert!(eventually(|| redis.health().skipped >= skips).await, "nothing is skipped");
    layers.are_in_an_outage().await;
    let during = redis.health();
    assert!(during.failed >= 1 && during.failed <= TASKS, "one deadline, for those under way: {during:?}");
    assert!(during.queued > 0 && during.lost == 0, "{during:?}");

    mend();
    assert!(eventually(|| redis.health().trouble.is_none()).await, "no recovery: {:?}", redis.health());
    load.goes_on(50).await;
    assert!(eventually(|| redis.health().queued == 0).await, "what was charged waits for ever");
    load.stop().await;
    let after = redis.health();
    assert!(after.failed <= TASKS && after.lost == 0 && after.trouble.is_none(), "{after:?}");
    let left = remaining(&admitted(ask(&charged, alice(), &budget, 0).await));
    assert_eq!(left, [BUDGET - CHARGES], "charges and give-backs are carried out once");
    if data == Data::Kept {
        layers.count(FIVE - 2, 200).await;
    } else {
        layers.count(FIVE, 200).await;
    }
    layers.count(3, 429).await;
}
