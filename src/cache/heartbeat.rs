//! Keeps the lease: subscribes, and asks again and again whether all announcements have arrived.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    CachedKeyStore, ChangeSink, Changes, Heard, Subscription,
    core::Core,
    freshness::{Bound, nanos},
    lease::Lease,
};
use crate::{BoxError, ConfigError, Health, Task};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
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
    /// When the task is dropped, the lease ends within the bound, and every lookup asks the store.
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
        self.core.freshness.clock().warn_without_timer();
        self.core.link.is_started.store(true, Ordering::Relaxed);
        let (core, told) = (Arc::clone(&self.core), Arc::clone(&self.core));
        Task::spawn(|stop| keep(core, stop), move || told.health())
    }

    /// Checks that changes can be heard, and that the bound is not larger than the one that the other processes share; the first
    /// one stores it. Call it when the service starts. A cache that is not leased has nothing to check.
    ///
    /// # Errors
    /// If there is no connection, if it cannot carry changes, or if the bound is larger than the stored one.
    pub async fn check(&self) -> Result<(), ConfigError> {
        let Some((changes, _, bound)) = self.core.leased() else { return Ok(()) };
        let checked = async {
            let mut subscription = changes.subscribe(ChangeSink::new(|_| {})).await?;
            subscription.barrier().await?;
            agree(changes, bound).await
        };
        let checked = self.core.freshness.clock().within(CONNECT, checked).await;
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
            Health::Good if !self.freshness.is_open() => {
                Health::Degraded("the lease is not held: every lookup asks the store".into())
            }
            health => health,
        }
    }
}

/// Works until it is stopped. Announcements that are sent again may wait for an answer, and must not keep the heartbeat waiting.
async fn keep(core: Arc<Core>, stop: Arc<Notify>) {
    tokio::select! {
        () = stop.notified() => {}
        () = hold_again(&core) => {}
        () = send_again(&core) => {}
    }
    if let Some((_, lease, _)) = core.leased() {
        lease.end();
    }
}

/// Subscribes again and again.
async fn hold_again(core: &Arc<Core>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let held = hold(core).await;
        if held.lasted {
            pause = SHORTEST_PAUSE;
        }
        core.lose(&held);
        core.freshness.clock().sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Announces what could not be announced.
async fn send_again(core: &Arc<Core>) {
    let clock = core.freshness.clock();
    loop {
        clock.sleep(core.freshness.promise().max(SHORTEST_PAUSE)).await;
        // If it fails or takes too long, the announcements are kept for the next time.
        drop(clock.within(CONNECT, core.tell_again()).await);
    }
}

/// How a subscription ended.
struct Ended {
    /// Whether the lease was held.
    lasted: bool,
    why: BoxError,
}

/// Holds the lease for as long as it can.
async fn hold(core: &Arc<Core>) -> Ended {
    let mut lasted = false;
    let Err(why) = try_hold(core, &mut lasted).await;
    Ended { lasted, why }
}

async fn try_hold(core: &Arc<Core>, lasted: &mut bool) -> Result<std::convert::Infallible, BoxError> {
    let Some((changes, lease, bound)) = core.leased() else { return Err("the cache is not leased".into()) };
    let clock = core.freshness.clock();
    let lost = Arc::new(Notify::new());
    let subscribed = clock.within(CONNECT, changes.subscribe(core.sink(&lost))).await;
    let mut subscription = subscribed.map_err(|late| format!("the connection for changes {late}"))??;
    // What was announced before is not known. From now on, everything is heard.
    core.freshness.epochs.flush();
    let agreed = clock.within(CONNECT, agree(changes, bound)).await;
    agreed.map_err(|late| format!("the shared bound {late}"))??;
    loop {
        let sent = clock.elapsed();
        beat(core, &mut *subscription, bound).await?;
        let took = clock.elapsed().saturating_sub(sent);
        core.link.beaten_at.store(nanos(sent), Ordering::Relaxed);
        core.link.round_trip.store(nanos(took), Ordering::Relaxed);
        lease.extend(nanos(sent.saturating_add(bound)));
        if !std::mem::replace(lasted, true) {
            core.link.trouble.note(Ok::<_, BoxError>(()));
        }
        tokio::select! {
            () = lost.notified() => return Err("the connection for changes is lost".into()),
            () = clock.sleep((bound / HEARTBEATS).saturating_sub(took)) => {}
        }
    }
}

/// One heartbeat.
async fn beat(core: &Core, subscription: &mut dyn Subscription, bound: Duration) -> Result<(), BoxError> {
    let answered = core.freshness.clock().within(bound.max(LATE), subscription.barrier()).await;
    answered.map_err(|late| format!("the connection for changes {late}"))?
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
    fn sink(self: &Arc<Self>, lost: &Arc<Notify>) -> ChangeSink {
        let term = self.link.term.fetch_add(1, Ordering::AcqRel) + 1;
        let (core, lost) = (Arc::downgrade(self), Arc::clone(lost));
        ChangeSink::new(move |heard| {
            let Some(core) = core.upgrade() else { return };
            match heard {
                Heard::Announced(what) => core.apply(what),
                Heard::Lost(why) if core.link.term.load(Ordering::Acquire) == term => {
                    if let Some((_, lease, _)) = core.leased() {
                        lease.end();
                    }
                    tracing::debug!(target: "tower_auth", %why, "the connection for changes is lost");
                    lost.notify_one();
                }
                Heard::Lost(_) => {}
            }
        })
    }

    /// Ends the lease, and says why.
    fn lose(&self, ended: &Ended) {
        let Some((_, lease, _)) = self.leased() else { return };
        lease.end();
        self.link.losses.fetch_add(u64::from(ended.lasted), Ordering::Relaxed);
        self.link.trouble.note(Err::<(), _>(&ended.why));
    }
}
