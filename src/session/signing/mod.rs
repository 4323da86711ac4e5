//! The keys that sign the tokens of this service, and their rotation.

mod chain;
mod store;

pub(crate) use self::chain::Chain;
pub use self::store::{SigningFuture, SigningKeyStore, StoredSigningKey};
