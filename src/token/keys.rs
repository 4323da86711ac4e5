//! The keys of an issuer, fetched from a source and kept up to date.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt as _;

use super::{
    fetch::{Failed, Fetch, Job, Missed, Outcome, Read, Report, Unbegun, UnderWay, no_answer},
    key_set::KeySet,
    source::KeySource,
};
use crate::Clock;

/// The timing of fetches, and the maximum age of keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The age from which keys are fetched again.
    pub(super) fresh: Duration,
    /// The age from which keys are not used.
    pub(super) stale: Duration,
    /// The minimum time between two fetches, successful or not. It is shorter while there are no keys.
    pub(super) cooldown: Duration,
    /// The time limit of a fetch.
    pub(super) patience: Duration,
}

/// The time before the first retry while there are no keys. It doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Keys that are fetched from a source. The lock is never held during a fetch.
pub(super) struct Fetched {
    source: Arc<dyn KeySource>,
    issuer: Arc<str>,
    /// The location of the keys, as the source reports it.
    location: Option<Arc<str>>,
    pub(super) pace: Pace,
    read: Read,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: Option<(KeySet, SystemTime)>,
    /// Whether the clock was set back since the fetch, so the age of the keys is unknown.
    rewound: bool,
    attempted: Option<SystemTime>,
    /// The number of fetches that have begun.
    begun: u64,
    under_way: Option<UnderWay>,
    /// The reason why the last fetch failed.
    failure: Option<Failed>,
    /// The number of consecutive failed fetches.
    strikes: u32,
    /// Whether the last failed fetch was cut off. Such a failure says nothing about the issuer.
    cut_off: bool,
}

/// The time that a caller has slept since the fetch `since` began. It counts as elapsed time even if the clock does not
/// advance.
#[derive(Clone, Copy, Default)]
pub(super) struct Slept {
    pub(super) since: u64,
    pub(super) time: Duration,
}

impl Slept {
    /// Adds more sleep. The total restarts if another fetch has begun.
    pub(super) fn more(self, time: Duration, begun: u64) -> Self {
        let before = if self.since == begun { self.time } else { Duration::ZERO };
        Self { since: begun, time: before.saturating_add(time) }
    }
}

impl Fetched {
    pub(super) fn new(source: Arc<dyn KeySource>, issuer: Arc<str>, pace: Pace, read: Read) -> Arc<Self> {
        let location = source.location().map(Arc::from);
        Arc::new(Self { source, issuer, location, pace, read, state: Mutex::default() })
    }

    /// Returns the keys that may be used now, and whether a fetch is due.
    pub(super) fn current(&self, now: SystemTime) -> (Option<KeySet>, bool) {
        let mut state = self.lock();
        if state.set.is_none() && state.begun == 0 {
            let known = self.source.known().and_then(|document| (self.read)(&document).ok());
            state.set = known.map(|set| (set, now));
        }
        let State { set: Some((set, fetched)), rewound, .. } = &mut *state else { return (None, true) };
        // If the clock was set back, the age of the keys starts again from zero, and they are fetched again.
        if *fetched > now {
            *fetched = now;
            *rewound = true;
        }
        let age = age(*fetched, now);
        let due = age >= self.pace.fresh || *rewound;
        ((age < self.pace.stale).then(|| set.clone()), due)
    }

    /// Returns the keys of the last successful fetch, at any age.
    pub(super) fn latest(&self) -> Option<KeySet> {
        self.lock().set.as_ref().map(|(set, _)| set.clone())
    }

    /// Returns whether a fetch is under way or may begin.
    pub(super) fn can_fetch(&self, now: SystemTime) -> bool {
        let state = self.lock();
        state.under_way.is_some() || !self.cools(&state, now, Slept::default())
    }

    /// Returns whether keys that are due need a caller to advance their fetch: no fetch has begun, or no task drives
    /// it.
    pub(super) fn needs_push(&self, now: SystemTime) -> bool {
        let state = self.lock();
        match &state.under_way {
            Some(fetch) => fetch.driver.is_none() || fetch.is_lost(self.pace.patience),
            None => !self.cools(&state, now, Slept::default()),
        }
    }

    /// Begins a due fetch and advances it without waiting. In a tokio runtime, a task completes it. Outside of tokio,
    /// the next requests do.
    pub(super) fn push(self: &Arc<Self>, clock: &Clock) {
        if let Some((number, fetch)) = self.begin(clock, Slept::default())
            && let Some(Err(Missed::CutOff)) = fetch.now_or_never()
        {
            self.is_cut_off(number);
        }
    }

    /// Waits for the fetch that is under way, or for a new one. Returns `None` during the cooldown after the last
    /// fetch.
    pub(super) async fn fetch(self: &Arc<Self>, clock: &Clock, slept: Slept) -> Option<Result<KeySet, Failed>> {
        loop {
            let (number, fetch) = self.begin(clock, slept)?;
            match Clock::system().within(self.pace.patience, fetch).await {
                Ok(Ok(set)) => return Some(Ok(set)),
                Ok(Err(Missed::Failed(why))) => return Some(Err(why)),
                Ok(Err(Missed::CutOff)) => self.is_cut_off(number),
                // The fetch has the same time limit. It did not end by itself, so its driver does not run.
                Err(_) => {
                    let why = self.located(no_answer(self.pace.patience));
                    self.miss(number, &why, false);
                    return Some(Err(why));
                }
            }
        }
    }

    /// Returns the fetch that is under way, or a new one. Returns `None` during the cooldown after the last fetch.
    fn begin(self: &Arc<Self>, clock: &Clock, slept: Slept) -> Option<(u64, Fetch)> {
        let now = clock.now();
        let mut state = self.lock();
        if let Some(lost) = state.under_way.as_ref().filter(|fetch| fetch.is_lost(self.pace.patience)) {
            let number = lost.number;
            drop(state);
            self.is_cut_off(number);
            state = self.lock();
        }
        if let Some(fetch) = &state.under_way {
            return Some((fetch.number, fetch.fetch.clone()));
        }
        if self.cools(&state, now, slept) {
            return None;
        }
        state.attempted = Some(now);
        state.begun += 1;
        let number = state.begun;
        let (fetch, unbegun) = self.job(number, clock).prepare();
        state.under_way = Some(UnderWay { number, fetch: fetch.clone(), started: Instant::now(), driver: None });
        drop(state);
        if let Some(driver) = unbegun.and_then(Unbegun::begin) {
            let mut state = self.lock();
            if let Some(fetch) = state.under_way.as_mut().filter(|fetch| fetch.number == number) {
                fetch.driver = Some(driver);
            }
        }
        Some((number, fetch))
    }

    fn job(self: &Arc<Self>, number: u64, clock: &Clock) -> Job<Self> {
        Job {
            number,
            source: Arc::clone(&self.source),
            read: Arc::clone(&self.read),
            patience: self.pace.patience,
            clock: clock.clone(),
            keys: Arc::downgrade(self),
        }
    }

    /// Returns whether it is too soon after the last fetch for another one.
    fn cools(&self, state: &State, now: SystemTime, slept: Slept) -> bool {
        // A clock that was set back does not extend the cooldown.
        let Some(then) = state.attempted.filter(|then| now >= *then) else { return false };
        let slept = if slept.since == state.begun { slept.time } else { Duration::ZERO };
        age(then, now).max(slept) < self.wait(state, now)
    }

    /// Returns the minimum time between the last fetch and the next. Without usable keys, no token can be verified, so
    /// the first retry comes soon, and each further one later.
    fn wait(&self, state: &State, now: SystemTime) -> Duration {
        let misses = state.strikes.saturating_sub(u32::from(state.cut_off));
        if state.cut_off && misses == 0 {
            return Duration::ZERO;
        }
        let usable = state.set.as_ref().is_some_and(|(_, fetched)| age(*fetched, now) < self.pace.stale);
        if usable || misses == 0 {
            return self.pace.cooldown;
        }
        let doubled = 1_u32.checked_shl(misses - 1).unwrap_or(u32::MAX);
        FIRST_RETRY.saturating_mul(doubled).min(self.pace.cooldown)
    }

    /// Returns the minimum time between the last fetch and the next.
    pub(super) fn retry_after(&self, now: SystemTime) -> Duration {
        self.wait(&self.lock(), now)
    }

    /// Returns when the last fetch began.
    pub(super) fn attempted(&self) -> Option<SystemTime> {
        self.lock().attempted
    }

    /// Returns the number of the last fetch.
    pub(super) fn begun(&self) -> u64 {
        self.lock().begun
    }

    fn hit(&self, number: u64, set: KeySet, now: SystemTime) {
        let mut state = self.lock();
        let Some(over) = state.under_way.take_if(|fetch| fetch.number == number) else { return };
        state.set = Some((set, now));
        state.rewound = false;
        state.failure = None;
        state.strikes = 0;
        state.cut_off = false;
        drop(state);
        drop(over);
    }

    /// Records that the driver of this fetch is gone. Does nothing if the fetch has ended already.
    fn is_cut_off(&self, number: u64) {
        self.miss(number, &self.located(CUT_OFF.to_owned()), true);
    }

    fn miss(&self, number: u64, why: &Failed, cut_off: bool) {
        let mut state = self.lock();
        let Some(over) = state.under_way.take_if(|fetch| fetch.number == number) else { return };
        state.strikes = state.strikes.saturating_add(1);
        state.cut_off = cut_off;
        state.failure = Some(Arc::clone(why));
        // Dropping the fetch may run code of the source, and logging may run any subscriber. Neither runs under the
        // lock.
        drop(state);
        drop(over);
        let issuer = &*self.issuer;
        tracing::warn!(target: "tower_auth", issuer, %why, "the keys of a token issuer could not be fetched");
    }

    /// Adds the location of the keys to a reason that does not contain it.
    fn located(&self, why: String) -> Failed {
        match &self.location {
            Some(location) if !why.contains(&**location) => format!("{location}: {why}").into(),
            _ => why.into(),
        }
    }

    /// Returns the reason why there are no keys.
    pub(super) fn failure(&self) -> Failed {
        let state = self.lock();
        let old = if state.set.is_some() { "they are too old" } else { "they have not been fetched yet" };
        state.failure.clone().unwrap_or_else(|| old.into())
    }

    /// Returns the reason of the last fetch's failure, if it failed.
    pub(super) fn trouble(&self) -> Option<Failed> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report for Fetched {
    fn report(&self, number: u64, fetched: Result<KeySet, String>, clock: &Clock) -> Outcome {
        match fetched {
            Ok(set) => {
                self.hit(number, set.clone(), clock.now());
                Ok(set)
            }
            // The old keys stay in use until they are too old.
            Err(why) => {
                let why = self.located(why);
                self.miss(number, &why, false);
                Err(Missed::Failed(why))
            }
        }
    }
}

const CUT_OFF: &str = "the fetch was cut off: its runtime has ended, or no request waited for the answer";

/// Returns the age of a time. A time in the future, after the clock was set back, has an age of zero.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("pace", &self.pace).finish_non_exhaustive()
    }
}
