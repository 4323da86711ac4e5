//! Work in the background, and whoever owns it.

use std::{fmt, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::{AbortHandle, JoinHandle},
};

/// Work in the background: dropped, it stops at once.
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

/// How a part that works in the background is doing.
///
/// ```
/// use tower_auth::Health;
///
/// assert_eq!(Health::Good.to_string(), "good");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// All is well.
    Good,
    /// It does its work with what it has, and this is wrong.
    Degraded(Arc<str>),
    /// It cannot do its work.
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
    /// Runs the work until it is told to stop. Without a tokio runtime nothing runs, and the health says so.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Arc<Notify>) -> F,
        health: impl Fn() -> Health + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(Notify::new());
        let Ok(runtime) = Handle::try_current() else {
            let why: Arc<str> = "it was started outside of a tokio runtime and does not run".into();
            tracing::error!(target: "tower_auth", %why, "a background task");
            return Self { running: None, stop, health: Arc::new(move || Health::Down(Arc::clone(&why))) };
        };
        let running = Some(runtime.spawn(work(Arc::clone(&stop))));
        Self { running, stop, health: Arc::new(health) }
    }

    /// A task that has nothing to do.
    pub(crate) fn idle() -> Self {
        Self { running: None, stop: Arc::default(), health: Arc::new(|| Health::Good) }
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        (self.health)()
    }

    /// Stops it, and waits until it has stopped.
    pub async fn stop(mut self) {
        self.stop.notify_one();
        if let Some(running) = self.running.take() {
            // Whoever does not wait for the end still stops it.
            let abort = Owned(running.abort_handle());
            // It does not panic; if it did, it has stopped all the same.
            let _ = running.await;
            drop(abort);
        }
    }
}

/// A task that stops when this is dropped.
pub(crate) struct Owned(AbortHandle);

impl Owned {
    /// Whether it has ended, in whatever way.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does the work in the runtime of the caller, as long as the task is kept. Without a tokio runtime the work is dropped.
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
