//! The parameters of an OAuth request (RFC 6749, section 3.2).

use std::borrow::Cow;

use form_urlencoded::parse;

use super::fault::Fault;
use crate::Secret;

/// The documented parameters of a form that have a value. Others are ignored.
#[derive(Debug)]
pub(super) struct Form(Vec<(&'static str, Secret)>);

/// A request may name several targets (RFC 8693, section 2.1).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// `invalid_request` if a documented parameter is repeated, or has a character that OAuth allows nowhere (RFC 6749,
    /// appendix A): what is not printable ASCII, such as NUL, or bytes that are not UTF-8.
    pub(super) fn read(body: &[u8], documented: &[&'static str]) -> Result<Self, Fault> {
        let mut found: Vec<(&'static str, Secret)> = Vec::new();
        for (name, value) in parse(body) {
            let Some(name) = documented.iter().copied().find(|known| *known == name) else { continue };
            let value = Secret::new(value);
            if value.expose().is_empty() {
                continue;
            }
            if !value.expose().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(Fault::invalid_request(format!("{name} has a character that is not printable ASCII")));
            }
            if found.iter().any(|(other, _)| *other == name) && !REPEATABLE.contains(&name) {
                return Err(Fault::invalid_request(format!("{name} is repeated")));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns a parameter.
    ///
    /// # Errors
    /// `invalid_request` if it is missing.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::invalid_request(format!("{name} is missing")))
    }

    /// Returns all values of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.expose())
    }
}

/// Decodes one value: the halves of a Basic credential are encoded like the values of a form (RFC 6749, section 2.3.1).
pub(super) fn decoded(value: &str) -> Secret {
    // Clients that do not encode may send these two.
    let whole = format!("={}", value.replace('=', "%3D").replace('&', "%26"));
    Secret::new(parse(whole.as_bytes()).next().map_or(Cow::Borrowed(""), |(_, value)| value))
}
