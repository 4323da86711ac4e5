//! Who asks for a change of a key, and from where.

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_auth::{
    ClientIp, KeyRegistry, Principal, RegistryError, Rejection, RequestExt as _,
    registry::{Actor, KeyInfo},
};

/// The caller of a handler that changes keys. The audit log gets its subject, its address and the id of the request. The address
/// is found as the [`ClientIp`] says that the routes have as an extension.
pub(crate) struct Caller {
    pub(crate) who: Principal,
    actor: Actor,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let who = parts.principal()?.clone();
        let mut actor = Actor::from(&who);
        let client = parts.extensions.get::<ClientIp>();
        if let Some(address) = client.and_then(|client| client.address(&parts.headers, &parts.extensions)) {
            actor = actor.address(address);
        }
        if let Some(id) = parts.request_id() {
            actor = actor.request_id(id.to_string());
        }
        Ok(Self { who, actor })
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        caller.actor.clone()
    }
}

/// Finds a key of this organisation.
pub(crate) async fn key_of(keys: &KeyRegistry, caller: &Caller, org: &str, id: &str) -> Result<KeyInfo, RegistryError> {
    let key = keys.get(caller, id).await?;
    if key.principal().is_member_of(org) && !key.is_deleted() { Ok(key) } else { Err(RegistryError::NotFound) }
}
