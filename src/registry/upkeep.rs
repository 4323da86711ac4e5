//! What a registry does in the background.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::{
    Actor, AuditRow, Change, Entry, KeyAction, KeyEvent, KeyFilter, KeyRegistry, RegistryError, lifecycle::Deciding,
    notes::Pending,
};
use crate::{Health, KeyDigest, Task};

/// How often notes are written, and how often the rest is done.
const NOTES: Duration = Duration::from_secs(1);
const HOUSEKEEPING: Duration = Duration::from_secs(3600);

/// The number of keys of one transaction.
const BATCH: usize = 500;

/// The actor of changes that nobody asked for.
const ACTOR: &str = "tower-auth";

type Trouble = Arc<Mutex<Option<Arc<str>>>>;

impl KeyRegistry {
    /// Starts the upkeep of the keys. The task stops when the returned [`Task`] is dropped; [`Task::stop`] writes what was
    /// noted before it stops.
    ///
    /// Every second, it writes what [`watched`](Self::watch) stores have noted, in one transaction: uses of keys, and digests
    /// under the current pepper. Every hour, it [purges](Self::purge) deleted keys, removes old audit rows and addresses as
    /// the [`KeyPolicy`](super::KeyPolicy) says, and tells [`on_event`](Self::on_event) of keys that expire soon: once a
    /// process. Several processes may run it on one store. A crash loses the notes of the last second.
    ///
    /// While the store fails, the health is [`Health::Degraded`], and the work is repeated later. Call this method inside a
    /// tokio runtime.
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, Task};
    ///
    /// async fn serve(keys: KeyRegistry) {
    ///     let upkeep = keys.start();
    ///     // … serve …
    ///     upkeep.stop().await;
    /// }
    /// ```
    pub fn start(&self) -> Task {
        let trouble = Trouble::default();
        let (keys, told) = (self.clone(), Arc::clone(&trouble));
        let health = move || match &*told.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Health::Good,
            Some(why) => Health::Degraded(Arc::clone(why)),
        };
        Task::spawn(|stop| async move { keys.keep(&stop, &trouble).await }, health)
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble) {
        let clock = self.limit.clock().clone();
        let (mut told_until, mut due) = (clock.now(), Duration::ZERO);
        loop {
            let mut outcome = self.write_notes().await;
            if clock.elapsed() >= due {
                due = clock.elapsed().saturating_add(HOUSEKEEPING);
                outcome = outcome.and(self.keep_house(&mut told_until).await);
            }
            note(trouble, outcome);
            tokio::select! {
                () = stop.notified() => break,
                () = clock.sleep(NOTES) => {}
            }
        }
        note(trouble, self.write_notes().await);
    }

    /// Writes what was noted. What could not be written is noted again.
    async fn write_notes(&self) -> Result<(), RegistryError> {
        let Pending { mut uses, mut digests } = self.notes.take();
        while !uses.is_empty() || !digests.is_empty() {
            let some: Vec<String> = digests.keys().take(BATCH).cloned().collect();
            let part = Pending {
                uses: mem::take(&mut uses),
                digests: some.into_iter().filter_map(|id| digests.remove_entry(&id)).collect(),
            };
            if let Err(error) = self.write(part.clone()).await {
                self.notes.put_back(Pending { uses: HashMap::new(), digests });
                self.notes.put_back(part);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write(&self, notes: Pending) -> Result<(), RegistryError> {
        let ids = notes.digests.keys().cloned().collect();
        let version = self.scheme.current_version();
        let decide = move |_: &Deciding<'_>, entries: &[Entry]| {
            let moved = |entry: &Entry| redigested(entry, notes.digests.get(entry.key().id())?, version);
            let mut changes: Vec<Change> = entries.iter().filter_map(moved).collect();
            if !notes.uses.is_empty() {
                changes.push(Change::Used(notes.uses.into_iter().collect()));
            }
            Ok(changes)
        };
        self.transact(Actor::named(ACTOR), ids, decide).await.map(drop)
    }

    async fn keep_house(&self, told_until: &mut SystemTime) -> Result<(), RegistryError> {
        let now = self.limit.clock().now();
        let before = |age: Option<Duration>| age.and_then(|age| now.checked_sub(age));
        if let Some(before) = before(self.policy.purge_after) {
            self.purge(Actor::named(ACTOR), before).await?;
        }
        let forget = [
            before(self.policy.keep_audit).map(|before| Change::ForgetAudit { before }),
            before(self.policy.keep_addresses).map(|before| Change::ForgetAddresses { before }),
        ];
        let forget: Vec<Change> = forget.into_iter().flatten().collect();
        if !forget.is_empty() {
            self.transact(Actor::named(ACTOR), Vec::new(), |_, _| Ok(forget)).await?;
        }
        self.tell_expiring(now, told_until).await
    }

    /// Tells of each key that expires within the time of the policy, once.
    async fn tell_expiring(&self, now: SystemTime, told_until: &mut SystemTime) -> Result<(), RegistryError> {
        let Some(until) = now.checked_add(self.policy.expiring).filter(|until| *until > *told_until) else {
            return Ok(());
        };
        let filter = KeyFilter::all().expires_between(*told_until, until);
        for key in self.list_all(Actor::named(ACTOR), &filter).await? {
            let mut row = AuditRow::new(now, ACTOR, KeyAction::Expiring);
            row.key = Some(key.id().to_owned());
            row.account = key.principal().account().map(str::to_owned);
            row.organization = key.organization().map(str::to_owned);
            if key.revoked_at().is_none() && key.successor().is_none() {
                self.observer.tell(&KeyEvent { row: &row, key: Some(&key) });
            }
        }
        *told_until = until;
        Ok(())
    }
}

/// Returns the change that gives a key this digest, unless somebody has done it meanwhile.
fn redigested(entry: &Entry, digest: &KeyDigest, version: Option<u32>) -> Option<Change> {
    let changes = entry.pepper() != version;
    changes.then(|| Change::Update(Entry::new(entry.key().clone(), *digest, version)))
}

/// Remembers the trouble, and logs it when it begins and when it ends.
fn note(trouble: &Trouble, outcome: Result<(), RegistryError>) {
    let now = outcome.err().map(|error| Arc::from(error.to_string()));
    let mut known = trouble.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*known, &now) {
        (None, Some(why)) => {
            tracing::warn!(target: "tower_auth", %why, "the upkeep of keys waits for the store and will try again");
        }
        (Some(_), None) => tracing::info!(target: "tower_auth", "the upkeep of keys works again"),
        _ => {}
    }
    *known = now;
}
