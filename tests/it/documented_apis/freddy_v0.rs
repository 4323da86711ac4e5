//! Document 001: `api-key`, or a token that a key is exchanged for.

use serde_json::Value;

use crate::support::server::{Reply, Server};

fn server() -> Server {
    Server::start("freddy_v0", &[])
}

fn models(server: &Server, lines: &[&str]) -> Reply {
    server.request("GET /v1/models", lines, "")
}

fn with(server: &Server, key: &str) -> Reply {
    models(server, &[&format!("api-key: {}", server.demo(key))])
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, if reply.status < 300 { String::new() } else { reply.code() })
}

#[test]
fn include_the_api_key_in_the_request_header() {
    let server = server();
    for key in ["read", "write", "admin", "premium"] {
        let reply = with(&server, key);
        assert_eq!(reply.status, 200, "{key}");
        assert!(reply.json()["data"].as_array().is_some_and(|models| !models.is_empty()));
        assert_eq!(reply.header("x-request-id").len(), 1);
    }
    let other = format!("x-api-key: {}", server.demo("read"));
    assert_eq!(
        told(&models(&server, &[&other])),
        (401, "AUTHENTICATION_REQUIRED".to_owned()),
        "this is no other API's"
    );
}

#[test]
fn a_401_is_for_missing_invalid_and_expired_credentials_and_for_suspended_accounts() {
    let server = server();
    assert_eq!(told(&models(&server, &[])), (401, "AUTHENTICATION_REQUIRED".to_owned()));
    assert_eq!(told(&models(&server, &["api-key: YOUR_API_KEY_HERE"])), (401, "INVALID_API_KEY".to_owned()));
    assert_eq!(told(&with(&server, "expired")), (401, "API_KEY_EXPIRED".to_owned()));
    assert_eq!(told(&with(&server, "suspended")), (401, "ACCOUNT_SUSPENDED".to_owned()));
    let bearer = |token: &str| told(&models(&server, &[&format!("Authorization: Bearer {token}")]));
    assert_eq!(bearer("YOUR_JWT_TOKEN_HERE"), (401, "TOKEN_INVALID".to_owned()));
    assert_eq!(bearer(server.demo("expired_token")), (401, "TOKEN_EXPIRED".to_owned()));
}

#[test]
fn a_403_is_for_a_good_key_without_access_to_the_resource() {
    let reply = with(&server(), "webhook");
    assert_eq!(told(&reply), (403, "INSUFFICIENT_PERMISSIONS".to_owned()));
    assert_eq!(reply.json()["error"]["details"]["required_permissions"], serde_json::json!(["read"]));
}

#[test]
fn use_your_api_key_to_authenticate_and_receive_a_jwt_for_subsequent_requests() {
    let server = server();
    let exchange = |key: &str| {
        server.request("POST /v1/auth/token", &[&format!("api-key: {}", server.demo(key)), "content-length: 0"], "")
    };
    for (key, status) in [("read", 200), ("write", 200), ("webhook", 403)] {
        let reply = exchange(key);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!((reply.header("cache-control"), reply.header("pragma")), (vec!["no-store"], vec!["no-cache"]));
        let answer: Value = reply.json();
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &900.into()));
        let line = format!("Authorization: Bearer {}", answer["access_token"].as_str().unwrap());
        assert_eq!(models(&server, &[&line]).status, status, "{key}: the token may do what the key may");
        // A token is no key: it makes no tokens.
        let again = server.request("POST /v1/auth/token", &[&line, "content-length: 0"], "");
        assert_eq!(told(&again), (401, "AUTHENTICATION_REQUIRED".to_owned()));
    }
    assert_eq!(exchange("expired").status, 401);
    let demo = format!("Authorization: Bearer {}", server.demo("token"));
    assert_eq!(models(&server, &[&demo]).status, 200);
}

#[test]
fn standard_rate_limits_apply_to_api_keys() {
    let server = server();
    for (key, limit) in [("read", "100"), ("premium", "1000"), ("limited", "10")] {
        assert_eq!(with(&server, key).header("x-ratelimit-limit"), [limit]);
    }
}

/// The scope is for the webhooks of customers, and gives no look at the tokens of others.
#[test]
fn only_admins_introspect() {
    let server = server();
    for (key, status) in [("admin", 200), ("webhook", 403)] {
        let line = format!("api-key: {}", server.demo(key));
        let form = "Content-Type: application/x-www-form-urlencoded";
        assert_eq!(server.request("POST /v1/auth/introspect", &[&line, form], "token=x").status, status, "{key}");
    }
}
