//! Checks a URL before it is asked, wherever it comes from: the configuration, or the metadata of an issuer.

use std::{error::Error, fmt};

use http::Uri;

use super::get::without_user;
use crate::token::Shown;

/// What is wrong with a URL, and how to fix it.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String, pub(super) &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.0, self.1)
    }
}

impl Error for Fault {}

/// What the faults of one client say.
pub(super) struct Advice {
    /// What can happen over `http:`.
    pub(super) danger: &'static str,
    /// How to correct what is no URL.
    pub(super) whole: &'static str,
    /// How to correct `http:`.
    pub(super) plain: &'static str,
}

/// Reads a URL that has a host and is `https:`, or `http:` if that is allowed.
pub(super) fn read(text: &str, insecure: bool, advice: &Advice) -> Result<Uri, Fault> {
    let fault = |what: &str, help| Err(Fault(format!("{} {what}", Shown(&without_user(text))), help));
    let Ok(uri) = text.parse::<Uri>() else { return fault("is not a URL", advice.whole) };
    // `Uri` accepts any text as a port. A user and a password may have a colon too.
    let host = uri.authority().and_then(|authority| authority.as_str().rsplit('@').next()).unwrap_or_default();
    let port = host.rsplit_once(':');
    if port.is_some_and(|(_, port)| !port.ends_with(']') && port.parse::<u16>().is_err()) {
        return fault("has an invalid port", advice.whole);
    }
    match uri.scheme_str() {
        _ if uri.host().is_none_or(str::is_empty) => fault("has no host", advice.whole),
        Some("https") => Ok(uri),
        Some("http") if insecure => Ok(uri),
        Some("http") => fault(&format!("starts with http and not with https: {}", advice.danger), advice.plain),
        _ => fault("does not start with https", advice.whole),
    }
}
