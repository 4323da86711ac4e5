//! Settings that look right to somebody and mean something else here.

use crate::ConfigError;

/// Whether a name of a claim is one, and no path in a notation that is not read here.
///
/// A colon makes it a name: those of claims that belong to somebody are URIs, with dots and slashes in them.
pub(super) fn check_claim(method: &'static str, name: &str) -> Result<(), ConfigError> {
    let wrong = |what: &str, advice: String| {
        Err(ConfigError::new(format!("TokenVerifierBuilder::{method} was given {name:?}, {what}"), advice))
    };
    if name.trim().is_empty() {
        return wrong("which is no claim", "name a claim of the tokens".to_owned());
    }
    if let Some(pointer) = name.strip_prefix('/') {
        let empty = pointer.split('/').any(str::is_empty);
        let escaped = pointer.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']));
        return if empty || !escaped {
            let advice = "write /realm_access/roles; in a name, ~1 is a slash and ~0 a tilde".to_owned();
            wrong("which is no JSON Pointer to a claim (RFC 6901)", advice)
        } else {
            Ok(())
        };
    }
    let path = !name.contains(':') && (name.contains(['.', '/', '[']) || name.contains("->") || name.starts_with('$'));
    if !path {
        return Ok(());
    }
    let (within, whole) = (pointer_of(name), name.replace('~', "~0").replace('/', "~1"));
    let advice = format!("write {within} for a claim inside another, or /{whole} for a claim of exactly this name");
    wrong("which reads like a path, and would be the name of one claim", advice)
}

/// The JSON Pointer that a path in another notation means.
fn pointer_of(path: &str) -> String {
    let parts = path.trim_start_matches('$').split(['.', '/', '[', ']', '\'', '"']).flat_map(|part| part.split("->"));
    parts.filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect()
}

const WELL_KNOWN: &str = "/.well-known";

/// Whether an issuer is one, and not the address of what it publishes about itself.
pub(crate) fn check_issuer(issuer: &str) -> Result<(), ConfigError> {
    let Some(named) = issuer_of(issuer) else { return Ok(()) };
    Err(ConfigError::new(
        format!("{issuer:?} is the address of a document about an issuer, and not the issuer"),
        format!("give the issuer's URL as it stands in the tokens' iss, such as {named}"),
    ))
}

/// The issuer that publishes something at this address, where that is well-known. `OpenID` Connect appends the well-known
/// part to the issuer; RFC 8414 puts it between host and path.
pub(crate) fn issuer_of(address: &str) -> Option<String> {
    let (before, behind) = address.split_once(WELL_KNOWN)?;
    let document = behind.strip_prefix('/').unwrap_or(behind);
    if !behind.is_empty() && !behind.starts_with('/') {
        return None;
    }
    let path = document.find('/').map_or("", |at| &document[at..]);
    Some(format!("{before}{}", if path == "/" { "" } else { path }))
}
