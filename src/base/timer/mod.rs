//! Waiting for a time, in every runtime and without one.
//!
//! [`Sleep`] ends after a duration of the system's time. One thread of the process wakes all sleepers; it is started when it is
//! needed, and it ends when nobody has slept for a while. tokio's own timer is used only where tokio's time stands still,
//! because it panics in a runtime that was built without one.

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
mod paused;
mod sleep;
mod sleepers;
mod thread;

pub(crate) use self::sleep::{SYSTEM_HAS_TIMER, Sleep};
#[cfg(feature = "testing")]
pub(crate) use self::sleepers::{Dial, Place, Sleepers, Wait, wake_all};
