//! Reads credentials from headers. No other module reads credential headers.

use std::{borrow::Cow, fmt, iter};

#[cfg(all(
    any(feature = "jwks-http", feature = "strict-body"),
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
use base64::{Engine as _, engine::general_purpose::STANDARD};
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use form_urlencoded::byte_serialize;
use http::{HeaderMap, HeaderName, HeaderValue, header};
#[cfg(all(
    any(feature = "jwks-http", feature = "strict-body"),
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
use zeroize::Zeroizing;

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use super::challenge;
use super::{
    cookie,
    subprotocol::{self, Presented, Subprotocol, Unreadable},
};
#[cfg(all(
    any(feature = "jwks-http", feature = "strict-body"),
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
use crate::Secret;

/// Secret bytes that a request presents, and the header that contains them.
///
/// The bytes are borrowed from the request's header, which is marked sensitive afterwards. A copy exists only if they are
/// encoded there, and it is zeroized. `Debug` shows the header name and never the bytes.
pub(crate) struct Credential<'a> {
    secret: Presented<'a>,
    header: &'a HeaderName,
}

impl<'a> Credential<'a> {
    #[inline]
    const fn borrowed(secret: &'a [u8], header: &'a HeaderName) -> Self {
        Self { secret: Presented::Borrowed(secret), header }
    }

    #[inline]
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.bytes()
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("header", self.header).field("secret", &"[REDACTED]").finish()
    }
}

/// A place in the request that may contain a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The whole value of a header.
    Header(HeaderName),
    /// The part of `Authorization` after the scheme.
    Scheme(Cow<'static, str>),
    /// A protocol that a client offers when it opens a WebSocket.
    Subprotocol(Subprotocol),
}

static AUTHORIZATION: HeaderName = header::AUTHORIZATION;
static OFFERS: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;

impl Source {
    /// Returns the header that is read.
    pub(crate) fn header(&self) -> &HeaderName {
        match self {
            Self::Header(name) => name,
            Self::Scheme(_) => &AUTHORIZATION,
            Self::Subprotocol(_) => &OFFERS,
        }
    }

    /// Returns the credential in this place, if any. An empty header value and another scheme count as no credential, and so
    /// do the subprotocols of a request that is no `websocket`.
    ///
    /// # Errors
    /// If there is something in this place, and it is not one credential.
    #[inline]
    pub(crate) fn read<'a>(
        &'a self,
        headers: &'a HeaderMap,
        websocket: impl FnOnce() -> bool,
    ) -> Result<Option<Credential<'a>>, Unreadable> {
        // The layer has refused a repeated header already.
        let Some(value) = headers.get(self.header()) else { return Ok(None) };
        let value = value.as_bytes().trim_ascii();
        let secret = match self {
            Self::Header(_) => value,
            Self::Scheme(scheme) => match after_scheme(value, scheme.as_bytes()) {
                None => return Ok(None),
                Some([]) => return Err(Unreadable::Empty),
                Some(secret) => secret,
            },
            Self::Subprotocol(form) => return if websocket() { read_offers(form, headers) } else { Ok(None) },
        };
        Ok((!secret.is_empty()).then_some(Credential::borrowed(secret, self.header())))
    }

    /// Returns the header that answers a request with a credential in this place, and its value.
    #[cold]
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
        let Self::Subprotocol(form) = self else { return None };
        form.find(offers(headers)).ok()??;
        Some((OFFERS.clone(), HeaderValue::from_str(form.answer_to(offers(headers))?).ok()?))
    }

    /// Returns the header that has this credential in this place, or `None` if no header can contain it.
    #[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn write(&self, secret: &str) -> Option<(HeaderName, HeaderValue)> {
        let value = match self {
            Self::Header(_) => HeaderValue::from_str(secret),
            Self::Scheme(scheme) => HeaderValue::try_from(format!("{scheme} {secret}")),
            Self::Subprotocol(_) => return None,
        };
        Some((self.header().clone(), sensitive(value.ok()?)))
    }
}

/// Returns what `Authorization: Basic` presents, decoded from base64: a name and a secret with a colon between (RFC 7617).
/// Returns `None` if there is no such header.
///
/// # Errors
/// If the header is repeated, or is not base64 of UTF-8 with a colon.
#[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, &'static str> {
    let lines = || headers.get_all(&AUTHORIZATION).iter();
    let Some(encoded) = lines().find_map(|line| after_scheme(line.as_bytes().trim_ascii(), b"Basic")) else {
        return Ok(None);
    };
    if lines().count() > 1 {
        return Err("a credential header is repeated");
    }
    let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| "the Basic credential is not base64")?;
    let text = std::str::from_utf8(&decoded).map_err(|_| "the Basic credential is not UTF-8")?;
    let (name, secret) = text.split_once(':').ok_or("the Basic credential has no colon")?;
    Ok(Some((name.to_owned(), Secret::new(secret))))
}

/// A cookie that may contain a credential.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie(String);

static COOKIE: HeaderName = header::COOKIE;

/// The error of a cookie that occurs more than once in a request. The server cannot know which of them it has set: another
/// host of the domain, or a script, may have set the other with another path or domain.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
impl Cookie {
    /// Returns `None` if this is not the name of a cookie: a token (RFC 6265, section 4.1.1).
    pub(crate) fn named(name: &str) -> Option<Self> {
        challenge::is_token(name).then(|| Self(name.to_owned()))
    }

    /// Returns the header that is read.
    pub(crate) fn header() -> &'static HeaderName {
        &COOKIE
    }

    pub(crate) const fn name(&self) -> &String {
        &self.0
    }

    /// Returns the value of the cookie. An empty value counts as no credential.
    ///
    /// # Errors
    /// If the cookie occurs more than once, with the same value or another.
    #[inline]
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Option<Credential<'a>>, Repeated> {
        let mut values = values(headers, &self.0);
        let Some(secret) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Repeated);
        }
        Ok((!secret.is_empty()).then_some(Credential::borrowed(secret, &COOKIE)))
    }
}

/// Returns the values of a cookie, from all lines: clients may split `Cookie` (RFC 9113, section 8.2.3).
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(&COOKIE).iter().flat_map(|line| cookie::pairs(line.as_bytes()));
    pairs.filter_map(move |(other, value)| (other == name.as_bytes()).then_some(value))
}

/// The header with a proof of possession (RFC 9449, section 4.1). It is no credential by itself.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");

/// Returns the proof of possession of a request. An empty header counts as none.
///
/// # Errors
/// If the header occurs more than once.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) fn proof(headers: &HeaderMap) -> Result<Option<&[u8]>, Repeated> {
    let mut lines = headers.get_all(PROOF).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(Repeated),
        (line, None) => Ok(line.map(|line| line.as_bytes().trim_ascii()).filter(|proof| !proof.is_empty())),
    }
}

#[cold]
fn read_offers<'a>(form: &Subprotocol, headers: &'a HeaderMap) -> Result<Option<Credential<'a>>, Unreadable> {
    Ok(form.find(offers(headers))?.map(|secret| Credential { secret, header: &OFFERS }))
}

/// Returns the protocols that a client offers.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    subprotocol::offers(headers.get_all(&OFFERS).iter().map(HeaderValue::as_bytes))
}

/// Returns whether this is `Sec-WebSocket-Protocol`, in which only some protocols may be credentials.
fn is_offers(name: &HeaderName) -> bool {
    *name == header::SEC_WEBSOCKET_PROTOCOL
}

/// Returns whether this is `Cookie`, in which only some cookies may be credentials.
pub(crate) fn is_cookie(name: &HeaderName) -> bool {
    *name == header::COOKIE
}

/// Returns the header that presents this token to another server, or `None` if no header can contain the token.
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) fn bearer(token: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    Some((AUTHORIZATION.clone(), sensitive(value)))
}

/// Returns the header that presents a client and its secret to an authorization server (RFC 6749, section 2.3.1), or `None` if
/// no header can contain them. Both are form-encoded first: a colon in the id would end it otherwise.
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) fn client_basic(id: &str, secret: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(id), *encoded(secret.expose())));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&*pair))).ok()?;
    Some((AUTHORIZATION.clone(), sensitive(value)))
}

/// Returns whether this is `Authorization`: the header that shared caches treat as a credential (RFC 9111, section 3.5)
/// and that RFC 6750 defines.
pub(crate) fn is_authorization(name: &HeaderName) -> bool {
    *name == header::AUTHORIZATION
}

/// Returns the first of these headers that occurs more than once in the request.
#[inline]
pub(crate) fn repeated<'a>(headers: &HeaderMap, names: &'a [HeaderName]) -> Option<&'a HeaderName> {
    // Fast path: most requests repeat no header, and the map knows that without iterating.
    if headers.len() == headers.keys_len() {
        return None;
    }
    // HTTP/2 clients may split `Cookie` into several lines (RFC 9113, section 8.2.3), and any client the protocols that it
    // offers (RFC 6455, section 11.3.4).
    names
        .iter()
        .filter(|name| !is_cookie(name) && !is_offers(name))
        .find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

/// The standard credential headers. Inner services may read them even if no layer of this crate does.
pub(crate) const WELL_KNOWN: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("proxy-authorization")];

/// Returns whether the request has this header.
pub(crate) fn presents(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name)
}

/// The parts of two headers that are credentials. The other parts are not.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Names of cookies. If there are none, the whole `Cookie` header is a credential.
    pub(crate) cookies: Box<[String]>,
    /// Forms of subprotocols. If there are none, the whole `Sec-WebSocket-Protocol` header is a credential.
    pub(crate) subprotocols: Box<[Subprotocol]>,
}

/// Returns the header of the second credential: the second of these headers that has a non-empty value. If parts of a header
/// are named, each of them that is not empty counts, and the rest of the header does not.
pub(crate) fn second<'a>(headers: &HeaderMap, names: &'a [HeaderName], parts: &Parts) -> Option<&'a HeaderName> {
    let presented = |name: &HeaderName| {
        if is_cookie(name) && !parts.cookies.is_empty() {
            let has_value = |name: &&String| values(headers, name).any(|value| !value.is_empty());
            return parts.cookies.iter().filter(has_value).count();
        }
        if is_offers(name) && !parts.subprotocols.is_empty() {
            let there = |form: &&Subprotocol| !matches!(form.find(offers(headers)), Ok(None));
            return parts.subprotocols.iter().filter(there).count();
        }
        usize::from(headers.get(name).is_some_and(|value| !value.as_bytes().trim_ascii().is_empty()))
    };
    names.iter().flat_map(|name| iter::repeat_n(name, presented(name))).nth(1)
}

/// Returns the part after the scheme and a space (RFC 9110, section 11.4). The scheme is case-insensitive.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(space) => value.split_at(space),
        None => (value, &[][..]),
    };
    // Only spaces separate scheme and credential (RFC 9110, section 11.4). A tab stays in the credential and makes it
    // invalid.
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    head.eq_ignore_ascii_case(scheme).then(|| &rest[spaces..])
}

/// Returns whether `Authorization` has this scheme.
pub(crate) fn has_scheme(headers: &HeaderMap, scheme: &str) -> bool {
    let value = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
    value.is_some_and(|value| after_scheme(value, scheme.as_bytes()).is_some())
}

/// Marks the values of these headers as sensitive, so inner services do not print them.
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

/// Removes these headers from the request. If parts of a header are named, the header keeps all others.
pub(crate) fn strip(headers: &mut HeaderMap, names: &[HeaderName], parts: &Parts) {
    for name in names {
        if is_offers(name) && !parts.subprotocols.is_empty() {
            strip_offers(headers, parts);
            continue;
        }
        let cookies = &parts.cookies;
        let lines = if is_cookie(name) && !cookies.is_empty() { without(headers, cookies) } else { Vec::new() };
        headers.remove(name);
        for line in lines {
            headers.append(name, line);
        }
    }
}

/// Removes the credentials from the protocols that the client offers. A handler that saw them could choose one, and would then
/// send it back.
pub(crate) fn strip_offers(headers: &mut HeaderMap, parts: &Parts) {
    if parts.subprotocols.is_empty() || !headers.contains_key(&OFFERS) {
        return;
    }
    let kept = subprotocol::without(offers(headers), &parts.subprotocols);
    headers.remove(&OFFERS);
    // The bytes are those of header values, so the conversion does not fail.
    if let Some(line) = HeaderValue::from_bytes(&kept).ok().filter(|line| !line.is_empty()) {
        headers.insert(OFFERS.clone(), sensitive(line));
    }
}

/// Returns the lines of `Cookie` without these cookies. They are sensitive, because other cookies may be credentials of
/// other services.
fn without(headers: &HeaderMap, cookies: &[String]) -> Vec<HeaderValue> {
    let is_removed = |name: &[u8]| cookies.iter().any(|cookie| cookie.as_bytes() == name);
    let lines = headers.get_all(&COOKIE).iter().filter_map(|line| cookie::without(line.as_bytes(), is_removed));
    // The bytes are those of a header value, so the conversion does not fail.
    lines.filter_map(|line| HeaderValue::try_from(line).ok()).map(sensitive).collect()
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
