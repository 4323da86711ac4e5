//! What guards read.

use std::collections::{HashMap, HashSet};

use crate::{
    KeyDigests, KeyRecord,
    key::{Fingerprint, FingerprintHasher},
    registry::Holder,
};

#[derive(Default)]
pub(super) struct Guarded {
    pub(super) keys: HashMap<Fingerprint, KeyRecord, FingerprintHasher>,
    /// Keys that another store knew by their digest only.
    pub(super) by_digest: HashMap<[u8; 32], KeyRecord>,
    pub(super) suspended: HashSet<Holder>,
}

impl Guarded {
    #[inline]
    pub(super) fn find(&self, key: &KeyDigests) -> Option<KeyRecord> {
        let found = self.keys.get(key.fingerprint()).or_else(|| self.find_by_digest(key))?.clone();
        Some(if self.suspended.is_empty() { found } else { self.with_suspension(found) })
    }

    fn find_by_digest(&self, key: &KeyDigests) -> Option<&KeyRecord> {
        if self.by_digest.is_empty() {
            return None;
        }
        key.iter().find_map(|digest| self.by_digest.get(digest.as_bytes()))
    }

    fn with_suspension(&self, record: KeyRecord) -> KeyRecord {
        let who = record.principal();
        let account = who.account().map(Holder::account).is_some_and(|holder| self.suspended.contains(&holder));
        let owner = who.organizations().first().map(Holder::organization);
        let organization = owner.is_some_and(|holder| self.suspended.contains(&holder));
        let record = if account { record.account_suspended(true) } else { record };
        if organization { record.organization_suspended(true) } else { record }
    }
}
