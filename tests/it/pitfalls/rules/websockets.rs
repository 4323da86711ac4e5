//! p86: a WebSocket over HTTP/2 is ruled as the GET that it is over HTTP/1.1.

use axum::{Router, routing};
use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, Principal, Rules, permission::scope, testing::FakeAuth};

use crate::support::{Body, ok, sockets};

fn stack(rules: Rules) -> AuthStack {
    let alice = Principal::builder("alice").scopes(["read"]).build();
    AuthStack::builder().auth(FakeAuth::always(alice)).rules(rules).build().unwrap()
}

/// An extended CONNECT (RFC 8441) on a socket: its status, and the method that the handler saw.
async fn connect(app: Router, path: &str) -> u16 {
    let server = sockets::axum(app).await;
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    // The settings of the server have come when it has answered.
    let url = format!("http://{}{path}", server.address);
    let first = Request::get(&url).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(first).await.unwrap().version(), Version::HTTP_2);
    let mut request = Request::connect(&url).body(Empty::new()).unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let status = sender.send_request(request).await.unwrap().status().as_u16();
    connection.abort();
    status
}

#[tokio::test]
async fn p86_a_websocket_over_http2_is_ruled_as_get() {
    let handler = || {
        routing::any(|request: axum::extract::Request| async move {
            let is_websocket = request.extensions().get::<Protocol>().is_some_and(|name| name.as_str() == "websocket");
            assert_eq!(request.method() == Method::CONNECT, is_websocket);
        })
    };
    let app = |rules| Router::new().route("/ws/{id}", handler()).layer(stack(rules));
    for (rules, status) in [
        (Rules::new().public("GET /ws/{id}"), 200),
        (Rules::new().require("GET /ws/{id}", scope("read")), 200),
        (Rules::new().require("GET /ws/{id}", scope("admin")), 403),
        (Rules::new().require("GET /ws/{id}", scope("admin")).public("* /ws/**"), 403),
        (Rules::new().require("* /ws/{id}", scope("read")), 200),
        (Rules::new().require("POST /ws/{id}", scope("read")), 404),
        (Rules::new().require("HEAD /ws/{id}", scope("read")), 404),
        (Rules::new().require("GET /other", scope("read")), 404),
    ] {
        let table = rules.table();
        assert_eq!(connect(app(rules), "/ws/7").await, status, "{table}");
    }
}

#[tokio::test]
async fn p86_only_a_connect_with_a_path_over_http2_or_later_is_a_websocket() {
    let stack = stack(Rules::new().require("GET /ws", scope("read")).require("* /any", scope("read")));
    for (version, uri, status) in [
        (Version::HTTP_2, "https://api.example.com/ws", 200),
        (Version::HTTP_3, "https://api.example.com/ws?x=1", 200),
        (Version::HTTP_2, "/ws", 200),
        (Version::HTTP_2, "https://api.example.com/any", 200),
        (Version::HTTP_2, "https://api.example.com/other", 404),
        (Version::HTTP_2, "https://api.example.com/ws/", 404),
        (Version::HTTP_2, "https://api.example.com//ws", 400),
        (Version::HTTP_11, "https://api.example.com/ws", 404),
        (Version::HTTP_11, "/ws", 404),
        (Version::HTTP_10, "/ws", 404),
        (Version::HTTP_11, "/any", 200),
        // Plain: it has no path.
        (Version::HTTP_2, "api.example.com:443", 400),
        (Version::HTTP_11, "api.example.com:443", 400),
    ] {
        let request = Request::connect(uri).version(version).body(Body::default()).unwrap();
        let answer: Response<_> = stack.layer(ok()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{version:?} {uri}");
    }
    // No other method becomes a GET.
    let request = Request::post("https://api.example.com/ws").version(Version::HTTP_2).body(Body::default()).unwrap();
    assert_eq!(stack.layer(ok()).oneshot(request).await.unwrap().status(), 404);
}

/// A rule that would never be asked, while the author believes that it protects.
#[test]
fn p86_a_rule_for_connect_is_refused_when_built() {
    let rules = Rules::new().require("CONNECT /ws", scope("admin"));
    let error = AuthStack::builder().auth(FakeAuth::never()).rules(rules).build().unwrap_err().to_string();
    assert!(error.contains("CONNECT /ws") && error.contains("write a rule for GET"), "{error}");
}
