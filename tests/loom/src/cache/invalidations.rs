//! Lookups while things change: what was read before a change is not valid when its invalidation has been applied.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use super::epochs::Epochs;

const STRIPES: u16 = 4;
/// The stripes of one answer: of a key, its account and its organisation.
pub(crate) const MARKS: [u16; 3] = [1, 2, 3];

/// The epochs, and two things in a store whose reads and writes order nothing else.
struct World {
    epochs: Epochs,
    changed: [AtomicBool; 2],
}

/// How a change is announced.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Mark(u16),
    Flush,
    NewKey,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self { epochs: Epochs::new(STRIPES), changed: [false, false].map(AtomicBool::new) })
    }

    fn invalidate(&self, by: By) {
        match by {
            By::Mark(mark) => self.epochs.invalidate(mark),
            By::Flush => self.epochs.flush(),
            By::NewKey => self.epochs.created(),
        }
    }

    fn is_valid(&self, begun: u64, of: By) -> bool {
        match of {
            By::NewKey => self.epochs.is_still_unknown(begun),
            By::Flush | By::Mark(_) => self.epochs.is_valid(begun, MARKS),
        }
    }
}

/// Two things change on threads of their own, and a third thread looks them up. Its answer depends on both.
pub(crate) fn two_changes(announced: [By; 2]) {
    let world = World::new();
    let changes = [0, 1].map(|one| {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            world.changed[one].store(true, Relaxed);
            world.invalidate(announced[one]);
        })
    });
    let begun = world.epochs.begin();
    let read = [0, 1].map(|one| world.changed[one].load(Relaxed));
    // Some of the invalidations may not have been applied yet, so this may be valid.
    world.is_valid(begun, announced[0]);
    changes.into_iter().for_each(|change| change.join().unwrap());
    for one in [0, 1] {
        assert!(read[one] || !world.is_valid(begun, announced[one]), "a stale answer is valid");
    }
    assert!(world.is_valid(world.epochs.begin(), announced[0]), "a lookup that begins now is valid");
}

pub(crate) fn two_marks(first: u16, second: u16) {
    two_changes([By::Mark(first), By::Mark(second)]);
}
