//! Authentication by a list of methods, asked in declared order.
//!
//! An [`Authenticator`] is one method: API keys, tokens, or your own, such as a cookie, or mutual TLS that a mesh
//! terminates. An [`AuthLayer`] asks a list of methods. The first method that finds a credential decides: if that
//! credential is invalid, no other method is asked. A 401 contains the challenges of all methods. An admitted request
//! always carries an outcome: a [`Principal`](crate::Principal), or [`Anonymous`](crate::Anonymous) if the layer is
//! [`optional`](AuthLayer::optional).
//!
//! ```
//! use tower_auth::{AuthFuture, AuthLayer, AuthOutcome, Authenticator, Principal, RequestHead};
//!
//! #[derive(Clone)]
//! struct PeerSpiffeId(String);
//!
//! /// Mutual TLS, terminated by the mesh. The SPIFFE id is in an extension of the request.
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
//! For API keys alone: [`ApiKeyLayer`](crate::ApiKeyLayer) is a layer by itself.

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
