//! Keeps the lease: subscribes, and asks again and again whether all announcements have arrived.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use super::{
    CachedKeyStore, ChangeSink, Changes, Heard, Subscription,
    core::Core,
    freshness::{Bound, nanos},
    lease::Lease,
};
use crate::{BoxError, Clock, ConfigError, Health, Task};

/// How long a subscription may take. A lost lease sends all lookups to the store, and the subscription may need the same pool.
const SUBSCRIBE: Duration = Duration::from_secs(15);
/// How long another answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// A heartbeat may be late: the lease ends meanwhile, and is regained with its answer.
const LATE: Duration = Duration::from_secs(1);
/// The pause after the first failure. It doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The number of heartbeats in one bound.
const HEARTBEATS: u32 = 4;
/// A shorter bound would be a heartbeat after the other without a pause.
const SHORTEST_BOUND: Duration = Duration::from_millis(10);

impl<S> CachedKeyStore<S> {
    /// Starts the task that keeps the lease of a [leased](Self::leased) cache. Other caches need none, and their task does nothing.
    /// When the task is dropped, the lease ends, and every lookup asks the store.
    ///
    /// The health of the task is good while cached answers are used, and degraded while the store is asked instead: the
    /// service works, but more slowly. Call it inside a tokio runtime, once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{BoxError, CachedKeyStore, Changes, PostgresKeyStore};
    ///
    /// async fn serve(store: PostgresKeyStore, changes: impl Changes) -> Result<(), BoxError> {
    ///     let keys = CachedKeyStore::leased(store, changes, Duration::from_millis(250));
    ///     keys.check().await?;
    ///     let lease = keys.start();
    ///     // … serve …
    ///     lease.stop().await;
    ///     Ok(())
    /// }
    /// ```
    pub fn start(&self) -> Task {
        if self.core.leased().is_none() {
            return Task::idle();
        }
        self.core.link.is_started.store(true, Ordering::Relaxed);
        // If the task is dropped, that is told too.
        self.core.link.was_told.store(false, Ordering::Relaxed);
        let (core, told) = (Arc::clone(&self.core), Arc::clone(&self.core));
        Task::spawn(|stop| keep(core, stop), move || told.health())
    }

    /// Checks that changes can be heard, and that the bound is not larger than the one that the other processes share; the first
    /// one stores it. Call it when the service starts. A cache that is not leased has nothing to check.
    ///
    /// # Errors
    /// If there is no connection, if it cannot carry changes, or if the bound is larger than the stored one.
    pub async fn check(&self) -> Result<(), ConfigError> {
        let Some((changes, _, bound)) = self.core.leased().filter(|(.., bound)| !bound.is_zero()) else {
            return Ok(());
        };
        let checked = async {
            let mut subscription = changes.subscribe(ChangeSink::new(|_| {})).await?;
            let sent = self.core.freshness.now();
            subscription.barrier().await?;
            let took = Duration::from_nanos(self.core.freshness.now().saturating_sub(sent));
            if took >= bound { Err(slow(bound)) } else { agree(changes, bound).await }
        };
        let checked = self.core.freshness.timer().within(SUBSCRIBE, checked).await;
        let checked = checked.unwrap_or_else(|late| Err(format!("the other side {late}").into()));
        checked.map_err(|why| {
            ConfigError::new(
                format!("CachedKeyStore cannot hear what changes: {why}"),
                "correct the cause; until then, every lookup would ask the store",
            )
        })
    }
}

impl Core {
    pub(super) fn leased(&self) -> Option<(&Arc<dyn Changes>, &Lease, Duration)> {
        match (&self.changes, &self.freshness.bound) {
            (Some(changes), Bound::Leased { lease, bound }) => Some((changes, lease, *bound)),
            _ => None,
        }
    }

    fn health(&self) -> Health {
        match self.link.trouble.health() {
            Health::Good if !self.freshness.is_open() && !self.freshness.promise().is_zero() => {
                Health::Degraded("the lease is not held: every lookup asks the store".into())
            }
            health => health,
        }
    }
}

/// Works until it is stopped. Announcements that are sent again may wait for an answer, and must not keep the heartbeat waiting.
async fn keep(core: Arc<Core>, stop: Arc<Notify>) {
    let running = Running(core);
    tokio::select! {
        () = stop.notified() => {}
        () = hold_again(&running.0) => {}
        () = send_again(&running.0) => {}
    }
}

/// The task, until it is stopped, dropped, or panics.
struct Running(Arc<Core>);

impl Drop for Running {
    fn drop(&mut self) {
        let Some((_, lease, _)) = self.0.leased() else { return };
        lease.end();
        self.0.link.is_started.store(false, Ordering::Relaxed);
    }
}

/// Subscribes again and again.
async fn hold_again(core: &Arc<Core>) {
    let Some((.., bound)) = core.leased() else { return };
    if bound.is_zero() {
        return std::future::pending().await;
    }
    let mut pause = SHORTEST_PAUSE;
    loop {
        let (mut held, timer) = (Held::default(), core.freshness.timer());
        let Err(why) = hold(core, &timer, &mut held).await;
        if held.ever {
            pause = SHORTEST_PAUSE;
        }
        core.lose(&mut held, &why);
        timer.sleep(scattered(pause, core.freshness.now())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Spreads the pauses of processes that have lost the same server: half of the pause to one and a half, by the time.
fn scattered(pause: Duration, now: u64) -> Duration {
    let part = u32::try_from(now % 1024).unwrap_or_default();
    pause / 2 + pause * part / 1024
}

/// Announces what could not be announced.
async fn send_again(core: &Arc<Core>) {
    let timer = core.freshness.timer();
    loop {
        timer.sleep(core.freshness.promise().max(SHORTEST_PAUSE)).await;
        // If it fails or takes too long, the announcements are kept for the next time.
        drop(timer.within(ANSWER, core.tell_again()).await);
    }
}

/// Whether the lease is held, and was held at all.
#[derive(Default)]
struct Held {
    now: bool,
    ever: bool,
}

/// Holds the lease for as long as it can.
async fn hold(core: &Arc<Core>, timer: &Clock, held: &mut Held) -> Result<Infallible, BoxError> {
    let Some((changes, lease, bound)) = core.leased() else { return Err("the cache is not leased".into()) };
    let (lost, mut losses) = mpsc::channel(1);
    let subscribed = timer.within(SUBSCRIBE, changes.subscribe(core.sink(lost))).await;
    let mut subscription = subscribed.map_err(|late| format!("the connection for changes {late}"))??;
    // What was announced before is not known. From now on, everything is heard.
    core.freshness.epochs.flush();
    let agreed = timer.within(ANSWER, agree(changes, bound)).await;
    agreed.map_err(|late| format!("the shared bound {late}"))??;
    loop {
        let sent = core.freshness.now();
        beat(core, timer, &mut *subscription, held).await?;
        let took = core.freshness.now().saturating_sub(sent);
        core.link.beaten_at.store(sent, Ordering::Relaxed);
        core.link.round_trip.store(took, Ordering::Relaxed);
        if took < nanos(bound) {
            lease.extend(sent.saturating_add(nanos(bound)));
            (held.now, held.ever) = (true, true);
            core.link.trouble.note(Ok::<_, BoxError>(()));
        } else {
            core.lose(held, &slow(bound));
        }
        tokio::select! {
            why = losses.recv() => return Err(why.unwrap_or_else(|| "the connection for changes is lost".into())),
            () = timer.sleep((bound / HEARTBEATS).saturating_sub(Duration::from_nanos(took))) => {}
        }
    }
}

/// One heartbeat. If the lease ends before the answer comes, it is lost, and the answer is waited for a while longer.
async fn beat(core: &Core, timer: &Clock, to: &mut dyn Subscription, held: &mut Held) -> Result<(), BoxError> {
    let (mut answer, bound) = (to.barrier(), core.freshness.promise());
    if let Ok(answered) = timer.within(bound, &mut answer).await {
        return answered;
    }
    // Otherwise its trouble has been told already.
    if held.now {
        core.lose(held, &slow(bound));
    }
    let late = timer.within(LATE.max(bound), answer).await;
    late.map_err(|late| format!("the connection for changes {late}"))?
}

fn slow(bound: Duration) -> BoxError {
    format!("a heartbeat takes longer than the bound of {bound:?}; help: use a larger bound, or a nearer server").into()
}

async fn agree(changes: &Arc<dyn Changes>, bound: Duration) -> Result<(), BoxError> {
    if bound < SHORTEST_BOUND {
        return Err(format!("its bound is {bound:?}; help: use at least {SHORTEST_BOUND:?}").into());
    }
    let shared = changes.shared_bound(bound).await?;
    if bound <= shared {
        return Ok(());
    }
    let why = format!(
        "its bound is {bound:?}, and that of the processes that share the changes is {shared:?}; help: use \
         CachedKeyStore::leased with {shared:?} or less, or raise the shared one first"
    );
    Err(why.into())
}

impl Core {
    /// Where a new subscription delivers. An older one is no longer listened to, except for what it announces.
    fn sink(self: &Arc<Self>, lost: mpsc::Sender<BoxError>) -> ChangeSink {
        let term = self.link.term.fetch_add(1, Ordering::AcqRel) + 1;
        let core = Arc::downgrade(self);
        ChangeSink::new(move |heard| {
            let Some(core) = core.upgrade() else { return };
            match heard {
                Heard::Announced(what) => core.apply(what),
                Heard::Lost(why) if core.link.term.load(Ordering::Acquire) == term => {
                    if let Some((_, lease, _)) = core.leased() {
                        lease.end();
                    }
                    // The first cause is the one that counts.
                    drop(lost.try_send(why));
                }
                Heard::Lost(_) => {}
            }
        })
    }

    /// Ends the lease, and says why.
    fn lose(&self, held: &mut Held, why: &BoxError) {
        let Some((_, lease, _)) = self.leased() else { return };
        lease.end();
        self.link.losses.fetch_add(u64::from(std::mem::take(&mut held.now)), Ordering::Relaxed);
        self.link.trouble.note_each(Err::<(), _>(why));
    }
}
