//! Rule 018: paths that two readers could read in two ways, and paths that they could not.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    Rejection, Rules,
    permission::{authenticated, scope},
};

use super::{ask, known, stranger};
use crate::support::{Body, get, ok, strict};

const AMBIGUOUS: [(&str, &str); 41] = [
    ("//", "an empty segment"),
    ("//v1", "an empty segment"),
    ("/v1//models", "an empty segment"),
    ("/v1/models//", "an empty segment"),
    ("/v1/.", "a dot segment"),
    ("/v1/..", "a dot segment"),
    ("/./v1", "a dot segment"),
    ("/v1/../admin", "a dot segment"),
    ("/v1/./models", "a dot segment"),
    ("/v1/%2e", "an encoded dot"),
    ("/v1/%2e%2e/admin", "an encoded dot"),
    ("/v1/%2E%2E/admin", "an encoded dot"),
    ("/v1/.%2e/admin", "an encoded dot"),
    ("/v1/a%2eb", "an encoded dot"),
    ("/v1/a%2Fb", "an encoded separator"),
    ("/v1/a%2fb", "an encoded separator"),
    ("/v1%2Fmodels", "an encoded separator"),
    ("/v1/..%2fadmin", "an encoded separator"),
    ("/v1/a%5Cb", "an encoded separator"),
    ("/v1/..%5c", "an encoded separator"),
    ("/v1/a%00b", "an encoded control character"),
    ("/v1/a%0d%0ab", "an encoded control character"),
    ("/v1/a%09", "an encoded control character"),
    ("/v1/%1F", "an encoded control character"),
    ("/v1/%7f", "an encoded control character"),
    ("/v1/%252F", "a double encoding"),
    ("/v1/%252e%252e", "a double encoding"),
    ("/v1/%25%32%46", "an encoded letter or digit"),
    ("/v1/%2541", "a double encoding"),
    ("/v1/%25zz%2F", "an encoded separator"),
    ("/v1/%zz", "a percent sign that encodes nothing"),
    ("/v1/%2", "a percent sign that encodes nothing"),
    ("/v1/%", "a percent sign that encodes nothing"),
    ("/v1/a%", "a percent sign that encodes nothing"),
    ("/v1/%u002F", "a percent sign that encodes nothing"),
    ("/v1/%%32%46", "a percent sign that encodes nothing"),
    ("/%68ealth", "an encoded letter or digit"),
    ("/v1/%41", "an encoded letter or digit"),
    ("/v1/%7A", "an encoded letter or digit"),
    ("/v1/%30", "an encoded letter or digit"),
    ("/v1/é%2F", "an encoded separator"),
];

/// Nothing is normalised: neither by the table, nor would the handler be told of another path than the table saw.
#[tokio::test]
async fn r018_p06_a_path_with_two_readings_is_refused() {
    for rules in [
        Rules::new().require("/**", authenticated()),
        Rules::new().public("/**"),
        Rules::new().otherwise(authenticated()),
    ] {
        let (alice, nobody) = (known(rules.clone()), stranger(rules));
        for (path, what) in AMBIGUOUS {
            let response = alice.layer(ok()).oneshot(get(path, &[])).await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
            let refusal = Rejection::of(&response).unwrap();
            let details: Vec<_> = refusal.details().map(|(name, value)| (name, serde_json::json!(value))).collect();
            assert_eq!(details, [("path", serde_json::json!(what))], "{path}");
            assert_eq!(refusal.layer(), Some("rules"));
            assert_eq!(ask(&nobody, "GET", path).await, 401, "{path}");
        }
    }
    // A backslash is no character of a URI that the `http` crate would build, but it does not refuse it either.
    if let Ok(uri) = "/v1/a\\b".parse::<http::Uri>() {
        let request = Request::builder().uri(uri).body(Body::default()).unwrap();
        let stack = known(Rules::new().public("/**"));
        assert_eq!(stack.layer(ok()).oneshot(request).await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    // A request target without a path is none that a table means.
    for target in ["*", "example.com:443"] {
        let request = Request::builder().method(Method::OPTIONS).uri(target).body(Body::default()).unwrap();
        let stack = known(Rules::new().public("/**").otherwise(authenticated()));
        assert_eq!(stack.layer(ok()).oneshot(request).await.unwrap().status(), StatusCode::BAD_REQUEST, "{target}");
    }
}

#[tokio::test]
async fn r018_what_can_be_read_in_one_way_passes_as_it_is() {
    let seen = Arc::new(Mutex::new(String::new()));
    for path in [
        "/v1/a%20b",
        "/v1/caf%C3%A9",
        "/v1/café",
        "/v1/~alice",
        "/v1/a;v=1",
        "/v1/a:b@c",
        "/v1/a,b$c&d=e+f!g*(h)'",
        "/v1/a%40b.example",
        "/v1/%3B%3D%3F%23",
        "/v1/...",
        "/v1/.hidden",
        "/v1/a..b",
        "/v1/..a",
        "/v1/100%25",
        "/v1/100%25zz",
        "/v1/%FF",
        "/v1/models/",
        "/",
        "/v1/models?path=//../%2F%zz",
    ] {
        let inside = Arc::clone(&seen);
        let handler = strict(move |request: Request<Body>| {
            *inside.lock().unwrap() = request.uri().to_string();
            Response::new(Body::default())
        });
        let response = known(Rules::new().require("/**", scope("read"))).layer(handler).oneshot(get(path, &[])).await;
        assert_eq!(response.unwrap().status(), StatusCode::OK, "{path}");
        assert_eq!(*seen.lock().unwrap(), path);
    }
    // With and without a slash at the end are two paths.
    let stack = known(Rules::new().public("/v1/models").public("/v1/files/"));
    for (path, status) in [("/v1/models", 200), ("/v1/models/", 404), ("/v1/files/", 200), ("/v1/files", 404)] {
        assert_eq!(ask(&stack, "GET", path).await, status, "{path}");
    }
}

/// RFC 3986 calls these spellings equal (sections 2.1, 2.3, 6.2.2), and a handler that decodes its path reads them as
/// one: the rule of the plain spelling must not be escaped through the rule that stands below it.
#[tokio::test]
async fn r018_another_spelling_of_a_protected_path_does_not_fall_through() {
    let rules = Rules::new()
        .require("/v1/admin-panel", scope("admin"))
        .require("/v1/admin_panel", scope("admin"))
        .require("/v1/~root", scope("admin"))
        .require("/v1/caf%C3%A9", scope("admin"))
        .require("/v1/models:delete", scope("admin"))
        .require("/v1/**", scope("read"));
    let stack = known(rules);
    assert_eq!(ask(&stack, "GET", "/v1/other").await, 200);
    let mut escaped = Vec::new();
    for (plain, other) in [
        ("/v1/admin-panel", "/v1/admin%2Dpanel"),
        ("/v1/admin-panel", "/v1/admin%2dpanel"),
        ("/v1/admin_panel", "/v1/admin%5Fpanel"),
        ("/v1/~root", "/v1/%7Eroot"),
        ("/v1/~root", "/v1/%7eroot"),
        ("/v1/caf%C3%A9", "/v1/caf%c3%a9"),
        ("/v1/caf%C3%A9", "/v1/café"),
        ("/v1/models:delete", "/v1/models%3Adelete"),
        ("/v1/models:delete", "/v1/models%3adelete"),
    ] {
        assert_eq!(ask(&stack, "GET", plain).await, 403, "{plain}");
        // Refused as ambiguous, or as the plain spelling is; but never by a weaker rule.
        if ![400, 403].contains(&ask(&stack, "GET", other).await) {
            escaped.push(other);
        }
    }
    assert_eq!(escaped, Vec::<&str>::new());
}
