//! What guards read.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use hashbrown::HashTable;

use crate::{
    KeyDigests, KeyRecord,
    key::{Fingerprint, FingerprintHasher},
    registry::Holder,
};

#[derive(Default)]
pub(super) struct Guarded {
    keys: HashMap<Fingerprint, KeyRecord, FingerprintHasher>,
    /// Keys that another store knew by their digest only.
    by_digest: HashMap<[u8; 32], KeyRecord>,
    /// Where the keys of an id are, by the hash of the id.
    ids: HashTable<Place>,
    hasher: RandomState,
    pub(super) suspended: Suspended,
}

/// Where a key is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Key(Fingerprint),
    Digest([u8; 32]),
}

impl Guarded {
    #[inline]
    pub(super) fn find(&self, key: &KeyDigests) -> Option<KeyRecord> {
        let found = self.keys.get(key.fingerprint()).or_else(|| self.find_by_digest(key))?;
        Some(self.as_guards_see(found))
    }

    fn find_by_digest(&self, key: &KeyDigests) -> Option<&KeyRecord> {
        if self.by_digest.is_empty() {
            return None;
        }
        key.iter().find_map(|digest| self.by_digest.get(digest.as_bytes()))
    }

    /// Finds a key by its id, also one that was inserted directly. Of several with the same id, it is any.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn find_by_id(&self, id: &str) -> Option<KeyRecord> {
        let place = self.ids.find(self.hasher.hash_one(id), |place| self.has_id(place, id))?;
        self.get(place).map(|found| self.as_guards_see(found))
    }

    /// Returns the places of all keys with this id. Keys that were inserted directly may share one.
    pub(super) fn places_of(&self, id: &str) -> Vec<Place> {
        let same = self.ids.iter_hash(self.hasher.hash_one(id));
        same.filter(|place| self.has_id(place, id)).copied().collect()
    }

    fn has_id(&self, place: &Place, id: &str) -> bool {
        self.get(place).is_some_and(|record| record.id() == id)
    }

    pub(super) fn get(&self, place: &Place) -> Option<&KeyRecord> {
        match place {
            Place::Key(fingerprint) => self.keys.get(fingerprint),
            Place::Digest(digest) => self.by_digest.get(digest),
        }
    }

    /// Adds a key, or replaces the record at this place.
    pub(super) fn put(&mut self, place: Place, record: KeyRecord) {
        if self.get(&place).is_none_or(|known| known.id() != record.id()) {
            self.take(&place);
            let hash = |id: &str| self.hasher.hash_one(id);
            let of = |place: &Place| match place {
                Place::Key(fingerprint) => self.keys.get(fingerprint),
                Place::Digest(digest) => self.by_digest.get(digest),
            };
            self.ids.insert_unique(hash(record.id()), place, |place| of(place).map_or(0, |known| hash(known.id())));
        }
        match place {
            Place::Key(fingerprint) => drop(self.keys.insert(fingerprint, record)),
            Place::Digest(digest) => drop(self.by_digest.insert(digest, record)),
        }
    }

    /// Removes a key.
    pub(super) fn take(&mut self, place: &Place) -> Option<KeyRecord> {
        let taken = match place {
            Place::Key(fingerprint) => self.keys.remove(fingerprint),
            Place::Digest(digest) => self.by_digest.remove(digest),
        }?;
        if let Ok(listed) = self.ids.find_entry(self.hasher.hash_one(taken.id()), |known| known == place) {
            listed.remove();
        }
        Some(taken)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    fn as_guards_see(&self, found: &KeyRecord) -> KeyRecord {
        let found = found.clone();
        if self.suspended.is_empty() { found } else { self.with_suspension(found) }
    }

    fn with_suspension(&self, record: KeyRecord) -> KeyRecord {
        let who = record.principal();
        let account = who.account().is_some_and(|account| self.suspended.has_account(account));
        let organization = who.organizations().first().is_some_and(|owner| self.suspended.has_organization(owner));
        let record = if account { record.account_suspended(true) } else { record };
        if organization { record.organization_suspended(true) } else { record }
    }
}

/// The suspended accounts and organisations.
#[derive(Default)]
pub(super) struct Suspended {
    accounts: HashSet<String>,
    organizations: HashSet<String>,
}

impl Suspended {
    pub(super) fn insert(&mut self, holder: &Holder) {
        self.of_kind(holder).insert(holder.id().to_owned());
    }

    pub(super) fn remove(&mut self, holder: &Holder) {
        self.of_kind(holder).remove(holder.id());
    }

    fn of_kind(&mut self, holder: &Holder) -> &mut HashSet<String> {
        match holder {
            Holder::Account(_) => &mut self.accounts,
            Holder::Organization(_) => &mut self.organizations,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.organizations.is_empty()
    }

    pub(super) fn has_account(&self, account: &str) -> bool {
        self.accounts.contains(account)
    }

    pub(super) fn has_organization(&self, organization: &str) -> bool {
        self.organizations.contains(organization)
    }
}
