use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many bytes all bodies that are still arriving may hold.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0) })
    }
}

/// What one body holds; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Share {
    pub(super) const fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Holds this many bytes instead of what was held, if there is room.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let held = self.held;
        if bytes <= held {
            self.budget.held.fetch_sub(held - bytes, Ordering::Relaxed);
            self.held = bytes;
            return true;
        }
        // A count and nothing else: no memory is published by it.
        let room = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |all| {
            // One body alone may always go on, or it never could.
            let alone = all == held;
            all.checked_add(bytes - held).filter(|all| alone || *all <= self.budget.most)
        });
        if room.is_ok() {
            self.held = bytes;
        }
        room.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}
