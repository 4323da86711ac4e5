//! Sleeping while tokio's time is paused.
//!
//! In a test with paused time (`start_paused`), only tokio's own timers advance the time. A sleeper that is not
//! registered with tokio would wait for real time instead.

use std::{
    future::Future as _,
    hint,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, time};

/// A sleeper in a runtime with paused time.
pub(super) struct PausedSleep(Pin<Box<time::Sleep>>);

impl PausedSleep {
    /// Returns `None` if time is not paused, or if the runtime has no timer.
    pub(super) fn new(duration: Duration) -> Option<Self> {
        if !stands_still() {
            return None;
        }
        // `time::sleep` panics only in a runtime without a timer. Time is rarely paused there, because pausing serves
        // timers, so the panic is caught instead of tested for.
        catch_unwind(|| Self(Box::pin(time::sleep(duration)))).ok()
    }

    /// Returns `None` if the runtime is gone: its timers panic then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        if self.0.is_elapsed() {
            return Some(Poll::Ready(()));
        }
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))).ok()
    }
}

/// The maximum number of reads of the system clock. A clock with a resolution of milliseconds is not waited for.
const LONGEST_LOOK: usize = 1000;

/// Returns whether tokio's time is paused. tokio has no API for this, so two clocks are compared: the system clock
/// advances within tens of nanoseconds, and tokio's clock advances with it unless it is paused.
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
