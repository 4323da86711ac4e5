//! The scopes of MCP operations: by the body, never by a header.

mod bodies;
mod headers;
mod members;
mod sdk;
mod table;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthMethod, Principal, Rejection,
    mcp::{McpScopes, McpScopesLayer},
    strict_body::ReplayBody,
    testing::{AssertReady, FakeAuth},
};

use crate::support::Body;

/// A table in which the tool `read` needs one scope, `write` two, and `whoami` none.
pub(crate) fn scopes() -> McpScopes {
    McpScopes::new().tool("read", ["r"]).tool("write", ["r", "w"]).tool("whoami", [])
}

pub(crate) fn post(body: impl Into<Bytes>) -> Request<Body> {
    Request::post("/mcp").header("content-type", "application/json").body(Body::from(body.into())).unwrap()
}

pub(crate) fn call(tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
}

/// The answer: the status, and for a refusal the scopes of the challenge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) scopes: Option<String>,
    /// The header that is at fault.
    pub(crate) header: Option<String>,
}

pub(crate) const PASSED: Answer = Answer { status: StatusCode::OK, scopes: None, header: None };

pub(crate) fn needs(scopes: &str) -> Answer {
    Answer { status: StatusCode::FORBIDDEN, scopes: Some(scopes.to_owned()), header: None }
}

pub(crate) fn refused(status: StatusCode) -> Answer {
    Answer { status, scopes: None, header: None }
}

/// Sends a request of a token with these scopes through the layer. A request that passes must reach the service with its body.
pub(crate) async fn send(layer: &McpScopesLayer, held: &[&str], request: Request<Body>) -> Answer {
    let who = Principal::builder("alice").method(AuthMethod::Token).scopes(held.iter().copied()).build();
    let (parts, body) = request.into_parts();
    let sent = body.clone().collect().await.unwrap().to_bytes();
    let server = AssertReady::new(tower::service_fn(move |request: Request<ReplayBody<Body>>| {
        let (sent, caller) = (sent.clone(), request.extensions().clone().get::<Principal>().cloned());
        async move {
            assert_eq!(caller.unwrap().subject(), "alice", "a clone of the head has the caller");
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), sent, "the same bytes");
            Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
        }
    }));
    let app = AuthLayer::from(FakeAuth::always(who)).layer(layer.layer(server));
    let response = app.oneshot(Request::from_parts(parts, body)).await.unwrap();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
    let scopes = challenge.map(|challenge| {
        let scopes = challenge.strip_prefix(r#"Bearer error="insufficient_scope", scope=""#).unwrap();
        scopes.strip_suffix('"').unwrap().to_owned()
    });
    let header = Rejection::of(&response).and_then(|rejection| {
        let detail = rejection.details().find(|(name, _)| *name == "header").map(|(_, value)| format!("{value:?}"));
        detail.map(|detail| detail.split('"').nth(1).unwrap().to_owned())
    });
    Answer { status: response.status(), scopes, header }
}

/// Sends the body of a caller that has no scope, and returns what the challenge asks for.
pub(crate) async fn asked(body: &str) -> Answer {
    send(&scopes().build().unwrap(), &[], post(body.to_owned())).await
}
