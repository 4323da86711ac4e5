//! The keys that sign the tokens of this service, and their rotation.

mod chain;
mod keys;
mod policy;
mod published;
mod rotate;
mod schedule;
mod sealer;
mod source;
mod store;
mod upkeep;

pub(crate) use self::chain::Chain;
pub use self::{
    keys::SigningKeys,
    policy::SigningPolicy,
    store::{SigningFuture, SigningKeyStore, StoredSigningKey},
};
