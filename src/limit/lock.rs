//! Synchronisation primitives and seeds. A model checker replaces this module.

use std::hash::{BuildHasher as _, RandomState};
pub(super) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Returns two numbers that are unpredictable for clients.
pub(super) fn seeds() -> [u64; 2] {
    let random = RandomState::new();
    [random.hash_one(0), random.hash_one(1)]
}
