use http::request::Parts;

use super::{
    caller::{Keys, Permitted},
    cookies::SessionCookies,
};
use crate::{BodyLimits, Principal, Rejection, RequestExt as _, RequestHead, session::Sessions};

/// The settings of the endpoints.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) sessions: Sessions,
    pub(super) keys: Option<Keys>,
    pub(super) introspection: Option<Permitted>,
    pub(super) cookies: Option<SessionCookies>,
    pub(super) limits: BodyLimits,
}

impl Settings {
    /// Returns the caller: by the key in its header, or as the guards in front have authenticated it.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn caller(&self, head: &Parts) -> Result<Principal, Rejection> {
        let caller = match &self.keys {
            Some(keys) => keys.read(head).await?,
            None => RequestHead::from(head).principal().cloned(),
        };
        caller.ok_or_else(|| self.missing(head))
    }

    /// Returns the refusal of a request without a caller.
    pub(super) fn missing(&self, head: &Parts) -> Rejection {
        match &self.keys {
            Some(keys) => keys.missing(),
            None => head.principal().err().unwrap_or_else(|| Rejection::missing_credential(None)),
        }
    }
}
