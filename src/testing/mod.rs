//! For the tests of a service that uses this crate (feature `testing`). Not part of `full`: it has no
//! place in a production build.
//!
//! ```
//! use http::{Request, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_auth::{testing::{FakeAuth, FlakyKeyStore, ManualClock, ReadinessProbe}, *};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let handler = ReadinessProbe::new(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(()))
//! }));
//!
//! // Whoever calls is alice.
//! let alice = AuthLayer::from(FakeAuth::always(Principal::builder("alice").scopes(["read"]).build()));
//! let app = alice.layer(RequireLayer::scope("read").layer(handler.clone()));
//! assert_eq!(app.oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
//!
//! // A dead store is 503 and not 401.
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

mod auth;
mod clock;
mod probe;
mod store;

pub use self::{auth::FakeAuth, clock::ManualClock, probe::ReadinessProbe, store::FlakyKeyStore};
