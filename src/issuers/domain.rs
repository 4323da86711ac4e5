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
