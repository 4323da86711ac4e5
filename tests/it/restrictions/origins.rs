//! Origins: RFC 6454, and a key that only browsers may use.

use http::{HeaderValue, header};

use super::{PEER, of_origins, record, request, told};
use tower_auth::{ClientIp, Restrictions};

#[tokio::test]
async fn an_origin_is_compared_exactly_but_for_case_and_default_port() {
    let key = of_origins(&[
        "https://app.example.com",
        "HTTP://Localhost:3000",
        "http://plain.example:80",
        "https://[2001:DB8::1]:8443",
    ]);
    for (origin, admitted) in [
        ("https://app.example.com", true),
        ("https://App.EXAMPLE.com", true),
        ("HTTPS://app.example.com:443", true),
        ("http://localhost:3000", true),
        ("http://plain.example", true),
        ("https://[2001:db8:0::1]:8443", true),
        ("http://app.example.com", false),
        ("https://app.example.com:80", false),
        ("https://app.example.com:8443", false),
        ("https://app.example.com.evil.example", false),
        ("https://evil.example/https://app.example.com", false),
        ("https://app.example.com/", false),
        ("https://app.example.com.", false),
        ("https://user@app.example.com", false),
        ("https://app.example.com https://evil.example", false),
        ("https://example.com", false),
        ("https://x.app.example.com", false),
        ("http://localhost", false),
        ("https://plain.example:80", false),
        ("app.example.com", false),
        ("https://", false),
        ("https://app.example.com:", false),
        ("null", false),
        ("*", false),
        ("", false),
    ] {
        let told = told(&key, None, || request(PEER, &[("origin", origin)])).await;
        let expected = if admitted { (200, "") } else { (403, "ORIGIN_NOT_ALLOWED") };
        assert_eq!((told.status, told.code.as_str()), expected, "{origin:?}");
    }
}

#[tokio::test]
async fn a_program_that_sends_no_origin_and_a_request_with_two_are_refused() {
    let key = of_origins(&["https://app.example.com"]);
    let absent = told(&key, None, || request(PEER, &[("referer", "https://app.example.com/")])).await;
    absent.assert(403, "ORIGIN_NOT_ALLOWED");
    assert!(absent.cause.contains("no `Origin`"), "{absent:?}");
    let both = [("origin", "https://app.example.com"), ("origin", "https://app.example.com")];
    let twice = told(&key, None, || request(PEER, &both)).await;
    twice.assert(403, "ORIGIN_NOT_ALLOWED");
    assert!(twice.cause.contains("several"), "{twice:?}");
    let bytes = || {
        let mut request = request(PEER, &[]);
        request.headers_mut().insert(header::ORIGIN, HeaderValue::from_bytes(b"https://app\xff.example.com").unwrap());
        request
    };
    told(&key, None, bytes).await.assert(403, "ORIGIN_NOT_ALLOWED");
}

#[tokio::test]
async fn a_key_with_networks_and_origins_needs_both() {
    let both = Restrictions::new().networks(["192.0.2.0/24"]).unwrap().origins(["https://app.example.com"]).unwrap();
    let key = record(both);
    let good = [("origin", "https://app.example.com")];
    let bad = [("origin", "https://evil.example")];
    let peer = ClientIp::peer();
    told(&key, Some(&peer), || request(PEER, &good)).await.assert(200, "");
    told(&key, Some(&peer), || request(PEER, &bad)).await.assert(403, "ORIGIN_NOT_ALLOWED");
    told(&key, Some(&peer), || request("203.0.113.5", &good)).await.assert(403, "IP_NOT_ALLOWED");
    told(&key, Some(&peer), || request("203.0.113.5", &bad)).await.assert(403, "IP_NOT_ALLOWED");
}

#[test]
fn what_is_no_origin_is_refused_with_a_reason() {
    for (text, reason) in [
        ("null", "opaque"),
        ("*", "no scheme"),
        ("app.example.com", "no scheme"),
        ("https://*.example.com", "wildcard"),
        ("https://app.example.com/", "path"),
        ("https://app.example.com?x", "path"),
        ("https://", "no host"),
        ("https://:443", "no host"),
        ("https://user@app.example.com", "no host"),
        ("https://größe.example", "no host"),
        ("https://[::1", "malformed port"),
        ("https://[nonsense]", "no host"),
        ("https://a b", "no host"),
        ("https://app.example.com:65536", "port"),
        ("https://app.example.com:", "port"),
        ("https://app.example.com:+80", "port"),
        ("1https://app.example.com", "scheme"),
        ("://app.example.com", "scheme"),
        ("", "no scheme"),
    ] {
        let error = Restrictions::new().origins([text]).unwrap_err().to_string();
        assert!(error.contains("Restrictions::origins") && error.contains(reason), "{text:?}: {error}");
    }
    let app = Restrictions::new().origins(["Chrome-Extension://abcdef", "tauri://localhost", "https://a_b.example"]);
    assert!(app.unwrap().allowed_origins().eq([
        "chrome-extension://abcdef",
        "tauri://localhost",
        "https://a_b.example"
    ]));
}
