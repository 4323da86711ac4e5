use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    error::RegistryError,
    info::{IssuedKey, KeyFilter, KeyInfo},
    new_key::{KeyUpdate, NewKey, end_of},
};
use crate::{Clock, KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Principal, Secret, key::Fingerprint};

/// The keys of a service, from their first day to their last. A clone shares them.
///
/// The [module page](crate::registry) has an example, and what each call does.
#[derive(Clone)]
pub struct KeyRegistry(Arc<Inner>);

struct Inner {
    scheme: KeyScheme,
    /// What the guards read. A list of changes is applied to it as one; a database does the same in a transaction.
    store: MemoryKeyStore,
    clock: Clock,
    book: Mutex<Book>,
}

/// What the store has no use for.
#[derive(Default)]
struct Book {
    keys: HashMap<String, Entry>,
    /// In the order in which they were created.
    order: Vec<String>,
    fingerprints: HashSet<Fingerprint>,
}

#[derive(Clone)]
struct Entry {
    info: KeyInfo,
    fingerprint: Fingerprint,
    /// How long it was good when it was made: as long as its successors are.
    lifetime: Option<Duration>,
}

#[expect(clippy::unused_async, reason = "on a database there is something to wait for")]
impl KeyRegistry {
    /// A registry of keys in this store, minted and digested by this scheme: those that the layer has. Keys that were put into
    /// the store otherwise are none of its keys until they are [imported](Self::import); what the store has revoked stays revoked.
    #[must_use]
    pub fn new(scheme: KeyScheme, store: MemoryKeyStore) -> Self {
        Self::with_clock(scheme, store, Clock::system())
    }

    /// The same by a clock of yours: the stack's.
    #[must_use]
    pub fn with_clock(scheme: KeyScheme, store: MemoryKeyStore, clock: impl Into<Clock>) -> Self {
        Self(Arc::new(Inner { scheme, store, clock: clock.into(), book: Mutex::default() }))
    }

    /// Makes a key. Answer it with `Cache-Control: no-store`.
    ///
    /// # Errors
    /// When the name is empty or too long, the end is in the past, the id is taken, or no random bytes can be had.
    pub async fn create(&self, actor: &Principal, new: NewKey) -> Result<IssuedKey, RegistryError> {
        let now = self.0.clock.now();
        let record = new.record(random_id()?, now)?;
        let secret = self.generate()?;
        let lifetime = record.end().and_then(|end| end.duration_since(now).ok());
        let key = self.add(actor, new.name, &secret, record, lifetime)?;
        Ok(IssuedKey { secret, key })
    }

    /// Takes over a key that exists already, as it is: from another system, or for a demonstration.
    ///
    /// # Errors
    /// When the secret has not the format of the scheme, or the secret or the id is taken.
    pub async fn import(
        &self,
        actor: &Principal,
        name: impl Into<String> + Send,
        secret: &Secret,
        record: KeyRecord,
    ) -> Result<KeyInfo, RegistryError> {
        self.add(actor, name.into(), secret, record, None)
    }

    /// The key with this id, also one that was deleted.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&self, _actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        Ok(self.book().find(id)?.info.clone())
    }

    /// The keys of somebody, in the order in which they were created; revoked ones too.
    ///
    /// # Errors
    /// None today; a registry on a database has some.
    pub async fn list(&self, _actor: &Principal, filter: &KeyFilter) -> Result<Vec<KeyInfo>, RegistryError> {
        let book = self.book();
        let entries = book.order.iter().filter_map(|id| book.keys.get(id)).filter(|entry| !entry.info.deleted);
        Ok(entries.map(|entry| &entry.info).filter(|key| filter.matches(key)).cloned().collect())
    }

    /// Changes what a key is called and what it may do, for the very next request.
    ///
    /// # Errors
    /// When there is none, it is revoked, the change cannot be, or it would put off the end of a key that was rotated.
    pub async fn update(&self, actor: &Principal, id: &str, change: KeyUpdate) -> Result<KeyInfo, RegistryError> {
        let now = self.0.clock.now();
        self.alter(actor, "changed", id, |entry| {
            let (name, record) = change.apply(&entry.info.name, entry.info.record.clone(), now)?;
            if record.end() != entry.info.record.end() {
                // Whoever was rotated has an end that is not to be put off.
                if let Some(successor) = &entry.info.successor {
                    return Err(RegistryError::Rotated { successor: successor.clone() });
                }
                entry.lifetime = record.end().and_then(|end| end.duration_since(entry.info.created_at).ok());
            }
            (entry.info.name, entry.info.record) = (name, record);
            Ok(())
        })
    }

    /// Stops a key for a while.
    ///
    /// # Errors
    /// When there is none, or it is revoked.
    pub async fn pause(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "paused", id, |active, _| (active, true))
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When there is none, or it is revoked.
    pub async fn resume(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "resumed", id, |active, _| (active, false))
    }

    /// Switches a key off. A pause is another matter, and stays what it was.
    ///
    /// # Errors
    /// When there is none, or it is revoked.
    pub async fn deactivate(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "deactivated", id, |_, paused| (false, paused))
    }

    /// Switches a key on again.
    ///
    /// # Errors
    /// When there is none, or it is revoked.
    pub async fn activate(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "activated", id, |_, paused| (true, paused))
    }

    /// Takes a key back, for the very next request and for good. Again, it is what it was.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.end(actor, "revoked", id, false)
    }

    /// Revokes a key and lists it no more. Again, it is what it was.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.end(actor, "deleted", id, true)
    }

    /// Revokes a key and makes its successor, in one step: there is no moment at which both are good, and none at which
    /// neither is.
    ///
    /// # Errors
    /// When there is none, it is revoked, expired or has a successor, or no random bytes can be had.
    pub async fn replace(&self, actor: &Principal, id: &str) -> Result<IssuedKey, RegistryError> {
        self.succeed(actor, "replaced", id, None)
    }

    /// Makes the successor of a key, which is good at once. The key itself is good until exactly now + overlap, and never
    /// past its own end; an overlap of nought revokes it.
    ///
    /// # Errors
    /// When there is none, it is revoked, expired or has a successor, or no random bytes can be had.
    pub async fn rotate(&self, actor: &Principal, id: &str, overlap: Duration) -> Result<IssuedKey, RegistryError> {
        self.succeed(actor, "rotated", id, Some(overlap).filter(|overlap| !overlap.is_zero()))
    }
}

impl KeyRegistry {
    fn add(
        &self,
        actor: &Principal,
        name: String,
        secret: &Secret,
        record: KeyRecord,
        lifetime: Option<Duration>,
    ) -> Result<KeyInfo, RegistryError> {
        let now = self.0.clock.now();
        let (fingerprint, record) = self.fingerprint(secret, record)?;
        let mut book = self.book();
        if self.0.store.has_revoked(&fingerprint) {
            return Err(RegistryError::Revoked);
        }
        book.refuse_taken(record.id(), &fingerprint)?;
        let state = record.current_state();
        let info = KeyInfo {
            name,
            created_at: now,
            created_by: actor.subject().to_owned(),
            active: state != KeyState::Deactivated,
            paused: state == KeyState::Paused,
            predecessor: None,
            successor: None,
            deleted: false,
            record,
        };
        self.0.store.apply([(fingerprint, info.record.clone())]);
        book.insert(Entry { info: info.clone(), fingerprint, lifetime });
        audit(actor, "created", &info);
        Ok(info)
    }

    fn succeed(
        &self,
        actor: &Principal,
        what: &'static str,
        id: &str,
        overlap: Option<Duration>,
    ) -> Result<IssuedKey, RegistryError> {
        let (now, secret, new_id) = (self.0.clock.now(), self.generate()?, random_id()?);
        let mut book = self.book();
        let mut old = book.find(id)?.clone();
        if old.info.record.is_revoked() || self.0.store.has_revoked(&old.fingerprint) {
            return Err(RegistryError::Revoked);
        }
        if let Some(successor) = &old.info.successor {
            return Err(RegistryError::Rotated { successor: successor.clone() });
        }
        if old.info.record.end().is_some_and(|end| end <= now) {
            return Err(RegistryError::Expired);
        }
        let mut record = old.info.record.successor(&new_id);
        // Of a key that was adopted nobody knows how long it was to be good: its successor has its end.
        if let Some(lifetime) = old.lifetime {
            record = record.expires_at(end_of(now, lifetime)?);
        }
        let (fingerprint, record) = self.fingerprint(&secret, record)?;
        book.refuse_taken(&new_id, &fingerprint)?;

        old.info.successor = Some(new_id);
        old.info.record = match overlap.map(|overlap| now.checked_add(overlap)) {
            Some(Some(end)) => {
                let end = old.info.record.end().map_or(end, |own| own.min(end));
                old.info.record.expires_at(end)
            }
            // No clock gets there: its own end is all that is left.
            Some(None) => old.info.record,
            None => old.info.record.state(KeyState::Revoked),
        };
        let mut new = old.clone();
        new.info.record = record;
        new.info.predecessor = Some(id.to_owned());
        new.info.successor = None;
        (new.info.created_at, new.info.created_by) = (now, actor.subject().to_owned());
        new.fingerprint = fingerprint;

        // The one before it makes room: two are good at a time.
        let before = old.info.predecessor.as_deref().and_then(|id| book.keys.get(id)).cloned();
        let before = before.map(|mut before| {
            before.info.record = before.info.record.state(KeyState::Revoked);
            before
        });
        let changed = [Some(&old), Some(&new), before.as_ref()];
        self.0.store.apply(changed.into_iter().flatten().map(|entry| (entry.fingerprint, entry.info.record.clone())));
        audit(actor, what, &old.info);
        audit(actor, "created", &new.info);
        if let Some(before) = &before {
            audit(actor, "revoked", &before.info);
        }
        let key = new.info.clone();
        for entry in [Some(old), Some(new), before].into_iter().flatten() {
            book.insert(entry);
        }
        Ok(IssuedKey { secret, key })
    }

    fn end(&self, actor: &Principal, what: &'static str, id: &str, delete: bool) -> Result<KeyInfo, RegistryError> {
        let mut book = self.book();
        let entry = book.find_mut(id)?;
        entry.info.record = entry.info.record.clone().state(KeyState::Revoked);
        entry.info.deleted |= delete;
        self.0.store.apply([(entry.fingerprint, entry.info.record.clone())]);
        audit(actor, what, &entry.info);
        Ok(entry.info.clone())
    }

    fn flag(
        &self,
        actor: &Principal,
        what: &'static str,
        id: &str,
        change: impl FnOnce(bool, bool) -> (bool, bool),
    ) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, what, id, |entry| {
            let (active, paused) = change(entry.info.active, entry.info.paused);
            entry.info = entry.info.clone().with_flags(active, paused);
            Ok(())
        })
    }

    /// Changes a key that is not revoked, in the book and in the store.
    fn alter(
        &self,
        actor: &Principal,
        what: &'static str,
        id: &str,
        change: impl FnOnce(&mut Entry) -> Result<(), RegistryError>,
    ) -> Result<KeyInfo, RegistryError> {
        let mut book = self.book();
        let entry = book.find_mut(id)?;
        if entry.info.record.is_revoked() || self.0.store.has_revoked(&entry.fingerprint) {
            return Err(RegistryError::Revoked);
        }
        let mut changed = entry.clone();
        change(&mut changed)?;
        self.0.store.apply([(changed.fingerprint, changed.info.record.clone())]);
        audit(actor, what, &changed.info);
        *entry = changed;
        Ok(entry.info.clone())
    }

    fn generate(&self) -> Result<Secret, RegistryError> {
        self.0.scheme.generate().map_err(RegistryError::Unavailable)
    }

    /// By what the store finds a key, and the record with the few characters by which people do.
    fn fingerprint(&self, secret: &Secret, record: KeyRecord) -> Result<(Fingerprint, KeyRecord), RegistryError> {
        let wrong = RegistryError::Invalid { field: "/key", reason: "has not the format of the scheme" };
        let digests = self.0.scheme.digests(secret.expose().as_bytes()).ok_or(wrong)?;
        Ok((*digests.fingerprint(), record.hint(self.0.scheme.format().hint(secret.expose()))))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // What is done under the lock does not panic.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn find(&self, id: &str) -> Result<&Entry, RegistryError> {
        self.keys.get(id).ok_or(RegistryError::NotFound)
    }

    fn find_mut(&mut self, id: &str) -> Result<&mut Entry, RegistryError> {
        self.keys.get_mut(id).ok_or(RegistryError::NotFound)
    }

    fn refuse_taken(&self, id: &str, fingerprint: &Fingerprint) -> Result<(), RegistryError> {
        let taken = self.keys.contains_key(id) || self.fingerprints.contains(fingerprint);
        if taken { Err(RegistryError::AlreadyExists) } else { Ok(()) }
    }

    fn insert(&mut self, entry: Entry) {
        self.fingerprints.insert(entry.fingerprint);
        let id = entry.info.id().to_owned();
        if self.keys.insert(id.clone(), entry).is_none() {
            self.order.push(id);
        }
    }
}

fn random_id() -> Result<String, RegistryError> {
    let format = KeyFormat::prefixed("key", 22).map_err(RegistryError::Unavailable)?;
    Ok(KeyScheme::sha256(format).generate().map_err(RegistryError::Unavailable)?.expose().to_owned())
}

/// Who did what to which key.
fn audit(actor: &Principal, what: &'static str, key: &KeyInfo) {
    tracing::info!(
        target: "tower_auth",
        actor = actor.subject(),
        key_id = key.id(),
        key_hint = key.hint(),
        account = key.principal().account(),
        what,
        "key changed"
    );
}

impl fmt::Debug for KeyRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRegistry").field("keys", &self.book().order.len()).finish_non_exhaustive()
    }
}
