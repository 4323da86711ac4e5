use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
use super::paused::PausedSleep;
use super::{
    sleepers::Wait,
    thread::{SYSTEM, SystemDial},
};

/// Whether the system has threads, of which the timer is one.
pub(crate) const SYSTEM_HAS_TIMER: bool = !cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// Ends after a duration of the system's time, and stays ended. Where tokio's time stands still, it ends after a duration of
/// that.
pub(crate) struct Sleep(State);

enum State {
    Waiting(Wait<&'static SystemDial>),
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
    Paused(PausedSleep, Duration),
    Ended,
    /// The time is further off than the clock can tell, or the system has no timer.
    Never,
}

impl Sleep {
    pub(crate) fn new(duration: Duration) -> Self {
        #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
        if let Some(paused) = PausedSleep::new(duration) {
            return Self(State::Paused(paused, duration));
        }
        Self::system(duration)
    }

    fn system(duration: Duration) -> Self {
        // Without threads there may be no clock either, and to read it would panic.
        let until = if SYSTEM_HAS_TIMER { Instant::now().checked_add(duration) } else { None };
        Self(until.map_or(State::Never, |until| State::Waiting(Wait::until(until, &SYSTEM))))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.0 {
            State::Waiting(wait) => Pin::new(wait).poll(cx),
            #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
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
