//! The metadata of an issuer (`OpenID` Connect Discovery 1.0; RFC 8414).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{BoxError, token::Shown};

/// Where the metadata of an issuer are.
#[derive(Clone, Debug)]
pub(super) enum Metadata {
    /// Below the issuer.
    Below,
    /// At one of the well-known places. The number is that of the place that had them, counted from one, or zero.
    Anywhere(Arc<AtomicUsize>),
    At(String),
}

const OPENID: &str = ".well-known/openid-configuration";
const OAUTH: &str = ".well-known/oauth-authorization-server";

impl Metadata {
    /// Returns the URLs to try, in order. There is at least one.
    pub(super) fn addresses(&self, issuer: &str) -> Vec<String> {
        let mut all = match self {
            Self::At(url) => return vec![url.clone()],
            Self::Below => return vec![below(issuer)],
            Self::Anywhere(_) => everywhere(issuer),
        };
        // The one that worked comes first, and the others stay in order.
        let known = self.known().and_then(|place| place.checked_sub(1)).filter(|place| *place < all.len());
        if let Some(place) = known {
            all[..=place].rotate_right(1);
        }
        all
    }

    fn known(&self) -> Option<usize> {
        match self {
            Self::Anywhere(known) => Some(known.load(Ordering::Relaxed)),
            _ => None,
        }
    }

    /// Remembers the URL that had the metadata.
    pub(super) fn remember(&self, issuer: &str, url: &str) {
        if let Self::Anywhere(known) = self {
            let place = everywhere(issuer).iter().position(|other| other == url).map_or(0, |place| place + 1);
            known.store(place, Ordering::Relaxed);
        }
    }
}

/// Appends the well-known part to the issuer. A slash at the end of the issuer is not doubled.
pub(super) fn below(issuer: &str) -> String {
    format!("{}/{OPENID}", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// Inserts the well-known parts between host and path (RFC 8414, sections 3.1 and 5), and appends one.
fn everywhere(issuer: &str) -> Vec<String> {
    let start = issuer.find("://").map_or(0, |at| at + 3);
    let (host, path) = issuer.split_at(issuer[start..].find('/').map_or(issuer.len(), |at| start + at));
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut all = vec![format!("{host}/{OAUTH}{path}"), format!("{host}/{OPENID}{path}")];
    if !path.is_empty() {
        all.push(below(issuer));
    }
    all
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
