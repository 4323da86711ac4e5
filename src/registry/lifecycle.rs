//! The rules of a key's life, as pure functions: the entries in, the changes out. No rule stands anywhere else.

use std::time::{Duration, SystemTime};

use serde_json::Map;

use super::{
    Actor, AuditRow, Change, Entry, Holder, KeyAction, KeyInfo, KeyPolicy, KeyUpdate, NewKey, RegistryError,
    new_key::{check_texts, end_of, in_whole_micros},
};
use crate::{KeyDigest, KeyDigests, KeyRecord, KeyScheme};

/// What every decision depends on.
pub(super) struct Deciding<'a> {
    pub(super) actor: &'a Actor,
    pub(super) now: SystemTime,
    pub(super) policy: &'a KeyPolicy,
}

/// A key that was minted or presented, without its secret.
pub(super) struct Minted {
    /// The id of the new key, unless the caller names another.
    pub(super) id: String,
    /// `None` if the key itself was never seen.
    pub(super) hint: Option<String>,
    /// The environment that the key itself names.
    pub(super) environment: Option<String>,
    pub(super) digests: Digested,
}

/// By what a key is stored.
pub(super) enum Digested {
    /// The digests under every accepted pepper. The first is stored.
    All(KeyDigests),
    /// The digest under this pepper, and nothing else.
    One(KeyDigest, u32),
}

impl Minted {
    /// An existing key of which only the digest is known.
    pub(super) fn by_digest(
        id: String,
        digest: KeyDigest,
        pepper: Option<u32>,
        scheme: &KeyScheme,
    ) -> Result<Self, RegistryError> {
        let digests = match pepper {
            // The digest under a pepper follows from it.
            None => Digested::All(scheme.digests_of_sha256(&digest)),
            Some(version) if scheme.versions().any(|known| known == pepper) => Digested::One(digest, version),
            Some(_) => return Err(RegistryError::invalid("/pepper", "is a version that the scheme does not accept")),
        };
        Ok(Self { id, hint: None, environment: None, digests })
    }

    fn entry(self, key: KeyInfo) -> Result<Change, RegistryError> {
        let digests = match self.digests {
            Digested::All(digests) => digests,
            Digested::One(digest, pepper) => {
                return Ok(Change::Create { entry: Entry::new(key, digest, Some(pepper)), digests: None });
            }
        };
        let Some((pepper, digest)) = digests.versions().next() else {
            return Err(RegistryError::Store("the key scheme has no digest".into()));
        };
        Ok(Change::Create { entry: Entry::new(key, *digest, pepper), digests: Some(digests) })
    }

    /// The record with what the key itself shows.
    fn seen(&self, record: KeyRecord) -> KeyRecord {
        match &self.hint {
            Some(hint) => record.hint(&**hint),
            None => record,
        }
    }
}

type Decided = Result<Vec<Change>, RegistryError>;

impl Deciding<'_> {
    pub(super) fn create(&self, new: NewKey, minted: Minted) -> Decided {
        let key = new.build(minted.id.clone(), self.now, self.policy)?;
        self.add(KeyAction::Created, key, minted)
    }

    pub(super) fn import(&self, name: String, record: KeyRecord, minted: Minted) -> Decided {
        let empty = record.nameless().map(|what| match what {
            "id" => "/id",
            "account" => "/account",
            _ => "/subject",
        });
        if let Some(field) = empty {
            return Err(RegistryError::invalid(field, "must not be empty"));
        }
        if record.is_suspended() {
            let reason = "is suspended: import the key without that, and call KeyRegistry::suspend";
            return Err(RegistryError::invalid("/account", reason));
        }
        let revoked = record.is_revoked();
        let mut key = KeyInfo::of(in_whole_micros(record)?).named(name);
        key.revoked_at = revoked.then_some(self.now);
        self.add(KeyAction::Imported, key, minted)
    }

    fn add(&self, action: KeyAction, key: KeyInfo, minted: Minted) -> Decided {
        check_texts(&key)?;
        let mut key = key.created(self.now, self.actor.subject());
        key.record = minted.seen(key.record).last_used_at(self.now);
        if let Some(named) = &minted.environment {
            if key.record.current_environment().is_some_and(|environment| environment != named) {
                return Err(RegistryError::invalid("/environment", "is not the one that the key itself names"));
            }
            key.record = key.record.environment(&**named);
        }
        let row = self.row(action, None, Some(&key));
        Ok(vec![minted.entry(key)?, row])
    }

    pub(super) fn update(&self, entry: &Entry, change: KeyUpdate) -> Decided {
        self.alter(entry, KeyAction::Changed, |key| {
            let mut changed = change.apply(key, self.now, self.policy)?;
            if changed.expires_at() != key.expires_at() {
                // The expiry of a rotated key must not be moved.
                if let Some(successor) = &key.successor {
                    return Err(RegistryError::Rotated { successor: successor.clone() });
                }
                changed.lifetime = changed.expires_at().and_then(|end| end.duration_since(key.created_at).ok());
            }
            Ok(changed)
        })
    }

    pub(super) fn flag(&self, entry: &Entry, action: KeyAction) -> Decided {
        let (active, paused) = match action {
            KeyAction::Paused => (entry.key().active, true),
            KeyAction::Resumed => (entry.key().active, false),
            KeyAction::Deactivated => (false, entry.key().paused),
            _ => (true, entry.key().paused),
        };
        self.alter(entry, action, |key| Ok(key.clone().flags(active, paused)))
    }

    /// Revokes, and perhaps deletes, a key. Nothing is written if it was done before.
    pub(super) fn end(&self, entry: &Entry, action: KeyAction) -> Vec<Change> {
        let mut key = entry.key().clone().revoked(self.now);
        if action == KeyAction::Deleted {
            key = key.deleted(self.now);
        }
        if key == *entry.key() {
            return Vec::new();
        }
        let row = self.row(action, Some(entry.key()), Some(&key));
        vec![Change::Update(entry.with(key)), row]
    }

    /// Creates the successor of a key. Without an overlap, the key is revoked. `before` is the predecessor of the key.
    pub(super) fn succeed(
        &self,
        entry: &Entry,
        before: Option<&Entry>,
        minted: Minted,
        overlap: Option<Duration>,
    ) -> Decided {
        let old = entry.key();
        if old.record.is_revoked() {
            return Err(RegistryError::Revoked);
        }
        if let Some(successor) = &old.successor {
            return Err(RegistryError::Rotated { successor: successor.clone() });
        }
        if old.record.first_end().is_some_and(|end| end <= self.now) {
            return Err(RegistryError::Expired);
        }
        let new = self.successor(old, &minted)?;
        let mut old = old.clone();
        old.successor = Some(minted.id.clone());
        let action = if overlap.is_some() { KeyAction::Rotated } else { KeyAction::Replaced };
        let old = self.overlapping(old, overlap);
        let mut changes = vec![
            self.row(action, Some(entry.key()), Some(&old)),
            self.row(KeyAction::Created, None, Some(&new)),
            Change::Update(entry.with(old)),
            minted.entry(new)?,
        ];
        // Only two keys may be valid at a time, so the predecessor is revoked. If it was purged, its id may name another key.
        if let Some(before) = before.filter(|before| before.key().successor() == Some(entry.key().id())) {
            changes.extend(self.end(before, KeyAction::Revoked));
        }
        Ok(changes)
    }

    fn successor(&self, old: &KeyInfo, minted: &Minted) -> Result<KeyInfo, RegistryError> {
        let mut new = old.clone();
        new.record = minted.seen(old.record.successor(&minted.id)).last_used_at(self.now);
        if let Some(named) = &minted.environment {
            new.record = new.record.environment(&**named);
        }
        // The lifetime of an imported key is unknown, so its successor gets the same expiry.
        new.lifetime = self.policy.lifetime(old.lifetime);
        if let Some(lifetime) = new.lifetime {
            let end = end_of(self.now, lifetime)?;
            let known = old.expires_at().filter(|_| old.lifetime.is_none());
            new.record = new.record.expires_at(known.map_or(end, |known| known.min(end)));
        }
        Ok(new.created(self.now, self.actor.subject()).between(Some(old.id().to_owned()), None))
    }

    /// Lets a rotated key end with the overlap, but not later than it would.
    fn overlapping(&self, mut old: KeyInfo, overlap: Option<Duration>) -> KeyInfo {
        match overlap.map(|overlap| end_of(self.now, overlap)) {
            Some(Ok(end)) => {
                let end = old.expires_at().map_or(end, |own| own.min(end));
                old.record = old.record.expires_at(end);
                old
            }
            // The sum exceeds what a clock can show, so the key keeps its own expiry.
            Some(Err(_)) => old,
            None => old.revoked(self.now),
        }
    }

    /// Removes a key that was deleted before this time. Its digest is kept.
    pub(super) fn purge(&self, entry: &Entry, before: SystemTime) -> Vec<Change> {
        if entry.key().deleted_at().is_none_or(|at| at >= before) {
            return Vec::new();
        }
        let row = self.row(KeyAction::Purged, Some(entry.key()), None);
        vec![Change::Remove { id: entry.key().id().to_owned() }, row]
    }

    pub(super) fn suspend(&self, holder: &Holder) -> Vec<Change> {
        let change = Change::Suspend { holder: holder.clone(), at: self.now };
        vec![change, self.holder_row(KeyAction::Suspended, holder)]
    }

    pub(super) fn reinstate(&self, holder: &Holder) -> Vec<Change> {
        let change = Change::Reinstate { holder: holder.clone() };
        vec![change, self.holder_row(KeyAction::Reinstated, holder)]
    }

    /// Erases an account. The row that says so does not name the account.
    pub(super) fn erase(&self, account: &str) -> Vec<Change> {
        let row = self.empty_row(KeyAction::Erased);
        let row = if self.actor.subject() == account { row.erased() } else { row };
        vec![Change::Audit(row)]
    }

    /// Changes a key that is not revoked. Nothing is written if nothing changes.
    fn alter(
        &self,
        entry: &Entry,
        action: KeyAction,
        change: impl FnOnce(&KeyInfo) -> Result<KeyInfo, RegistryError>,
    ) -> Decided {
        if entry.key().record.is_revoked() {
            return Err(RegistryError::Revoked);
        }
        let key = change(entry.key())?;
        if key == *entry.key() {
            return Ok(Vec::new());
        }
        let row = self.row(action, Some(entry.key()), Some(&key));
        Ok(vec![Change::Update(entry.with(key)), row])
    }

    /// Returns the audit row of a change: the properties that differ, before and after.
    fn row(&self, action: KeyAction, before: Option<&KeyInfo>, after: Option<&KeyInfo>) -> Change {
        let mut row = self.empty_row(action);
        if let Some(key) = after.or(before) {
            row.key = Some(key.id().to_owned());
            row.account = key.principal().account().map(str::to_owned);
            row.organization = key.organization().map(str::to_owned);
        }
        let [mut before, mut after] = [before, after].map(|key| key.map_or_else(Map::new, KeyInfo::properties));
        before.retain(|name, value| match after.get(name) {
            Some(same) if same == value => {
                after.remove(name);
                false
            }
            _ => true,
        });
        row.before = before;
        row.after.extend(after);
        Change::Audit(row)
    }

    fn holder_row(&self, action: KeyAction, holder: &Holder) -> Change {
        let mut row = self.empty_row(action);
        let name = Some(holder.id().to_owned());
        match holder {
            Holder::Account(_) => row.account = name,
            Holder::Organization(_) => row.organization = name,
        }
        Change::Audit(row)
    }

    fn empty_row(&self, action: KeyAction) -> AuditRow {
        let mut row = AuditRow::new(self.now, self.actor.subject(), action);
        row.address = self.actor.from_address();
        row.request_id = self.actor.in_request().map(str::to_owned);
        row.after.extend(self.actor.reason().map(|reason| ("reason".to_owned(), reason.into())));
        row
    }
}
