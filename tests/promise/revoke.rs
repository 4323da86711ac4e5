//! One key is revoked after the other.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::sleep};
use tower_auth::{KeyRegistry, RegistryError, registry::KeyInfo};

use crate::{dice::between, keys, order::now};

/// How long a key is asked for all the time after it was revoked. Then it is asked for now and then.
const HOT: Duration = Duration::from_millis(300);
/// How many keys are asked for that are not revoked yet.
const AHEAD: u32 = 12;

/// When a revocation was called, and when it returned.
#[derive(Clone, Copy, Default)]
pub(crate) struct Revoked {
    pub(crate) called: u64,
    pub(crate) returned: u64,
}

/// The keys of a column, in the order in which they are revoked.
pub(crate) struct Revokes {
    registry: KeyRegistry,
    first: u32,
    next: AtomicU32,
    strict: bool,
    /// The time between two, in milliseconds.
    every: u64,
    revoked: Mutex<Vec<(Revoked, Option<Instant>)>>,
}

impl Revokes {
    pub(crate) fn new(registry: KeyRegistry, first: u32, count: u32, every: u64, strict: bool) -> Self {
        let revoked = Mutex::new(vec![Default::default(); count as usize]);
        Self { registry, first, next: AtomicU32::new(0), strict, every, revoked }
    }

    pub(crate) async fn import(self: Arc<Self>) {
        let mut running = JoinSet::new();
        for number in self.numbers() {
            if running.len() >= 32 {
                running.join_next().await.unwrap().unwrap();
            }
            let revokes = Arc::clone(&self);
            running.spawn(async move { keys::import(&revokes.registry, number).await });
        }
        running.join_all().await;
    }

    /// Revokes all keys. A strict call takes the bound, so more of them run at once.
    pub(crate) async fn run(self: Arc<Self>) {
        let tasks = if self.strict { 16 } else { 2 };
        let each = self.every * tasks;
        (0..tasks).map(|_| Arc::clone(&self).work(each)).collect::<JoinSet<_>>().join_all().await;
    }

    async fn work(self: Arc<Self>, each: u64) {
        loop {
            sleep(between(0..2 * each)).await;
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            if place >= self.count() {
                return;
            }
            let called = now();
            self.revoke(self.first + place).await;
            let revoked = Revoked { called, returned: now() };
            self.revoked.lock().unwrap()[place as usize] = (revoked, Some(Instant::now()));
        }
    }

    /// Calls until it succeeds, as a user does that is told that it has failed.
    async fn revoke(&self, number: u32) {
        let began = Instant::now();
        while let Err(error) = self.try_revoke(&keys::id(number)).await {
            assert!(began.elapsed() < Duration::from_secs(60), "{error}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn try_revoke(&self, id: &str) -> Result<KeyInfo, RegistryError> {
        if self.strict {
            self.registry.revoke_strict(keys::actor(), id).await
        } else {
            self.registry.revoke(keys::actor(), id).await
        }
    }

    /// The first key that is asked for all the time, and the first that is not asked for yet.
    pub(crate) fn hot(&self) -> (u32, u32) {
        let is_cold = |(_, at): &(Revoked, Option<Instant>)| at.is_some_and(|at| at.elapsed() > HOT);
        let cold = self.revoked.lock().unwrap().iter().take_while(|one| is_cold(one)).count();
        let begun = self.next.load(Ordering::Relaxed);
        (self.first + u32::try_from(cold).unwrap(), self.first + (begun + AHEAD).min(self.count()))
    }

    pub(crate) fn revoked(&self) -> Vec<Revoked> {
        self.revoked.lock().unwrap().iter().map(|(revoked, _)| *revoked).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.first..self.first + self.count()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.revoked.lock().unwrap().len()).unwrap()
    }
}
