//! What a registry does in the background.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::{
    Actor, AuditRow, Change, Entry, Forget, KeyAction, KeyEvent, KeyFilter, KeyRegistry, RegistryError, Tombstone,
    lifecycle::Deciding, notes::Pending,
};
use crate::{KeyDigest, Task, base::trouble::Trouble};

/// How often notes are written, and how often the rest is done.
const NOTES: Duration = Duration::from_secs(1);
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
/// How soon the rest is tried again after a failure.
const AGAIN: Duration = Duration::from_secs(60);

/// The number of batches of old rows that are forgotten before notes are written again.
const BATCHES: usize = 20;
/// The number of keys of one transaction.
const BATCH: usize = 500;

/// The actor of changes that nobody asked for.
const ACTOR: &str = "tower-auth";

impl KeyRegistry {
    /// Starts the upkeep of the keys. The task stops when the returned [`Task`] is dropped; [`Task::stop`] writes what was
    /// noted before it stops.
    ///
    /// Every second, it writes what [`watched`](Self::watch) stores have noted, in one transaction: uses of keys, and digests
    /// under the current pepper. Every hour, it [purges](Self::purge) deleted keys, removes old audit rows and addresses as
    /// the [`KeyPolicy`](super::KeyPolicy) says, and tells [`on_event`](Self::on_event) of keys that expire soon: once a
    /// process. Several processes may run it on one store. A crash loses the notes of the last second.
    ///
    /// While the store fails, the health is [`Health::Degraded`](crate::Health::Degraded), and the work is repeated later. Call this method inside a
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
        let trouble =
            Trouble::new("the upkeep of keys waits for the store and will try again", "the upkeep of keys works again");
        let (keys, told) = (self.clone(), trouble.clone());
        Task::spawn(|stop| async move { keys.keep(&stop, &trouble).await }, move || told.health())
    }

    async fn keep(self, stop: &Notify, trouble: &Trouble) {
        let clock = self.limit.clock().clone();
        let (mut told, mut due, mut house) = (HashMap::new(), Duration::ZERO, Ok(false));
        loop {
            let notes = self.write_notes().await;
            if clock.elapsed() >= due {
                house = self.keep_house(&mut told).await;
                due = clock.elapsed().saturating_add(match house {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => HOUSEKEEPING,
                    Err(_) => AGAIN,
                });
            }
            trouble.note(notes.and(house.clone().map(drop)));
            tokio::select! {
                () = stop.notified() => break,
                () = clock.sleep(NOTES) => {}
            }
        }
        trouble.note(self.write_notes().await);
    }

    /// Writes what was noted. What could not be written is noted again.
    async fn write_notes(&self) -> Result<(), RegistryError> {
        let Pending { uses, mut digests } = self.notes.take();
        if !uses.is_empty() {
            let change = Change::Used(uses.iter().map(|(id, at)| (id.clone(), *at)).collect());
            if let Err(error) = self.transact(Actor::named(ACTOR), Vec::new(), |_, _| Ok(vec![change])).await {
                self.notes.put_back(Pending { uses, digests });
                return Err(error);
            }
        }
        while !digests.is_empty() {
            let some: Vec<String> = digests.keys().take(BATCH).cloned().collect();
            let part: HashMap<_, _> = some.into_iter().filter_map(|id| digests.remove_entry(&id)).collect();
            if let Err(error) = self.redigest(part.clone()).await {
                digests.extend(part);
                self.notes.put_back(Pending { uses: HashMap::new(), digests });
                return Err(error);
            }
        }
        Ok(())
    }

    /// Moves keys to the current pepper, all at once, or one by one if one of them cannot be moved.
    async fn redigest(&self, digests: HashMap<String, KeyDigest>) -> Result<(), RegistryError> {
        match self.redigest_at_once(digests.clone()).await {
            Err(RegistryError::AlreadyExists) => {}
            outcome => return outcome,
        }
        for (id, digest) in digests {
            match self.redigest_at_once(HashMap::from([(id.clone(), digest)])).await {
                Err(RegistryError::AlreadyExists) => {
                    tracing::warn!(
                        target: "tower_auth",
                        key_id = id,
                        "another entry has the digest of this key under the current pepper; revoke one of the two"
                    );
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn redigest_at_once(&self, digests: HashMap<String, KeyDigest>) -> Result<(), RegistryError> {
        let ids = digests.keys().cloned().collect();
        let version = self.scheme.current_version();
        let decide = move |_: &Deciding<'_>, entries: &[Entry]| {
            let moved = |entry: &Entry| redigested(entry, digests.get(entry.key().id())?, version);
            Ok(entries.iter().filter_map(moved).flatten().collect())
        };
        self.transact(Actor::named(ACTOR), ids, decide).await.map(drop)
    }

    /// Each part is done even if another one fails. Returns whether there is more to forget, which comes before the rest.
    async fn keep_house(&self, told: &mut HashMap<String, SystemTime>) -> Result<bool, RegistryError> {
        let now = self.limit.clock().now();
        let before = |age: Option<Duration>| age.and_then(|age| now.checked_sub(age));
        let purged = match before(self.policy.purge_after) {
            Some(before) => self.purge(Actor::named(ACTOR), before).await.map(drop),
            None => Ok(()),
        };
        let forget = [
            before(self.policy.keep_audit).map(|before| Forget::Audit { before }),
            before(self.policy.keep_addresses).map(|before| Forget::Addresses { before }),
        ];
        let more = self.forget_some(forget.into_iter().flatten()).await;
        if more == Ok(true) {
            return purged.and(more);
        }
        purged.and(self.tell_expiring(now, told).await).and(more)
    }

    /// Forgets some batches of each, and returns whether there may be more.
    async fn forget_some(&self, all: impl Iterator<Item = Forget>) -> Result<bool, RegistryError> {
        let mut outcome = Ok(false);
        for what in all {
            let some = self.forget_batches(&what).await;
            outcome = outcome.and_then(|more| Ok(some? || more));
        }
        outcome
    }

    async fn forget_batches(&self, what: &Forget) -> Result<bool, RegistryError> {
        for _ in 0..BATCHES {
            if self.forget(what).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells of each key that expires within the time of the policy, once for each expiry.
    async fn tell_expiring(
        &self,
        now: SystemTime,
        told: &mut HashMap<String, SystemTime>,
    ) -> Result<(), RegistryError> {
        let Some(until) = now.checked_add(self.policy.expiring) else { return Ok(()) };
        let filter = KeyFilter::all().expires_between(now, until);
        let keys = self.list_all(Actor::named(ACTOR), &filter).await?;
        told.retain(|_, end| *end > now);
        for key in keys.iter().filter(|key| key.revoked_at().is_none() && key.successor().is_none()) {
            let Some(end) = key.expires_at() else { continue };
            if told.insert(key.id().to_owned(), end) == Some(end) {
                continue;
            }
            let mut row = AuditRow::new(now, ACTOR, KeyAction::Expiring);
            row.key = Some(key.id().to_owned());
            row.account = key.principal().account().map(str::to_owned);
            row.organization = key.organization().map(str::to_owned);
            self.observer.tell(&KeyEvent { row: &row, key: Some(key) });
        }
        Ok(())
    }
}

/// Returns the changes that give a key this digest, unless somebody has done it meanwhile. The old digest is buried, so that
/// nobody can import the key by it again.
fn redigested(entry: &Entry, digest: &KeyDigest, version: Option<u32>) -> Option<[Change; 2]> {
    let moved = Entry::new(entry.key().clone(), *digest, version);
    let old = Tombstone::new(*entry.digest(), entry.pepper()).moved();
    (entry.pepper() != version).then_some([Change::Update(moved), Change::Bury(old)])
}
