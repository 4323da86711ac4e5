use std::net::IpAddr;

use crate::Principal;

/// Who makes a call of a registry, and from where: what the audit log writes down.
///
/// Every call takes `impl Into<Actor>`, so a `&Principal` is enough.
///
/// ```
/// use tower_auth::{Principal, registry::Actor};
///
/// let alice = Principal::builder("alice").build();
/// let actor = Actor::from(&alice).address([192, 0, 2, 7]).request_id("req-1");
/// assert_eq!((actor.subject(), actor.from_address().unwrap().to_string()), ("alice", "192.0.2.7".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an actor does nothing until it is passed to a registry"]
pub struct Actor {
    subject: String,
    address: Option<IpAddr>,
    request_id: Option<String>,
    reason: Option<String>,
}

impl Actor {
    /// Creates an actor that is no principal, such as `migration` or the name of an operator at a command line.
    pub fn named(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), address: None, request_id: None, reason: None }
    }

    /// Sets the address from which the call came.
    pub fn address(self, address: impl Into<IpAddr>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// Sets the id of the request that made the call, by which the log is searched.
    pub fn request_id(self, id: impl Into<String>) -> Self {
        Self { request_id: Some(id.into()), ..self }
    }

    /// Sets why the call is made. Every audit row of the call says it, as `reason` in [`after`](super::AuditRow::after).
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, RegistryError, registry::Actor};
    ///
    /// async fn revoke(keys: &KeyRegistry, id: &str) -> Result<(), RegistryError> {
    ///     keys.revoke(Actor::named("ops").because("the laptop was stolen"), id).await.map(drop)
    /// }
    /// ```
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the address, if it is known.
    #[must_use]
    pub const fn from_address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns the id of the request, if it is known.
    #[must_use]
    pub fn in_request(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns why the call is made, if the actor says so.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl From<&Principal> for Actor {
    fn from(who: &Principal) -> Self {
        Self::named(who.subject())
    }
}

impl From<&Self> for Actor {
    fn from(actor: &Self) -> Self {
        actor.clone()
    }
}
