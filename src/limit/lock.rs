//! What a model checker puts its own in the place of.

use std::hash::{BuildHasher as _, RandomState};
pub(super) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Two numbers that nobody outside can know.
pub(super) fn seeds() -> [u64; 2] {
    let random = RandomState::new();
    [random.hash_one(0), random.hash_one(1)]
}
