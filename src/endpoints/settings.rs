use http::request::Parts;

use super::{
    cookies::SessionCookies,
    gates::{Gates, Guarding},
};
use crate::{BodyLimits, ConfigError, Principal, Rejection, RequestExt as _, RequestHead, session::Sessions};

/// The settings of the endpoints.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) sessions: Sessions,
    pub(super) cookies: Option<SessionCookies>,
    pub(super) limits: BodyLimits,
    pub(super) guarding: Guarding,
    /// The guards that follow from the settings, or why there can be none.
    pub(super) gates: Result<Gates, ConfigError>,
}

impl Settings {
    /// Returns the caller: by its key, or as the guards in front have authenticated it.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn caller(&self, head: &Parts) -> Result<Principal, Rejection> {
        RequestHead::from(head).principal().cloned().ok_or_else(|| self.missing(head))
    }

    /// Returns the refusal of a request without a caller.
    pub(super) fn missing(&self, head: &Parts) -> Rejection {
        match &self.guarding.keys {
            Some(keys) => keys.missing(),
            None => head.principal().err().unwrap_or_else(|| Rejection::missing_credential(None)),
        }
    }
}
