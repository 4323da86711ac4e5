//! The sources of `src/limit` with loom's mutex instead of the standard one, and sources of `src/cache` with loom's atomics.
#![cfg(test)]
#![allow(clippy::duplicate_mod, dead_code, unreachable_pub, unused_imports, reason = "the sources are those of another crate")]

#[path = "../../../src/base/maybe_ready.rs"]
mod maybe_ready;
#[path = "../../../src/base/error.rs"]
mod error;
mod cache;
mod limit;
mod orders;

mod key {
    pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(bytes).into()
    }
}

use self::{
    maybe_ready::MaybeReady,
    error::{BoxError, ConfigError},
};
