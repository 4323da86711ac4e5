//! Checks whose clients are gone, carried on to their ends.

use crate::{
    base::maybe_ready::BoxFuture,
    context::attempts::{NotCarried, Runtime},
};

/// Dropped, it stops them.
#[derive(Default)]
pub(super) struct Carried {
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
    tasks: std::sync::Mutex<tokio::task::JoinSet<()>>,
}

impl Carried {
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
    pub(super) fn run(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        /// Of all addresses together; what comes on top is charged at once.
        const MOST: usize = 4096;
        // What is done under the lock does not panic.
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= MOST {
            return Err(NotCarried);
        }
        tasks.spawn_on(check, runtime);
        Ok(())
    }

    #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body")))]
    #[expect(clippy::unused_self, reason = "there is nothing that runs it")]
    pub(super) fn run(&self, _: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        match *runtime {}
    }
}
