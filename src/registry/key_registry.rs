use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    audit::audit,
    error::RegistryError,
    info::{IssuedKey, KeyFilter, KeyInfo},
    new_key::{KeyUpdate, NewKey, end_of},
};
use crate::{Clock, KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Principal, Secret, key::Fingerprint};

/// Manages the lifecycle of the keys of a service. Clones share the same keys.
///
/// The [module page](crate::registry) has an example and a table of the calls.
#[derive(Clone)]
pub struct KeyRegistry(Arc<Inner>);

struct Inner {
    scheme: KeyScheme,
    /// What the guards read. A list of changes is applied atomically, like a transaction of a database.
    store: MemoryKeyStore,
    clock: Clock,
    book: Mutex<Book>,
}

/// The data that guards do not need.
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
    /// How long the key was valid when it was created. Its successors get the same lifetime.
    lifetime: Option<Duration>,
}

#[expect(clippy::unused_async, reason = "a registry on a database has to wait")]
impl KeyRegistry {
    /// Creates a registry of the keys in this store, minted and digested by this scheme. Use the scheme and the store
    /// of the layer. Keys that were added to the store directly are unknown to the registry until they are
    /// [imported](Self::import). A key that is revoked in the store stays revoked.
    #[must_use]
    pub fn new(scheme: KeyScheme, store: MemoryKeyStore) -> Self {
        Self::with_clock(scheme, store, Clock::system())
    }

    /// Creates a registry as [`new`](Self::new) does, with a custom clock. Use the clock of the stack.
    #[must_use]
    pub fn with_clock(scheme: KeyScheme, store: MemoryKeyStore, clock: impl Into<Clock>) -> Self {
        Self(Arc::new(Inner { scheme, store, clock: clock.into(), book: Mutex::default() }))
    }

    /// Creates a key. Send it with `Cache-Control: no-store`.
    ///
    /// # Errors
    /// If a field of the new key is invalid, the expiry is in the past, the id is in use, or the operating system
    /// provides no random bytes.
    pub async fn create(&self, actor: &Principal, new: NewKey) -> Result<IssuedKey, RegistryError> {
        let now = self.0.clock.now();
        let record = new.record(random_id()?, now)?;
        let secret = self.generate()?;
        let lifetime = record.end().and_then(|end| end.duration_since(now).ok());
        let key = self.add(actor, new.name, &secret, record, lifetime)?;
        Ok(IssuedKey { secret, key })
    }

    /// Imports an existing key unchanged, for example from another system.
    ///
    /// # Errors
    /// If the secret does not have the format of the scheme, if the secret or the id is in use, if the store has
    /// revoked the key, or if the record has an empty id, account or subject.
    pub async fn import(
        &self,
        actor: &Principal,
        name: impl Into<String> + Send,
        secret: &Secret,
        record: KeyRecord,
    ) -> Result<KeyInfo, RegistryError> {
        let empty = record.nameless().map(|what| match what {
            "id" => "/id",
            "account" => "/account",
            _ => "/subject",
        });
        if let Some(field) = empty {
            return Err(RegistryError::Invalid { field, reason: "must not be empty" });
        }
        self.add(actor, name.into(), secret, record, None)
    }

    /// Returns the key with this id, even if it was deleted.
    ///
    /// # Errors
    /// If there is no key with this id.
    pub async fn get(&self, _actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        Ok(self.book().find(id)?.info.clone())
    }

    /// Lists the selected keys in the order of their creation. Revoked keys are included, deleted keys are not.
    ///
    /// # Errors
    /// Currently none. A registry on a database can fail.
    pub async fn list(&self, _actor: &Principal, filter: &KeyFilter) -> Result<Vec<KeyInfo>, RegistryError> {
        let book = self.book();
        let entries = book.order.iter().filter_map(|id| book.keys.get(id)).filter(|entry| !entry.info.deleted);
        Ok(entries.map(|entry| &entry.info).filter(|key| filter.matches(key)).cloned().collect())
    }

    /// Changes the name, scopes, plan or expiry of a key. The change applies from the next request on.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, a field is invalid, or the change would move the expiry of a
    /// rotated key.
    pub async fn update(&self, actor: &Principal, id: &str, change: KeyUpdate) -> Result<KeyInfo, RegistryError> {
        let now = self.0.clock.now();
        self.alter(actor, "changed", id, |entry| {
            let (name, record) = change.apply(&entry.info.name, entry.info.record.clone(), now)?;
            if record.end() != entry.info.record.end() {
                // The expiry of a rotated key must not be moved.
                if let Some(successor) = &entry.info.successor {
                    return Err(RegistryError::Rotated { successor: successor.clone() });
                }
                entry.lifetime = record.end().and_then(|end| end.duration_since(entry.info.created_at).ok());
            }
            (entry.info.name, entry.info.record) = (name, record);
            Ok(())
        })
    }

    /// Pauses a key. Requests with it are refused until [`resume`](Self::resume) is called.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn pause(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "paused", id, |active, _| (active, true))
    }

    /// Ends the pause of a key.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn resume(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "resumed", id, |active, _| (active, false))
    }

    /// Deactivates a key. Requests with it are refused until [`activate`](Self::activate) is called. A pause is not
    /// changed.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn deactivate(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "deactivated", id, |_, paused| (false, paused))
    }

    /// Activates a deactivated key. A pause is not changed.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn activate(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.flag(actor, "activated", id, |_, paused| (true, paused))
    }

    /// Revokes a key. The next request with it is refused, and it cannot be restored. Idempotent.
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn revoke(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.end(actor, "revoked", id, false)
    }

    /// Revokes a key and removes it from lists. Idempotent.
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn delete(&self, actor: &Principal, id: &str) -> Result<KeyInfo, RegistryError> {
        self.end(actor, "deleted", id, true)
    }

    /// Revokes a key and creates its successor in one atomic step: at any moment, exactly one of the two is valid.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, expired or has a successor, or the operating system provides no
    /// random bytes.
    pub async fn replace(&self, actor: &Principal, id: &str) -> Result<IssuedKey, RegistryError> {
        self.succeed(actor, "replaced", id, None)
    }

    /// Creates the successor of a key. The successor is valid at once. The old key stays valid until now + overlap, but
    /// not beyond its own expiry. An overlap of zero revokes the old key.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, expired or has a successor, or the operating system provides no
    /// random bytes.
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
        // The lifetime of an imported key is unknown, so its successor gets the same expiry.
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
            // The sum exceeds what a clock can show, so the key keeps its own expiry.
            Some(None) => old.info.record,
            None => old.info.record.state(KeyState::Revoked),
        };
        let mut new = old.clone();
        new.info.record = record;
        new.info.predecessor = Some(id.to_owned());
        new.info.successor = None;
        (new.info.created_at, new.info.created_by) = (now, actor.subject().to_owned());
        new.fingerprint = fingerprint;

        // Only two keys may be valid at a time, so the predecessor is revoked.
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

    /// Returns the index of the key in the store, and the record with the key's hint.
    fn fingerprint(&self, secret: &Secret, record: KeyRecord) -> Result<(Fingerprint, KeyRecord), RegistryError> {
        let wrong = RegistryError::Invalid { field: "/key", reason: "has not the format of the scheme" };
        let digests = self.0.scheme.digests(secret.expose().as_bytes()).ok_or(wrong)?;
        Ok((*digests.fingerprint(), record.hint(self.0.scheme.format().hint(secret.expose()))))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing panics while it holds the lock.
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
    let format = KeyFormat::prefixed("key", 22).map_err(RegistryError::Unavailable)?.without_checksum();
    Ok(KeyScheme::sha256(format).generate().map_err(RegistryError::Unavailable)?.expose().to_owned())
}

impl fmt::Debug for KeyRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRegistry").field("keys", &self.book().order.len()).finish_non_exhaustive()
    }
}
