use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use tower_auth::{RegistryError, Rejection, registry::Holder};

use crate::common::caller::{Caller, key_of};

use super::Watch;

/// What a request is about: an organisation and perhaps one of its keys. Without `{org_id}` in the path, it is the caller's first
/// organisation.
pub(super) struct Place {
    pub(super) caller: Caller,
    org: String,
    key: Option<String>,
}

impl Place {
    pub(super) fn holder(&self) -> Holder {
        Holder::organization(&*self.org)
    }

    /// Returns the id of the key in the path, if it is a key of the organisation.
    pub(super) async fn key(self, watch: &Watch) -> Result<String, RegistryError> {
        let id = self.key.as_deref().unwrap_or_default();
        Ok(key_of(&watch.keys, &self.caller, &self.org, id).await?.id().to_owned())
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, &()).await.ok();
        let param = |wanted| {
            let mut all = params.iter().flatten();
            all.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let own = || caller.who.organizations().first().cloned();
        let (org, key) = (param("org_id").or_else(own), param("key_id"));
        Ok(Self { org: org.ok_or_else(Rejection::not_found)?, key, caller })
    }
}
