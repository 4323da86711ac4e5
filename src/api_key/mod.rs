//! API keys: a header, a look-up, a principal.
//!
//! [`ApiKeyLayer`] reads the key from declared sources, rejects what has not the format of a key without a hash or a
//! look-up, asks a [`KeyStore`](crate::KeyStore), and leaves the holder in the request.
//!
//! ```
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_auth::*;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, Peppers::ephemeral()?);
//! let store = MemoryKeyStore::new();
//! let key = store.create(&scheme, KeyRecord::new("key_1", "acme").scopes(["read"]))?;
//!
//! let service = ApiKeyLayer::new(scheme, store).layer(service_fn(|request: http::Request<()>| async move {
//!     let who = request.principal()?;
//!     Ok::<_, Rejection>(http::Response::new(who.account().unwrap_or_default().to_owned()))
//! }));
//!
//! let request = http::Request::get("/").header("x-api-key", key.expose()).body(()).unwrap();
//! assert_eq!(service.clone().oneshot(request).await?.body(), "acme");
//!
//! let refused = service.oneshot(http::Request::get("/").body(()).unwrap()).await?;
//! assert_eq!(refused.status(), http::StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.headers()["www-authenticate"], "ApiKey realm=\"api\"");
//! # Ok::<_, BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # What a request meets
//!
//! | the request has | answer | look-up |
//! |---|---|---|
//! | no credential header, an empty one, or another scheme than declared | 401 missing credential | no |
//! | the header twice, or a scheme with nothing behind it | 400 malformed | no |
//! | a value that has not the format | 401 invalid key | no |
//! | an unknown, revoked or not yet valid key | 401 invalid key | yes |
//! | an expired, paused, deactivated or suspended key | 401 invalid key, or what [`disclose`](ApiKeyLayer::disclose) tells | yes |
//! | any key while the store gives an error, or no answer in [time](crate::AuthLayer::decision_timeout) | 503, `Retry-After` | yes |
//! | a good key | the inner service | yes |
//!
//! A key is read from headers alone. Responses to requests with a key in a header of its own are marked
//! `Cache-Control: private` and `Vary`, unless the handler set them: shared caches protect only what came with
//! `Authorization` (RFC 9111, section 3.5).
//!
//! # When not to use it
//!
//! For credentials that a person thinks up, or that a browser keeps.

mod guard;
mod layer;

pub use self::{guard::Disclosure, layer::ApiKeyLayer};
