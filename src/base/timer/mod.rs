//! A timer that works in every runtime and without one.
//!
//! [`Sleep`] completes after a duration of system time. One thread per process wakes all sleepers. The thread starts
//! when it is needed and ends after some time without sleepers. tokio's timer is used only where tokio's time is
//! paused, because tokio's timer panics in a runtime that was built without one.

#[cfg(feature = "tokio")]
mod paused;
mod sleep;
mod sleepers;
mod thread;

pub(crate) use self::sleep::{SYSTEM_HAS_TIMER, Sleep};
#[cfg(feature = "testing")]
pub(crate) use self::sleepers::{Dial, Place, Sleepers, Wait, wake_all};
