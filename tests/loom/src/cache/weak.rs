use loom::sync::atomic::{AtomicU64, Ordering};

pub(super) const READS: u8 = 0;
pub(super) const WRITES: u8 = 1;
pub(super) const LARGEST: u8 = 2;

/// A number with one mistake.
#[derive(Debug)]
pub(super) struct Weak<const MISTAKE: u8>(AtomicU64);

impl<const MISTAKE: u8> Weak<MISTAKE> {
    pub(super) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    fn weaker(ordering: Ordering) -> Ordering {
        match (MISTAKE, ordering) {
            (READS, Ordering::Acquire) | (WRITES, Ordering::Release) => Ordering::Relaxed,
            (READS, Ordering::AcqRel) => Ordering::Release,
            (WRITES, Ordering::AcqRel) => Ordering::Acquire,
            (_, other) => other,
        }
    }

    pub(super) fn load(&self, ordering: Ordering) -> u64 {
        self.0.load(Self::weaker(ordering))
    }

    pub(super) fn store(&self, value: u64, ordering: Ordering) {
        self.0.store(value, Self::weaker(ordering));
    }

    pub(super) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        self.0.fetch_add(value, Self::weaker(ordering))
    }

    pub(super) fn fetch_max(&self, value: u64, ordering: Ordering) -> u64 {
        match MISTAKE {
            LARGEST => self.0.swap(value, ordering),
            _ => self.0.fetch_max(value, Self::weaker(ordering)),
        }
    }
}
