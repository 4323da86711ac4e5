//! Everything that a database holds, as hashes: about 50 bytes a row, so a large audit log fits.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    fmt::Debug,
    hash::Hasher as _,
};

use tower_auth::{
    KeyDigest,
    registry::{AuditFilter, Holder, KeyFilter, KeyRow, Tombstone},
};

use super::side::Side;
use crate::{
    failure::Failure,
    output::{Progress, shown},
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Removed,
    Suspended,
    Keys,
    Audit,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Keys, Self::Removed, Self::Suspended, Self::Audit];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Suspended => "suspended",
            Self::Keys => "keys",
            Self::Audit => "audit",
        }
    }
}

#[derive(Default)]
pub(super) struct Inventory {
    /// The hash of each key, by its id.
    keys: BTreeMap<String, u128>,
    /// How often there is such a thing: two rows of the audit log may be equal.
    others: BTreeMap<Kind, HashMap<u128, u64>>,
}

impl Inventory {
    pub(super) async fn of(side: &Side, progress: &mut Progress) -> Result<Self, Failure> {
        let mut all = Self::default();
        let mut after = None;
        while let Some(last) = all.removed(side, after.as_ref()).await? {
            after = Some(last);
        }
        let mut after = None;
        while let Some(last) = all.holders(side, after.as_ref()).await? {
            after = Some(last);
        }
        let mut filter = KeyFilter::all().with_deleted().limit(1000);
        loop {
            let page = side.keys(&filter).await?;
            all.keys.extend(page.items.iter().map(|entry| {
                let mut row = KeyRow::of(entry);
                // Servers note uses meanwhile.
                row.last_used_at = None;
                (entry.key().id().to_owned(), hash(&row))
            }));
            progress.step(|| format!("comparing: {} keys", all.keys.len()));
            let Some(next) = page.next else { break };
            filter = filter.after(next);
        }
        let mut filter = AuditFilter::all().limit(1000);
        loop {
            let page = side.audit(&filter).await?;
            page.items.iter().for_each(|row| all.add(Kind::Audit, row));
            progress.step(|| "comparing the audit log".to_owned());
            let Some(next) = page.next else { return Ok(all) };
            filter = filter.after(next);
        }
    }

    async fn removed(&mut self, side: &Side, after: Option<&KeyDigest>) -> Result<Option<KeyDigest>, Failure> {
        let page = side.removed(after).await?;
        for tomb in &page {
            self.add(Kind::Removed, &removal(tomb));
        }
        Ok(page.last().map(|tomb| tomb.digest))
    }

    async fn holders(&mut self, side: &Side, after: Option<&Holder>) -> Result<Option<Holder>, Failure> {
        let page = side.holders(after).await?;
        for suspended in &page {
            self.add(Kind::Suspended, suspended);
        }
        Ok(page.into_iter().last().map(|(holder, _)| holder))
    }

    fn add(&mut self, kind: Kind, thing: &impl Debug) {
        *self.others.entry(kind).or_default().entry(hash(thing)).or_default() += 1;
    }

    /// Removes one such thing. Returns whether there was one.
    pub(super) fn take(&mut self, kind: Kind, thing: &impl Debug) -> bool {
        let found = self.others.get_mut(&kind).and_then(|all| all.get_mut(&hash(thing)));
        found.is_some_and(|count| {
            let there = *count > 0;
            *count = count.saturating_sub(1);
            there
        })
    }

    pub(super) fn count(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Keys => self.keys.len() as u64,
            other => self.others.get(&other).map_or(0, |all| all.values().sum()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.count(kind) == 0)
    }

    /// Returns what the other does not hold, or holds in another state.
    pub(super) fn missing_in(&self, other: &Self) -> Vec<String> {
        let keys = self.keys.iter().filter(|(id, hash)| other.keys.get(*id) != Some(*hash));
        let mut missing: Vec<String> = keys.map(|(id, _)| shown(id)).collect();
        for (kind, all) in &self.others {
            let there = |hash| other.others.get(kind).and_then(|all| all.get(hash)).copied().unwrap_or(0);
            let lost: u64 = all.iter().map(|(hash, count)| count.saturating_sub(there(hash))).sum();
            if lost > 0 {
                missing.push(format!("{}: {lost} of {}", kind.name(), self.count(*kind)));
            }
        }
        missing
    }
}

/// What is the same on both sides. `Debug` of a digest shows nothing.
pub(super) const fn removal(tomb: &Tombstone) -> (&[u8; 32], Option<u32>) {
    (tomb.digest.as_bytes(), tomb.pepper)
}

fn hash(thing: &impl Debug) -> u128 {
    let text = format!("{thing:?}");
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
