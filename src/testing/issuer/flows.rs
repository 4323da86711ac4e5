//! Authorization codes and refresh tokens, for clients that walk the whole way of OAuth 2.1.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::state::{lock, random_name};
use crate::key::sha256;

/// What a client was granted.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) scope: Option<String>,
    pub(super) resources: Vec<String>,
}

/// A code that waits for its client.
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect: String,
    /// The hash of the verifier that the client keeps (RFC 7636, section 4.2).
    pub(super) challenge: String,
    pub(super) expires: SystemTime,
}

/// How long a code can be used.
pub(super) const CODE_LIFE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Flows {
    clients: Mutex<HashMap<String, Vec<String>>>,
    codes: Mutex<HashMap<String, Code>>,
    refresh: Mutex<HashMap<String, Grant>>,
}

impl Flows {
    /// Registers a client with these addresses, and returns its id.
    pub(super) fn register(&self, redirects: Vec<String>) -> String {
        let client = format!("client-{}", random_name());
        lock(&self.clients).insert(client.clone(), redirects);
        client
    }

    /// Whether the client has registered this address.
    pub(super) fn knows(&self, client: &str, redirect: &str) -> bool {
        lock(&self.clients).get(client).is_some_and(|redirects| redirects.iter().any(|known| known == redirect))
    }

    pub(super) fn add_code(&self, code: Code) -> String {
        let name = random_name();
        lock(&self.codes).insert(name.clone(), code);
        name
    }

    /// Redeems a code, once. The error is the description that the client gets.
    pub(super) fn redeem(
        &self,
        name: &str,
        redirect: &str,
        verifier: &str,
        now: SystemTime,
    ) -> Result<Grant, &'static str> {
        let code = lock(&self.codes).remove(name).ok_or("the code is unknown, or was used before")?;
        if now >= code.expires {
            return Err("the code has expired");
        }
        if code.redirect != redirect {
            return Err("the redirect_uri is not that of the authorization request");
        }
        if URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())) != code.challenge {
            return Err("the code_verifier does not match the code_challenge");
        }
        Ok(code.grant)
    }

    pub(super) fn add_refresh(&self, grant: Grant) -> String {
        let name = random_name();
        lock(&self.refresh).insert(name.clone(), grant);
        name
    }

    /// Uses a refresh token, once.
    pub(super) fn refresh(&self, name: &str) -> Result<Grant, &'static str> {
        lock(&self.refresh).remove(name).ok_or("the refresh token is unknown, or was used before")
    }
}
