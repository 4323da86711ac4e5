//! Authentication by access token: a JWT in `Authorization: Bearer`.
//!
//! ```
//! use tower_auth::{ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
//!
//! let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
//! let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(AuthLayer::first(BearerLayer::new(tokens)).then(keys)).build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! | the request has | response | code of the default catalogue |
//! |---|---|---|
//! | no `Authorization: Bearer` | the next method is asked; without a next method, 401 | `AUTHENTICATION_REQUIRED` |
//! | `Bearer` without a token | 400, `error="invalid_request"` | `INVALID_REQUEST` |
//! | a token that is malformed, unverifiable, or not for this service | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | an expired token with a valid signature | 401, `error="invalid_token"` | `TOKEN_EXPIRED` |
//! | a revoked token ([`TokenRevocation`](crate::token::TokenRevocation)) | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token of a suspended subject | 401, `error="invalid_token"` | `ACCOUNT_SUSPENDED` |
//! | a token without `iat`, or with a `jti` or `sid` that is not a string, if there is a revocation list | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token, if the issuer's keys could not be fetched | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//! | a token with an unknown key id, if the last fetch of keys failed | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//! | a token, if the revocation list fails or does not answer in [time](crate::AuthLayer::decision_timeout) | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//!
//! The challenge follows RFC 6750, section 3, and does not say what is wrong with the token. The log does: the cause of
//! the [`Decision`](crate::Decision) names the invalid part of the token and the expected value. A token that verifies
//! with the keys in memory never waits for a fetch; see [Keys that change](crate::token#keys-that-change).
//!
//! # Tokens and keys in one header
//!
//! If API keys are also sent as `Authorization: Bearer`, the form of the credential selects the method: a token has
//! three parts, a key has the form of its [`KeyFormat`](crate::KeyFormat). The first method checks a credential that
//! has both forms or neither. An [`opaque`](crate::KeyFormat::opaque) format also accepts tokens, so declare tokens
//! before keys of such a format.
//!
//! # When not to use it
//!
//! For opaque tokens, which the issuer must introspect: implement an [`Authenticator`](crate::Authenticator).

mod guard;
mod layer;

pub use self::layer::BearerLayer;
