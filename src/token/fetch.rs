//! One fetch of an issuer's keys: what it does, and who drives it.

use std::{
    any::Any,
    error::Error,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::Shared};
use tokio::{runtime::Handle, sync::oneshot};

use super::{algorithm::Algorithm, key_set::KeySet, shown::Shown, source::KeySource};
use crate::{
    BoxError, Clock, MaybeReady,
    base::{
        maybe_ready::BoxFuture,
        task::{Owned, spawn_owned},
    },
};

/// Why there are no keys.
pub(super) type Failed = Arc<str>;

/// Why a fetch gave no keys.
#[derive(Clone, Debug)]
pub(super) enum Missed {
    Failed(Failed),
    /// What drove it is gone: nobody knows what would have come of it.
    CutOff,
}

pub(super) type Outcome = Result<KeySet, Missed>;
/// Anybody may wait for it, in any runtime, and go away.
pub(super) type Fetch = Shared<BoxFuture<Outcome>>;

/// A larger document is no key set.
const LARGEST: usize = 256 * 1024;

/// A fetch that has begun.
pub(super) struct UnderWay {
    pub(super) number: u64,
    pub(super) fetch: Fetch,
    pub(super) started: Instant,
    /// The task that drives it, in a tokio runtime. Elsewhere those who wait drive it.
    pub(super) driver: Option<Owned>,
}

impl UnderWay {
    /// Whether nothing can come of it any more; `patience` is what a fetch may take.
    pub(super) fn is_lost(&self, patience: Duration) -> bool {
        match &self.driver {
            // A task that ends rightly has said what came of it before.
            Some(task) => task.is_finished() || self.started.elapsed() >= patience.saturating_mul(2),
            None => self.fetch.strong_count() == Some(1) && self.started.elapsed() >= patience,
        }
    }
}

/// Who learns what came of a fetch.
pub(super) trait Report: Send + Sync + 'static {
    fn report(&self, number: u64, fetched: Result<KeySet, String>, clock: &Clock) -> Outcome;
}

/// All that one fetch needs. It keeps the source, and not the verifier.
pub(super) struct Job<T> {
    pub(super) number: u64,
    pub(super) source: Arc<dyn KeySource>,
    pub(super) rsa: Algorithm,
    pub(super) patience: Duration,
    pub(super) clock: Clock,
    pub(super) keys: Weak<T>,
}

/// A fetch that is to begin in a tokio runtime, once no lock is held.
pub(super) struct Unbegun<T> {
    job: Job<T>,
    outcome: oneshot::Sender<Outcome>,
}

impl<T: Report> Job<T> {
    /// A fetch that others can wait for already. In a tokio runtime it has to be begun.
    pub(super) fn prepare(self) -> (Fetch, Option<Unbegun<T>>) {
        if Handle::try_current().is_err() {
            let work = async move {
                let answer = self.ask();
                self.finish(answer).await
            };
            return (guarded(work).shared(), None);
        }
        let (sender, outcome) = oneshot::channel();
        let outcome = outcome.map(|outcome| outcome.unwrap_or(Err(Missed::CutOff)));
        ((Box::pin(outcome) as BoxFuture<_>).shared(), Some(Unbegun { job: self, outcome: sender }))
    }

    /// Asks the source. A panic of the source's is a failure like others.
    fn ask(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let asked = catch_unwind(AssertUnwindSafe(|| self.source.fetch()));
        asked.unwrap_or_else(|panic| MaybeReady::ready(Err(panicked(&*panic).into())))
    }

    /// Waits for the answer, at most as long as a fetch may take.
    async fn finish(self, answer: MaybeReady<Result<Bytes, BoxError>>) -> Outcome {
        let answer = AssertUnwindSafe(Clock::system().within(self.patience, answer)).catch_unwind().await;
        let fetched = match answer {
            Ok(Ok(answer)) => return self.report(answer),
            Ok(Err(_)) => no_answer(self.patience),
            Err(panic) => panicked(&*panic),
        };
        self.report(Err(fetched.into()))
    }

    fn report(self, answer: Result<Bytes, BoxError>) -> Outcome {
        let fetched = match answer {
            Err(error) => Err(with_causes(&*error)),
            Ok(document) if document.len() > LARGEST => Err(format!("more than {LARGEST} bytes")),
            Ok(document) => KeySet::published(&document, self.rsa),
        };
        let keys = self.keys.upgrade().ok_or(Missed::CutOff)?;
        keys.report(self.number, fetched, &self.clock)
    }
}

impl<T: Report> Unbegun<T> {
    /// Does what can be done without waiting, and leaves the rest to a task.
    pub(super) fn begin(self) -> Option<Owned> {
        let Self { job, outcome } = self;
        match job.ask().now() {
            Ok(answer) => {
                let reported = catch_unwind(AssertUnwindSafe(|| job.report(answer)));
                let _ = outcome.send(reported.unwrap_or(Err(Missed::CutOff)));
                None
            }
            Err(future) => {
                let work = guarded(job.finish(MaybeReady::boxed(future)));
                spawn_owned(async move {
                    let _ = outcome.send(work.await);
                })
            }
        }
    }
}

/// A panic of anything in it, as of a clock, cuts it off.
fn guarded(work: impl Future<Output = Outcome> + Send + 'static) -> BoxFuture<Outcome> {
    Box::pin(AssertUnwindSafe(work).catch_unwind().map(|outcome| outcome.unwrap_or(Err(Missed::CutOff))))
}

pub(super) fn no_answer(patience: Duration) -> String {
    format!("no answer within {patience:?}")
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map_or_else(
        || "the source of keys panicked".to_owned(),
        |text| format!("the source of keys panicked: {}", Shown(text)),
    )
}

/// An error and what is behind it: an HTTP client says no more than "connect" itself.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
