//! Random times.

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::Range,
    time::Duration,
};

/// A random time of a range of milliseconds.
pub(crate) fn between(millis: Range<u64>) -> Duration {
    let width = (millis.end - millis.start).max(1) * 1_000;
    Duration::from_micros(millis.start * 1_000 + random() % width)
}

/// One of these.
pub(crate) fn one_of<T: Copy>(of: &[T]) -> T {
    of[usize::try_from(random() % of.len() as u64).unwrap()]
}

/// Whether one of so many comes up.
pub(crate) fn once_in(many: u64) -> bool {
    random().is_multiple_of(many)
}

fn random() -> u64 {
    // Each state has keys of its own.
    RandomState::new().hash_one(0)
}
