//! The only place that reads credential headers.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, header};

/// Secret bytes that a request presents, and where they stood.
///
/// It borrows from the request's own header, which is marked sensitive afterwards: nothing is copied, so nothing has
/// to be wiped. `Debug` shows the place and never the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'a> {
    secret: &'a [u8],
    header: &'a HeaderName,
}

impl<'a> Credential<'a> {
    pub(crate) const fn secret(self) -> &'a [u8] {
        self.secret
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("header", self.header).field("secret", &"[REDACTED]").finish()
    }
}

/// A place in the request where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The whole value of a header.
    Header(HeaderName),
    /// What follows the scheme in `Authorization`.
    Scheme(Cow<'static, str>),
}

static AUTHORIZATION: HeaderName = header::AUTHORIZATION;

/// A scheme that has nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Empty;

impl Source {
    /// The header that it reads.
    pub(crate) fn header(&self) -> &HeaderName {
        match self {
            Self::Header(name) => name,
            Self::Scheme(_) => &AUTHORIZATION,
        }
    }

    /// The credential, if one stands here: an empty value and another scheme are none.
    #[inline]
    pub(crate) fn read<'a>(&'a self, headers: &'a HeaderMap) -> Result<Option<Credential<'a>>, Empty> {
        // The layer has refused a repeated header already.
        let Some(value) = headers.get(self.header()) else { return Ok(None) };
        let value = value.as_bytes().trim_ascii();
        let secret = match self {
            Self::Header(_) => value,
            Self::Scheme(scheme) => match after_scheme(value, scheme.as_bytes()) {
                None => return Ok(None),
                Some([]) => return Err(Empty),
                Some(secret) => secret,
            },
        };
        Ok((!secret.is_empty()).then_some(Credential { secret, header: self.header() }))
    }
}

/// Whether shared caches know it for a credential (RFC 9111, section 3.5), and RFC 6750 speaks of it.
pub(crate) fn is_authorization(name: &HeaderName) -> bool {
    *name == header::AUTHORIZATION
}

/// The first of these headers that stands in the request more than once.
#[inline]
pub(crate) fn repeated<'a>(headers: &HeaderMap, names: &'a [HeaderName]) -> Option<&'a HeaderName> {
    // Most requests repeat no header at all, which the map knows without a look at any.
    if headers.len() == headers.keys_len() {
        return None;
    }
    // HTTP/2 clients may split `Cookie` into several lines (RFC 9113, section 8.2.3).
    names.iter().filter(|name| **name != header::COOKIE).find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

/// The headers by which clients prove who they are, whoever reads them; further in, these may be read too.
pub(crate) const WELL_KNOWN: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("proxy-authorization")];

/// Whether this header stands in the request.
pub(crate) fn presents(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name)
}

/// The second of these headers in which something stands.
pub(crate) fn second<'a>(headers: &HeaderMap, names: &'a [HeaderName]) -> Option<&'a HeaderName> {
    let presented =
        |name: &&HeaderName| headers.get(*name).is_some_and(|value| !value.as_bytes().trim_ascii().is_empty());
    names.iter().filter(presented).nth(1)
}

/// What follows a scheme and a space (RFC 9110, section 11.4); the scheme's case does not matter.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(space) => value.split_at(space),
        None => (value, &[][..]),
    };
    // One space or more, and nothing but spaces (RFC 9110, section 11.4): a tab belongs to what cannot be a credential.
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    head.eq_ignore_ascii_case(scheme).then(|| &rest[spaces..])
}

/// Hides the values of these headers from anything that prints them further in.
#[inline]
pub(crate) fn mark_sensitive(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        if headers.len() == headers.keys_len() {
            if let Some(value) = headers.get_mut(name) {
                value.set_sensitive(true);
            }
        } else if let header::Entry::Occupied(mut lines) = headers.entry(name) {
            lines.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

/// Takes these headers out of the request.
pub(crate) fn strip(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
