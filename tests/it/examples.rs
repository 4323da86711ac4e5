//! Every example is started as a user would, and makes the calls that its first comment promises.

use std::{fs, path::Path};

use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::{
    hosts::pb::{Reserve, stock_client::StockClient},
    support::server::{Reply, Server},
};

/// Status and, of a refusal, the code.
fn told(reply: &Reply) -> (u16, String) {
    (reply.status, if reply.status < 300 { reply.body.clone() } else { reply.code() })
}

fn with(server: &Server, line: &str, key: &str) -> (u16, String) {
    told(&server.request(line, &[&format!("x-api-key: {key}")], ""))
}

fn is(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[test]
fn every_example_is_under_eighty_lines() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines < 80, "{} has {lines} lines", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5);
}

#[test]
fn axum() {
    let server = Server::start("axum", &[]);
    let ask = |line: &str, key: &str| with(&server, line, key);
    assert_eq!(told(&server.request("GET /health", &[], "")), is(200, "ok"));
    assert_eq!(told(&server.request("GET /v1/models", &[], "")), is(401, "AUTHENTICATION_REQUIRED"));
    assert_eq!(ask("GET /v1/models", "wrong-key"), is(401, "INVALID_API_KEY"));
    assert_eq!(ask("GET /v1/models", "reader-key"), is(200, "models of ann"));
    assert_eq!(ask("GET /v1/models/ftg-9", "reader-key"), is(404, "MODEL_NOT_FOUND"));
    assert_eq!(ask("GET /v1/models/ftg-3", "reader-key"), is(200, "ftg-3"));
    assert_eq!(ask("POST /v1/models", "reader-key"), is(403, "INSUFFICIENT_PERMISSIONS"));
    assert_eq!(ask("POST /v1/models", "writer-key"), is(201, ""));
    assert_eq!(ask("GET /v1/organizations/acme/projects", "reader-key"), is(200, r#"["acme"]"#));
    assert_eq!(ask("GET /v1/organizations/globex/projects", "reader-key"), is(403, "ORGANIZATION_ACCESS_DENIED"));
    assert_eq!(told(&server.request("GET /v1/prices", &[], "")), is(200, "the list"));
    assert_eq!(ask("GET /v1/prices", "reader-key"), is(200, "yours"));
    assert_eq!(ask("GET /v1/prices", "wrong-key"), is(401, "INVALID_API_KEY"));
    assert_eq!(told(&server.request("GET /nowhere", &[], "")), is(404, "NOT_FOUND"));
    assert_eq!(ask("DELETE /v1/models", "writer-key"), is(405, "METHOD_NOT_ALLOWED"));
}

#[test]
fn mcp() {
    let server = Server::start("mcp", &["--demo-issuer"]);
    let ask = |token: &str, body: &str| {
        let bearer = format!("authorization: Bearer {}", server.demo(token));
        let headers = [&*bearer, "content-type: application/json", "accept: application/json, text/event-stream"];
        server.request("POST /mcp", &headers, body)
    };
    assert_eq!(told(&server.request("POST /mcp", &[], "{}")), is(401, "AUTHENTICATION_REQUIRED"));
    let document = server.request("GET /.well-known/oauth-protected-resource/mcp", &[], "");
    assert_eq!(document.json()["resource"], server.demo("mcp"));
    assert_eq!(document.json()["authorization_servers"][0], server.demo("issuer"));
    let write = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"notes_write"}}"#;
    for token in ["any", "reader"] {
        assert_eq!(told(&ask(token, write)), is(403, "INSUFFICIENT_PERMISSIONS"), "{token}");
    }
    let about = r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#;
    let hello = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{about}}}"#);
    assert_eq!(ask("any", &hello).status, 200);
    // The guards let it through, and the SDK misses a session.
    assert_eq!(ask("writer", write).status, 400);
}

#[test]
fn hyper() {
    let server = Server::start("hyper", &[]);
    let key = server.demo("key");
    assert_eq!(told(&server.request("GET /", &[], "")), is(401, "AUTHENTICATION_REQUIRED"));
    assert_eq!(with(&server, "GET /", key), is(200, "hello ops"));
    assert_eq!(with(&server, "GET /", &format!("{key}-")), is(401, "INVALID_API_KEY"));
}

#[test]
fn custom_store() {
    let server = Server::start("custom_store", &[]);
    assert_eq!(with(&server, "GET /", "legacy-token-0001-acme"), is(200, "acme may read, write"));
    assert_eq!(with(&server, "GET /", "legacy-token-0002-globex"), is(401, "INVALID_API_KEY"));
    assert_eq!(with(&server, "GET /", "legacy-token-0003-nobody"), is(401, "INVALID_API_KEY"));
    assert_eq!(told(&server.request("GET /", &[], "")), is(401, "AUTHENTICATION_REQUIRED"));
}

#[test]
fn custom_permission() {
    let server = Server::start("custom_permission", &[]);
    let ask = |path: &str, key: &str| with(&server, &format!("GET /documents/{path}"), key);
    assert_eq!(ask("ann/diary", "ann-key"), is(200, "Dear diary"));
    assert_eq!(ask("bob/diary", "ann-key"), is(403, "INSUFFICIENT_PERMISSIONS"));
    for path in ["broken", "slow"] {
        assert_eq!(ask(path, "ann-key"), is(503, "SERVICE_UNAVAILABLE"), "{path}");
        let reply = server.request(&format!("GET /documents/{path}"), &["x-api-key: ann-key"], "");
        assert_eq!(reply.header("retry-after"), ["1"], "{path}");
    }
    assert_eq!(ask("broken", "root-key"), is(200, "Dear diary"));
    assert_eq!(ask("ann/diary", "guest-key"), is(403, "INSUFFICIENT_PERMISSIONS"));
}

/// A message about this organisation's stock, with this key.
fn reserve(key: Option<&str>, org: &str) -> Request<Reserve> {
    let mut request = Request::new(Reserve { org: org.to_owned(), item: "bolts".to_owned() });
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    request
}

/// The code, and the reason in the details.
fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status.get_details_error_info().unwrap().reason)
}

#[tokio::test]
async fn tonic() {
    let server = Server::start("tonic", &[]);
    let address = server.ready()["listening"].as_str().unwrap().to_owned();
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut stock = StockClient::new(channel.clone());
    let healthy = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(healthy.into_inner().status, 1);

    let denied = (Code::PermissionDenied, "INSUFFICIENT_PERMISSIONS".to_owned());
    let missing = (Code::Unauthenticated, "AUTHENTICATION_REQUIRED".to_owned());
    assert_eq!(refused(stock.look(reserve(None, "")).await), missing);
    let invalid = (Code::Unauthenticated, "INVALID_API_KEY".to_owned());
    assert_eq!(refused(stock.look(reserve(Some("wrong-key"), "")).await), invalid);
    assert_eq!(stock.look(reserve(Some("reader-key"), "")).await.unwrap().into_inner().note, "plenty");
    assert_eq!(refused(stock.reserve(reserve(Some("reader-key"), "acme")).await), denied);
    let wrong = (Code::PermissionDenied, "WRONG_ORG".to_owned());
    assert_eq!(refused(stock.reserve(reserve(Some("writer-key"), "globex")).await), wrong);
    let reserved = stock.reserve(reserve(Some("writer-key"), "acme")).await.unwrap();
    assert_eq!(reserved.into_inner().note, "bolts for bob");

    // A path without a rule: an unknown caller learns nothing.
    let path = http::uri::PathAndQuery::from_static("/inventory.v1.Stock/Burn");
    let mut client = tonic::client::Grpc::new(channel);
    for (key, code) in [(None, Code::Unauthenticated), (Some("writer-key"), Code::Unimplemented)] {
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<Reserve, Reserve>::default();
        let answer = client.unary(reserve(key, ""), path.clone(), codec).await;
        assert_eq!(answer.unwrap_err().code(), code);
    }
}

#[cfg(unix)]
#[test]
fn file_keys() {
    use std::{
        os::unix::fs::PermissionsExt as _,
        process::Command,
        time::{Duration, Instant},
    };

    use crate::support::{
        process,
        server::{PATIENCE, example},
    };

    let path = std::env::temp_dir().join(format!("tower-auth-example-{}.toml", std::process::id()));
    let pepper = format!("1:{}", "0b".repeat(32));
    let minted =
        Command::new(example("file_keys")).args(["mint", "ci", "acme"]).env("PEPPERS", &pepper).output().unwrap();
    let said = String::from_utf8(minted.stderr).unwrap();
    let key = said.trim().rsplit(' ').next().unwrap();
    let table = String::from_utf8(minted.stdout).unwrap();
    let plans = "fallback_plan = \"standard\"\n[plans.standard]\nlimits = [{ events = 99, period = \"1m\" }]\n";
    fs::write(&path, format!("{plans}{table}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Server::start_with("file_keys", &["serve", path.to_str().unwrap()], &[("PEPPERS", &pepper)]);
    assert_eq!(with(&server, "GET /", key), is(200, "hello acme"));
    assert_eq!(told(&server.request("GET /health", &[], "")), is(200, "good"));
    fs::write(&path, plans).unwrap();
    assert!(process::signal("HUP", &[server.id()]));
    let deadline = Instant::now() + PATIENCE;
    while with(&server, "GET /", key) != is(401, "INVALID_API_KEY") {
        assert!(Instant::now() < deadline, "the key is still accepted");
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(&path).unwrap();
}
