//! Document 002: `X-API-Key` on every request, its own texts, plans on every response.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::freddy::{assert_documented, documented};
use crate::support::server::{Reply, Server};

const JSON: &str = "Content-Type: application/json";

fn server() -> Server {
    Server::start("aitronos", &[])
}

/// The request of the document's examples.
fn ask(server: &Server, key: Option<&str>, organization: &str) -> Reply {
    let body = json!({
        "organization_id": organization, "model": "gpt-4o", "inputs": [{ "role": "user", "content": "Hello!" }],
    });
    let line = key.map(|key| format!("X-API-Key: {key}"));
    let lines: Vec<&str> = line.as_deref().into_iter().chain([JSON]).collect();
    server.request("POST /v1/model/response", &lines, &body.to_string())
}

fn invalid() -> Value {
    documented(
        "INVALID_API_KEY",
        "The API key provided is invalid or has expired.",
        "API key validation failed",
        "client_error",
        401,
        &json!({}),
    )
}

fn insufficient() -> Value {
    documented(
        "INSUFFICIENT_PERMISSIONS",
        "You don't have permission to access this resource.",
        "Insufficient permissions for this operation",
        "client_error",
        403,
        &json!({}),
    )
}

#[test]
fn the_documented_request_is_answered_with_a_text() {
    let server = server();
    for key in ["read", "write", "admin", "premium"] {
        let reply = ask(&server, Some(server.demo(key)), server.demo("organization"));
        assert_eq!(reply.status, 200, "{key}: {}", reply.body);
        assert!(reply.json()["response"][0]["text"].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[test]
fn all_keys_have_the_documented_form() {
    let server = server();
    let key = server.demo("read");
    assert!(key.starts_with("ak_") && key.len() == 43, "as long as the document's example");
    assert!(key[3..].chars().all(|c| c.is_ascii_alphanumeric()));
}

#[test]
fn a_missing_an_invalid_an_expired_and_a_malformed_key_are_one_error() {
    let server = server();
    let organization = server.demo("organization");
    let unknown = format!("ak_{}", "0".repeat(40));
    let shorter = format!("ak_{}", "0".repeat(39));
    let expired = server.demo("expired");
    for key in [None, Some(&*unknown), Some(&*shorter), Some(expired), Some("ak_your_api_key_here"), Some("")] {
        let reply = ask(&server, key, organization);
        assert_documented(&reply, &invalid());
        assert_eq!(reply.header("www-authenticate"), [r#"ApiKey realm="api""#]);
    }
    // Only in its own header.
    let line = format!("Authorization: Bearer {}", server.demo("read"));
    assert_documented(&server.request("GET /v1/models", &[&line], ""), &invalid());
}

#[test]
fn a_key_without_the_permission_and_a_denied_resource_are_one_error() {
    let server = server();
    assert_documented(&ask(&server, Some(server.demo("webhook")), server.demo("organization")), &insufficient());
    for organization in [server.demo("other_organization"), "org_your_org_id", ""] {
        assert_documented(&ask(&server, Some(server.demo("read")), organization), &insufficient());
    }
}

#[test]
fn the_body_is_the_documented_one() {
    let server = server();
    let line = format!("X-API-Key: {}", server.demo("read"));
    let ask = |body: &Value| server.request("POST /v1/model/response", &[&line, JSON], &body.to_string());
    let good = json!({ "organization_id": server.demo("organization"), "model": "m", "inputs": [], "stream": null });
    assert_eq!(ask(&good).status, 200, "null is as good as nothing");
    let mut typo = good.clone();
    typo["modle"] = "m".into();
    let reply = ask(&typo);
    assert_eq!((reply.status, reply.code()), (422, "VALIDATION_ERROR".to_owned()));
    assert_eq!(reply.json()["error"]["type"], "client_error");
    assert_eq!(reply.json()["error"]["details"]["fields"][0]["pointer"], "/modle");
    let mut missing = good;
    missing.as_object_mut().unwrap().remove("model");
    assert_eq!(ask(&missing).status, 422);
}

#[test]
fn rate_limit_headers_are_included_in_responses() {
    let server = server();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (key, limit) in [("read", 100), ("premium", 1000)] {
        for used in 1..=5_u64 {
            let reply = server.with_key("GET /v1/models", key);
            let number = |name: &str| reply.header(name)[0].parse::<u64>().unwrap();
            assert_eq!(number("x-ratelimit-limit"), limit);
            // A second or two may pass in between, and fill some of it up again.
            let remaining = number("x-ratelimit-remaining");
            assert!((limit - used..limit).contains(&remaining), "{key}: {remaining} after {used}");
            assert!((now()..=now() + 60).contains(&number("x-ratelimit-reset")), "Unix seconds");
        }
    }
}

#[test]
fn what_is_too_much_is_told_when_to_come_again() {
    let server = server();
    let refused = (0..200).map(|_| server.with_key("GET /v1/models", "limited")).find(|reply| reply.status == 429);
    let refused = refused.expect("ten in five seconds are not two hundred");
    assert_eq!(
        (refused.code(), &refused.json()["error"]["type"]),
        ("RATE_LIMIT_EXCEEDED".to_owned(), &"client_error".into())
    );
    assert!(refused.header("retry-after")[0].parse::<u64>().unwrap() >= 1);
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), (vec!["10"], vec!["0"]));
}

#[test]
fn unknown_paths_are_404_to_anyone() {
    let server = server();
    assert_eq!(server.request("GET /v1/nothing", &[], "").status, 404);
    assert_eq!(server.request("GET /health", &[], "").status, 200);
    assert_documented(&server.request("GET /v1/models", &[], ""), &invalid());
}
