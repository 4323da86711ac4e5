//! What was invalidated, and when: in the order of one sequence of numbers.

use super::sync::{AtomicU64, Ordering};

/// An invalidation takes the next number of a sequence, and writes it on the stripe of its mark. An answer remembers the number that
/// the sequence had before its lookup began. It is valid if none of its stripes has a larger one.
///
/// A lookup may read what was before a change, and put it into the cache after the change was announced. It began with a number
/// that is smaller than that of the announcement, so its answer is not valid. If it began with one that is not smaller, the
/// announcement had arrived before, and so the change was committed before: the lookup has read it.
#[derive(Debug)]
pub(super) struct Epochs {
    sequence: AtomicU64,
    /// Of the last flush.
    floor: AtomicU64,
    /// Of the last new key, for answers that a key is unknown.
    creation: AtomicU64,
    stripes: Box<[AtomicU64]>,
}

impl Epochs {
    /// Creates so many stripes, or the next power of two. Marks are spread over them.
    pub(super) fn new(stripes: u16) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            creation: AtomicU64::new(0),
            stripes: (0..u32::from(stripes).next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Returns the number for a lookup that begins after this call.
    pub(super) fn begin(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Invalidates the answers that have this mark.
    pub(super) fn invalidate(&self, mark: u16) {
        self.raise(self.stripe(mark));
    }

    /// Invalidates all answers.
    pub(super) fn flush(&self) {
        self.raise(&self.floor);
    }

    /// Invalidates all answers that a key is unknown.
    pub(super) fn created(&self) {
        self.raise(&self.creation);
    }

    /// Returns whether an answer that began at this number is valid, as far as announcements have arrived.
    #[inline]
    pub(super) fn is_valid(&self, begun: u64, marks: impl IntoIterator<Item = u16>) -> bool {
        begun >= self.floor.load(Ordering::Acquire)
            && marks.into_iter().all(|mark| begun >= self.stripe(mark).load(Ordering::Acquire))
    }

    /// Returns whether an answer that a key is unknown is valid.
    #[inline]
    pub(super) fn is_still_unknown(&self, begun: u64) -> bool {
        begun >= self.creation.load(Ordering::Acquire) && self.is_valid(begun, [])
    }

    fn raise(&self, place: &AtomicU64) {
        let number = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        // Of two at once, the later number stays.
        place.fetch_max(number, Ordering::AcqRel);
    }

    #[inline]
    fn stripe(&self, mark: u16) -> &AtomicU64 {
        // The number of stripes is a power of two, and a division would take longer than the rest of a check.
        &self.stripes[usize::from(mark) & (self.stripes.len() - 1)]
    }
}
