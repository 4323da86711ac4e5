//! Fetched keys that are found by their ids, for signatures that are no tokens.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    fetch::Failed,
    key::VerifyingKey,
    key_set::KeySet,
    keys::{Fetched, Pace, Slept},
    source::KeySource,
};
use crate::{Clock, MaybeReady};

/// The keys of one publisher, fetched at a bounded pace. Clones share them.
#[derive(Clone)]
pub(crate) struct NamedKeys(Arc<Fetched>);

/// Slower than the keys of tokens are fetched: a publisher that knows nothing of its callers limits how often each may ask.
const PACE: Pace = Pace {
    fresh: Duration::from_secs(3_600),
    stale: Duration::from_secs(24 * 3_600),
    cooldown: Duration::from_secs(120),
    patience: Duration::from_secs(5),
};

impl NamedKeys {
    /// Creates the keys of this publisher. `read` reads them out of a document of the source.
    pub(crate) fn new(
        source: Arc<dyn KeySource>,
        publisher: &str,
        read: impl Fn(&[u8]) -> Result<KeySet, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Fetched::new(source, publisher.into(), PACE, Arc::new(read)))
    }

    /// Returns the key with this id, or `None` if the publisher has none. Keys are fetched if they are due, or if the id
    /// is unknown. A known key does not wait for the fetch.
    ///
    /// # Errors
    /// If it is not known whether there is such a key, because the keys could not be fetched.
    pub(crate) fn find(&self, id: &str, clock: &Clock) -> MaybeReady<Result<Option<VerifyingKey>, Failed>> {
        let now = clock.now();
        let (set, due) = self.0.current(now);
        let known = set.as_ref().and_then(|set| set.named(id)).is_some();
        let waits = if known { due && self.0.needs_push(now) } else { self.0.can_fetch(now) };
        if !waits {
            return MaybeReady::ready(self.judge(id, now));
        }
        let (this, id, clock) = (self.clone(), id.to_owned(), clock.clone());
        MaybeReady::boxed(async move {
            if known {
                this.0.push(&clock);
            } else {
                let _ = this.0.fetch(&clock, Slept::default()).await;
            }
            this.judge(&id, clock.now())
        })
    }

    /// Returns the answer of the keys in memory.
    fn judge(&self, id: &str, now: SystemTime) -> Result<Option<VerifyingKey>, Failed> {
        let Some(set) = self.0.current(now).0 else { return Err(self.0.failure()) };
        match (set.named(id), self.0.trouble()) {
            (None, Some(why)) => Err(why),
            (key, _) => Ok(key.cloned()),
        }
    }
}

impl fmt::Debug for NamedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedKeys").field(&self.0).finish()
    }
}
