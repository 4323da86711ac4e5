//! `Mcp-Method` and `Mcp-Name`: they refuse early, and admit nothing.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthLayer, AuthMethod, Principal, strict_body::ReplayBody, testing::FakeAuth};

use super::{Answer, PASSED, call, needs, post, scopes, send};
use crate::support::Body;

fn with(headers: &[(&str, &str)], body: String) -> Request<Body> {
    let mut request = post(body);
    for (name, value) in headers {
        request.headers_mut().append(
            http::HeaderName::try_from(*name).unwrap(),
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    request
}

fn differs(header: &str) -> Answer {
    Answer { status: StatusCode::BAD_REQUEST, scopes: None, header: Some(header.to_owned()) }
}

#[tokio::test]
async fn a_header_never_admits() {
    let layer = scopes().build().unwrap();
    let (method, name) = ("mcp-method", "mcp-name");
    for (headers, body, held, wanted) in [
        // The same in both.
        (vec![(method, "tools/call"), (name, "read")], call("read"), &["r"] as &[&str], PASSED),
        (vec![(method, "tools/call"), (name, "=?base64?cmVhZA==?=")], call("read"), &["r"], PASSED),
        (vec![(name, "read")], call("read"), &["r"], PASSED),
        (vec![(method, "ping")], r#"{"method":"ping"}"#.to_owned(), &[], PASSED),
        (
            vec![(method, "tasks/get"), (name, "7")],
            r#"{"method":"tasks/get","params":{"taskId":"7"}}"#.to_owned(),
            &["r", "w"],
            PASSED,
        ),
        // A harmless header over another call, whatever version the client claims.
        (vec![(method, "tools/call"), (name, "whoami")], call("write"), &["r", "w"], differs(name)),
        (vec![("mcp-protocol-version", "2025-03-26"), (name, "whoami")], call("write"), &["r", "w"], differs(name)),
        (vec![(method, "ping")], call("write"), &["r", "w"], differs(method)),
        (
            vec![(method, "ping")],
            format!("[{},{}]", r#"{"method":"ping"}"#, call("write")),
            &["r", "w"],
            differs(method),
        ),
        (vec![(method, "ping")], "[]".to_owned(), &["r", "w"], differs(method)),
        (vec![(method, "tools/call")], "1".to_owned(), &["r", "w"], differs(method)),
        (
            vec![(name, "read")],
            r#"{"method":"tools/call","params":{"name":["read"]}}"#.to_owned(),
            &["r", "w"],
            differs(name),
        ),
        (vec![(name, "=?base64?d2hvYW1p?=")], call("write"), &["r", "w"], differs(name)),
        (vec![(name, "Read")], call("read"), &["r", "w"], differs(name)),
        // The header needs more than the caller has: its body is not looked at.
        (vec![(method, "tools/call"), (name, "write")], call("whoami"), &["r"], needs("r w")),
        (vec![(method, "tools/call"), (name, "=?base64?d3JpdGU=?=")], call("whoami"), &["r"], needs("r w")),
        // Headers that cannot be read.
        (vec![(name, "read"), (name, "read")], call("read"), &["r", "w"], differs(name)),
        (vec![(method, "ping"), (method, "ping")], call("read"), &["r", "w"], differs(method)),
        (vec![(name, "=?base64?%%?=")], call("read"), &["r", "w"], differs(name)),
        (vec![(name, "=?base64?/w==?=")], call("read"), &["r", "w"], differs(name)),
        (vec![(name, "r\u{e9}ad")], call("read"), &["r", "w"], differs(name)),
    ] {
        assert_eq!(send(&layer, held, with(&headers, body.clone())).await, wanted, "{headers:?} {body}");
    }
}

/// A body that is never complete.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_header_refuses_before_the_body_has_arrived() {
    let who = Principal::builder("alice").method(AuthMethod::Token).scopes(["r"]).build();
    let server = tower::service_fn(|_: Request<ReplayBody<Endless>>| async {
        Ok::<_, Infallible>(http::Response::new(Body::default()))
    });
    let app = AuthLayer::from(FakeAuth::always(who)).layer(scopes().build().unwrap().layer(server));
    let request =
        Request::post("/mcp").header("mcp-method", "tools/call").header("mcp-name", "write").body(Endless).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()["connection"], "close", "the body was not read to its end");
}
