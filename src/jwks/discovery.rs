//! What an issuer says of itself (`OpenID` Connect Discovery 1.0).

use crate::{BoxError, token::Shown};

/// Where an issuer's description stands: a slash at its end is not doubled.
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// The address of the key set, if the description is this very issuer's (section 4.3).
pub(super) fn key_set(document: &[u8], issuer: &str) -> Result<String, BoxError> {
    let description: serde_json::Value =
        serde_json::from_slice(document).map_err(|error| format!("the issuer's description is no JSON: {error}"))?;
    let text = |name: &str| description.get(name).and_then(serde_json::Value::as_str);
    let named = text("issuer").unwrap_or_default();
    if named != issuer {
        return Err(format!("the description is of the issuer {} and not of {issuer:?}", Shown(named)).into());
    }
    Ok(text("jwks_uri").ok_or("the issuer's description has no jwks_uri")?.to_owned())
}
