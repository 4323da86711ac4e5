//! The addresses that proxies write into a header: `X-Forwarded-For` and similar headers, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header::FORWARDED};

/// Returns the hops in the lines of a header, the nearest first: an address, or `None` if the element is no address.
/// Empty elements of the list are skipped (RFC 9110, section 5.6.1).
pub(super) fn hops<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<IpAddr>> + 'a {
    let read = if *name == FORWARDED { element } else { node };
    let elements = headers.get_all(name).iter().rev().flat_map(|line| Backwards::new(line.as_bytes(), b','));
    elements.filter(|element| !element.is_empty()).map(read)
}

/// Splits a text at separators outside quoted strings, from the last part to the first.
///
/// The trusted proxy appends its element last, and that element is well-formed. Reading starts there, so that an
/// unclosed quotation mark from a client further left cannot hide it.
struct Backwards<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Backwards<'a> {
    const fn new(text: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Backwards<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            // In a quoted string, a quotation mark after an odd number of backslashes is escaped.
            let escaped = || rest[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
            if *byte == b'"' && !(quoted && escaped()) {
                quoted = !quoted;
            } else if *byte == self.separator && !quoted {
                self.rest = Some(&rest[..at]);
                return Some(rest[at + 1..].trim_ascii());
            }
        }
        self.rest = None;
        Some(rest.trim_ascii())
    }
}

/// Returns the address in an element of `Forwarded`: its only parameter `for`.
fn element(element: &[u8]) -> Option<IpAddr> {
    let mut named = Backwards::new(element, b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"for").then_some(value)
    });
    let first = named.next();
    // With two parameters `for`, the address is ambiguous.
    first.filter(|_| named.next().is_none()).and_then(node)
}

/// Reads an address, optionally with quotation marks, brackets, a port or a zone.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let address = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, port)) => is_port(port).then(|| v6(address))?.map(IpAddr::V6),
        None => v6(text).map(IpAddr::V6).or_else(|| v4(text)),
    };
    address.map(|address| address.to_canonical())
}

fn v4(text: &str) -> Option<IpAddr> {
    let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    is_port(port).then(|| address.parse().ok())?.map(IpAddr::V4)
}

/// Reads an address with an optional zone (RFC 4007, section 11; in URIs the `%` is encoded). The zone has a meaning
/// only on the proxy's own host, and is ignored.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let Some((address, zone)) = text.split_once('%') else { return text.parse().ok() };
    let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    (!zone.is_empty() && zone.bytes().all(is_zone)).then(|| address.parse().ok())?
}

/// Whether a text is empty or a port: a number or an obfuscated name (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let obfuscated = port.strip_prefix('_').filter(|name| !name.is_empty());
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    obfuscated.is_some_and(is_name) || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}
