//! The lock of a shard, by which a model checker can put its own.

pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
