//! Questions to an introspector: one at a time for each token, not too many at once, and the answers in memory.

use std::{
    any::Any,
    collections::HashMap,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};
use quick_cache::sync::Cache as Map;
use tokio::sync::Semaphore;

use super::{
    answer::{No, Reading},
    claims::Claims,
    error::TokenError,
    introspector::{Introspector, OfOneToken},
    shown::Shown,
};
use crate::{
    Clock, Health,
    base::{maybe_ready::BoxFuture, trouble::Trouble},
};

/// What becomes of a token, shared by the requests that wait for it.
pub(super) type Outcome = Result<Claims, Arc<No>>;
type Question = BoxFuture<Outcome>;
/// The index of a token: its SHA-256.
pub(super) type Place = [u8; 32];

/// How long answers are remembered, and how long one is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) ttl: Duration,
    pub(super) entries: usize,
    pub(super) patience: Duration,
    pub(super) reading: Reading,
}

/// The time for which a refusal is remembered, if answers are remembered that long.
const REFUSED: Duration = Duration::from_secs(5);
/// The questions under way at the same time. All others wait for a place, as long as for an answer.
const MOST: usize = 64;
/// The maximum size of an answer, in bytes.
const LARGEST: usize = 64 * 1024;

/// The length from which a token is removed from an error that repeats it.
const SHORTEST: usize = 8;

/// An introspector, and what it has answered.
pub(super) struct Asked {
    introspector: Arc<dyn Introspector>,
    location: Option<Arc<str>>,
    pub(super) settings: Settings,
    places: Semaphore,
    good: Map<Place, Kept<Claims>>,
    /// Refusals are apart: no number of made-up tokens removes a good one.
    bad: Map<Place, Kept<Arc<No>>>,
    questions: Mutex<HashMap<Place, (u64, WeakShared<Question>)>>,
    numbers: AtomicU64,
    trouble: Trouble,
    /// Whether the server has answered about a token. Until then, it may refuse every question.
    answers: AtomicBool,
}

/// Why there is no answer.
struct NoAnswer {
    why: String,
    /// Whether only this token is concerned.
    of_one: bool,
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        Self { why, of_one: false }
    }
}

/// An answer, the time at which it was asked for, and the number of the question.
#[derive(Clone)]
struct Kept<T> {
    what: T,
    asked: SystemTime,
    number: u64,
}

impl<T> Kept<T> {
    /// Returns whether the answer is not older than this. If the clock was set back, its age is unknown.
    fn counts(&self, ttl: Duration, now: SystemTime) -> bool {
        now.duration_since(self.asked).is_ok_and(|age| age < ttl)
    }
}

impl Asked {
    pub(super) fn new(introspector: Arc<dyn Introspector>, settings: Settings) -> Arc<Self> {
        let location = introspector.location().map(Arc::from);
        Arc::new(Self {
            introspector,
            location,
            settings,
            places: Semaphore::new(MOST),
            good: Map::new(settings.entries),
            bad: Map::new(settings.entries),
            questions: Mutex::default(),
            numbers: AtomicU64::new(1),
            trouble: Trouble::new("tokens cannot be introspected", "tokens can be introspected again"),
            answers: AtomicBool::new(false),
        })
    }

    /// Returns who is asked.
    pub(super) fn location(&self) -> &str {
        self.location.as_deref().unwrap_or("the introspector")
    }

    pub(super) fn health(&self) -> Health {
        self.trouble.health()
    }

    /// Returns the claims of a token if they are in memory and not too old. The caller checks the times of the token.
    pub(super) fn known_good(&self, place: &Place, now: SystemTime) -> Option<Claims> {
        self.good.get(place).filter(|kept| kept.counts(self.settings.ttl, now)).map(|kept| kept.what)
    }

    /// Returns the refusal of a token if it is in memory and not too old.
    pub(super) fn known_bad(&self, place: &Place, now: SystemTime) -> Option<Arc<No>> {
        let ttl = REFUSED.min(self.settings.ttl);
        self.bad.get(place).filter(|kept| kept.counts(ttl, now)).map(|kept| kept.what)
    }

    /// Returns the question about this token that is under way, or the one that `ask` makes. If all who wait for it stop
    /// waiting, it ends.
    pub(super) fn question(
        self: &Arc<Self>,
        place: Place,
        ask: impl FnOnce() -> Question,
    ) -> Shared<BoxFuture<Outcome>> {
        let mut questions = self.lock();
        if let Some(question) = questions.get(&place).and_then(|(_, question)| question.upgrade()) {
            return question;
        }
        let number = self.next();
        let over = Over { asked: Arc::clone(self), place, number };
        let asking = ask();
        let question: Question = Box::pin(async move {
            let _over = over;
            asking.await
        });
        let question = question.shared();
        if let Some(weak) = question.downgrade() {
            questions.insert(place, (number, weak));
        }
        question
    }

    /// Asks about a token, and lets `judge` decide by the answer and the time of the question. The outcome is remembered.
    pub(super) async fn ask(
        &self,
        token: &str,
        place: Place,
        clock: &Clock,
        judge: impl Fn(&[u8], SystemTime) -> Result<Claims, No> + Send,
    ) -> Outcome {
        let (mut asked, mut number) = (clock.now(), self.next());
        let answer = async {
            // The semaphore is never closed.
            let _place = self.places.acquire().await.ok();
            // The answer is as old as the question that was sent, and not as the wait for a place.
            (asked, number) = (clock.now(), self.next());
            self.fetch(token).await
        };
        let answer = match Clock::system().within(self.settings.patience, answer).await {
            Ok(answer) => answer,
            Err(late) => Err(NoAnswer::from(late.to_string())),
        };
        let of_one = answer.as_ref().is_err_and(|none| none.of_one);
        let judged = match answer {
            // The type of `claims` is read in here, and is code of the service. Its panic is not that of all who wait.
            Ok(answer) => catch_unwind(AssertUnwindSafe(|| judge(&answer, asked))).unwrap_or_else(|panic| {
                Err(No::unavailable(format!("the answer was read, and {}", panicked(&*panic))))
            }),
            Err(none) => Err(No::unavailable(none.why)),
        };
        let outcome = judged.map_err(|no| Arc::new(self.located(no, token)));
        self.keep(place, number, asked, &outcome);
        match &outcome {
            // Whoever sends such a token must not be able to say that the server is down, nor that it is up again.
            Err(_) if of_one && self.answers.load(Ordering::Relaxed) => {}
            Err(no) if matches!(no.error, TokenError::Unavailable(_)) => self.trouble.note::<()>(Err(&no.told)),
            _ => {
                self.answers.store(true, Ordering::Relaxed);
                self.trouble.note::<&str>(Ok::<_, &str>(""));
            }
        }
        outcome
    }

    async fn fetch(&self, token: &str) -> Result<Bytes, NoAnswer> {
        let asked = catch_unwind(AssertUnwindSafe(|| self.introspector.introspect(token)));
        let answer = match asked {
            Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        match answer {
            Ok(Ok(answer)) if answer.len() > LARGEST => Err(format!("the answer has more than {LARGEST} bytes").into()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(NoAnswer { why: with_causes(&*error), of_one: error.is::<OfOneToken>() }),
            Err(panic) => Err(panicked(&*panic).into()),
        }
    }

    /// Adds who was asked to the reason, and removes the token from it.
    fn located(&self, no: No, token: &str) -> No {
        // A text of a few letters is no secret, and stands in any sentence.
        let told = if token.len() < SHORTEST { no.told } else { no.told.replace(token, "…") };
        let location = self.location();
        let told = if told.contains(location) { told } else { format!("{location}: {told}") };
        match no.error {
            TokenError::Unavailable(_) => No::unavailable(told),
            error => No { error, told, ..no },
        }
    }

    /// Remembers the outcome, unless a later question has been answered already.
    fn keep(&self, place: Place, number: u64, asked: SystemTime, outcome: &Outcome) {
        let _one_at_a_time = self.lock();
        let (good, bad) = (self.good.peek(&place), self.bad.peek(&place));
        if good.is_some_and(|kept| kept.number > number) || bad.is_some_and(|kept| kept.number > number) {
            return;
        }
        match outcome {
            Ok(claims) => {
                self.bad.remove(&place);
                self.good.insert(place, Kept { what: claims.clone(), asked, number });
            }
            // It is not known whether the token is good.
            Err(no) if matches!(no.error, TokenError::Unavailable(_)) => {}
            Err(no) => {
                self.good.remove(&place);
                self.bad.insert(place, Kept { what: Arc::clone(no), asked, number });
            }
        }
    }

    fn next(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (u64, WeakShared<Question>)>> {
        // No code under the lock panics.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a question when it ends, answered or not.
struct Over {
    asked: Arc<Asked>,
    place: Place,
    number: u64,
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut questions = self.asked.lock();
        if questions.get(&self.place).is_some_and(|(number, _)| *number == self.number) {
            questions.remove(&self.place);
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {}", Shown(text)))
}

/// Formats an error with its sources, because the error of an HTTP client alone may say only "connect".
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("settings", &self.settings).finish_non_exhaustive()
    }
}
