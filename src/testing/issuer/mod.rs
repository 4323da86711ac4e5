//! An issuer of tokens for tests: `state.rs` has its keys and its moods, `token.rs` makes a token, `issuer.rs` is the handle.

mod issuer;
mod state;
mod token;

pub use self::{issuer::TestIssuer, token::TestToken};
