use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

#[cfg(feature = "tokio")]
use super::paused::PausedSleep;
use super::{
    sleepers::Wait,
    thread::{SYSTEM, SystemDial},
};

/// Whether the target has threads. The timer needs one.
pub(crate) const SYSTEM_HAS_TIMER: bool = !cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// Completes after a duration of system time, or of tokio's time where that is paused. May be polled again after it has
/// completed.
pub(crate) struct Sleep(State);

enum State {
    Waiting(Wait<&'static SystemDial>),
    #[cfg(feature = "tokio")]
    Paused(PausedSleep, Duration),
    Ended,
    /// The end is later than `Instant` can represent, or the target has no timer.
    Never,
}

impl Sleep {
    pub(crate) fn new(duration: Duration) -> Self {
        #[cfg(feature = "tokio")]
        if let Some(paused) = PausedSleep::new(duration) {
            return Self(State::Paused(paused, duration));
        }
        Self::system(duration)
    }

    fn system(duration: Duration) -> Self {
        // A target without threads may have no clock either, and reading it would panic.
        let until = if SYSTEM_HAS_TIMER { Instant::now().checked_add(duration) } else { None };
        Self(until.map_or(State::Never, |until| State::Waiting(Wait::until(until, &SYSTEM))))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.0 {
            State::Waiting(wait) => Pin::new(wait).poll(cx),
            #[cfg(feature = "tokio")]
            State::Paused(paused, duration) => {
                let Some(polled) = paused.poll(cx) else {
                    *self = Self::system(*duration);
                    return self.poll(cx);
                };
                polled
            }
            State::Ended => Poll::Ready(()),
            State::Never => Poll::Pending,
        };
        if polled.is_ready() {
            self.0 = State::Ended;
        }
        polled
    }
}
