//! The keys as they were last read from the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::{
    StoredSigningKey,
    schedule::{Slot, signer},
    sealer::Sealer,
};
use crate::{
    base::shown,
    token::{PublicJwk, SigningKey},
};

/// A key of the store.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    signs_from: SystemTime,
    held: Held,
    /// Whether the store still has the key under an old pepper.
    outdated: AtomicBool,
}

#[derive(Debug)]
enum Held {
    Private(SigningKey),
    /// The private key cannot be opened, for this reason. Tokens of the key can be verified.
    Public(PublicJwk, String),
    /// Neither part can be read, for this reason.
    Nothing(String),
}

impl Entry {
    /// Opens a key, and logs why it cannot be opened. A key that was open already stays open.
    fn read(row: &StoredSigningKey, sealer: &Sealer, before: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(before) = before
            && before.signs_from == row.signs_from
            && matches!(before.held, Held::Private(_))
        {
            return Arc::clone(before);
        }
        let held = Held::read(row, sealer);
        if let Some(why) = held.fault()
            && before.and_then(|before| before.held.fault()) != Some(why)
        {
            let id = shown::text(&row.id, 80);
            tracing::warn!(target: "tower_auth", key = %id, %why, "a signing key cannot be used to sign");
        }
        let outdated = held.fault().is_none() && !sealer.is_current(&row.sealed);
        Arc::new(Self { id: row.id.clone(), signs_from: row.signs_from, held, outdated: AtomicBool::new(outdated) })
    }

    pub(super) const fn private(&self) -> Option<&SigningKey> {
        match &self.held {
            Held::Private(key) => Some(key),
            Held::Public(..) | Held::Nothing(_) => None,
        }
    }

    /// Returns the key if the store has it under an old pepper.
    pub(super) fn outdated(&self) -> Option<&SigningKey> {
        self.private().filter(|_| self.outdated.load(Ordering::Relaxed))
    }

    pub(super) fn is_resealed(&self) {
        self.outdated.store(false, Ordering::Relaxed);
    }

    fn public(&self) -> Option<&str> {
        match &self.held {
            Held::Private(key) => Some(key.public_jwk()),
            Held::Public(key, _) => Some(key.text()),
            Held::Nothing(_) => None,
        }
    }
}

impl Held {
    fn read(row: &StoredSigningKey, sealer: &Sealer) -> Self {
        // What is published of a key that was opened is made from it, and not read from the row.
        let why = match sealer.open(row) {
            Ok(key) => return Self::Private(key),
            Err(why) => why,
        };
        match PublicJwk::read(row.algorithm, &row.id, &row.public) {
            Ok(key) => Self::Public(key, why),
            Err(public) => Self::Nothing(format!("{why}; it is not published either: {public}")),
        }
    }

    fn fault(&self) -> Option<&str> {
        match self {
            Self::Private(_) => None,
            Self::Public(_, why) | Self::Nothing(why) => Some(why),
        }
    }
}

/// All keys, in the order of the chain.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) slots: Vec<Slot>,
    /// The key set: a JSON document.
    pub(super) document: Bytes,
    /// When the store was read, in the monotonic time of the clock.
    pub(super) read_at: Duration,
}

impl Published {
    pub(super) fn read(rows: &[StoredSigningKey], sealer: &Sealer, before: &Self, read_at: Duration) -> Self {
        let known = |id: &str| before.entries.iter().find(|entry| entry.id == id);
        let entries = rows.iter().map(|row| Entry::read(row, sealer, known(&row.id)));
        Self::of(entries.collect(), read_at)
    }

    fn of(entries: Vec<Arc<Entry>>, read_at: Duration) -> Self {
        let slot = |entry: &Arc<Entry>| Slot { signs_from: entry.signs_from, usable: entry.private().is_some() };
        let slots = entries.iter().map(slot).collect();
        let keys: Vec<&str> = entries.iter().filter_map(|entry| entry.public()).collect();
        let document = format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into();
        Self { entries, slots, document, read_at }
    }

    /// Returns the keys without those at these places.
    pub(super) fn without(&self, places: &[usize]) -> Self {
        let kept = self.entries.iter().enumerate().filter(|(place, _)| !places.contains(place));
        Self::of(kept.map(|(_, entry)| Arc::clone(entry)).collect(), self.read_at)
    }

    /// Returns the key that signs.
    pub(super) fn signer(&self, now: SystemTime) -> Option<&SigningKey> {
        self.entries.get(signer(&self.slots, now)?)?.private()
    }
}
