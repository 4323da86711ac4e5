//! What a caller may do: policies, and the layer that asks one.
//!
//! A [`Permission`] is a policy: may this principal do this, here? Policies are put together with
//! [`and`](Permission::and) and [`or`](Permission::or), and mounted with [`RequireLayer`] behind a layer that
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
//! A policy of one's own is a closure ([`from_fn`]) or, where somebody has to be asked, an implementation:
//!
//! ```
//! use tower_auth::{Principal, RequestHead, permission::{PermissionFuture, Denial, Permission, Verdict}};
//!
//! /// Stands for the client of a policy service.
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
//!             return PermissionFuture::ready(Verdict::Granted); // nobody is asked, nothing is boxed
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
//! A policy that does not decide in time is [undecided](Verdict::Undecided) too: 5 s by default, or what
//! [`RequireLayer::decision_timeout`] or the [stack](crate::stack::AuthStackBuilder::decision_timeout) says.
//!
//! # Scopes and roles
//!
//! A scope is what a credential was granted (RFC 6749, section 3.3), a role is what its holder is. No scope implies
//! another: `admin` opens nothing but `admin`, unless a [`ScopeHierarchy`] says so.
//!
//! # When not to use it
//!
//! For questions about one object ("is this her invoice?"): a handler that has loaded the object asks
//! [`Principal`](crate::Principal) itself.

mod combine;
mod foreign;
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
