//! Document 003: the key as a bearer credential, four permissions, compact errors with details.

use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const JSON: &str = "Content-Type: application/json";

fn server() -> Server {
    Server::start("ai_api", &[])
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}

fn send(server: &Server, key: &str, line: &str, body: &str) -> Reply {
    server.request(line, &[&bearer(server.demo(key)), JSON], body)
}

/// Every member in its order, and no other.
fn assert_error(reply: &Reply, status: u16, code: &str, message: &str, details: &Value) {
    assert_eq!(reply.status, status);
    let documented = json!({ "success": false, "error": { "code": code, "message": message, "details": details } });
    assert_eq!(reply.json().to_string(), documented.to_string());
    assert_eq!(reply.header("content-type"), ["application/json"]);
    assert_eq!(reply.header("x-request-id").len(), 1);
}

#[test]
fn the_documented_request_is_answered() {
    let server = server();
    let body = r#"{"prompt": "Hello, world!", "model": "gpt-4"}"#;
    let reply = send(&server, "read", "POST /v1/generate", body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!((&reply.json()["success"], &reply.json()["data"]["model"]), (&true.into(), &"gpt-4".into()));
}

#[test]
fn invalid_api_key() {
    let server = server();
    let invalid = "The provided API key is invalid";
    for stranger in ["YOUR_API_KEY", "x", &"a".repeat(43)] {
        let reply = server.request("GET /v1/models", &[&bearer(stranger)], "");
        assert_error(&reply, 401, "INVALID_API_KEY", invalid, &json!({}));
        assert!(reply.header("www-authenticate")[0].starts_with("Bearer "));
    }
    // Only the holder of the key learns which key it is.
    for key in ["revoked", "suspended"] {
        let reply = send(&server, key, "GET /v1/models", "");
        assert_error(&reply, 401, "INVALID_API_KEY", invalid, &json!({ "key_id": format!("key_{key}") }));
    }
}

#[test]
fn expired_api_key() {
    let reply = send(&server(), "expired", "GET /v1/models", "");
    let at = reply.json()["error"]["details"]["expired_at"].as_str().unwrap().to_owned();
    let form: String = at.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00Z");
    assert_error(&reply, 401, "EXPIRED_API_KEY", "The API key has expired", &json!({ "expired_at": at }));
}

#[test]
fn missing_api_key() {
    let server = server();
    let details = json!({ "header": "Authorization" });
    for lines in [&[][..], &["X-API-Key: something"], &["Authorization: Basic dXNlcjpwYXNz"]] {
        let reply = server.request("GET /v1/models", lines, "");
        assert_error(&reply, 401, "MISSING_API_KEY", "API key is required", &details);
    }
}

#[test]
fn each_api_key_can_have_different_permissions() {
    let server = server();
    let (prompt, name) = (r#"{"prompt":"p","model":"m"}"#, r#"{"name":"n"}"#);
    for (line, body, permission, keys) in [
        ("POST /v1/generate", prompt, "read", &["read", "write", "admin", "premium"][..]),
        ("GET /v1/models", "", "read", &["read", "write", "admin", "premium"]),
        ("POST /v1/resources", name, "write", &["write", "admin"]),
        ("GET /v1/admin", "", "admin", &["admin"]),
        ("GET /v1/webhooks", "", "webhook", &["webhook", "admin"]),
    ] {
        for key in ["read", "write", "admin", "webhook", "premium"] {
            let reply = send(&server, key, line, body);
            if keys.contains(&key) {
                assert!(reply.status < 300, "{line} with {key}: {}", reply.body);
            } else {
                assert_eq!(
                    (reply.status, reply.code()),
                    (403, "INSUFFICIENT_PERMISSIONS".to_owned()),
                    "{line} with {key}"
                );
                assert_eq!(reply.json()["error"]["details"], json!({ "required_permissions": [permission] }));
            }
        }
    }
}

#[test]
fn rotating_keys_leaves_time_to_update_applications() {
    let server = server();
    let created =
        send(&server, "admin", "POST /v1/keys", r#"{"name":"production","permissions":["read"],"expires_in_days":90}"#);
    assert_eq!((created.status, created.header("cache-control")), (201, vec!["no-store"]));
    let created = created.json();
    let models = |key: &Value| server.request("GET /v1/models", &[&bearer(key.as_str().unwrap())], "");
    let (old, id) = (&created["data"]["key"], created["data"]["id"].as_str().unwrap());
    assert_eq!(models(old).status, 200);
    let rotated = send(&server, "admin", &format!("POST /v1/keys/{id}/rotate"), "").json();
    let new = &rotated["data"]["key"];
    assert_eq!((models(old).status, models(new).status), (200, 200), "test that everything works correctly");
    // Delete the old key.
    let deleted = send(&server, "admin", &format!("DELETE /v1/keys/{id}"), "");
    assert_eq!((deleted.status, &deleted.json()["success"]), (200, &true.into()));
    assert_eq!((models(old).status, models(new).status), (401, 200));
    assert_error(&models(old), 401, "INVALID_API_KEY", "The provided API key is invalid", &json!({ "key_id": id }));
    assert_eq!(send(&server, "write", "POST /v1/keys", r#"{"name":"x","permissions":[]}"#).status, 403);
    assert_eq!(send(&server, "admin", "DELETE /v1/keys/key_nobody", "").status, 404);
}

#[test]
fn requests_beyond_the_limit_are_429() {
    let server = server();
    let refused = (0..200).map(|_| send(&server, "limited", "GET /v1/models", "")).find(|reply| reply.status == 429);
    let refused = refused.expect("ten in five seconds are not two hundred");
    assert_eq!(refused.code(), "RATE_LIMIT_EXCEEDED");
    assert!(refused.header("retry-after")[0].parse::<u64>().unwrap() >= 1);
}
