//! A cache in front of a store, with a promise: how long a revoked key can still be used.

mod answers;
mod changed;
mod changes;
mod core;
mod counters;
mod epochs;
mod flights;
mod freshness;
mod health;
mod heartbeat;
mod keys;
mod known;
mod lease;
mod registry;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
mod settings;
mod store;
mod telling;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tokens;
mod versioned;

pub use self::{
    changed::{Announcement, Changed},
    changes::{ChangeSink, Changes, ChangesFuture, Heard, Subscription},
    health::CacheHealth,
    store::CachedKeyStore,
    versioned::Versioned,
};

/// The atomics of [`epochs`] and [`lease`], which a model checker replaces.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}
