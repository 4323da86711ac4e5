//! Authorization: policies, and the layer that enforces one.
//!
//! A [`Permission`] is a policy: it decides whether a principal may make a request. Combine policies with
//! [`and`](Permission::and) and [`or`](Permission::or). Mount a policy with [`RequireLayer`] behind a layer that
//! authenticates.
//!
//! ```
//! use tower_auth::{Principal, RequireLayer, permission::{Permission, any_scope, member_of, role, scope, OrgSource}};
//!
//! let readers = RequireLayer::scope("read");
//! let writers = RequireLayer::new(any_scope(["write", "admin"]));
//! let owners = RequireLayer::new(role("admin").and(member_of(OrgSource::path_after("organizations"))));
//! ```
//!
//! A custom policy is a closure ([`from_fn`]). If the policy has to wait for another service, implement [`Permission`]:
//!
//! ```
//! use tower_auth::{Principal, RequestHead, permission::{PermissionFuture, Denial, Permission, Verdict}};
//!
//! /// A placeholder for the client of a policy service.
//! #[derive(Clone)]
//! struct PolicyService;
//!
//! impl PolicyService {
//!     async fn allows(&self, subject: String, path: String) -> Result<bool, std::io::Error> {
//!         Ok(path.starts_with(&format!("/users/{subject}")))
//!     }
//! }
//!
//! impl Permission for PolicyService {
//!     fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
//!         if who.has_scope("root") {
//!             return PermissionFuture::ready(Verdict::Granted); // no lookup, no allocation
//!         }
//!         let (service, subject, path) = (self.clone(), who.subject().to_owned(), request.path().to_owned());
//!         PermissionFuture::boxed(async move {
//!             match service.allows(subject, path).await {
//!                 Ok(true) => Verdict::Granted,
//!                 Ok(false) => Verdict::Denied(Denial::new().role("policy")),
//!                 Err(error) => Verdict::Undecided(error.into()), // 503, never 403
//!             }
//!         })
//!     }
//! }
//! ```
//!
//! A policy that does not decide in time is also [undecided](Verdict::Undecided). The timeout is 5 s by default. Set it
//! with [`RequireLayer::decision_timeout`] or for the [stack](crate::stack::AuthStackBuilder::decision_timeout).
//!
//! # Scopes and roles
//!
//! A scope is granted to a credential (RFC 6749, section 3.3). A role belongs to the holder of the credential. No scope
//! implies another, not even `admin`, unless a [`ScopeHierarchy`] declares it.
//!
//! # When not to use it
//!
//! For a decision about one object ("is this the caller's invoice?"): load the object in the handler, and check the
//! [`Principal`](crate::Principal) there.

mod combine;
mod foreign;
mod fresh;
mod guard;
mod hierarchy;
mod layer;
mod moved;
mod organization;
mod path;
mod pattern;
mod policy;
#[cfg(feature = "axum")]
mod routed;
mod rules;
mod rules_guard;
mod scopes;
mod segments;
mod verdict;

pub use self::{
    hierarchy::ScopeHierarchy,
    layer::RequireLayer,
    organization::{MemberOf, OrgSource, member_of},
    policy::{And, FromFn, Or, Permission, from_fn},
    rules::Rules,
    scopes::{AnyScope, HasRole, IsAuthenticated, any_scope, authenticated, role, scope},
    verdict::{Denial, PermissionFuture, Verdict},
};
