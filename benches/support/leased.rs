//! Several limiters that share one bucket, as several processes do: what they ask, and what they admit.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use tower_auth::{
    Quota,
    limit::{LimitDecision, shared::SharedPolicy},
};

use super::shared_limit::{
    roads::Ours,
    server::{Scripts, Server},
};

/// How many limiters stand for processes.
pub(crate) const PROCESSES: u32 = 4;
/// The requests that are admitted in a second, and the burst.
pub(crate) const RATE: u32 = 8_000;
/// How long a lease is valid, by default.
const LEASE_FOR: Duration = Duration::from_millis(200);
/// How many tasks of a process ask at once when there are too many requests.
const FLOOD: usize = 8;
/// The pause of a caller that was refused.
const PAUSE: Duration = Duration::from_millis(1);

/// The excess that `SharedPolicy::leased` promises not to exceed: that of the largest lease, and that of its time.
pub(crate) fn bound() -> f64 {
    let lease = RATE / (PROCESSES * 4);
    f64::from(PROCESSES * lease).min(f64::from(RATE) * LEASE_FOR.as_secs_f64())
}

/// What happened: while half as many requests came as may be admitted, and while too many came.
pub(crate) struct Outcome {
    pub(crate) half: Phase,
    pub(crate) flood: Phase,
    /// How many more requests were admitted in some interval than burst + rate × time.
    pub(crate) excess: f64,
}

/// What happened in one phase.
pub(crate) struct Phase {
    pub(crate) admitted: f64,
    pub(crate) refused: f64,
    /// The scripts that the server ran.
    pub(crate) scripts: Scripts,
    /// The questions that the limiters counted.
    pub(crate) asked: f64,
}

/// When requests were admitted, and how many were refused.
#[derive(Default)]
struct Log {
    admitted: Vec<Instant>,
    refused: u32,
}

/// Runs both phases, one after the other.
pub(crate) async fn run(server: &mut Server, policy: SharedPolicy, name: &str, each: Duration) -> Outcome {
    let quota = || Quota::per_second(RATE);
    let mut limiters = Vec::new();
    for _ in 0..PROCESSES {
        limiters.push(Ours::new(server, policy.clone(), name, quota()).await);
    }
    let mut all = Vec::new();
    let half = phase(server, &limiters, &mut all, each, steady).await;
    let flood = phase(server, &limiters, &mut all, each, flood).await;
    Outcome { half, flood, excess: excess(all) }
}

async fn phase<F: Future<Output = ()> + Send + 'static>(
    server: &mut Server,
    limiters: &[Ours],
    all: &mut Vec<Instant>,
    each: Duration,
    demand: impl Fn(Ours, Arc<Mutex<Log>>, Instant) -> F,
) -> Phase {
    let (scripts, asked) = (server.scripts(), asked(limiters));
    let (log, until) = (Arc::new(Mutex::new(Log::default())), Instant::now() + each);
    let demand: Vec<_> =
        limiters.iter().map(|ours| tokio::spawn(demand(ours.clone(), Arc::clone(&log), until))).collect();
    for one in demand {
        one.await.expect("all requests are decided");
    }
    let (scripts, asked) = (server.scripts().since(scripts), self::asked(limiters) - asked);
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let admitted = u32::try_from(log.admitted.len()).map_or(f64::INFINITY, f64::from);
    all.append(&mut log.admitted);
    Phase { admitted, refused: log.refused.into(), scripts, asked }
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn asked(limiters: &[Ours]) -> f64 {
    limiters.iter().map(|ours| ours.health().asked).sum::<u64>() as f64
}

/// Sends half as many requests as may be admitted, at a steady rate.
async fn steady(ours: Ours, log: Arc<Mutex<Log>>, until: Instant) {
    let mut ticks = interval(Duration::from_secs(1) * 2 * PROCESSES / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < until {
        ticks.tick().await;
        ask(&ours, &log).await;
    }
}

/// Sends too many requests.
async fn flood(ours: Ours, log: Arc<Mutex<Log>>, until: Instant) {
    let asking = (0..FLOOD).map(|_| {
        let (ours, log) = (ours.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            while Instant::now() < until {
                if ask(&ours, &log).await {
                    // A decision out of a lease waits for nothing, and the others are to have their turn.
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        })
    });
    for one in asking.collect::<Vec<_>>() {
        one.await.expect("all requests are decided");
    }
}

/// Returns whether a request was admitted.
async fn ask(ours: &Ours, log: &Mutex<Log>) -> bool {
    let decision = ours.decide(0).await;
    let at = Instant::now();
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let is_admitted = matches!(decision, LimitDecision::Admitted(_));
    if is_admitted {
        log.admitted.push(at);
    } else {
        log.refused += 1;
    }
    is_admitted
}

/// Fills a bucket with the requests while it drains at the rate: how far it overflows is the excess in the worst interval.
fn excess(mut admitted: Vec<Instant>) -> f64 {
    admitted.sort();
    let (mut level, mut highest) = (0_f64, 0_f64);
    let mut last = admitted.first().copied();
    for at in admitted {
        let passed = last.map_or(Duration::ZERO, |last| at - last);
        level = f64::max(level - passed.as_secs_f64() * f64::from(RATE), 0.0) + 1.0;
        highest = highest.max(level);
        last = Some(at);
    }
    highest - f64::from(RATE)
}
