//! A cache in front of a store, with a promise: how long a revoked key can still be used.

mod changed;
mod changes;
mod epochs;
mod lease;
mod versioned;

pub use self::{
    changed::{Announcement, Changed},
    changes::{ChangeSink, Changes, ChangesFuture, Heard, Subscription},
    versioned::Versioned,
};

/// The atomics of [`epochs`] and [`lease`], which a model checker replaces.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}
