//! Checks of the names that a user gives to a preset.

use std::borrow::Cow;

use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

/// Returns the builder of a preset, or one that fails to build with this error: a preset never fails itself, so that its settings
/// can be written in one expression.
pub(super) fn faulty(preset: &str, fault: ConfigError) -> TokenVerifierBuilder {
    TokenVerifier::jwks(Cow::Owned(format!("https://{preset}.invalid")), "https://invalid.invalid/").fault(fault)
}

/// Checks the name of a host, such as `tenant.eu.auth0.com`: not a URL, without a path, in lower case.
pub(super) fn check_host(preset: &str, host: &str, example: &str) -> Result<(), ConfigError> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() <= 253 && host.contains('.') && host.split('.').all(label) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {host:?}, which is not the name of a host"),
        format!("use the name alone, in lower case, without https:// and without a slash, such as {example:?}"),
    ))
}

/// Checks one word that becomes a part of an issuer or of a URL, such as a tenant, a project or a region.
pub(super) fn check_word(preset: &str, what: &str, word: &str, example: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !word.is_empty() && word.len() <= 128 && word.bytes().all(fits) && !word.bytes().all(|byte| byte == b'.') {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {word:?} as {what}"),
        format!("use the bare value, without slashes and spaces, such as {example:?}"),
    ))
}

/// Checks an id that is a GUID in lower case, as it stands in `iss`.
pub(super) fn check_guid(preset: &str, what: &str, guid: &str) -> Result<(), ConfigError> {
    let hyphen = |place: usize| [8, 13, 18, 23].contains(&place);
    let fits = |(place, byte): (usize, u8)| match byte {
        b'-' => hyphen(place),
        b'0'..=b'9' | b'a'..=b'f' => !hyphen(place),
        _ => false,
    };
    if guid.len() == 36 && guid.bytes().enumerate().all(fits) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {guid:?} as {what}, which is not a GUID in lower case"),
        "use the id that the provider's portal shows, and not a name or a domain, such as \
         \"5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11\"",
    ))
}

/// Checks ids that are decimal numbers, of which there must be one. A name is refused: names can be taken by others later.
pub(super) fn check_numbers(preset: &str, what: &str, ids: &[String], help: &'static str) -> Result<(), ConfigError> {
    if ids.is_empty() {
        return Err(ConfigError::new(
            format!("issuers::{preset} got no {what}, so every token would be refused"),
            help,
        ));
    }
    let is_number = |id: &str| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    match ids.iter().find(|id| !is_number(id)) {
        None => Ok(()),
        Some(odd) => {
            Err(ConfigError::new(format!("issuers::{preset} got {odd:?} as a {what}, which is not a number"), help))
        }
    }
}

/// Checks one label of a host name, such as the team of `team.cloudflareaccess.com`.
pub(super) fn check_label(preset: &str, what: &str, label: &str, example: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = label.starts_with('-') || label.ends_with('-');
    if (1..=63).contains(&label.len()) && label.bytes().all(fits) && !ends {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {label:?} as {what}"),
        format!(
            "use the one word in lower case, without https:// and without the rest of the host, such as {example:?}"
        ),
    ))
}

/// Checks an issuer that is an https URL, and is compared exactly with `iss`.
pub(super) fn check_url(preset: &str, url: &str, example: &str) -> Result<(), ConfigError> {
    if url.starts_with("https://") {
        return check_issuer(preset, url, example);
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {url:?} as the issuer, which is not an https URL"),
        format!("use the exact value of iss in the tokens, such as {example:?}"),
    ))
}

/// Checks the issuer of a server that its owner hosts, on any host and below any path.
pub(super) fn check_issuer(preset: &str, issuer: &str, example: &str) -> Result<(), ConfigError> {
    let rest = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    let sound = rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        let in_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
        let in_path = |byte: u8| byte.is_ascii_graphic() && !b"?#@\\{}\"<>".contains(&byte);
        !host.is_empty() && host.bytes().all(in_host) && rest.bytes().all(in_path) && !rest.contains("/.well-known")
    });
    if sound {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::{preset} got {issuer:?}, which is not the URL of an issuer"),
        format!("use the exact value of iss in the tokens, such as {example:?}"),
    ))
}
