//! Proofs of possession (`DPoP`, RFC 9449): a token that only its holder's key can use.
//!
//! The issuer binds a token to a key of the client: the claim `cnf` has the key's thumbprint (`jkt`). The client sends the
//! token as `Authorization: DPoP <token>`, and with each request a header `DPoP` with a proof: a JWT for this request, signed
//! by the key. A thief who has the token and not the key can do nothing with it.
//!
//! ```
//! use tower_auth::{AuthStack, BearerLayer, Dpop, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
//!
//! let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
//! let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
//! let auth = BearerLayer::new(tokens).dpop(Dpop::new("https://api.example.com"));
//! let stack = AuthStack::builder().auth(auth).build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # What is checked, in this order
//!
//! 1. There is one header `DPoP`, with one proof of at most 8 KiB in the form of a signed JWT.
//! 2. Its header: `typ` is exactly `dpop+jwt`; `alg` is one of the [algorithms](Dpop::algorithms), none of which has a
//!    secret; `jwk` is a public key for it, without a private member. `crit`, `b64`, `enc` and `zip` are refused. Other
//!    parameters have no effect.
//! 3. `htm` is the method of the request, exactly. `htu` is its address without a query or a fragment: the configured
//!    [public address](Dpop::new) and the path, both normalised (RFC 3986, section 6.2). `htu` with a query or a fragment
//!    is refused, and so is a request for a path with dot segments.
//! 4. `ath` is the SHA-256 of the token.
//! 5. `iat` is within the [maximum age](Dpop::max_age) and the [leeway](Dpop::leeway), or the nonce is one that is still
//!    good, if there are [nonces](Dpop::nonces). `exp` and `nbf` are optional and apply too.
//! 6. The token, as [`token`](crate::token) says.
//! 7. The thumbprint of `jwk` (RFC 7638) is the `cnf.jkt` of the token, and the signature of the proof is valid.
//! 8. The token is not revoked.
//! 9. The proof was not used before: `jti`, of at most 256 bytes, is new for its key ([`ReplayStore`]).
//!
//! So a stranger without a token causes at most one check of a signature, as with any other token, and no entry in the store.
//! The budget of failed attempts counts each of these failures, except a missing or old nonce.
//!
//! # Responses
//!
//! | the request has | response |
//! |---|---|
//! | no token | 401, `Bearer …, DPoP algs="…"`; only `DPoP` with [`require`](Dpop::require) |
//! | `DPoP` without a token | 400, `DPoP error="invalid_request"` |
//! | `DPoP` without a proof, or with one that is wrong or was used before | 401, `DPoP error="invalid_dpop_proof"` |
//! | a proof without a nonce that is still good, if there are nonces | 401, `DPoP error="use_dpop_nonce"`, and `DPoP-Nonce` |
//! | `DPoP` with a token that is invalid, not bound, or bound to another key | 401, `DPoP error="invalid_token"` |
//! | `Bearer` with a token that is bound to a key, also with a proof | 401, `Bearer error="invalid_token"` |
//! | `Bearer` with any token, and [`require`](Dpop::require) | 401, `DPoP error="invalid_token"` |
//! | a right proof, if the store is full or does not answer | 503 with `Retry-After` |
//!
//! The [cause](crate::Rejection::private_cause) in the log says which value is wrong, and what was expected.
//!
//! # Where tokens come from
//!
//! The issuer binds them. The endpoints of this crate do so too: with `AuthEndpoints::dpop` (feature `strict-body`) they
//! check the proofs of requests for tokens as above, without steps 4 and 6, and refuse them with 400.
//!
//! # When not to use it
//!
//! - For a token that the issuer has not bound: a proof adds nothing to it, and is ignored under `Bearer`.
//! - In two layers around one handler, with clones of the same settings: the inner layer would find every proof used, and refuse
//!   it. Use one layer, and [`Rules::fresh`](crate::Rules::fresh) for the routes that must not be answered from a cache.

mod address;
mod claims;
mod error;
mod memory;
mod nonces;
mod proof;
mod replay;
mod settings;

pub(crate) use self::{
    error::ProofError,
    proof::{Proof, Target},
};
pub use self::{
    memory::MemoryReplayStore,
    nonces::Nonces,
    replay::{Replay, ReplayStore, UsedProof},
    settings::Dpop,
};
