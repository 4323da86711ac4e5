//! Access tokens: who is calling, by `Authorization: Bearer` and a JWT.
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
//! | the request has | answer | code of the default catalogue |
//! |---|---|---|
//! | no `Authorization: Bearer` | the next method is asked; 401 if there is none | `AUTHENTICATION_REQUIRED` |
//! | `Bearer` and nothing behind it | 400, `error="invalid_request"` | `INVALID_REQUEST` |
//! | a token that is malformed, unverifiable, or not for this service | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token whose signature holds and whose time is over | 401, `error="invalid_token"` | `TOKEN_EXPIRED` |
//! | a token that was taken back ([`TokenRevocation`](crate::token::TokenRevocation)) | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token of a subject that is locked out | 401, `error="invalid_token"` | `ACCOUNT_SUSPENDED` |
//! | a token without `iat`, or whose `jti` is no string, where a revocation list is asked | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token whose issuer's keys could not be fetched, one of an unknown key while the last fetch failed, or any while the list of revoked tokens cannot be asked or gives no answer in [time](crate::AuthLayer::decision_timeout) | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//!
//! The challenge is that of RFC 6750, section 3. What exactly is wrong is for the log: the cause of the
//! [`Decision`](crate::Decision) names what of the token was wrong, and what was expected. A token that verifies with the keys
//! in memory never waits for a fetch; see [Keys that change](crate::token#keys-that-change).
//!
//! # Tokens and keys in one header
//!
//! Where API keys come as `Authorization: Bearer` too, the two are told apart by their form: a token has three parts, a
//! key has the form of its [`KeyFormat`](crate::KeyFormat). What has both forms or neither is the first method's to decide:
//! an [`opaque`](crate::KeyFormat::opaque) format takes tokens for keys too, so declare tokens first there.
//!
//! # When not to use it
//!
//! For opaque tokens that the issuer has to be asked about: write an [`Authenticator`](crate::Authenticator).

mod guard;
mod layer;

pub use self::layer::BearerLayer;
