//! The builder of a verifier: `settings.rs` has its type and general settings, `recipient.rs` those of audiences and
//! clients, `claims.rs` those of the claims that make a principal, `demands.rs` those of values and ages, `keys.rs` those of
//! keys, `binding.rs` that of tokens that are bound to a key, `introspection.rs` those of
//! verifiers that ask; `build.rs` checks them.

mod binding;
mod build;
mod claims;
mod demands;
mod introspection;
mod keys;
mod recipient;
mod settings;

pub use self::settings::TokenVerifierBuilder;
