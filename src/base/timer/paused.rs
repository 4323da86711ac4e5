//! tokio's time where it stands still.
//!
//! A test with tokio's time paused (`start_paused`) moves it by tokio's own timers alone: a sleeper that tokio does not know
//! of would wait for the real time instead.

use std::{
    future::Future as _,
    hint,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, time};

/// A sleeper in a runtime whose time stands still.
pub(super) struct PausedSleep(Pin<Box<time::Sleep>>);

impl PausedSleep {
    /// None where time goes on, or where tokio has no timer here.
    pub(super) fn new(duration: Duration) -> Option<Self> {
        if !stands_still() {
            return None;
        }
        // Whose time stands still has been paused, which is done for the sake of timers. Time that was paused in a runtime
        // without them is not worth a test: there, and there alone, this panics.
        catch_unwind(|| Self(Box::pin(time::sleep(duration)))).ok()
    }

    /// None where the runtime is gone, whose timers then panic.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        if self.0.is_elapsed() {
            return Some(Poll::Ready(()));
        }
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))).ok()
    }
}

/// So often the system's clock is read at the most: one that moves only every few milliseconds is not waited for.
const LONGEST_LOOK: usize = 1000;

/// tokio does not tell whether its time stands still. It does where it has not moved while the system's has: the system's
/// clock moves within some ten nanoseconds, and tokio's goes with it unless a test has paused it.
fn stands_still() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let tokio = time::Instant::now();
    let system = Instant::now();
    let moved = (0..LONGEST_LOOK).any(|_| {
        hint::spin_loop();
        Instant::now() > system
    });
    moved && time::Instant::now() == tokio
}
