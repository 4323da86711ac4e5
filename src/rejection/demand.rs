//! What a better token would have, and the challenge that says it.

use http::HeaderValue;

use super::step_up::StepUp;
use crate::{Challenge, base::challenges};

/// What a token must have for the request to be admitted.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    /// Another login. Without it, the scopes are missing.
    pub(crate) step_up: Option<StepUp>,
    /// All scopes that the operation needs. If there are none, no scope would help.
    pub(crate) scopes: Vec<String>,
}

impl Demand {
    /// Adds scopes that the operation needs too, unless no scope would help.
    pub(super) fn add(&mut self, scopes: &[String]) {
        if self.step_up.is_none() && self.scopes.is_empty() {
            return;
        }
        for scope in scopes {
            if !self.scopes.contains(scope) {
                self.scopes.push(scope.clone());
            }
        }
    }

    /// Returns the challenge (RFC 6750, section 3.1; RFC 9470, section 3). What must not stand in it is left out.
    pub(crate) fn challenge(&self, scheme: &str, metadata: Option<&str>) -> HeaderValue {
        let error = if self.step_up.is_some() { "insufficient_user_authentication" } else { "insufficient_scope" };
        let mut challenge = Challenge::new(scheme).param("error", error);
        if let Some(step_up) = &self.step_up {
            let classes = challenges::joined(step_up.classes());
            challenge = if classes.is_empty() { challenge } else { challenge.param("acr_values", &classes) };
            if let Some(seconds) = step_up.seconds() {
                challenge = challenge.param("max_age", &seconds.to_string());
            }
        }
        let scopes = challenges::joined(self.scopes.iter().map(String::as_str));
        challenge = if scopes.is_empty() { challenge } else { challenge.param("scope", &scopes) };
        challenge = match metadata {
            Some(url) => challenge.param("resource_metadata", url),
            None => challenge,
        };
        // A challenge is visible ASCII, so the conversion does not fail.
        HeaderValue::try_from(challenge.as_str()).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}
