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
//!    takes its algorithm from a token. Without a `kid`, the first four keys of the algorithm are tried. The same applies
//!    where no key of the verifier has an id, whatever the token's `kid`.
//! 4. The signature. What stands below is looked at only if it holds.
//! 5. `typ`: `at+jwt` (RFC 9068), unless [`typ`](TokenVerifierBuilder::typ) says otherwise: so refresh and id tokens are none.
//! 6. `iss` and `aud`: there, and exactly those that were configured.
//! 7. `exp` is required, `nbf` heeded, both to the second, with a leeway of at most a minute. A token is good before its
//!    `exp`, and no longer in it; fractions of a second count where the issuer writes them.
//!
//! A claim that nothing above, no setting and no part of the principal relies on may be missing or of any type: a `jti` that
//! is a number is no `jti`. Claims that are relied on are refused with a wrong type, and times always are.
//!
//! # Keys that change
//!
//! Keys are fixed, or come from a [`KeySource`]. They are fetched when the first token arrives, and again when they are 15
//! minutes old or a token names a key that is unknown. A key that is gone from the set verifies nothing from then on. A token
//! without a `kid` whose signature holds under none of the keys is treated as one with an unknown `kid`.
//!
//! | at that time | tokens that verify with the keys in memory | tokens that may be of a new key |
//! |---|---|---|
//! | a fetch is due, or under way | answered at once | wait for the fetch, which all of them share |
//! | the last fetch succeeded less than 30 seconds ago | answered at once | 401 |
//! | the last fetch failed | answered at once, until the keys are 24 hours old | 503 |
//! | there are no keys | | 503 |
//!
//! Between two fetches lie 30 seconds, whatever came of the first. Only where there are no keys that can be used, a failed
//! fetch is tried again after 250 milliseconds, then after 500, and so on up to the 30 seconds. A token that is malformed,
//! expired, or for another issuer, audience or purpose fetches nothing and is never answered 503.
//!
//! In a tokio runtime a fetch is a task of that runtime. The verifier owns it: it ends with the last clone of the verifier, and
//! not with the request that began it. If the runtime ends first, the next request begins another fetch in its own runtime. A
//! runtime that lives for one call only has no time for a fetch that is due; keep a [`start`](TokenVerifier::start)ed task in
//! one that stays. Outside of tokio, requests drive a fetch as they come.
//!
//! # What the log says
//!
//! [`explain`](TokenVerifier::explain) names the token's issuer, audience, type or key id and what was expected. The
//! [`BearerLayer`](crate::BearerLayer) writes that as the cause of a refusal. Such values are escaped and cut to 80 characters;
//! no client sees them. A fetch that fails is a warning with the issuer, the address and the reason.
//!
//! # Tokens that are taken back
//!
//! A [`TokenRevocation`] is asked about every token that verifies: whether it, or its subject, is still good. Where one is
//! asked, a token needs an `iat`, and its `jti` is a string or missing; others are refused.
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
mod ask;
mod backend;
mod builder;
mod cache;
mod claims;
mod compact;
mod error;
mod explain;
mod fetch;
mod header;
mod jwk;
mod key;
mod key_set;
mod keys;
mod material;
mod names;
mod pem;
mod refresh;
mod revocation;
mod settings;
mod shown;
mod source;
mod verifier;

pub use self::{
    algorithm::Algorithm,
    builder::TokenVerifierBuilder,
    claims::Claims,
    error::TokenError,
    key::VerifyingKey,
    key_set::KeySet,
    revocation::{TokenRevocation, TokenStatus},
    source::KeySource,
    verifier::{TokenVerifier, VerifyFuture},
};
pub(crate) use self::{
    explain::{Refused, of_no_issuer},
    verifier::claimed_issuer,
};
#[cfg(feature = "jwks-http")]
pub(crate) use self::{
    settings::{check_issuer, issuer_of},
    shown::Shown,
};
