//! The address for which a proof is made: `htu` (RFC 9449, section 4.2), normalised as RFC 3986, section 6.2, says.

use std::fmt::Write as _;

/// The part of the service's addresses before the path: scheme, authority, and the prefix that a proxy removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    /// # Errors
    /// Says what is wrong with the text.
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        let mut origin = normal(text).ok_or("is not an http or https address without a user, a query or a fragment")?;
        while origin.ends_with('/') {
            origin.pop();
        }
        Ok(Self(origin))
    }

    /// Returns the address of a request for this path, normalised.
    ///
    /// # Errors
    /// If no proof can be for this path.
    pub(super) fn address(&self, path: &str) -> Result<String, &'static str> {
        const ODD: &str = "the path of the request is not one of an address (RFC 3986)";
        let path = if path.is_empty() { "/" } else { path };
        let path = unescaped(path).filter(|path| path.starts_with('/')).ok_or(ODD)?;
        // What routes the request may see another path than the one that normalisation makes of it.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("the path of the request has dot segments, and a proof for it could be one for another path");
        }
        Ok(format!("{}{path}", self.0))
    }
}

/// Normalises an address, or returns `None` if it is none of http or https, or has a user, a query or a fragment.
pub(super) fn normal(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let (scheme, default) = if scheme.eq_ignore_ascii_case("https") {
        ("https", 443)
    } else if scheme.eq_ignore_ascii_case("http") {
        ("http", 80)
    } else {
        return None;
    };
    if rest.contains(['?', '#']) {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = split(authority)?;
    let mut normal = format!("{scheme}://{}", host.to_ascii_lowercase());
    if let Some(port) = port.filter(|port| *port != default) {
        // Writing to a String cannot fail.
        let _ = write!(normal, ":{port}");
    }
    normal.push_str(&without_dots(&unescaped(path)?));
    Some(normal)
}

/// Splits an authority into a host and a port. An empty port is none (RFC 3986, section 6.2.3).
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons in the brackets are those of an IPv6 address.
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = authority.split_at(authority[end..].find(':').map_or(authority.len(), |colon| end + colon));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    if host.is_empty() || !is_host {
        return None;
    }
    match port.strip_prefix(':') {
        None | Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        Some(_) => None,
    }
}

/// Decodes the escapes of characters that need none, and writes the others in capitals (RFC 3986, sections 6.2.2.1 and
/// 6.2.2.2). Returns `None` for an incomplete escape, and for characters that an address never has.
fn unescaped(path: &str) -> Option<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut plain = String::with_capacity(path.len() + 1);
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                let decoded = high << 4 | low;
                if decoded.is_ascii_alphanumeric() || matches!(decoded, b'-' | b'.' | b'_' | b'~') {
                    plain.push(char::from(decoded));
                } else {
                    plain.push('%');
                    plain.push(char::from(DIGITS[usize::from(high)]));
                    plain.push(char::from(DIGITS[usize::from(low)]));
                }
            }
            b'\\' => return None,
            b'!'..=b'~' => plain.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(plain)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Removes dot segments (RFC 3986, section 5.2.4). An empty path is `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    if kept.is_empty() {
        return "/".to_owned();
    }
    kept.iter().flat_map(|segment| ["/", segment]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_addresses_are_equal() {
        for (address, expected) in [
            ("https://a.test", "https://a.test/"),
            ("https://a.test/", "https://a.test/"),
            ("HTTPS://A.Test:443/x", "https://a.test/x"),
            ("https://a.test:/x", "https://a.test/x"),
            ("https://a.test:0443/x", "https://a.test/x"),
            ("https://a.test:80/x", "https://a.test:80/x"),
            ("http://a.test:80/x", "http://a.test/x"),
            ("http://a.test:443/x", "http://a.test:443/x"),
            ("https://a.test/%7Ex/%2f%2F%c3%A9/%41", "https://a.test/~x/%2F%2F%C3%A9/A"),
            ("https://a.test/a/./b/../c", "https://a.test/a/c"),
            ("https://a.test/a/%2e%2E/b", "https://a.test/b"),
            ("https://a.test/../../a", "https://a.test/a"),
            ("https://a.test/a/..", "https://a.test/"),
            ("https://a.test/a/.", "https://a.test/a/"),
            ("https://a.test/a//b", "https://a.test/a//b"),
            ("https://a.test/a/", "https://a.test/a/"),
            ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
            ("https://a.test/x|y{z}", "https://a.test/x|y{z}"),
        ] {
            assert_eq!(normal(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for address in [
            "",
            "/x",
            "a.test/x",
            "//a.test/x",
            "ftp://a.test/x",
            "https:/a.test/x",
            "https:a.test/x",
            "https:///x",
            "https://a.test/x?",
            "https://a.test/x?a=b",
            "https://a.test/x#",
            "https://a.test?/x",
            "https://a.test#/x",
            "https://u@a.test/x",
            "https://u:p@a.test/x",
            "https://@a.test/x",
            "https://a.test:x/x",
            "https://a.test:65536/x",
            "https://a.test:-1/x",
            "https://a.test:4:4/x",
            "https://a%2etest/x",
            "https://a.test/%",
            "https://a.test/%4",
            "https://a.test/%4g",
            "https://a.test/%+1",
            "https://a.test/a b",
            "https://a.test/\u{e9}",
            "https://\u{e9}.test/",
            "https://a.test/a\\b",
            "https://a.test\\x",
            "https://a.test/\0",
            " https://a.test/x",
            "https://a.test/x ",
            "https://a.test/\n",
            "https://[::1/x",
            "https://::1]/x",
            "https://[g]/x",
        ] {
            assert_eq!(normal(address), None, "{address}");
        }
    }

    #[test]
    fn a_request_has_the_address_of_the_origin_and_its_path() {
        for (origin, path, expected) in [
            ("https://A.test:443", "/x", Ok("https://a.test/x")),
            ("https://a.test/", "", Ok("https://a.test/")),
            ("https://a.test/", "/", Ok("https://a.test/")),
            ("https://a.test/api/", "/x/%7e%2f", Ok("https://a.test/api/x/~%2F")),
            ("https://a.test/api", "/", Ok("https://a.test/api/")),
            ("https://a.test", "/a/../b", Err(())),
            ("https://a.test", "/a/%2e%2e/b", Err(())),
            ("https://a.test", "/a/.", Err(())),
            ("https://a.test", "*", Err(())),
            ("https://a.test", "/%zz", Err(())),
            ("https://a.test", "/\u{e9}", Err(())),
        ] {
            let address = Origin::new(origin).unwrap().address(path);
            assert_eq!(address.as_deref().map_err(|_| ()), expected, "{origin} {path}");
        }
        assert!(Origin::new("https://a.test?x").is_err() && Origin::new("a.test").is_err());
    }
}
