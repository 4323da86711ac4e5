//! Checks of settings that look right and have another meaning here.

use crate::ConfigError;

/// Rejects a claim name that is empty, an invalid JSON Pointer, or a path in an unsupported notation.
///
/// A name with a colon is never a path: collision-resistant claim names are URIs, which contain dots and slashes.
pub(super) fn check_claim(method: &str, name: &str) -> Result<(), ConfigError> {
    let wrong = |what: &str, advice: String| {
        Err(ConfigError::new(format!("TokenVerifierBuilder::{method} got {name:?}, {what}"), advice))
    };
    if name.trim().is_empty() {
        return wrong("which is not a claim", "use the name of a claim in the tokens".to_owned());
    }
    if let Some(pointer) = name.strip_prefix('/') {
        let empty = pointer.split('/').any(str::is_empty);
        let escaped = pointer.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']));
        return if empty || !escaped {
            let advice =
                "use a pointer such as /realm_access/roles; in a name, ~1 is a slash and ~0 a tilde".to_owned();
            wrong("which is not a JSON Pointer to a claim (RFC 6901)", advice)
        } else {
            Ok(())
        };
    }
    let path = !name.contains(':') && (name.contains(['.', '/', '[']) || name.contains("->") || name.starts_with('$'));
    if !path {
        return Ok(());
    }
    let (within, whole) = (pointer_of(name), name.replace('~', "~0").replace('/', "~1"));
    let advice = format!("use {within} for a claim inside another, or /{whole} for a claim with exactly this name");
    wrong("which looks like a path, but would be the name of a single claim", advice)
}

/// Converts a path in another notation to a JSON Pointer.
fn pointer_of(path: &str) -> String {
    let parts = path.trim_start_matches('$').split(['.', '/', '[', ']', '\'', '"']).flat_map(|part| part.split("->"));
    parts.filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect()
}

const WELL_KNOWN: &str = "/.well-known";

/// Rejects the URL of an issuer's metadata in the place of the issuer.
pub(crate) fn check_issuer(issuer: &str) -> Result<(), ConfigError> {
    let Some(named) = issuer_of(issuer) else { return Ok(()) };
    Err(ConfigError::new(
        format!("{issuer:?} is the URL of an issuer's metadata, and not the issuer"),
        format!("use the exact value of iss in the tokens, such as {named}"),
    ))
}

/// Returns the issuer of a well-known metadata URL, or `None` for any other URL. `OpenID` Connect appends the
/// well-known part to the issuer. RFC 8414 inserts it between host and path.
pub(crate) fn issuer_of(address: &str) -> Option<String> {
    let (before, behind) = address.split_once(WELL_KNOWN)?;
    let document = behind.strip_prefix('/').unwrap_or(behind);
    if !behind.is_empty() && !behind.starts_with('/') {
        return None;
    }
    let path = document.find('/').map_or("", |at| &document[at..]);
    Some(format!("{before}{}", if path == "/" { "" } else { path }))
}
