//! A backend in the memory of the process. Like every backend, it is one folder that implements traits of several rooms, and
//! no room imports it.

mod accounts;
#[cfg(feature = "tokio")]
mod alert_book;
#[cfg(feature = "tokio")]
mod alerts;
mod book;
mod budget_book;
mod budgets;
mod forget;
mod guarded;
mod registry;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod session_book;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing;
mod store;
mod usage;
mod usage_book;

pub use self::store::MemoryKeyStore;
