//! Helpers for testing a service that uses this crate (feature `testing`). They are not part of `full`, because they do
//! not belong in a production build.
//!
//! ```
//! use http::{Request, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_auth::{testing::{FakeAuth, FlakyKeyStore, ManualClock, AssertReady}, *};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let handler = AssertReady::new(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(()))
//! }));
//!
//! // Every request is authenticated as alice.
//! let alice = AuthLayer::from(FakeAuth::always(Principal::builder("alice").scopes(["read"]).build()));
//! let app = alice.layer(RequireLayer::scope("read").layer(handler.clone()));
//! assert_eq!(app.oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
//!
//! // A store that is down is answered 503, not 401.
//! let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
//! let store = FlakyKeyStore::new(MemoryKeyStore::new().with(&scheme, "test-key", KeyRecord::new("k1", "acme"))?);
//! let app = ApiKeyLayer::new(scheme, store.clone()).layer(handler);
//! store.fail();
//! let request = Request::get("/").header("x-api-key", "test-key").body(()).unwrap();
//! let refused = app.oneshot(request).await.unwrap();
//! assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::Unavailable);
//! # Ok::<_, ConfigError>(())
//! # }).unwrap();
//! ```

//!
//! # Testing with tokens
//!
//! `TestIssuer` (with `aws-lc-rs` or `rust-crypto`) is an issuer in memory: it makes tokens, valid or wrong in one way, and a
//! verifier of the service under test fetches its keys from it. `TestIssuer::serve` (with `jwks-http`) puts it on a port of
//! loopback, with the endpoints that real clients use.
//!
//! # Testing a single extractor or handler
//!
//! [`set_principal`] puts a principal into a request's `Parts`. [`FakeAuth::from_fn`] chooses a principal for each
//! request.
//!
//! ```
//! use axum::{Router, extract::FromRequestParts, routing::get};
//! use http::{Request, request::Parts};
//! use tower::ServiceExt;
//! use tower_auth::{AuthLayer, Principal, Rejection, RequestExt, testing::{FakeAuth, set_principal}};
//!
//! /// A custom extractor of the service.
//! struct Tenant(String);
//!
//! impl<S: Send + Sync> FromRequestParts<S> for Tenant {
//!     type Rejection = Rejection;
//!
//!     async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
//!         let account = parts.principal()?.account().ok_or_else(|| Rejection::custom(http::StatusCode::FORBIDDEN, "NO_ACCOUNT"))?;
//!         Ok(Self(account.to_owned()))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (mut parts, ()) = Request::new(()).into_parts();
//! set_principal(&mut parts.extensions, Principal::builder("alice").account("acme").build());
//! assert_eq!(Tenant::from_request_parts(&mut parts, &()).await.unwrap().0, "acme");
//!
//! let auth = AuthLayer::from(FakeAuth::from_fn(|request| {
//!     let name = request.headers().get("x-test-user")?.to_str().ok()?;
//!     Some(Principal::builder(name).account(format!("{name}-inc")).build())
//! }));
//! let app: Router = Router::new().route("/", get(|Tenant(name): Tenant| async { name })).layer(auth);
//! for (user, status) in [("bob", 200), ("carol", 200), ("", 401)] {
//!     let mut request = Request::get("/").body(axum::body::Body::empty()).unwrap();
//!     if !user.is_empty() {
//!         request.headers_mut().insert("x-test-user", user.parse().unwrap());
//!     }
//!     assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status);
//! }
//! # });
//! ```

mod auth;
mod clock;
pub mod conformance;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod issuer;
mod probe;
mod store;

#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::issuer::TestIssuerServer;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::issuer::{TestIssuer, TestToken};
pub use self::{
    auth::{FakeAuth, set_anonymous, set_principal},
    clock::ManualClock,
    probe::AssertReady,
    store::FlakyKeyStore,
};
