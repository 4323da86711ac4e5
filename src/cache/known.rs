//! Cached keys, and keys that are known to be unknown.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use quick_cache::sync::Cache;

use super::{
    Changed,
    answers::{Answer, Answers},
    changed::Mark,
    freshness::{Begun, Freshness, nanos},
    settings::Settings,
};
use crate::{
    KeyDigests, KeyRecord,
    key::{Accepted, Fingerprint, FingerprintHasher, Kept},
};

/// More schemes than a service has. The keys of further ones are not cached.
const MOST_SCHEMES: usize = 64;
/// The last use of a key that may not be idle is known only as of its lookup, so such a lookup lives for this part of the limit.
const PART_OF_IDLE: u32 = 8;

/// Under what a key is cached: itself, and what its scheme accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    fingerprint: Fingerprint,
    accepted: Accepted,
}

impl Place {
    #[inline]
    pub(super) fn of(key: &KeyDigests) -> Self {
        Self { fingerprint: *key.fingerprint(), accepted: key.accepted() }
    }
}

impl Hash for Place {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

/// The marks of a key: its id, its account and the organisation that owns it.
pub(super) type Marks = [Mark; 3];

pub(super) struct Keys {
    pub(super) known: Answers<Place, KeyRecord, Marks, FingerprintHasher>,
    /// Apart from the others, so that random keys displace none of them. Who sends them can choose their digests, so their hash
    /// is a random one.
    unknown: Cache<Place, Begun>,
    unknown_for: u64,
    schemes: Mutex<Vec<Kept>>,
    was_told: AtomicBool,
}

impl Keys {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            known: Answers::new(settings.capacity),
            unknown: Cache::new(settings.unknown),
            unknown_for: nanos(settings.unknown_for),
            schemes: Mutex::default(),
            was_told: AtomicBool::new(false),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether this key is known to be unknown.
    #[inline]
    pub(super) fn is_unknown(&self, freshness: &Freshness, place: &Place) -> bool {
        self.unknown.get(place).is_some_and(|begun| self.is_still_unknown(freshness, &begun))
    }

    #[inline]
    pub(super) fn is_still_unknown(&self, freshness: &Freshness, begun: &Begun) -> bool {
        freshness.is_still_unknown(begun, self.unknown_for)
    }

    /// Keeps an answer, if the scheme of the key can be told from all others.
    pub(super) fn keep(
        &self,
        freshness: &Freshness,
        key: &KeyDigests,
        begun: Begun,
        found: Option<KeyRecord>,
    ) -> Option<Answer<KeyRecord, Marks>> {
        let (place, is_kept) = (Place::of(key), freshness.can_keep(&begun) && self.knows_scheme(key));
        let Some(record) = found else {
            self.known.forget(&place);
            if is_kept {
                self.unknown.insert(place, begun);
            }
            return None;
        };
        let answer = Answer { begun, marks: marks(&record), longest: longest(&record), value: record };
        if is_kept {
            self.known.keep(place, answer.clone());
        }
        Some(answer)
    }

    fn knows_scheme(&self, key: &KeyDigests) -> bool {
        // Nothing panics while it holds the lock.
        let mut schemes = self.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = key.accepted();
        if schemes.iter().any(|kept| kept.accepted == accepted) {
            return true;
        }
        let room = schemes.len() < MOST_SCHEMES;
        if room {
            schemes.push(key.kept());
        } else if !self.was_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "tower_auth",
                "more than {MOST_SCHEMES} key schemes use one cache, and the keys of further ones are not cached; help: create each                  KeyScheme once, and clone it"
            );
        }
        room
    }
}

fn marks(record: &KeyRecord) -> Marks {
    let who = record.principal();
    let of = |changed: Changed<'_>| changed.mark();
    let key = Changed::Key(record.id());
    let account = who.account().map_or(key, Changed::Account);
    let owner = who.organizations().first().map_or(key, |owner| Changed::Organization(owner));
    // Each of these has an id, and so a mark.
    [key, account, owner].map(|one| of(one).unwrap_or(Mark::NONE))
}

fn longest(record: &KeyRecord) -> u64 {
    record.current_restrictions().idle_limit().map_or(u64::MAX, |idle| nanos(idle / PART_OF_IDLE))
}
