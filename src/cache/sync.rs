//! The atomics of the epochs and the lease. A model checker replaces this file.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
