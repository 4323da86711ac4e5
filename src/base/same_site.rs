//! Whether another website can have made a request with the cookies of the browser's user (cross-site request forgery).
//!
//! A browser attaches cookies also to requests that other websites cause. It says where a request comes from in
//! `Sec-Fetch-Site` (Fetch Metadata), or, if it is older or the connection is not encrypted, in `Origin` (RFC 6454, section
//! 7). No website can change either. A request that has neither is refused: a browser sends `Origin` with every request
//! that may change something.

use std::{error::Error, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::shown;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request counts as made by another website. It is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrossSite(String);

impl fmt::Display for CrossSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for CrossSite {}

/// Checks that no other website has made a request that may change something. Call it for a request whose credential is a
/// cookie, before the credential is checked.
///
/// # Errors
/// If another website may have made it, also one of the same domain: `app.example.com` and `api.example.com` are two.
pub(crate) fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), CrossSite> {
    if !may_change(method, headers) {
        return Ok(());
    }
    match one(headers, &SEC_FETCH_SITE)? {
        // `none` is the user: the address bar, or a bookmark.
        Some(site) if matches!(site.as_bytes(), b"same-origin" | b"none") => Ok(()),
        Some(site) => Err(CrossSite(format!("`Sec-Fetch-Site` is {}", text(site)))),
        None => check_origin(uri, headers),
    }
}

/// Returns whether the request may change something. A WebSocket can do anything, and browsers open one for any website.
/// Over HTTP/2, it is a CONNECT (RFC 8441).
fn may_change(method: &Method, headers: &HeaderMap) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    !is_safe || headers.contains_key(header::UPGRADE)
}

fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), CrossSite> {
    let Some(origin) = one(headers, &header::ORIGIN)? else {
        return Err(CrossSite("the request has neither `Sec-Fetch-Site` nor `Origin`".to_owned()));
    };
    // In HTTP/2 and in a full request target, the authority is in the URI and replaces `Host` (RFC 9112, section 3.2.2).
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => one(headers, &header::HOST)?.and_then(|host| host.to_str().ok()),
    };
    let matches = origin.to_str().ok().zip(host).is_some_and(|(origin, host)| is_of(origin, host));
    if matches {
        return Ok(());
    }
    let host = host.map_or_else(|| "no host".to_owned(), |host| format!("{:?}", shown::text(host, MOST)));
    Err(CrossSite(format!("`Origin` is {}, and the request is for {host}", text(origin))))
}

/// Returns whether pages of this origin are of this host. The scheme is not compared: behind a proxy that ends TLS, that of
/// the request is unknown.
fn is_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        // Pages of extensions and apps, which have hosts of their own.
        _ => return false,
    };
    match (split(authority), split(host)) {
        (Some((name, port)), Some((own, own_port))) => {
            name.eq_ignore_ascii_case(own) && port.unwrap_or(default) == own_port.unwrap_or(default)
        }
        _ => false,
    }
}

/// Splits an authority into host and port. An empty port is the default one (RFC 3986, section 3.2.3).
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons in the brackets are those of an IPv6 address.
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = authority.split_at(authority[end..].find(':').map_or(authority.len(), |colon| end + colon));
    if host.is_empty() || host.contains(['@', '/', '?', '#', '\\']) {
        return None;
    }
    match port.strip_prefix(':') {
        None | Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        Some(_) => None,
    }
}

/// Returns the only line of a header.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, CrossSite> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(CrossSite(format!("`{name}` occurs more than once"))),
        (line, None) => Ok(line),
    }
}

/// The maximum length of a header in the log, in bytes.
const MOST: usize = 80;

fn text(value: &HeaderValue) -> String {
    format!("{:?}", shown::text(&String::from_utf8_lossy(value.as_bytes()), MOST))
}
