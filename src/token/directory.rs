//! Keys that are fetched one by one, by the id that a token names.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{
    algorithm::Algorithm,
    fetch::{Failed, Read},
    key::VerifyingKey,
    key_set::KeySet,
    keys::{Fetched, Pace},
    lookup::KeyLookup,
    source::KeySource,
};
use crate::{BoxError, MaybeReady};

/// The keys of a [`KeyLookup`], and what is remembered of ids without a key. The ids come from unverified tokens, so
/// their number is bounded, and so is the number of fetches that they cause.
pub(super) struct Directory {
    lookup: Arc<dyn KeyLookup>,
    issuer: Arc<str>,
    pace: Pace,
    pub(super) algorithm: Algorithm,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The last used comes last.
    kept: Vec<(Box<str>, Arc<Fetched>)>,
    /// When ids were asked for that were not known.
    asked: Vec<SystemTime>,
}

/// The maximum number of ids that are remembered.
const MOST_KEPT: usize = 32;
/// The maximum number of ids that are asked for within a cooldown. Issuers have a few keys, and seldom a new one.
const MOST_NEW: usize = 8;

impl Directory {
    pub(super) fn new(lookup: Arc<dyn KeyLookup>, issuer: Arc<str>, algorithm: Algorithm, pace: Pace) -> Self {
        Self { lookup, issuer, pace, algorithm, known: Mutex::default() }
    }

    /// Returns whether an id may become a part of an address: a UUID.
    pub(super) fn is_id(id: &str) -> bool {
        let hyphen = |place: usize| [8, 13, 18, 23].contains(&place);
        let fits = |(place, byte): (usize, u8)| if hyphen(place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        id.len() == 36 && id.bytes().enumerate().all(fits)
    }

    /// Returns what is known of an id.
    pub(super) fn known(&self, id: &str) -> Option<Arc<Fetched>> {
        let mut all = self.lock();
        let place = all.kept.iter().position(|(known, _)| **known == *id)?;
        // Moving it costs less than a signature, and there are few.
        let entry = all.kept.remove(place);
        let keys = Arc::clone(&entry.1);
        all.kept.push(entry);
        Some(keys)
    }

    /// Returns a place for the key of an id that a token names. The caller has checked the id and the token.
    ///
    /// Fails if too many unknown ids were asked for: the key may exist, so the result is unknown.
    pub(super) fn place_for(&self, id: &str, now: SystemTime) -> Result<Arc<Fetched>, Failed> {
        if let Some(known) = self.known(id) {
            return Ok(known);
        }
        let keys = self.fetched(id);
        let mut all = self.lock();
        // Another request may have asked for the same id since.
        if let Some((_, known)) = all.kept.iter().find(|(known, _)| **known == *id) {
            return Ok(Arc::clone(known));
        }
        // A time in the future is of before the clock was set back.
        all.asked.retain(|then| now.duration_since(*then).is_ok_and(|age| age < self.pace.cooldown));
        if all.asked.len() >= MOST_NEW {
            return Err("too many tokens name keys that are not known; the next are asked for later".into());
        }
        all.asked.push(now);
        let removed = (all.kept.len() >= MOST_KEPT).then(|| {
            // An id without a key makes room before a key does.
            let useless = |(_, keys): &(Box<str>, Arc<Fetched>)| keys.latest().is_none_or(|set| set.is_empty());
            let place = all.kept.iter().position(useless).unwrap_or(0);
            all.kept.remove(place)
        });
        all.kept.push((id.into(), Arc::clone(&keys)));
        drop(all);
        // Dropping a fetch may run code of the source.
        drop(removed);
        Ok(keys)
    }

    /// Returns why the last fetch of a key failed, if it did.
    pub(super) fn trouble(&self) -> Option<Failed> {
        let last = self.lock().kept.iter().map(|(_, keys)| Arc::clone(keys)).max_by_key(|keys| keys.attempted());
        last.and_then(|keys| keys.trouble())
    }

    fn fetched(&self, id: &str) -> Arc<Fetched> {
        let one = One { lookup: Arc::clone(&self.lookup), id: id.into() };
        let (algorithm, named) = (self.algorithm, one.id.clone());
        let read: Read = Arc::new(move |document| {
            if document.is_empty() {
                return Ok([].into_iter().collect());
            }
            let pem = str::from_utf8(document).map_err(|_| "it is not a text".to_owned())?;
            let key = VerifyingKey::from_pem(algorithm, pem).map_err(|error| error.to_string())?;
            Ok(KeySet::from_iter([key.id(&named)]))
        });
        Fetched::new(Arc::new(one), Arc::clone(&self.issuer), self.pace, read)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // No code under the lock panics.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of one id as a source of a set, which is empty if there is no such key.
struct One {
    lookup: Arc<dyn KeyLookup>,
    id: Box<str>,
}

impl KeySource for One {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let whole = |fetched: Result<Option<Bytes>, BoxError>| match fetched {
            // An empty document would say that there is no key.
            Ok(Some(document)) if document.is_empty() => Err("the document of a key is empty".into()),
            Ok(document) => Ok(document.unwrap_or_default()),
            Err(error) => Err(error),
        };
        match self.lookup.fetch(&self.id).now() {
            Ok(fetched) => MaybeReady::ready(whole(fetched)),
            Err(future) => MaybeReady::boxed(future.map(whole)),
        }
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        self.lookup.location()
    }
}
