//! Addresses that clients are told: of endpoints, of documents, and of resources.

use std::net::Ipv4Addr;

use http::{Uri, uri::PathAndQuery};

use super::error::ConfigError;

/// Checks that a client can use this address: absolute, HTTPS or HTTP on the own machine, without a user and without a
/// fragment. A relative address makes clients ask again and again without a token.
///
/// # Errors
/// What is wrong, in terms of `what`; the correction is `example`.
pub(crate) fn check(url: &str, what: &str, example: &'static str) -> Result<Uri, ConfigError> {
    // What stands before an `@` may be a password.
    let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
    let wrong = |why: &str| ConfigError::new(format!("{what} {shown:?} {why}"), example);
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return Err(wrong("has characters that must be percent-encoded"));
    }
    // The parser drops a fragment.
    if url.contains('#') {
        return Err(wrong("has a fragment"));
    }
    let parsed: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
    let (Some(authority), Some(scheme)) = (parsed.authority(), parsed.scheme_str()) else {
        return Err(wrong("is not a URL with a scheme and a host"));
    };
    if authority.host().is_empty() {
        return Err(wrong("has no host"));
    }
    if authority.as_str().contains('@') {
        return Err(wrong("has a user in front of its host, which every client would see"));
    }
    match scheme {
        "https" => Ok(parsed),
        "http" if is_local(authority.host()) => Ok(parsed),
        _ => Err(wrong("has not the scheme https")),
    }
}

/// Checks an address that clients add a path to, or compare, so that it must have no query.
///
/// # Errors
/// Those of [`check`], and a query.
pub(crate) fn check_without_query(url: &str, what: &str, example: &'static str) -> Result<Uri, ConfigError> {
    let parsed = check(url, what, example)?;
    if parsed.path_and_query().and_then(PathAndQuery::query).is_some() {
        return Err(ConfigError::new(format!("{what} {url:?} has a query"), example));
    }
    Ok(parsed)
}

/// Returns the start of a URL, to its path.
pub(crate) fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    url[authority..].find('/').map_or(url, |at| &url[..authority + at])
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{check, check_without_query, origin};

    #[test]
    fn only_what_every_client_can_use_passes() {
        for good in [
            "https://api.test",
            "https://api.test/",
            "https://api.test:8443/a/b",
            "http://localhost:3000/a",
            "http://127.0.0.1/a",
            "http://127.8.9.10/a",
            "http://[::1]:1/a",
            "https://xn--zrich-kva.test/a%20b",
        ] {
            assert!(check_without_query(good, "it", "help").is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "is not a URL"),
            ("/relative", "with a scheme and a host"),
            ("api.test", "with a scheme and a host"),
            ("https:///a", "is not a URL"),
            ("http://api.test", "has not the scheme https"),
            // Names that begin like an address of the own machine.
            ("http://127.evil.test", "has not the scheme https"),
            ("http://localhost.evil.test", "has not the scheme https"),
            ("ftp://api.test", "has not the scheme https"),
            ("https://user@api.test", "has a user"),
            ("https://user:word@api.test", "has a user"),
            ("https://user:wo rd@api.test", "percent-encoded"),
            ("https://api.test/#a", "has a fragment"),
            ("https://api.test/a b", "percent-encoded"),
            ("https://api.test/\"", "percent-encoded"),
            ("https://api.test/zürich", "percent-encoded"),
            ("https://api.test\r\n/", "percent-encoded"),
        ] {
            let error = check(bad, "it", "help").unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("rd@"), "{bad}: {error}");
        }
        assert!(check("https://api.test/?a", "it", "help").is_ok());
        assert!(check_without_query("https://api.test/?a", "it", "help").is_err());
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        for (url, expected) in [
            ("https://api.test", "https://api.test"),
            ("https://api.test/", "https://api.test"),
            ("http://[::1]:1/a/b", "http://[::1]:1"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }
}
