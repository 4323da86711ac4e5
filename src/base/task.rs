//! Background tasks and their owner.

use std::{fmt, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::{AbortHandle, JoinHandle},
};

/// A background task. The task stops at once when this value is dropped.
///
/// ```
/// use tower_auth::{Health, Task};
///
/// fn readiness(refresh: &Task) -> bool {
///     !matches!(refresh.health(), Health::Down(_))
/// }
///
/// async fn shut_down(refresh: Task) {
///     refresh.stop().await;
/// }
/// ```
#[must_use = "a task stops when it is dropped"]
pub struct Task {
    running: Option<JoinHandle<()>>,
    stop: Arc<Notify>,
    health: Arc<dyn Fn() -> Health + Send + Sync>,
}

/// The health of a part that works in the background.
///
/// ```
/// use tower_auth::Health;
///
/// assert_eq!(Health::Good.to_string(), "good");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// No known problem.
    Good,
    /// The part works with the data that it has. The text is the problem.
    Degraded(Arc<str>),
    /// The part does not work. The text is the reason.
    Down(Arc<str>),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Degraded(why) => write!(f, "degraded: {why}"),
            Self::Down(why) => write!(f, "down: {why}"),
        }
    }
}

impl Task {
    /// Runs the work until it is stopped. Without a tokio runtime the work does not run, and the health is
    /// [`Health::Down`].
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Arc<Notify>) -> F,
        health: impl Fn() -> Health + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(Notify::new());
        let Ok(runtime) = Handle::try_current() else {
            let why: Arc<str> = "it was started outside of a tokio runtime and does not run".into();
            tracing::error!(target: "tower_auth", %why, "a background task does not run");
            return Self { running: None, stop, health: Arc::new(move || Health::Down(Arc::clone(&why))) };
        };
        let running = Some(runtime.spawn(work(Arc::clone(&stop))));
        Self { running, stop, health: Arc::new(health) }
    }

    /// Returns a task without work.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "cache"))]
    pub(crate) fn idle() -> Self {
        Self { running: None, stop: Arc::default(), health: Arc::new(|| Health::Good) }
    }

    /// Returns the health of the task.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            return Health::Down("the task has ended: its runtime has stopped, or it has panicked".into());
        }
        (self.health)()
    }

    /// Stops the task and waits until it has stopped. If the returned future is dropped, the task is aborted.
    pub async fn stop(mut self) {
        self.stop.notify_one();
        if let Some(running) = self.running.take() {
            // If this future is dropped before the task ends, the guard aborts the task.
            let abort = Owned(running.abort_handle());
            // The error is ignored: a task that panicked has stopped too.
            let _ = running.await;
            drop(abort);
        }
    }
}

/// A handle that aborts its task on drop.
pub(crate) struct Owned(AbortHandle);

impl Owned {
    /// Returns whether the task has ended, for any reason.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "redis"))]
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Spawns the work in the caller's runtime until the handle is dropped. Without a tokio runtime the work is dropped.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "postgres", feature = "redis"))]
pub(crate) fn spawn_owned(work: impl Future<Output = ()> + Send + 'static) -> Option<Owned> {
    let runtime = Handle::try_current().ok()?;
    Some(Owned(runtime.spawn(work).abort_handle()))
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("health", &self.health()).finish_non_exhaustive()
    }
}
