//! The keys of an issuer that are fetched and kept up to date.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt as _;

use super::{
    algorithm::Algorithm,
    fetch::{Failed, Fetch, Job, Missed, Outcome, Report, Unbegun, UnderWay, no_answer},
    key_set::KeySet,
    source::KeySource,
};
use crate::Clock;

/// How often keys are fetched, and how long old ones are good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Older keys are fetched again.
    pub(super) fresh: Duration,
    /// Older keys are not used at all.
    pub(super) stale: Duration,
    /// Between two fetches, whatever came of the first; less where there are no keys.
    pub(super) cooldown: Duration,
    /// A fetch that takes longer is ended.
    pub(super) patience: Duration,
}

/// How soon the first fetch that fails is tried again where there are no keys. It doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Keys that are fetched from a source. Nobody holds the lock while something is fetched.
pub(super) struct Fetched {
    source: Arc<dyn KeySource>,
    issuer: Arc<str>,
    /// Where the source says that the keys are.
    location: Option<Arc<str>>,
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
    /// How many fetches have begun.
    begun: u64,
    under_way: Option<UnderWay>,
    /// Why the last fetch gave no keys.
    failure: Option<Failed>,
    /// How many in a row gave none.
    strikes: u32,
    /// Whether the last of them was cut off, which says nothing of the issuer.
    cut_off: bool,
}

/// How long somebody has slept since the fetch with this number began: time that has passed, whatever a clock says that does
/// not run.
#[derive(Clone, Copy, Default)]
pub(super) struct Slept {
    pub(super) since: u64,
    pub(super) time: Duration,
}

impl Slept {
    /// After some more sleep, when this many fetches have begun.
    pub(super) fn more(self, time: Duration, begun: u64) -> Self {
        let before = if self.since == begun { self.time } else { Duration::ZERO };
        Self { since: begun, time: before.saturating_add(time) }
    }
}

impl Fetched {
    pub(super) fn new(source: Arc<dyn KeySource>, issuer: Arc<str>, pace: Pace, rsa: Algorithm) -> Arc<Self> {
        let location = source.location().map(Arc::from);
        Arc::new(Self { source, issuer, location, pace, rsa, state: Mutex::default() })
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

    /// The keys of the last fetch that gave some, however old.
    pub(super) fn latest(&self) -> Option<KeySet> {
        self.lock().set.as_ref().map(|(set, _)| set.clone())
    }

    /// Whether there is a fetch to wait for, or one may begin.
    pub(super) fn can_fetch(&self, now: SystemTime) -> bool {
        let state = self.lock();
        state.under_way.is_some() || !self.cools(&state, now, Slept::default())
    }

    /// Whether keys that are due are waiting for somebody to fetch them: nobody has begun, or no task drives what has begun.
    pub(super) fn needs_push(&self, now: SystemTime) -> bool {
        let state = self.lock();
        match &state.under_way {
            Some(fetch) => fetch.driver.is_none() || fetch.is_lost(self.pace.patience),
            None => !self.cools(&state, now, Slept::default()),
        }
    }

    /// Fetches the keys if it is time to, as far as that goes without waiting; a task does the rest in a tokio runtime, and
    /// elsewhere those who come next.
    pub(super) fn push(self: &Arc<Self>, clock: &Clock) {
        if let Some((number, fetch)) = self.begin(clock, Slept::default())
            && let Some(Err(Missed::CutOff)) = fetch.now_or_never()
        {
            self.is_cut_off(number);
        }
    }

    /// Waits for the fetch that is under way, or for a new one; none in the cooldown after the last.
    pub(super) async fn fetch(self: &Arc<Self>, clock: &Clock, slept: Slept) -> Option<Result<KeySet, Failed>> {
        loop {
            let (number, fetch) = self.begin(clock, slept)?;
            match Clock::system().within(self.pace.patience, fetch).await {
                Ok(Ok(set)) => return Some(Ok(set)),
                Ok(Err(Missed::Failed(why))) => return Some(Err(why)),
                Ok(Err(Missed::CutOff)) => self.is_cut_off(number),
                // Its own time was over before; whatever should have ended it does not run.
                Err(_) => {
                    let why = self.located(no_answer(self.pace.patience));
                    self.miss(number, &why, false);
                    return Some(Err(why));
                }
            }
        }
    }

    /// The fetch that is under way, or a new one; none in the cooldown after the last.
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
            rsa: self.rsa,
            patience: self.pace.patience,
            clock: clock.clone(),
            keys: Arc::downgrade(self),
        }
    }

    /// Whether it is too soon after the last fetch for another.
    fn cools(&self, state: &State, now: SystemTime, slept: Slept) -> bool {
        // A clock that was set back does not stretch the cooldown.
        let Some(then) = state.attempted.filter(|then| now >= *then) else { return false };
        let slept = if slept.since == state.begun { slept.time } else { Duration::ZERO };
        age(then, now).max(slept) < self.wait(state, now)
    }

    /// How long after a fetch there is no other. Without any keys, nobody is served until one succeeds: it is tried again
    /// soon, and more and more seldom.
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

    /// How long after the last fetch the next may begin.
    pub(super) fn retry_after(&self, now: SystemTime) -> Duration {
        self.wait(&self.lock(), now)
    }

    /// The number of the last fetch.
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

    /// Whatever drove this fetch is gone, unless somebody has said so before.
    fn is_cut_off(&self, number: u64) {
        self.miss(number, &self.located(CUT_OFF.to_owned()), true);
    }

    fn miss(&self, number: u64, why: &Failed, cut_off: bool) {
        let mut state = self.lock();
        let Some(over) = state.under_way.take_if(|fetch| fetch.number == number) else { return };
        state.strikes = state.strikes.saturating_add(1);
        state.cut_off = cut_off;
        state.failure = Some(Arc::clone(why));
        // What is over may hold anything of the source's, and a log line may end anywhere: nothing of that runs under the lock.
        drop(state);
        drop(over);
        let issuer = &*self.issuer;
        tracing::warn!(target: "tower_auth", issuer, %why, "the keys of a token issuer could not be fetched");
    }

    /// What went wrong, and where: the source itself may not have said so.
    fn located(&self, why: String) -> Failed {
        match &self.location {
            Some(location) if !why.contains(&**location) => format!("{location}: {why}").into(),
            _ => why.into(),
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

impl Report for Fetched {
    fn report(&self, number: u64, fetched: Result<KeySet, String>, clock: &Clock) -> Outcome {
        match fetched {
            Ok(set) => {
                self.hit(number, set.clone(), clock.now());
                Ok(set)
            }
            // The old keys stay, as long as they are good.
            Err(why) => {
                let why = self.located(why);
                self.miss(number, &why, false);
                Err(Missed::Failed(why))
            }
        }
    }
}

const CUT_OFF: &str = "the runtime that fetched them has ended, or nobody waited for the answer";

/// What is from the future, by a clock that was set back, has no age.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("pace", &self.pace).finish_non_exhaustive()
    }
}
