use std::{fmt, sync::Arc, time::Duration};

use super::{
    Actor, AuditFilter, AuditRow, Change, Entry, IssuedKey, KeyAction, KeyEvent, KeyFilter, KeyInfo, KeyPolicy,
    KeyUpdate, NewKey, Page, RegistryError, RegistryFuture, RegistryStore,
    event::Observer,
    lifecycle::{Deciding, Digested, Minted},
    new_key::whole_micros,
    notes::Notes,
};
use crate::{Clock, KeyFormat, KeyRecord, KeyScheme, Secret, base::time_limit::TimeLimit};

/// Manages the lifecycle of the keys of a service. Clones share the same keys.
///
/// The [module page](crate::registry) has an example and a table of the calls. Every call fails with
/// [`RegistryError::Store`] if the store fails, or does not answer within ten seconds ([`timeout`](Self::timeout)).
#[derive(Clone)]
pub struct KeyRegistry {
    pub(super) scheme: KeyScheme,
    pub(super) store: Arc<dyn RegistryStore>,
    pub(super) limit: TimeLimit,
    pub(super) policy: Arc<KeyPolicy>,
    pub(super) observer: Observer,
    pub(super) notes: Notes,
    /// For how long caches that the store does not know of use what they know.
    pub(super) caches_within: Duration,
}

/// Longer than a guard waits, because an administrator would rather wait than not know.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How a registry is set up.
impl KeyRegistry {
    /// Creates a registry of the keys in this store, minted and digested by this scheme. Use the scheme and the store
    /// of the layer.
    #[must_use]
    pub fn new(scheme: KeyScheme, store: impl RegistryStore) -> Self {
        Self::with_clock(scheme, store, Clock::system())
    }

    /// Creates a registry as [`new`](Self::new) does, with a custom clock. Use the clock of the stack.
    #[must_use]
    pub fn with_clock(scheme: KeyScheme, store: impl RegistryStore, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        Self {
            notes: Notes::new(scheme.current_version(), clock.clone()),
            scheme,
            store: Arc::new(store),
            limit: TimeLimit::new(clock, TIMEOUT),
            policy: Arc::default(),
            observer: Observer::default(),
            caches_within: Duration::ZERO,
        }
    }

    /// Sets what keys may be, and how long what they leave behind is kept.
    #[must_use]
    pub fn policy(mut self, policy: KeyPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Calls this function after each change that this registry and its clones have carried out. It must return quickly,
    /// because the call that made the change waits for it. If a caller drops the future of its call after the store has
    /// carried the change out, the function is not called: what must miss nothing reads the audit log.
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, registry::KeyAction};
    ///
    /// fn watched(keys: KeyRegistry) -> KeyRegistry {
    ///     keys.on_event(|event| {
    ///         if event.row.action == KeyAction::Revoked {
    ///             println!("{} revoked {:?}", event.row.actor, event.row.key);
    ///         }
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_event(mut self, told: impl Fn(&KeyEvent<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Observer::new(told);
        self
    }

    /// Sets how long a call waits for the store: ten seconds by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limit = TimeLimit::new(self.limit.clock().clone(), timeout);
        self
    }
}

/// The calls. The registry does not authorize the actor.
impl KeyRegistry {
    /// Creates a key. Send it with `Cache-Control: no-store`.
    ///
    /// # Errors
    /// If a field of the new key is invalid, the expiry is in the past, the id is in use, or the operating system
    /// provides no random bytes.
    pub async fn create(&self, actor: impl Into<Actor> + Send, new: NewKey) -> Result<IssuedKey, RegistryError> {
        let (secret, minted) = self.mint(new.environment.as_deref())?;
        let key = self.run(actor, Vec::new(), move |it, _| it.create(new, minted)).await?;
        Ok(IssuedKey { secret, key })
    }

    /// Imports an existing key unchanged, for example from another system.
    ///
    /// # Errors
    /// If the secret does not have the format of the scheme, if the secret or the id is in use, if the key was revoked, or
    /// if the record has an empty id, account or subject.
    pub async fn import(
        &self,
        actor: impl Into<Actor> + Send,
        name: impl Into<String> + Send,
        secret: &Secret,
        record: KeyRecord,
    ) -> Result<KeyInfo, RegistryError> {
        let (name, minted) = (name.into(), self.presented(secret, record.id().to_owned())?);
        self.run(actor, Vec::new(), move |it, _| it.import(name, record, minted)).await
    }

    /// Returns the key with this id, even if it was deleted.
    ///
    /// # Errors
    /// If there is no key with this id.
    pub async fn get(&self, _actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        Ok(self.entry(id).await?.into_key())
    }

    /// Lists one page of the selected keys, in the order of their creation. Revoked keys are included, deleted keys are
    /// not.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list(
        &self,
        _actor: impl Into<Actor> + Send,
        filter: &KeyFilter,
    ) -> Result<Page<KeyInfo>, RegistryError> {
        Ok(self.answer(self.store.list(filter)).await?.map(Entry::into_key))
    }

    /// Lists all selected keys, page by page: for an owner who has few.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list_all(
        &self,
        actor: impl Into<Actor> + Send,
        filter: &KeyFilter,
    ) -> Result<Vec<KeyInfo>, RegistryError> {
        let (actor, mut filter, mut keys) = (actor.into(), filter.clone(), Vec::new());
        loop {
            let page = self.list(&actor, &filter).await?;
            keys.extend(page.items);
            match page.next {
                Some(next) => filter = filter.after(next),
                None => return Ok(keys),
            }
        }
    }

    /// Lists one page of the audit log.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn audit(
        &self,
        _actor: impl Into<Actor> + Send,
        filter: &AuditFilter,
    ) -> Result<Page<AuditRow>, RegistryError> {
        self.answer(self.store.audit(filter)).await
    }

    /// Changes the name, scopes, plan, notes or expiry of a key. The change applies from the next request on. An expired key
    /// that gets a later expiry is valid again; to end a key for ever, [revoke](Self::revoke) it.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, a field is invalid, or the change would move the expiry of a
    /// rotated key.
    pub async fn update(
        &self,
        actor: impl Into<Actor> + Send,
        id: &str,
        change: KeyUpdate,
    ) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, move |it, entry| it.update(entry, change)).await
    }

    /// Pauses a key. Requests with it are refused until [`resume`](Self::resume) is called.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn pause(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| it.flag(entry, KeyAction::Paused)).await
    }

    /// Ends the pause of a key.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn resume(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| it.flag(entry, KeyAction::Resumed)).await
    }

    /// Deactivates a key. Requests with it are refused until [`activate`](Self::activate) is called. A pause is not
    /// changed.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn deactivate(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| it.flag(entry, KeyAction::Deactivated)).await
    }

    /// Activates a deactivated key. A pause is not changed.
    ///
    /// # Errors
    /// If there is no such key, or the key is revoked.
    pub async fn activate(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| it.flag(entry, KeyAction::Activated)).await
    }

    /// Revokes a key. The next request with it is refused, and it cannot be restored. Idempotent. A cache in front of the store
    /// may admit the key for a while yet: see [`revoke_strict`](Self::revoke_strict).
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn revoke(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| Ok(it.end(entry, KeyAction::Revoked))).await
    }

    /// Revokes a key and removes it from lists. Idempotent.
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn delete(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        self.alter(actor, id, |it, entry| Ok(it.end(entry, KeyAction::Deleted))).await
    }

    /// Revokes a key and creates its successor in one atomic step: at any moment, exactly one of the two is valid.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, expired or has a successor, or the operating system provides no
    /// random bytes.
    pub async fn replace(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<IssuedKey, RegistryError> {
        self.succeed(actor, id, None).await
    }

    /// Creates the successor of a key. The successor is valid at once. The old key stays valid until now + overlap, but
    /// not beyond its own expiry. An overlap of zero revokes the old key.
    ///
    /// # Errors
    /// If there is no such key, the key is revoked, expired or has a successor, or the operating system provides no
    /// random bytes.
    pub async fn rotate(
        &self,
        actor: impl Into<Actor> + Send,
        id: &str,
        overlap: Duration,
    ) -> Result<IssuedKey, RegistryError> {
        // Times are kept in microseconds, so a shorter overlap is none.
        self.succeed(actor, id, Some(overlap).filter(|overlap| overlap.as_micros() > 0)).await
    }
}

/// How calls are carried out.
impl KeyRegistry {
    async fn succeed(
        &self,
        actor: impl Into<Actor> + Send,
        id: &str,
        overlap: Option<Duration>,
    ) -> Result<IssuedKey, RegistryError> {
        // A key never gets another predecessor or environment, so they can be read before the transaction.
        let key = self.entry(id).await?.into_key();
        let (secret, minted) = self.mint(key.record().current_environment())?;
        let before = key.predecessor().map(str::to_owned);
        let ids = [Some(id.to_owned()), before.clone()].into_iter().flatten().collect();
        let (id, new_id) = (id.to_owned(), minted.id.clone());
        let decide = move |it: &Deciding<'_>, entries: &[Entry]| {
            let before = before.and_then(|before| entries.iter().find(|entry| entry.key().id() == before));
            it.succeed(find(entries, &id)?, before, minted, overlap)
        };
        let changes = self.transact(actor.into(), ids, decide).await?;
        let key = key_in(&changes, |key| key.id() == new_id).ok_or(RegistryError::NotFound)?;
        Ok(IssuedKey { secret, key })
    }

    /// Changes one key that exists.
    async fn alter(
        &self,
        actor: impl Into<Actor> + Send,
        id: &str,
        decide: impl FnOnce(&Deciding<'_>, &Entry) -> Result<Vec<Change>, RegistryError> + Send + 'static,
    ) -> Result<KeyInfo, RegistryError> {
        let wanted = id.to_owned();
        self.run(actor, vec![id.to_owned()], move |it, entries| decide(it, find(entries, &wanted)?)).await
    }

    /// Runs a transaction that creates or changes one key, and returns that key.
    pub(super) async fn run(
        &self,
        actor: impl Into<Actor> + Send,
        ids: Vec<String>,
        decide: impl FnOnce(&Deciding<'_>, &[Entry]) -> Result<Vec<Change>, RegistryError> + Send + 'static,
    ) -> Result<KeyInfo, RegistryError> {
        let id = ids.first().cloned();
        let changes = self.transact(actor.into(), ids, decide).await?;
        match (key_in(&changes, |_| true), id) {
            (Some(key), _) => Ok(key),
            // The call was made before, and has changed nothing now.
            (None, Some(id)) => Ok(self.entry(&id).await?.into_key()),
            (None, None) => Err(RegistryError::NotFound),
        }
    }

    pub(super) async fn transact(
        &self,
        actor: Actor,
        ids: Vec<String>,
        decide: impl FnOnce(&Deciding<'_>, &[Entry]) -> Result<Vec<Change>, RegistryError> + Send + 'static,
    ) -> Result<Vec<Change>, RegistryError> {
        let (clock, policy) = (self.limit.clock().clone(), Arc::clone(&self.policy));
        let decide = move |entries: &[Entry]| {
            decide(&Deciding { actor: &actor, now: whole_micros(clock.now()), policy: &policy }, entries)
        };
        let changes = self.answer(self.store.transact(ids, Box::new(decide))).await?;
        self.observer.tell_all(&changes);
        Ok(changes)
    }

    pub(super) async fn entry(&self, id: &str) -> Result<Entry, RegistryError> {
        self.answer(self.store.get(id)).await?.ok_or(RegistryError::NotFound)
    }

    /// Waits for the store, but not for ever.
    pub(super) async fn answer<T>(&self, future: RegistryFuture<T>) -> Result<T, RegistryError> {
        let late = |late| RegistryError::Store(format!("the store {late}").into());
        self.limit.wait(future).await.unwrap_or_else(|timed_out| Err(late(timed_out)))
    }

    fn mint(&self, environment: Option<&str>) -> Result<(Secret, Minted), RegistryError> {
        let names = self.scheme.format().environment_names();
        let secret = match environment.filter(|_| !names.is_empty()) {
            Some(environment) if !names.iter().any(|name| name == environment) => {
                return Err(RegistryError::invalid("/environment", format!("must be one of {}", names.join(", "))));
            }
            Some(environment) => self.scheme.generate_in(environment),
            None => self.scheme.generate(),
        };
        let secret = secret.map_err(RegistryError::Unavailable)?;
        let minted = self.presented(&secret, random_id()?)?;
        Ok((secret, minted))
    }

    fn presented(&self, secret: &Secret, id: String) -> Result<Minted, RegistryError> {
        let wrong = || RegistryError::invalid("/key", "has not the format of the scheme");
        let digests = self.scheme.digests(secret.expose().as_bytes()).ok_or_else(wrong)?;
        let (format, key) = (self.scheme.format(), secret.expose());
        let environment = format.environment_of(key.as_bytes()).map(str::to_owned);
        Ok(Minted { id, hint: Some(format.hint(key)), environment, digests: Digested::All(digests) })
    }
}

fn find<'a>(entries: &'a [Entry], id: &str) -> Result<&'a Entry, RegistryError> {
    entries.iter().find(|entry| entry.key().id() == id).ok_or(RegistryError::NotFound)
}

/// Returns the first key that was created or changed, and that is meant.
fn key_in(changes: &[Change], meant: impl Fn(&KeyInfo) -> bool) -> Option<KeyInfo> {
    changes.iter().find_map(|change| match change {
        Change::Create { entry, .. } | Change::Update(entry) if meant(entry.key()) => Some(entry.key().clone()),
        _ => None,
    })
}

fn random_id() -> Result<String, RegistryError> {
    let format = KeyFormat::prefixed("key", 22).map_err(RegistryError::Unavailable)?.without_checksum();
    Ok(KeyScheme::sha256(format).generate().map_err(RegistryError::Unavailable)?.expose().to_owned())
}

impl fmt::Debug for KeyRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRegistry")
            .field("scheme", &self.scheme)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
