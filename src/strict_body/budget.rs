use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Limits the bytes that all bodies that are still arriving hold together.
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

/// The bytes that one body holds. They are released on drop.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Share {
    pub(super) const fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Changes the number of held bytes. Returns `false`, without a change, if the budget is exceeded.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let held = self.held;
        if bytes <= held {
            self.budget.held.fetch_sub(held - bytes, Ordering::Relaxed);
            self.held = bytes;
            return true;
        }
        // Relaxed is enough: the counter guards no other memory.
        let room = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |all| {
            // A body that arrives alone may exceed the budget. Otherwise it could never arrive.
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
