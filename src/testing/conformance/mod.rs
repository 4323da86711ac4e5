//! Checks of a store: whether it keeps what the traits [`KeyStore`](crate::KeyStore) and
//! [`RegistryStore`](crate::registry::RegistryStore) promise. The stores of this crate pass the same checks.
//!
//! [`check`] runs all of them and panics at the first that fails, with its name. Run it on a store of your own, against the
//! real server:
//!
//! ```
//! use tower_auth::{MemoryKeyStore, testing::conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! // In place of a `MemoryKeyStore`: create an empty database, and connect to it.
//! let secrets = conformance::check(async || MemoryKeyStore::new()).await;
//!
//! // The files of the database must not contain any of the keys.
//! let raw_files = b"...";
//! secrets.assert_absent_from(raw_files);
//! # });
//! ```
//!
//! The checks cover: states and their precedence, times to the microsecond, lines of successors, every field of a key,
//! refusals that change nothing, transactions, pages, suspension, the audit log, removed keys, erased accounts, peppers, and many changes at
//! once. They need no runtime of their own, and use a clock that stands still.
//!
//! [`check_usage`] checks the trait [`UsageStore`](crate::usage::UsageStore), [`check_budgets`] the trait
//! [`BudgetStore`](crate::limit::budget::BudgetStore), `check_alerts` (feature `tokio`) the trait `AlertStore`, and, with a token
//! backend, `check_signing_keys` the trait `SigningKeyStore`, and `check_sessions` and `check_sessions_of_keys` the trait
//! `SessionStore`.

#[cfg(feature = "tokio")]
mod alerts;
mod audit;
mod budgets;
mod fields;
mod forgotten;
mod holders;
mod lines;
mod moving;
mod pages;
mod peppers;
mod refusals;
mod removed;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing;
mod states;
mod suite;
mod together;
mod trial;
mod usage;

#[cfg(feature = "tokio")]
pub use self::alerts::check_alerts;
pub use self::{budgets::check_budgets, suite::check, trial::Secrets, usage::check_usage};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::{
    sessions::{check_sessions, check_sessions_of_keys},
    signing::check_signing_keys,
};
