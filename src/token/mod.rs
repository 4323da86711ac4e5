//! Tokens: bytes of a JWT to [`Claims`], or why not.
//!
//! A [`TokenVerifier`] knows one issuer, its keys, and what the issuer's tokens have to say to be good here.
//! [`BearerLayer`](crate::BearerLayer) asks it about requests.
//!
//! ```
//! use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
//!
//! let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
//! let tokens = TokenVerifier::keys("https://id.example.com/", [key])
//!     .audience("https://api.example.com") // required: without it, tokens for other services would be good here
//!     .scopes_from("scope")
//!     .build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # What is checked, in this order
//!
//! 1. The form (RFC 7515, section 7.1): not too long, three parts, strict base64url. JSON serialisation, five parts, padding
//!    and bits that nobody reads are refused.
//! 2. The header: UTF-8 JSON in which no name stands twice. `alg` is one that is known here, whose case matters; `none` is
//!    none. `crit`, `b64`, `enc` and `zip` are refused. `jwk`, `jku`, `x5u` and `x5c` select nothing.
//! 3. The key: one of the issuer's, with the token's `kid` if it names one, whose own algorithm is the token's. A key never
//!    takes its algorithm from a token. Without a `kid`, the first four keys of the algorithm are tried.
//! 4. The signature. What stands below is looked at only if it holds.
//! 5. `typ`: `at+jwt` (RFC 9068), unless [`typ`](TokenVerifierBuilder::typ) says otherwise: so refresh and id tokens are none.
//! 6. `iss` and `aud`: there, and exactly those that were configured.
//! 7. `exp` is required, `nbf` heeded, both to the second, with a leeway of at most a minute. A token is good before its
//!    `exp`, and no longer in it; fractions of a second count where the issuer writes them.
//!
//! # Keys that change
//!
//! Keys are fixed, or come from a [`KeySource`]: fetched when the first token asks, again when they are 15 minutes old or a
//! token names one that is unknown, and never more often than every 30 seconds, whatever came of it. Requests that wait
//! share one fetch. A fetch that fails keeps the old keys for up to 24 hours; then tokens are answered 503. A key that is
//! gone from the set verifies nothing from then on. A token without a `kid` whose signature holds under none of the keys has
//! them fetched as one with an unknown `kid` does.
//!
//! # Tokens that are taken back
//!
//! A [`TokenRevocation`] is asked about every token that verifies: whether it, or its subject, is still good.
//!
//! # Features
//!
//! Tokens come with one of two features, each with its own way of checking signatures: `aws-lc-rs`, which needs a C compiler,
//! or `rust-crypto`, which is pure Rust and several times slower. With both, `aws-lc-rs` is used.
//!
//! # When not to use it
//!
//! To issue tokens: this verifies them.

mod algorithm;
mod backend;
mod builder;
mod cache;
mod claims;
mod compact;
mod error;
mod header;
mod key;
mod key_set;
mod keys;
mod material;
mod names;
mod refresh;
mod revocation;
mod settings;
mod source;
mod verifier;

#[cfg(feature = "jwks-http")]
pub(crate) use self::settings::{check_issuer, issuer_of};
pub(crate) use self::verifier::claimed_issuer;
pub use self::{
    algorithm::Algorithm,
    builder::TokenVerifierBuilder,
    claims::Claims,
    error::TokenError,
    key::VerifyingKey,
    key_set::KeySet,
    revocation::{TokenRevocation, TokenStatus},
    source::KeySource,
    verifier::{TokenVerifier, Verified},
};
