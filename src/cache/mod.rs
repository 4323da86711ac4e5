//! A cache in front of a store, with a promise: how long a revoked key can still be used.

mod changed;
mod changes;
mod versioned;

pub use self::{
    changed::{Announcement, Changed},
    changes::{ChangeSink, Changes, ChangesFuture, Heard, Subscription},
    versioned::Versioned,
};
