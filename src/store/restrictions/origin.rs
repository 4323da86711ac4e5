//! Origins as browsers serialise them (RFC 6454, section 6.2): scheme, host, and a port that is not the default one.

use std::net::Ipv6Addr;

/// Returns the origin in the form in which origins are compared, or says what is wrong with it: scheme and host in lower
/// case, without the default port of the scheme.
pub(super) fn read(text: &str) -> Result<String, &'static str> {
    if text == "null" {
        return Err("is the opaque origin, which any sandboxed page sends");
    }
    let (scheme, authority) = text.split_once("://").ok_or("has no scheme, such as https://")?;
    if authority.contains(['/', '?', '#']) {
        return Err("has a path; an origin ends after the host and the port");
    }
    if text.contains('*') {
        return Err("has a wildcard; list each origin");
    }
    if !is_scheme(scheme) {
        return Err("has a malformed scheme");
    }
    let (scheme, (host, port)) = (scheme.to_ascii_lowercase(), split(authority)?);
    let host = host_of(host).ok_or("has no host as browsers send it: letters, digits, dots and dashes, or [IPv6]")?;
    match port {
        Some(port) if Some(port) != default_port(&scheme) => Ok(format!("{scheme}://{host}:{port}")),
        _ => Ok(format!("{scheme}://{host}")),
    }
}

/// Splits an authority into host and port.
fn split(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    // The colons in the brackets are those of an IPv6 address.
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[end..].find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(end + colon);
    let digits = &port[1..];
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
    number.flatten().map(|number| (host, Some(number))).ok_or("has a malformed port")
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn host_of(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let named = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    named.then(|| text.to_ascii_lowercase())
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}
