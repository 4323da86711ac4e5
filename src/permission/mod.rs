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
//! # What a client learns
//!
//! A denial is 403 with the details `required_permissions`, `required_role` or `organization_id`. The holder of a token also
//! gets a challenge (RFC 6750, section 3.1): `Bearer error="insufficient_scope", scope="notes:read notes:write"`, with
//! the `resource_metadata` of the tokens, if there are any.
//!
//! - The challenge names all scopes that the request needs, also those that the token has: of both policies of an
//!   [`and`](Permission::and), of the rule and of every policy of the stack.
//! - Of alternatives, it names the first: of [`any_scope`], and of an [`or`](Permission::or), so that no client asks for more
//!   than it needs. The details name all alternatives.
//! - If a role is missing, no scope helps, and the challenge names none.
//!
//! A policy of your own says with [`Permission::requirement`] which scopes it requires, or, if they depend on the request,
//! with [`Denial::scopes`].
//!
//! # Logins
//!
//! [`acr`] and [`logged_in_within`] require a strong or a recent login. The refusal is 401 with the code
//! `INSUFFICIENT_USER_AUTHENTICATION`, and the challenge says which login would do (RFC 9470):
//! `Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa", max_age="300"`. The client sends the user
//! to the authorization server with these parameters, and comes back with a new token. A handler does the same with
//! [`Rejection::step_up`](crate::Rejection::step_up).
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
mod login;
mod moved;
mod organization;
mod path;
mod pattern;
mod policy;
mod requirement;
#[cfg(feature = "axum")]
mod routed;
mod rules;
mod rules_guard;
mod rules_scopes;
mod scopes;
mod segments;
mod verdict;

pub use self::{
    hierarchy::ScopeHierarchy,
    layer::RequireLayer,
    login::{HasAcr, LoggedInWithin, acr, logged_in_within},
    organization::{MemberOf, OrgSource, member_of},
    policy::{And, FromFn, Or, Permission, from_fn},
    requirement::Requirement,
    rules::Rules,
    scopes::{AnyScope, HasRole, IsAuthenticated, any_scope, authenticated, role, scope},
    verdict::{Denial, PermissionFuture, Verdict},
};
