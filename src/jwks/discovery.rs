//! The metadata of an issuer (`OpenID` Connect Discovery 1.0).

use crate::{BoxError, token::Shown};

/// Returns the URL of an issuer's metadata. A slash at the end of the issuer is not doubled.
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// Returns the URL of the key set from the metadata. The metadata must name exactly this issuer (section 4.3).
pub(super) fn key_set(document: &[u8], issuer: &str) -> Result<String, BoxError> {
    let description: serde_json::Value =
        serde_json::from_slice(document).map_err(|error| format!("the issuer's metadata is not JSON: {error}"))?;
    let text = |name: &str| description.get(name).and_then(serde_json::Value::as_str);
    let named = text("issuer").unwrap_or_default();
    if named != issuer {
        return Err(format!("the metadata is of the issuer {} and not of {issuer:?}", Shown(named)).into());
    }
    Ok(text("jwks_uri").ok_or("the issuer's metadata has no jwks_uri")?.to_owned())
}
