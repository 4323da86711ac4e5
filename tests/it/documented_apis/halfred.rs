//! Document 004: one `halfred_` key a project, shown once, replaced in one step, and errors that `OpenAI` clients read.

use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const JSON: &str = "Content-Type: application/json";

fn server() -> Server {
    Server::start("halfred", &[])
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}

fn models(server: &Server, key: &str) -> Reply {
    server.request("GET /v1/models", &[&bearer(key)], "")
}

/// Every member in its order, and no other.
fn assert_error(reply: &Reply, message: &str, code: &str) {
    assert_eq!(reply.status, 401);
    let documented =
        json!({ "error": { "message": message, "type": "authentication_error", "param": null, "code": code } });
    assert_eq!(reply.json().to_string(), documented.to_string());
}

#[test]
fn the_first_key_has_the_documented_form_and_opens_the_api() {
    let server = server();
    let key = server.demo("key");
    assert!(key.starts_with("halfred_") && key.len() == "halfred_".len() + 28);
    assert!(key["halfred_".len()..].chars().all(|c| c.is_ascii_alphanumeric()));
    let reply = models(&server, key);
    assert_eq!((reply.status, &reply.json()["object"]), (200, &"list".into()));
    let body = r#"{"model": "standard", "messages": [{"role": "user", "content": "Hello!"}]}"#;
    let reply = server.request("POST /v1/chat/completions", &[&bearer(key), JSON], body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.json()["choices"][0]["message"]["content"].is_string());
    assert_eq!(reply.json()["model"], "standard");
}

#[test]
fn authentication_failed() {
    let server = server();
    for lines in [&[][..], &["x-api-key: halfred_x"], &["Authorization: Basic dXNlcjpwYXNz"]] {
        assert_error(&server.request("GET /v1/models", lines, ""), "Authentication failed", "invalid_api_key");
    }
    let unknown = format!("halfred_{}", "x".repeat(28));
    for key in [&*unknown, "xxxxxxxxxxxxxxxxxxxxxxxxxxxx", "halfred_", "halfred_short"] {
        assert_error(&models(&server, key), "Invalid API key", "invalid_api_key");
    }
}

#[test]
fn api_key_not_found_says_that_it_was_revoked() {
    let server = server();
    assert_error(&models(&server, server.demo("revoked")), "API key not found", "api_key_not_found");
}

#[test]
fn revoke_key_and_get_new_one_is_one_step_immediate_and_irreversible() {
    let server = server();
    let (old, project) = (server.demo("key"), server.demo("project"));
    let path = format!("/v1/projects/{project}/key");
    let shown = server.request(&format!("GET {path}"), &[&bearer(old)], "").json();
    let masked = shown["key"].as_str().unwrap();
    assert!(masked.starts_with("halfred_") && masked.ends_with(&old[old.len() - 4..]) && !masked.contains(&old[8..20]));

    let replaced = server.request(&format!("POST {path}/replace"), &[&bearer(old), "content-length: 0"], "");
    assert_eq!((replaced.status, replaced.header("cache-control")), (200, vec!["no-store"]));
    let answer: Value = replaced.json();
    let new = answer["key"].as_str().unwrap();
    assert_error(&models(&server, old), "API key not found", "api_key_not_found");
    assert_eq!(models(&server, new).status, 200);
    // Who has the old one cannot get it back, nor another.
    let again = server.request(&format!("POST {path}/replace"), &[&bearer(old), "content-length: 0"], "");
    assert_error(&again, "API key not found", "api_key_not_found");
    let shown = server.request(&format!("GET {path}"), &[&bearer(new)], "").json();
    assert!(shown["key"].as_str().unwrap().ends_with(&new[new.len() - 4..]));
}

#[test]
fn a_key_belongs_to_its_project() {
    let server = server();
    let reply = server.request("GET /v1/projects/proj_other/key", &[&bearer(server.demo("key"))], "");
    assert_eq!((reply.status, reply.code()), (403, "organization_access_denied".to_owned()));
}

#[test]
fn a_body_that_is_not_documented_is_422_with_the_field() {
    let server = server();
    let post = |body: &str| server.request("POST /v1/chat/completions", &[&bearer(server.demo("key")), JSON], body);
    let reply = post(r#"{"model":"standard","mesages":[]}"#);
    assert_eq!((reply.status, reply.code()), (422, "validation_error".to_owned()));
    assert_eq!(reply.json()["error"]["param"], "/mesages");
    assert_eq!(post(r#"{"model":"standard","messages":[],"temperature":null,"user":null}"#).status, 200);
    assert_eq!(post("{").status, 400);
}
