//! What only a registry reads: names, the order of creation, removed keys, holders, and the audit log.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::SystemTime,
};

use super::{
    accounts::Accounts,
    guarded::{Guarded, Place},
};
use crate::{
    KeyDigest, KeyDigests, KeyRecord, KeyState, RegistryError,
    key::{Fingerprint, FingerprintHasher},
    registry::{AuditRow, Change, Cursor, Entry, Holder, KeyFilter, PepperCount, Tombstone},
};

/// The number of audit rows that are kept. They share the memory of the service.
const MOST_AUDIT_ROWS: usize = 10_000;

#[derive(Default)]
pub(super) struct Book {
    /// In the order of creation. The nodes of a map that grows at its end are half empty, so rows are not kept in them.
    rows: BTreeMap<i64, Box<Row>>,
    accounts: Accounts,
    numbers: HashMap<String, i64>,
    digests: HashSet<[u8; 32]>,
    fingerprints: HashSet<Fingerprint, FingerprintHasher>,
    /// Of keys that were removed, whose entry was revoked, and of digests that were replaced.
    pub(super) tombs: BTreeMap<[u8; 32], Tombstone>,
    fingerprint_tombs: HashSet<Fingerprint, FingerprintHasher>,
    pub(super) holders: BTreeMap<Holder, SystemTime>,
    pub(super) audit: VecDeque<(i64, AuditRow)>,
    last: i64,
}

pub(super) struct Row {
    entry: Entry,
    /// `None` if the key itself was never seen.
    fingerprint: Option<Fingerprint>,
}

impl Row {
    fn account(&self) -> Option<&str> {
        self.entry.key().principal().account()
    }

    /// Returns where guards find the key.
    fn place(&self) -> Place {
        self.fingerprint.map_or_else(|| Place::Digest(*self.entry.digest().as_bytes()), Place::Key)
    }

    /// Returns the entry. What was revoked in the store directly is revoked.
    fn read(&self, guarded: &Guarded) -> Entry {
        let revoked = self.fingerprint.and_then(|at| guarded.get(&Place::Key(at))).is_some_and(KeyRecord::is_revoked);
        if !revoked || self.entry.key().state() == KeyState::Revoked {
            return self.entry.clone();
        }
        let key = self.entry.key().clone().revoked(self.entry.key().created_at());
        Entry::new(key, *self.entry.digest(), self.entry.pepper())
    }

    /// Gives the record to the guards. What was revoked in the store directly stays revoked.
    fn publish(&self, guarded: &mut Guarded) {
        let record = self.read(guarded).key().record().clone().pepper(self.entry.pepper());
        guarded.put(self.place(), record);
    }
}

impl Book {
    pub(super) fn find(&self, id: &str, guarded: &Guarded) -> Option<Entry> {
        Some(self.rows.get(self.numbers.get(id)?)?.read(guarded))
    }

    /// Iterates over the selected entries after a place, in the order of creation.
    pub(super) fn select<'a>(
        &'a self,
        filter: &'a KeyFilter,
        guarded: &'a Guarded,
    ) -> impl Iterator<Item = (i64, Entry)> + use<'a> {
        let first = filter.place().map_or(0, Cursor::row).saturating_add(1);
        let rest: Box<dyn Iterator<Item = (i64, &'a Row)> + 'a> = match filter.of_account() {
            Some(account) => Box::new(self.rows_of(account, first)),
            None => Box::new(self.rows.range(first..).map(|(number, row)| (*number, &**row))),
        };
        rest.filter(|(_, row)| filter.matches(&row.entry)).map(|(number, row)| (number, row.read(guarded)))
    }

    pub(super) fn peppers(&self) -> BTreeMap<Option<u32>, PepperCount> {
        let mut counts = BTreeMap::new();
        let mut count = |version, keys, removed| {
            let known = counts.entry(version).or_insert(PepperCount::new(version));
            *known = known.keys(known.keys + keys).removed(known.removed + removed);
        };
        self.rows.values().for_each(|row| count(row.entry.pepper(), 1, 0));
        self.tombs.values().filter(|tomb| !tomb.moved).for_each(|tomb| count(tomb.pepper, 0, 1));
        counts
    }

    /// Refuses changes that no two keys can share, before anything is changed.
    pub(super) fn check(&self, changes: &[Change], guarded: &Guarded) -> Result<(), RegistryError> {
        let (mut ids, mut new) = (HashSet::new(), HashSet::new());
        for change in changes {
            match change {
                Change::Create { entry, digests } => {
                    self.check_new(entry, digests.as_ref(), guarded)?;
                    if !ids.insert(entry.key().id()) || !new.insert(*entry.digest().as_bytes()) {
                        return Err(RegistryError::AlreadyExists);
                    }
                }
                Change::Update(entry) if !self.numbers.contains_key(entry.key().id()) => {
                    return Err(RegistryError::NotFound);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_new(&self, entry: &Entry, digests: Option<&KeyDigests>, guarded: &Guarded) -> Result<(), RegistryError> {
        let all = || [entry.digest()].into_iter().chain(digests.into_iter().flat_map(KeyDigests::iter));
        let seen = digests.map(KeyDigests::fingerprint);
        let revoked = entry.key().state() == KeyState::Revoked;
        let known = seen.and_then(|at| guarded.get(&Place::Key(*at))).is_some_and(KeyRecord::is_revoked);
        if self.numbers.contains_key(entry.key().id())
            || all().any(|digest| self.digests.contains(digest.as_bytes()))
            || seen.is_some_and(|at| self.fingerprints.contains(at))
        {
            return Err(RegistryError::AlreadyExists);
        }
        let removed = all().any(|digest| self.tombs.contains_key(digest.as_bytes()))
            || seen.is_some_and(|at| self.fingerprint_tombs.contains(at));
        if removed || (known && !revoked) { Err(RegistryError::Revoked) } else { Ok(()) }
    }

    /// Carries out a change that was checked.
    pub(super) fn apply(&mut self, change: &Change, guarded: &mut Guarded) {
        match change {
            Change::Create { entry, digests } => self.create(entry, digests.as_ref(), guarded),
            Change::Update(entry) => self.update(entry, guarded),
            Change::Used(uses) => uses.iter().for_each(|(id, at)| self.note_use(id, *at, guarded)),
            Change::Remove { id } => self.remove(id, guarded),
            Change::Bury(tomb) => self.bury(*tomb),
            Change::Suspend { holder, at } => {
                self.holders.entry(holder.clone()).or_insert(*at);
                guarded.suspended.insert(holder);
            }
            Change::Reinstate { holder } => {
                self.holders.remove(holder);
                guarded.suspended.remove(holder);
            }
            Change::Audit(row) => self.append(row.clone()),
        }
    }

    fn create(&mut self, entry: &Entry, digests: Option<&KeyDigests>, guarded: &mut Guarded) {
        let row = Row { entry: entry.clone(), fingerprint: digests.map(|digests| *digests.fingerprint()) };
        row.publish(guarded);
        self.digests.insert(*entry.digest().as_bytes());
        self.fingerprints.extend(row.fingerprint);
        self.last += 1;
        self.numbers.insert(entry.key().id().to_owned(), self.last);
        self.accounts.insert(row.account(), self.last);
        self.rows.insert(self.last, Box::new(row));
    }

    fn update(&mut self, entry: &Entry, guarded: &mut Guarded) {
        let Some(number) = self.numbers.get(entry.key().id()).copied() else { return };
        let Some(row) = self.rows.get_mut(&number) else { return };
        self.accounts.remove(row.account(), number);
        self.accounts.insert(entry.key().principal().account(), number);
        if row.entry.digest() != entry.digest() {
            let before = row.entry.digest().as_bytes();
            self.digests.remove(before);
            guarded.take(&Place::Digest(*before));
            self.digests.insert(*entry.digest().as_bytes());
        }
        let used = row.entry.key().last_used_at();
        row.entry = used.map_or_else(|| entry.clone(), |used| entry.clone().used(used));
        row.publish(guarded);
        self.unbury_moved(entry.digest());
    }

    fn note_use(&mut self, id: &str, at: SystemTime, guarded: &mut Guarded) {
        if let Some(row) = self.numbers.get(id).and_then(|number| self.rows.get_mut(number)) {
            row.entry = row.entry.clone().used(at);
            row.publish(guarded);
        }
    }

    pub(super) fn remove(&mut self, id: &str, guarded: &mut Guarded) {
        let Some(row) = self.take(id, guarded) else { return };
        self.bury(Tombstone::new(*row.entry.digest(), row.entry.pepper()));
        self.fingerprint_tombs.extend(row.fingerprint);
    }

    /// A key that was removed counts more than one that was moved.
    fn bury(&mut self, tomb: Tombstone) {
        let known = self.tombs.entry(*tomb.digest.as_bytes()).or_insert(tomb);
        known.moved &= tomb.moved;
    }

    /// A key that moves back has this digest again.
    fn unbury_moved(&mut self, digest: &KeyDigest) {
        if self.tombs.get(digest.as_bytes()).is_some_and(|tomb| tomb.moved) {
            self.tombs.remove(digest.as_bytes());
        }
    }

    /// Takes a key away, and leaves no trace of it.
    fn take(&mut self, id: &str, guarded: &mut Guarded) -> Option<Box<Row>> {
        let number = self.numbers.remove(id)?;
        let row = self.rows.remove(&number)?;
        self.accounts.remove(row.account(), number);
        self.digests.remove(row.entry.digest().as_bytes());
        guarded.take(&row.place());
        if let Some(fingerprint) = row.fingerprint {
            self.fingerprints.remove(&fingerprint);
        }
        Some(row)
    }

    /// Sets the state of a key from outside of a registry. Returns whether there is such a key, not revoked.
    pub(super) fn set_state(&mut self, id: &str, state: KeyState, guarded: &mut Guarded) -> bool {
        let Some(row) = self.numbers.get(id).and_then(|number| self.rows.get_mut(number)) else { return false };
        let key = row.entry.key().clone();
        let (created, paused) = (key.created_at(), key.is_paused());
        if key.state() == KeyState::Revoked {
            return false;
        }
        let key = match state {
            KeyState::Active => key.flags(true, false),
            KeyState::Paused => key.flags(true, true),
            KeyState::Deactivated => key.flags(false, paused),
            KeyState::Revoked => key.revoked(created),
        };
        row.entry = Entry::new(key, *row.entry.digest(), row.entry.pepper());
        row.publish(guarded);
        true
    }

    /// Removes a key from outside of a registry. It may be added again.
    pub(super) fn drop_key(&mut self, id: &str, guarded: &mut Guarded) -> bool {
        self.take(id, guarded).is_some()
    }

    /// Whether a registry has removed this key.
    pub(super) fn is_removed(&self, key: &KeyDigests) -> bool {
        self.fingerprint_tombs.contains(key.fingerprint())
            || !self.tombs.is_empty() && key.iter().any(|digest| self.tombs.contains_key(digest.as_bytes()))
    }

    /// Returns the ids of the keys of an account, in the order of creation.
    pub(super) fn ids_of(&self, account: &str) -> impl Iterator<Item = &str> {
        self.rows_of(account, 0).map(|(_, row)| row.entry.key().id())
    }

    /// Returns the ids of the first keys of the lines of successors that led to keys of an account.
    #[cfg(feature = "tokio")]
    pub(super) fn first_ids_of(&self, account: &str) -> impl Iterator<Item = &str> {
        self.rows_of(account, 0).filter_map(|(_, row)| row.entry.key().first_id())
    }

    /// Iterates over the rows of an account from this number on, in the order of creation.
    fn rows_of(&self, account: &str, first: i64) -> impl Iterator<Item = (i64, &Row)> {
        let rows =
            self.accounts.numbers(account, first).filter_map(|number| Some((number, &**self.rows.get(&number)?)));
        rows.filter(move |(_, row)| row.account() == Some(account))
    }

    fn append(&mut self, row: AuditRow) {
        if self.audit.len() == MOST_AUDIT_ROWS {
            self.audit.pop_front();
        }
        self.last += 1;
        self.audit.push_back((self.last, row));
    }
}
