//! The example server on a port, and the client of the official SDK against it.

#[path = "../../../examples/mcp/app.rs"]
mod app;
#[path = "../../../examples/mcp/notes.rs"]
mod notes;

use std::{net::SocketAddr, time::Duration};

use http::{Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError,
    model::{CallToolRequestParams, ClientConfig, ProtocolVersion},
    service::{ClientInitializeError, RunningService},
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower_auth::testing::{TestIssuer, TestIssuerServer};

use super::call;
use crate::support::{
    Body,
    client::{Answer, ask},
    server::PATIENCE,
};

const BACK: &str = "http://127.0.0.1:1/callback";

struct Running {
    issuer: TestIssuerServer,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Running {
    async fn start() -> Self {
        let issuer = TestIssuer::new().serve_for("alice").await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let public_url = format!("http://{address}");
        let tokens = issuer.issuer().verifier().audience(format!("{public_url}/mcp")).build().unwrap();
        let site = app::Site { public_url, origins: vec!["http://localhost:*".to_owned()] };
        let router = app::router(&site, tokens).unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, address, serving }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    fn token(&self, scopes: &[&str]) -> String {
        self.issuer.issuer().token("alice").audience(self.url()).scopes(scopes).sign()
    }

    async fn connect(
        &self,
        token: Option<&str>,
        lifecycle: ClientLifecycleMode,
    ) -> Result<RunningService<RoleClient, ClientConfig>, ClientInitializeError> {
        let config = StreamableHttpClientTransportConfig::with_uri(self.url());
        let config = token.into_iter().fold(config, StreamableHttpClientTransportConfig::auth_header);
        let transport = StreamableHttpClientTransport::from_config(config);
        let starting = ClientConfig::default().serve_with_lifecycle(transport, lifecycle);
        tokio::time::timeout(PATIENCE, starting).await.expect("the client starts")
    }

    /// Sends one message, as a client without the SDK does.
    async fn post(&self, token: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let request = Request::post(self.url())
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        ask(Version::HTTP_11, request.body(Body::from(body)).unwrap()).await
    }
}

async fn called(client: &RunningService<RoleClient, ClientConfig>, tool: &'static str) -> Result<String, ServiceError> {
    let arguments = json!({"text": "hello"}).as_object().unwrap().clone();
    let call = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments));
    let result = tokio::time::timeout(PATIENCE, call).await.expect("the call is answered")?;
    Ok(serde_json::to_value(&result).unwrap()["content"][0]["text"].as_str().unwrap().to_owned())
}

/// Follows the address to which a browser is sent, and returns where it is sent back.
async fn agreed(address: &str) -> String {
    let answer = ask(Version::HTTP_11, Request::get(address).body(Body::default()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
    answer.header("location")[0].to_owned()
}

async fn token_of(state: &OAuthState) -> (String, String) {
    let (_, tokens) = state.get_credentials().await.unwrap();
    let tokens = serde_json::to_value(tokens.unwrap()).unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
    (text("access_token"), text("scope"))
}

#[tokio::test]
async fn a_client_discovers_signs_in_calls_and_steps_up() {
    let server = Running::start().await;
    let refused = server.connect(None, ClientLifecycleMode::Initialize).await.unwrap_err();
    let challenge = refused.auth_challenge().expect("a 401 with a challenge").to_owned();
    let document = format!("http://{}/.well-known/oauth-protected-resource/mcp", server.address);
    assert!(challenge.contains(&format!("resource_metadata=\"{document}\"")), "{challenge}");

    let mut state = OAuthState::new(server.url(), None).await.unwrap();
    let request = AuthorizationRequest::new(BACK).with_client_name("test").with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let asked = state.get_authorization_url().await.unwrap();
    assert!(asked.contains("scope=notes%3Aread&") || asked.ends_with("scope=notes%3Aread"), "{asked}");
    state.handle_callback_url(&agreed(&asked).await).await.unwrap();
    let (token, scope) = token_of(&state).await;
    assert_eq!(scope, "notes:read");

    let client = server.connect(Some(&token), ClientLifecycleMode::Initialize).await.unwrap();
    assert_eq!(client.list_all_tools().await.unwrap().len(), 3);
    assert_eq!(called(&client, "whoami").await.unwrap(), "alice");
    assert_eq!(called(&client, "notes_list").await.unwrap(), "");
    let refused = called(&client, "notes_write").await.unwrap_err();
    let challenge = refused.auth_challenge().expect("a 403 with a challenge").to_owned();
    assert!(challenge.contains(r#"error="insufficient_scope", scope="notes:read notes:write""#), "{challenge}");
    assert!(challenge.contains(&document), "{challenge}");
    drop(client.cancel().await);

    let asked = state.request_scope_upgrade("notes:read notes:write", BACK).await.unwrap();
    state.handle_callback_url(&agreed(&asked).await).await.unwrap();
    let (stronger, scope) = token_of(&state).await;
    assert_eq!(scope, "notes:read notes:write");
    let client = server.connect(Some(&stronger), ClientLifecycleMode::Initialize).await.unwrap();
    assert_eq!(called(&client, "notes_write").await.unwrap(), "written");
    assert_eq!(called(&client, "notes_list").await.unwrap(), "hello");
    drop(client.cancel().await);
}

#[tokio::test]
async fn a_client_of_the_version_without_sessions_is_judged_alike() {
    let server = Running::start().await;
    let lifecycle = || ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    let client = server.connect(Some(&server.token(&["notes:read"])), lifecycle()).await.unwrap();
    assert_eq!(called(&client, "whoami").await.unwrap(), "alice");
    assert_eq!(called(&client, "notes_list").await.unwrap(), "");
    let refused = called(&client, "notes_write").await.unwrap_err();
    assert!(refused.auth_challenge().is_some_and(|challenge| challenge.contains("notes:write")), "{refused:?}");
    drop(client.cancel().await);
    let client = server.connect(Some(&server.token(&["notes:read", "notes:write"])), lifecycle()).await.unwrap();
    assert_eq!(called(&client, "notes_write").await.unwrap(), "written");
    drop(client.cancel().await);
}

/// Opens a session of an older version, and returns its id.
async fn session(server: &Running, version: &str, token: &str) -> String {
    let hello = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}},
    });
    let answer = server.post(token, &[], hello.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let session = answer.header("mcp-session-id")[0].to_owned();
    let headers = [("mcp-session-id", &*session), ("mcp-protocol-version", version)];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.post(token, &headers, ready.to_string()).await.status, StatusCode::ACCEPTED);
    session
}

#[tokio::test]
async fn in_a_session_every_request_is_judged_by_its_own_token() {
    let server = Running::start().await;
    let strong = server.token(&["notes:read", "notes:write"]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = session(&server, version, &strong).await;
        let headers = [("mcp-session-id", &*session), ("mcp-protocol-version", version)];
        let answer = server.post(&strong, &headers, call("whoami")).await;
        assert!(answer.status == StatusCode::OK && answer.text().contains("alice"), "{version}: {answer:?}");
        // The session was opened by a token with all scopes.
        let weak = server.token(&["notes:read"]);
        assert_eq!(server.post(&weak, &headers, call("notes_write")).await.status, StatusCode::FORBIDDEN, "{version}");
        assert_eq!(server.post(&weak, &headers, call("notes_list")).await.status, StatusCode::OK, "{version}");
        let bob = server.issuer.issuer().token("bob").audience(server.url()).sign();
        assert!(server.post(&bob, &headers, call("whoami")).await.text().contains("bob"), "{version}");
        assert_eq!(server.post("none", &headers, call("whoami")).await.status, StatusCode::UNAUTHORIZED, "{version}");
    }
}

#[tokio::test]
async fn a_hostile_body_reaches_no_tool() {
    let server = Running::start().await;
    let strong = server.token(&["notes:read", "notes:write"]);
    let session = session(&server, "2025-06-18", &strong).await;
    let weak = server.token(&[]);
    let old = [("mcp-session-id", &*session), ("mcp-protocol-version", "2025-06-18")];
    let write = |name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{name},"arguments":{{"text":"stolen"}}}}}}"#
        )
    };
    for (headers, body, status) in [
        (vec![], write(r#""name":"notes_write""#), StatusCode::FORBIDDEN),
        (vec![("mcp-name", "whoami")], write(r#""name":"notes_write""#), StatusCode::BAD_REQUEST),
        (vec![("mcp-method", "ping")], write(r#""name":"notes_write""#), StatusCode::BAD_REQUEST),
        (vec![], write(r#""name":"whoami","name":"notes_write""#), StatusCode::BAD_REQUEST),
        (vec![], write(r#""name":"whoami","na\u006de":"notes_write""#), StatusCode::BAD_REQUEST),
        (vec![], write(r#""na\u006de":"notes_wr\u0069te""#), StatusCode::FORBIDDEN),
        (vec![], write(r#""name":["notes_write"]"#), StatusCode::FORBIDDEN),
        (vec![], format!("[{}]", write(r#""name":"notes_write""#)), StatusCode::FORBIDDEN),
        (vec![], format!("{}{}", call("whoami"), write(r#""name":"notes_write""#)), StatusCode::BAD_REQUEST),
        (vec![], format!("\u{feff}{}", write(r#""name":"notes_write""#)), StatusCode::BAD_REQUEST),
        (vec![], "[".repeat(100_000), StatusCode::BAD_REQUEST),
        (vec![], format!(r#"{{"method":{}}}"#, "9".repeat(1000)), StatusCode::BAD_REQUEST),
        (vec![], r#"{"jsonrpc":"2.0","id":1,"method":7}"#.to_owned(), StatusCode::FORBIDDEN),
    ] {
        let headers: Vec<_> = old.iter().copied().chain(headers).collect();
        let answer = server.post(&weak, &headers, body.clone()).await;
        assert_eq!(answer.status, status, "{} {}", &body[..body.len().min(120)], answer.text());
    }
    let listed = server.post(&strong, &old, call("notes_list")).await;
    assert!(!listed.text().contains("stolen"), "{}", listed.text());
}

#[tokio::test]
async fn only_its_own_host_and_websites_are_served_and_both_addresses() {
    let server = Running::start().await;
    let token = server.token(&[]);
    let ping = || r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    let session = session(&server, "2025-06-18", &token).await;
    let headers = |more: (&'static str, &'static str)| {
        vec![("mcp-session-id", &*session), ("mcp-protocol-version", "2025-06-18"), more]
    };
    for (header, status) in [
        (("x-none", ""), StatusCode::OK),
        (("origin", "http://localhost:3000"), StatusCode::OK),
        (("origin", "https://evil.test"), StatusCode::FORBIDDEN),
        (("host", "evil.test"), StatusCode::FORBIDDEN),
    ] {
        let answer = server.post(&token, &headers(header), ping()).await;
        assert_eq!(answer.status, status, "{header:?}: {}", answer.text());
    }
    for path in ["/mcp", "/mcp/"] {
        let get = Request::get(format!("http://{}{path}", server.address)).body(Body::default()).unwrap();
        assert_eq!(ask(Version::HTTP_11, get).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["", "/mcp"] {
        let address = format!("http://{}/.well-known/oauth-protected-resource{path}", server.address);
        let answer = ask(Version::HTTP_11, Request::get(address).body(Body::default()).unwrap()).await;
        let document: Value = answer.json();
        assert_eq!(
            (&document["resource"], &document["authorization_servers"]),
            (&json!(server.url()), &json!([server.issuer.url()]))
        );
        assert_eq!(answer.header("access-control-allow-origin"), ["*"]);
    }
}

#[tokio::test]
async fn a_stream_is_open_before_it_ends() {
    let server = Running::start().await;
    let token = server.token(&[]);
    let session = session(&server, "2025-06-18", &token).await;
    let request = Request::get(server.url())
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "text/event-stream")
        .header("mcp-session-id", &session)
        .body(Body::default())
        .unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let client = hyper_util::client::legacy::Client::builder(executor).build_http();
    let opened = tokio::time::timeout(PATIENCE, client.request(request)).await.expect("the head comes before the end");
    let mut response = opened.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // The SDK begins each stream with an event; the stream itself stays open.
    let first = tokio::time::timeout(PATIENCE, response.body_mut().frame()).await.expect("an event comes");
    assert!(first.unwrap().unwrap().is_data());
    let second = tokio::time::timeout(Duration::from_millis(50), response.body_mut().frame()).await;
    assert!(second.is_err() || second.unwrap().is_some(), "the stream has ended");
}
