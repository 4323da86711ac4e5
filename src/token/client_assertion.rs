//! The token with which a client proves its identity to an authorization server (RFC 7523, section 2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{algorithm::Algorithm, signing_key::SigningKey};
use crate::{BoxError, Secret, key::random};

/// A server that has seen the assertion once may refuse it the next time, so it lives only as long as a request takes.
const LIFETIME: Duration = Duration::from_secs(60);

impl SigningKey {
    /// Returns an assertion of this client for this server.
    ///
    /// # Errors
    /// If the operating system provides no random bytes, or if the backend fails.
    pub(crate) fn client_assertion(&self, client: &str, audience: &str, now: SystemTime) -> Result<Secret, BoxError> {
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let algorithm = match self.algorithm() {
            // The name of RFC 8037, which servers know.
            Algorithm::Ed25519 => "EdDSA".to_owned(),
            algorithm => algorithm.to_string(),
        };
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": self.id() });
        let claims = json!({
            "iss": client,
            "sub": client,
            "aud": audience,
            "jti": URL_SAFE_NO_PAD.encode(*random::<16>()?),
            "iat": since(now),
            "exp": since(now).saturating_add(LIFETIME.as_secs()),
        });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())?);
        Ok(Secret::new(format!("{signed}.{signature}")))
    }
}

fn part(json: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}
