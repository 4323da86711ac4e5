//! Tokens: verification of JSON Web Tokens (JWT), and [introspection](#introspection) of opaque tokens.
//!
//! A [`TokenVerifier`] has an issuer, its keys, and the required claims. It turns the bytes of a token into [`Claims`]
//! or a [`TokenError`]. [`BearerLayer`](crate::BearerLayer) applies it to requests.
//!
//! ```
//! use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
//!
//! let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
//! let tokens = TokenVerifier::keys("https://id.example.com/", [key])
//!     .audience("https://api.example.com") // required: without it, tokens for other services would be accepted
//!     .scopes_from("scope")
//!     .build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # What is checked, in this order
//!
//! 1. The form (RFC 7515, section 7.1): the length, three parts, strict base64url. The JSON serialisation, encrypted
//!    tokens (five parts), padding and non-zero unused bits are refused.
//! 2. The header: UTF-8 JSON without duplicate names. `alg` must be a known algorithm and is case-sensitive; `none` is
//!    refused. `crit`, `b64`, `enc` and `zip` are refused. `jwk`, `jku`, `x5u` and `x5c` are ignored.
//! 3. The key: a key of the issuer with the token's `kid` and the token's algorithm. A key never takes its algorithm
//!    from a token. Without a `kid`, the first four keys with this algorithm are tried. If no key of the verifier has
//!    an id, the `kid` is ignored.
//! 4. The signature. The following checks run only if it is valid.
//! 5. `typ` must be `at+jwt` (RFC 9068), which excludes refresh and id tokens, unless
//!    [`typ`](TokenVerifierBuilder::typ) sets other types.
//! 6. `iss` must equal the issuer, or one of several; or a template of it with an accepted [tenant](Tenants). It may be
//!    missing only with [`issuer_by_keys_alone`](TokenVerifierBuilder::issuer_by_keys_alone). `aud` must contain a configured audience. A [`client`](TokenVerifierBuilder::client) can stand in for an `aud` that is missing.
//! 7. The values that [`require_claim`](TokenVerifierBuilder::require_claim) and
//!    [`forbid_claim`](TokenVerifierBuilder::forbid_claim) name.
//! 8. `exp` (required) and `nbf` (optional), with a leeway of at most one minute. A token is expired once the time
//!    reaches its `exp` plus the leeway. Fractions of a second count. With
//!    [`max_age`](TokenVerifierBuilder::max_age), [`max_lifetime`](TokenVerifierBuilder::max_lifetime) or
//!    [`issued_after`](TokenVerifierBuilder::issued_after), also `iat`.
//!
//! A token that is bound to a key or a certificate (`cnf`) needs a proof that the caller has it.
//! [`BearerLayer`](crate::bearer#bound-tokens) checks the proof. [`verify`](TokenVerifier::verify) sees none, and refuses
//! such a token.
//!
//! A claim that is used by a check, a setting or the principal must have the right type. Times must always have the
//! right type. Any other claim may be missing or have any type: for example, a numeric `jti` is ignored.
//!
//! # What tokens of other issuers need
//!
//! The defaults are for access tokens as RFC 9068 describes them. Each way in which the tokens of an issuer differ has a
//! setting. None is on by default.
//!
//! | tokens | setting |
//! |---|---|
//! | have no `aud`, and name the client in `client_id`, `azp`, `cid` or `appid` | [`client`](TokenVerifierBuilder::client) |
//! | have an `aud` only if the client has asked for one | [`client`](TokenVerifierBuilder::client) and [`audience_or_client`](TokenVerifierBuilder::audience_or_client) |
//! | are for one service because no other trusts their keys | [`accept_any_audience`](TokenVerifierBuilder::accept_any_audience) |
//! | of several kinds have the same key and the same `typ` | [`require_claim`](TokenVerifierBuilder::require_claim), [`forbid_claim`](TokenVerifierBuilder::forbid_claim) |
//! | have `typ` `JWT`, or none | [`typ`](TokenVerifierBuilder::typ), [`allow_missing_typ`](TokenVerifierBuilder::allow_missing_typ) |
//! | have scopes or roles in several claims | several calls of [`scopes_from`](TokenVerifierBuilder::scopes_from) or [`roles_from`](TokenVerifierBuilder::roles_from) |
//! | have them as names of members, with commas, or as booleans | [`ClaimSource`] |
//! | have a value that is not always of the same type | [`ClaimSource::ignore_other_types`] |
//! | name a service in another claim than a user | several calls of [`subject_from`](TokenVerifierBuilder::subject_from) |
//! | have no `iss` | [`issuer_by_keys_alone`](TokenVerifierBuilder::issuer_by_keys_alone) |
//! | are valid for months | [`max_lifetime`](TokenVerifierBuilder::max_lifetime), [`max_age`](TokenVerifierBuilder::max_age) |
//!
//! # Keys that change
//!
//! Keys are fixed, or come from a [`KeySource`]. Keys from a source are fetched when the first token arrives. They are
//! fetched again when they are 15 minutes old, or when a token names an unknown key. A key that is removed from the set
//! verifies no token after the next fetch. A token without a `kid` that no key verifies is treated as a token with an
//! unknown `kid`.
//!
//! | situation | tokens that verify with the keys in memory | tokens that may need a new key |
//! |---|---|---|
//! | a fetch is due, or under way | answered at once | wait for one shared fetch |
//! | the last fetch succeeded less than 30 seconds ago | answered at once | 401 |
//! | the last fetch failed | answered at once, until the keys are 24 hours old | 503 |
//! | there are no keys | | 503 |
//!
//! At least 30 seconds pass between two fetches, successful or not. While there are no usable keys, a failed fetch is
//! retried after 250 milliseconds, then after 500, and so on up to 30 seconds. A token that is malformed, expired, or
//! for another issuer, audience or purpose causes no fetch and is never answered 503.
//!
//! In a tokio runtime, a fetch is a task of that runtime. The verifier owns the task. The task ends when the last clone
//! of the verifier is dropped, and continues if the request that began it ends. If the runtime ends first, the next
//! request begins another fetch in its own runtime. If the service creates a runtime for each call, the runtime may end
//! before a fetch completes: call [`start`](TokenVerifier::start) in a runtime that lives as long as the service.
//! Outside of tokio, the waiting requests drive a fetch.
//!
//! # Introspection
//!
//! An opaque token says nothing: its authorization server must be asked (RFC 7662). [`TokenVerifier::introspect`] builds a verifier
//! that does this through an [`Introspector`]. The answer is judged by the settings of the verifier, as the claims of a signed
//! token are, with these differences:
//!
//! | member of the answer | rule |
//! |---|---|
//! | `active` | must be the boolean `true`; `false` is [`TokenError::Inactive`]; anything else counts as an outage |
//! | `iss` | may be missing; if there is one, it must equal the issuer |
//! | `aud` | must contain a configured audience; may be missing only with [`allow_answers_without_audience`](TokenVerifierBuilder::allow_answers_without_audience) |
//! | `exp` | may be missing; if there is one, and for `nbf`, the times are checked here again |
//! | `token_type`, `token_use`, `typ` | may be missing; a refresh token or id token is refused, because servers say that these are active too, and so is a value that is no string; a `token_type` that is `DPoP` needs a `cnf` with `jkt` |
//! | `sub` | required, as always; for tokens of clients without a user, [`subject_from("client_id")`](TokenVerifierBuilder::subject_from) may be right |
//!
//! Duplicate names, and answers over 64 KiB, count as an outage.
//!
//! A good answer is remembered for 30 seconds ([`introspection_ttl`](TokenVerifierBuilder::introspection_ttl)), and never past its
//! `exp`; a refusal for 5 seconds. Both are found by the SHA-256 of the token. They have separate memories of 10 000 tokens each
//! ([`cache`](TokenVerifierBuilder::cache)), so that made-up tokens remove no good ones. Requests with the same token share one
//! question. At most 64 questions are under way; further ones wait for a place. A question, including that wait, may take 5 seconds
//! ([`fetch_timeout`](TokenVerifierBuilder::fetch_timeout)). A budget of [failed attempts](crate::RateLimitLayer::failures) is
//! asked before the server is.
//!
//! While the server does not answer, tokens with an answer in memory are good until it is too old, and all others are answered
//! 503. [`health`](TokenVerifier::health) says so, and the log says when it begins and ends.
//!
//! # Logs
//!
//! [`explain`](TokenVerifier::explain) names the token's issuer, audience, client, type or key id, or the claim that has a
//! wrong value or a wrong type, and what is expected.
//! [`BearerLayer`](crate::BearerLayer) logs this text as the cause of a refusal. Values from the token are escaped, cut
//! to 80 characters, and never sent to a client. A failed fetch is logged as a warning with the issuer, the URL and the
//! reason.
//!
//! # Revocation
//!
//! A [`TokenRevocation`] is called for every token that verifies. It decides whether the token and its subject are
//! still valid. With a [`TokenRevocation`], a token must have an `iat`, and its `jti` and `sid` must be strings or missing.
//!
//! # Features
//!
//! Tokens need one of two features, which select the signature backend: `aws-lc-rs`, which needs a C compiler, or
//! `rust-crypto`, which is pure Rust and several times slower. If both are on, `aws-lc-rs` is used.
//!
//! # When not to use it
//!
//! Do not use a [`TokenVerifier`] to issue tokens: it only verifies them. A [`SigningKey`] signs them, and
//! [`session::signing`](crate::session::signing) rotates these keys.

mod algorithm;
mod answer;
mod ask;
mod asked;
mod backend;
mod binding;
mod builder;
mod cache;
mod checks;
mod claim_source;
mod claims;
#[cfg(feature = "jwks-http")]
mod client_assertion;
mod compact;
mod confirmation;
mod demands;
#[cfg(feature = "strict-body")]
mod detached;
mod directory;
mod error;
mod explain;
mod fetch;
mod header;
mod introspect;
mod introspector;
mod issuers;
mod jwk;
mod key;
mod key_set;
mod keys;
mod lookup;
mod material;
#[cfg(feature = "strict-body")]
mod named_keys;
mod names;
mod pem;
mod private_key;
mod proof_key;
mod public_jwk;
mod raw;
mod refresh;
mod revocation;
mod select;
mod settings;
mod shapes;
mod shown;
mod signing_key;
mod source;
mod tenants;
mod terms;
mod text_of;
mod verifier;
mod want;
mod why;

#[cfg(feature = "strict-body")]
pub(crate) use self::named_keys::NamedKeys;
pub use self::{
    algorithm::Algorithm,
    builder::TokenVerifierBuilder,
    checks::ClaimValue,
    claim_source::ClaimSource,
    claims::Claims,
    confirmation::Confirmation,
    error::TokenError,
    introspector::Introspector,
    key::VerifyingKey,
    key_set::KeySet,
    lookup::KeyLookup,
    revocation::{TokenRevocation, TokenStatus},
    signing_key::SigningKey,
    source::KeySource,
    tenants::Tenants,
    verifier::{TokenVerifier, VerifyFuture},
};
pub(crate) use self::{
    claims::Date,
    explain::{Refused, of_no_issuer},
    proof_key::{ProofKey, ProofParts},
    public_jwk::PublicJwk,
    select::{clash, select},
    settings::check_issuer,
    verifier::signed_claims,
};
#[cfg(feature = "jwks-http")]
pub(crate) use self::{introspector::OfOneToken, settings::issuer_of, shown::Shown};
