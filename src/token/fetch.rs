//! One fetch of an issuer's keys, and the task that drives it.

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

use super::{key_set::KeySet, shown::Shown, source::KeySource};
use crate::{
    BoxError, Clock, MaybeReady,
    base::{
        maybe_ready::BoxFuture,
        task::{Owned, spawn_owned},
    },
};

/// The reason why there are no keys.
pub(super) type Failed = Arc<str>;

/// The reason why a fetch returned no keys.
#[derive(Clone, Debug)]
pub(super) enum Missed {
    Failed(Failed),
    /// The driver of the fetch is gone, so the result is unknown.
    CutOff,
}

pub(super) type Outcome = Result<KeySet, Missed>;
/// A fetch that several requests may wait for, in any runtime. Each may stop waiting at any time.
pub(super) type Fetch = Shared<BoxFuture<Outcome>>;

/// Reads the keys out of a fetched document. The error says what is wrong with it.
pub(super) type Read = Arc<dyn Fn(&[u8]) -> Result<KeySet, String> + Send + Sync>;

/// The maximum size of a key set document, in bytes.
const LARGEST: usize = 256 * 1024;

/// A fetch that has begun.
pub(super) struct UnderWay {
    pub(super) number: u64,
    pub(super) fetch: Fetch,
    pub(super) started: Instant,
    /// The task that drives the fetch in a tokio runtime. Outside of tokio, the waiting requests drive it.
    pub(super) driver: Option<Owned>,
}

impl UnderWay {
    /// Returns whether the fetch can no longer complete. `patience` is the time limit of a fetch.
    pub(super) fn is_lost(&self, patience: Duration) -> bool {
        match &self.driver {
            // A task that ends normally has reported its result before.
            Some(task) => task.is_finished() || self.started.elapsed() >= patience.saturating_mul(2),
            None => self.fetch.strong_count() == Some(1) && self.started.elapsed() >= patience,
        }
    }
}

/// Receives the result of a fetch.
pub(super) trait Report: Send + Sync + 'static {
    fn report(&self, number: u64, fetched: Result<KeySet, String>, clock: &Clock) -> Outcome;
}

/// The data of one fetch. It holds a strong reference to the source and a weak one to the verifier's keys.
pub(super) struct Job<T> {
    pub(super) number: u64,
    pub(super) source: Arc<dyn KeySource>,
    pub(super) read: Read,
    pub(super) patience: Duration,
    pub(super) clock: Clock,
    pub(super) keys: Weak<T>,
}

/// A prepared fetch. It begins in a tokio runtime after the lock is released.
pub(super) struct Unbegun<T> {
    job: Job<T>,
    outcome: oneshot::Sender<Outcome>,
}

impl<T: Report> Job<T> {
    /// Prepares a fetch that requests can wait for. In a tokio runtime, the caller must also begin it.
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

    /// Calls the source. A panic of the source is treated as a failed fetch.
    fn ask(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let asked = catch_unwind(AssertUnwindSafe(|| self.source.fetch()));
        asked.unwrap_or_else(|panic| MaybeReady::ready(Err(panicked(&*panic).into())))
    }

    /// Waits for the answer, at most for the time limit of a fetch.
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
            Ok(document) => (self.read)(&document),
        };
        let keys = self.keys.upgrade().ok_or(Missed::CutOff)?;
        keys.report(self.number, fetched, &self.clock)
    }
}

impl<T: Report> Unbegun<T> {
    /// Calls the source. If the answer is not ready, spawns a task that waits for it.
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

/// Treats any panic in the work, such as in a custom clock, as [`Missed::CutOff`].
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

/// Formats an error with its sources, because the error of an HTTP client alone may say only "connect".
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
