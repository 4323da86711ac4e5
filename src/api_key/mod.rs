//! Authentication by API key.
//!
//! [`ApiKeyLayer`] reads a key from the declared headers, looks the key up in a [`KeyStore`](crate::KeyStore), and puts
//! the principal of the key into the request. A value without the format of a key is refused without a hash or a
//! lookup.
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
//! # Responses
//!
//! | the request has | response | lookup |
//! |---|---|---|
//! | no credential header, an empty one, an undeclared scheme, or a scheme without a credential | 401 missing credential | no |
//! | a repeated header, or a scheme without a credential and a key in another header | 400 malformed | no |
//! | a value without the format of a key | 401 invalid key | no |
//! | an unknown key | 401 invalid key | yes |
//! | an expired, paused, deactivated, suspended, revoked or not yet valid key | 401 invalid key, or more as set by [`disclose`](ApiKeyLayer::disclose) | yes |
//! | a key of another [environment](ApiKeyLayer::environment) | 401 invalid key | yes |
//! | an active key, from another network or website than its [restrictions](crate::store#restrictions) allow, or with a restriction that this version cannot check | 403 restricted: `IP_NOT_ALLOWED`, `ORIGIN_NOT_ALLOWED` or `RESTRICTION_UNKNOWN` | yes |
//! | an active key with networks, if no [`ClientIp`](crate::ClientIp) is set or the address of the connection is unknown | 500 | yes |
//! | any key, if the store fails or does not answer in [time](crate::AuthLayer::decision_timeout) | 503, `Retry-After` | yes |
//! | a valid key | the response of the inner service | yes |
//!
//! A key is read only from headers. If the key is in another header than `Authorization`, the response gets
//! `Cache-Control: private` and `Vary`, unless the handler has set them. Without these headers, a shared cache could
//! serve the response to other callers: a shared cache protects only responses to requests with `Authorization` (RFC
//! 9111, section 3.5).
//!
//! A script in a browser can set no header when it opens a WebSocket. [`ApiKeyLayer::websocket_protocol`] reads the key from a
//! subprotocol; [`Subprotocol`](crate::Subprotocol) says how. Two subprotocols with a key are refused with 400.
//!
//! # When not to use it
//!
//! For passwords, and for credentials that a browser stores.

mod guard;
mod layer;
mod restricted;
mod static_key;

pub use self::{guard::Disclosure, layer::ApiKeyLayer};
