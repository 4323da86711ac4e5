//! The builder of a verifier: `settings.rs` has its type and general settings, `claims.rs` those of
//! the claims that make a principal, `keys.rs` those of keys; `build.rs` checks them.

mod build;
mod claims;
mod keys;
mod settings;

pub use self::settings::TokenVerifierBuilder;
