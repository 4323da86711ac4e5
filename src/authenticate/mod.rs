//! Who is calling: methods of authentication, asked in declared order.
//!
//! An [`Authenticator`] is one method: API keys, or a user's own (mutual TLS that a mesh terminates, a cookie). An
//! [`AuthLayer`] asks a list of them. The first that finds a credential decides, and a bad credential is never
//! rescued by another method. A 401 offers the challenges of all of them. The layer always leaves an outcome: a
//! [`Principal`](crate::Principal), or, where it is [`optional`](AuthLayer::optional),
//! [`Anonymous`](crate::Anonymous).
//!
//! ```
//! use tower_auth::{AuthFuture, AuthLayer, AuthOutcome, Authenticator, Principal, RequestHead};
//!
//! #[derive(Clone)]
//! struct PeerSpiffeId(String);
//!
//! /// Mutual TLS, terminated by the mesh; the name comes in an extension.
//! struct MeshIdentity;
//!
//! impl Authenticator for MeshIdentity {
//!     fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
//!         AuthFuture::ready(match request.extensions().get::<PeerSpiffeId>() {
//!             Some(id) => AuthOutcome::Authenticated(Principal::builder(id.0.clone()).scopes(["internal"]).build()),
//!             None => AuthOutcome::NoCredential,
//!         })
//!     }
//!
//!     fn challenge(&self) -> &str {
//!         "Mutual"
//!     }
//! }
//!
//! let layer = AuthLayer::first(MeshIdentity);
//! ```
//!
//! # When not to use it
//!
//! For API keys alone, [`ApiKeyLayer`](crate::ApiKeyLayer) is a layer by itself.

mod asking;
mod authenticator;
mod facts;
mod guard;
mod layer;
mod under_way;

pub use self::{
    authenticator::{AuthFuture, AuthOutcome, Authenticator},
    layer::AuthLayer,
};
