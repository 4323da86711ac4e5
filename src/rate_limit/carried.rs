//! Credential checks that are completed after their clients have disconnected.

use crate::{
    base::maybe_ready::BoxFuture,
    context::attempts::{NotCarried, Runtime},
};

/// The checks in progress. Dropping it cancels them.
#[derive(Default)]
pub(super) struct Carried {
    #[cfg(feature = "tokio")]
    tasks: std::sync::Mutex<tokio::task::JoinSet<()>>,
}

impl Carried {
    #[cfg(feature = "tokio")]
    pub(super) fn run(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        /// The limit for all addresses together. An attempt above it is charged at once.
        const MOST: usize = 4096;
        // No code panics while it holds the lock.
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= MOST {
            return Err(NotCarried);
        }
        tasks.spawn_on(check, runtime);
        Ok(())
    }

    #[cfg(not(feature = "tokio"))]
    #[expect(clippy::unused_self, reason = "without tokio there is no runtime")]
    pub(super) fn run(&self, _: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        match *runtime {}
    }
}
