//! The keys of an issuer: fixed, or fetched and kept up to date.

use std::{
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt as _, future::Shared};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{algorithm::Algorithm, key_set::KeySet, source::KeySource};
use crate::{Clock, answer::BoxFuture};

/// How often keys are fetched, and how long old ones are good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Older keys are fetched again before they are used.
    pub(super) fresh: Duration,
    /// Older keys are not used at all.
    pub(super) stale: Duration,
    /// Between two fetches, whatever came of the first.
    pub(super) cooldown: Duration,
    /// A fetch that takes longer is given up.
    pub(super) patience: Duration,
}

/// Why there are no keys.
pub(super) type Failed = Arc<str>;
type Fetch = Shared<BoxFuture<Result<KeySet, Failed>>>;

/// A larger document is no key set.
const LARGEST: usize = 256 * 1024;

/// Keys that are fetched from a source. Nobody holds the lock while something is fetched.
pub(super) struct Fetched {
    source: Arc<dyn KeySource>,
    pub(super) pace: Pace,
    rsa: Algorithm,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: Option<(KeySet, SystemTime)>,
    /// The clock was set back since: nobody knows how old the keys are.
    rewound: bool,
    attempted: Option<SystemTime>,
    /// The fetch that is under way: whoever waits for it drives it, so nobody's going away stops it for the others.
    fetch: Option<(Fetch, Instant)>,
    failure: Option<Failed>,
}

impl Fetched {
    pub(super) fn new(source: Arc<dyn KeySource>, pace: Pace, rsa: Algorithm) -> Arc<Self> {
        Arc::new(Self { source, pace, rsa, state: Mutex::default() })
    }

    /// The keys that may be used now, and whether they are due to be fetched again.
    pub(super) fn current(&self, now: SystemTime) -> (Option<KeySet>, bool) {
        let mut state = self.lock();
        let State { set: Some((set, fetched)), rewound, .. } = &mut *state else { return (None, true) };
        // After a clock was set back they are used from now on as if they were new, and fetched again.
        if *fetched > now {
            *fetched = now;
            *rewound = true;
        }
        let age = age(*fetched, now);
        let due = age >= self.pace.fresh || *rewound;
        ((age < self.pace.stale).then(|| set.clone()), due)
    }

    /// The fetch that is under way, or a new one; none in the cooldown after the last.
    pub(super) fn fetch(self: &Arc<Self>, clock: &Clock) -> Option<Fetch> {
        let now = clock.now();
        let mut state = self.lock();
        if let Some((fetch, started)) = &state.fetch {
            // Where everybody has left and its time is over, nothing comes of it any more: it counts as none.
            let left = fetch.strong_count() == Some(1) && started.elapsed() >= self.pace.patience;
            if !left {
                return Some(fetch.clone());
            }
            state.attempted = None;
        }
        // A clock that was set back does not stretch the cooldown.
        let cooling = state.attempted.is_some_and(|then| now >= then && age(then, now) < self.pace.cooldown);
        if cooling {
            return None;
        }
        state.attempted = Some(now);
        let (keys, clock) = (Arc::downgrade(self), clock.clone());
        let (source, rsa, patience) = (Arc::clone(&self.source), self.rsa, self.pace.patience);
        let fetch = async move {
            let asked = async {
                if Handle::try_current().is_err() {
                    return Ok(Err("keys are fetched inside a tokio runtime, and this is none".into()));
                }
                timeout(patience, AssertUnwindSafe(async { source.fetch().await }).catch_unwind())
                    .await
                    .map(|fetched| fetched.unwrap_or_else(|_| Err("the source of keys panicked".into())))
            };
            let fetched = match asked.await {
                Err(_) => Err(format!("no answer within {patience:?}")),
                Ok(Err(error)) => Err(with_causes(&*error)),
                Ok(Ok(document)) if document.len() > LARGEST => Err(format!("more than {LARGEST} bytes")),
                Ok(Ok(document)) => KeySet::published(&document, rsa),
            };
            let fetched = fetched.map_err(Failed::from);
            if let Some(keys) = keys.upgrade() {
                keys.finish(&fetched, clock.now());
            }
            fetched
        };
        let fetch = (Box::pin(fetch) as BoxFuture<_>).shared();
        state.fetch = Some((fetch.clone(), Instant::now()));
        Some(fetch)
    }

    fn finish(&self, fetched: &Result<KeySet, Failed>, now: SystemTime) {
        let mut state = self.lock();
        state.fetch = None;
        match fetched {
            Ok(set) => {
                state.set = Some((set.clone(), now));
                state.rewound = false;
                state.failure = None;
            }
            Err(why) => {
                // The old keys stay, as long as they are good.
                tracing::warn!(target: "tower_auth", %why, "the keys of a token issuer could not be fetched");
                state.failure = Some(Arc::clone(why));
            }
        }
    }

    /// Why there are no keys, as far as it is known.
    pub(super) fn failure(&self) -> Failed {
        let state = self.lock();
        let old = if state.set.is_some() { "they are too old" } else { "they have not been fetched yet" };
        state.failure.clone().unwrap_or_else(|| old.into())
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn trouble(&self) -> Option<Failed> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is done under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and what is behind it: an HTTP client says no more than "connect" itself.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// What is from the future, by a clock that was set back, has no age.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("pace", &self.pace).finish_non_exhaustive()
    }
}
