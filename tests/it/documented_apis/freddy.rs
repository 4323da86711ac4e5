//! Document 000, field by field.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::support::server::{Reply, Server, example};

fn freddy() -> Server {
    Server::start("freddy", &[])
}

/// Compares an error with the document's, every field in its order; of trace id and time the form, which differs each
/// time.
pub(super) fn assert_documented(reply: &Reply, documented: &Value) {
    let (got, mut expected) = (reply.json(), documented.clone());
    let trace_id = got["error"]["trace_id"].as_str().unwrap();
    let hyphens: Vec<usize> = trace_id.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((trace_id.len(), hyphens), (36, vec![8, 13, 18, 23]), "{trace_id}");
    assert!(trace_id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')), "{trace_id}");
    assert_eq!(reply.header("x-request-id"), [trace_id]);

    let timestamp = got["error"]["timestamp"].as_str().unwrap();
    let form: String = timestamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00Z");

    expected["error"]["trace_id"] = trace_id.into();
    expected["error"]["timestamp"] = timestamp.into();
    // As text, so that the order of the members counts.
    assert_eq!(got.to_string(), expected.to_string());
    assert_eq!(reply.status, u16::try_from(expected["error"]["status"].as_u64().unwrap()).unwrap());
    assert_eq!(reply.header("content-type"), ["application/json"]);
    assert_eq!(reply.header("content-length"), [reply.body.len().to_string()]);
}

pub(super) fn documented(
    code: &str,
    message: &str,
    system_message: &str,
    kind: &str,
    status: u16,
    details: &Value,
) -> Value {
    json!({
        "success": false,
        "error": {
            "code": code, "message": message, "system_message": system_message, "type": kind, "status": status,
            "details": details, "trace_id": "", "timestamp": "",
        }
    })
}

#[test]
fn missing_authentication() {
    let reply = freddy().request("GET /v1/models", &[], "");
    assert_documented(
        &reply,
        &documented(
            "AUTHENTICATION_REQUIRED",
            "Please sign in to continue.",
            "Missing authentication header",
            "authentication_error",
            401,
            &json!({}),
        ),
    );
    assert_eq!(reply.header("www-authenticate"), [r#"Bearer realm="api", ApiKey realm="api""#]);
}

#[test]
fn invalid_api_key() {
    let server = freddy();
    let unknown = format!("X-API-Key: ak_{}", "0".repeat(40));
    let revoked = format!("X-API-Key: {}", server.demo("revoked"));
    for header in [&*unknown, "X-API-Key: YOUR_API_KEY_HERE", "x-api-key: ak_", &revoked] {
        assert_documented(
            &server.request("GET /v1/models", &[header], ""),
            &documented(
                "INVALID_API_KEY",
                "Your API key is invalid. Please check your credentials.",
                "API key validation failed",
                "authentication_error",
                401,
                &json!({}),
            ),
        );
    }
}

#[test]
fn insufficient_permissions() {
    assert_documented(
        &freddy().with_key("GET /v1/admin/stats", "read"),
        &documented(
            "INSUFFICIENT_PERMISSIONS",
            "You don't have permission to perform this action.",
            "User lacks required permissions",
            "authorization_error",
            403,
            &json!({ "required_role": "admin" }),
        ),
    );
}

#[test]
fn organization_access_denied() {
    let server = freddy();
    for organization in [server.demo("other_organization"), "org_abc123"] {
        assert_documented(
            &server.with_key(&format!("GET /v1/organizations/{organization}"), "read"),
            &documented(
                "ORGANIZATION_ACCESS_DENIED",
                "You don't have access to this organization.",
                "User not member of organization",
                "authorization_error",
                403,
                &json!({ "organization_id": organization }),
            ),
        );
    }
}

#[test]
fn the_key_goes_in_the_documented_header_whatever_its_case() {
    let server = freddy();
    for name in ["X-API-Key", "x-api-key", "X-Api-KEY"] {
        let reply = server.request("GET /v1/models", &[&format!("{name}: {}", server.demo("read"))], "");
        assert_eq!(reply.status, 200);
    }
    // Not in the query, not in another header, not as another scheme.
    let key = server.demo("read");
    for (line, header) in [
        (format!("GET /v1/models?api_key={key}&x-api-key={key}"), "accept: */*".to_owned()),
        ("GET /v1/models".to_owned(), format!("api-key: {key}")),
        ("GET /v1/models".to_owned(), format!("Authorization: ApiKey {key}")),
        ("GET /v1/models".to_owned(), format!("Cookie: x-api-key={key}")),
    ] {
        assert_eq!(server.request(&line, &[&header], "").code(), "AUTHENTICATION_REQUIRED", "{line} {header}");
    }
}

#[test]
fn every_key_opens_what_it_should_and_nothing_else() {
    let server = freddy();
    let routes = [
        "GET /v1/models",
        "GET /v1/me",
        "POST /v1/echo",
        "GET /v1/admin/stats",
        "POST /v1/webhooks",
        "GET /v1/organizations/org_demo",
        "GET /v1/organizations/org_other",
        "GET /health",
    ];
    for (key, expected) in [
        ("read", [200, 200, 403, 403, 403, 200, 403, 200]),
        ("write", [200, 200, 200, 403, 403, 200, 403, 200]),
        ("admin", [200, 200, 200, 200, 200, 200, 403, 200]),
        ("webhook", [403, 200, 403, 403, 200, 200, 403, 200]),
        ("expired", [401, 401, 401, 401, 401, 401, 401, 200]),
        ("paused", [401, 401, 401, 401, 401, 401, 401, 200]),
        ("deactivated", [401, 401, 401, 401, 401, 401, 401, 200]),
        ("revoked", [401, 401, 401, 401, 401, 401, 401, 200]),
        ("suspended", [401, 401, 401, 401, 401, 401, 401, 200]),
    ] {
        let header = format!("X-API-Key: {}", server.demo(key));
        let got = routes.map(|route| {
            let body = if route.starts_with("POST") { r#"{"name":"x"}"# } else { "" };
            server.request(route, &[&header, "content-type: application/json"], body).status
        });
        assert_eq!(got, expected, "{key}");
    }
}

#[test]
fn a_holder_learns_the_state_of_the_key() {
    let server = freddy();
    for (key, code) in [
        ("expired", "API_KEY_EXPIRED"),
        ("paused", "API_KEY_PAUSED"),
        ("deactivated", "API_KEY_DEACTIVATED"),
        ("suspended", "ACCOUNT_SUSPENDED"),
        ("revoked", "INVALID_API_KEY"),
    ] {
        let reply = server.with_key("GET /v1/models", key);
        assert_eq!((reply.status, &*reply.code()), (401, code));
        let details = &reply.json()["error"]["details"];
        assert_eq!(details.get("expired_at").is_some(), key == "expired", "{details}");
    }
}

#[test]
fn missing_permissions_are_listed() {
    let reply = freddy().request("POST /v1/webhooks", &[], "");
    assert_eq!(reply.code(), "AUTHENTICATION_REQUIRED");
    let reply = freddy().with_key("POST /v1/webhooks", "read");
    assert_eq!(reply.json()["error"]["details"], json!({ "required_permissions": ["webhook"] }));
}

#[test]
fn models_serve_both_kinds_of_client() {
    let body = freddy().with_key("GET /v1/models", "read").json();
    let models = body["models"].as_array().unwrap();
    assert_eq!(body["total_count"], models.len());
    for model in models {
        let members: Vec<&String> = model.as_object().unwrap().keys().collect();
        let documented = ["id", "key", "name", "is_visible_in_ui", "is_deprecated", "availability_status"];
        assert_eq!(members, documented.to_vec());
    }
    assert_eq!((&body["object"], body["data"].as_array().unwrap().len()), (&json!("list"), models.len()));
    assert!(body["data"].as_array().unwrap().iter().all(|model| model["object"] == "model" && model["id"].is_string()));
}

#[test]
fn me_shows_the_principal_and_no_secret() {
    let server = freddy();
    let reply = server.with_key("GET /v1/me", "admin");
    let me = reply.json();
    assert_eq!(me["organizations"], json!([server.demo("organization")]));
    assert_eq!(me["roles"], json!(["admin"]));
    assert_eq!(me["scopes"], json!(["read", "write", "webhook"]));
    assert_eq!((&me["plan"], &me["method"]), (&json!("standard"), &json!("api_key")));
    assert!(!reply.body.contains(server.demo("admin")));
}

#[test]
fn echo_gives_the_same_bytes_back_or_says_what_is_wrong() {
    let server = freddy();
    let key = format!("x-api-key: {}", server.demo("write"));
    let json = ["content-type: application/json; charset=utf-8", &key];
    let body = "{ \"tags\": [ \"\\u00e9\" ], \"count\":  10, \"name\": \"a\" }";
    assert_eq!(server.request("POST /v1/echo", &json, body).body, body);

    let broken = server.request("POST /v1/echo", &json, "{\"a\":1,\n}");
    assert_eq!((broken.status, &*broken.code()), (400, "INVALID_JSON"));
    assert_eq!(
        broken.json()["error"]["details"],
        json!({ "line": 2, "column": 1, "reason": "nothing follows the comma" })
    );

    let zipped =
        server.request("POST /v1/echo", &[&*key, "content-type: application/json", "content-encoding: gzip"], body);
    assert_eq!((zipped.status, &*zipped.code()), (415, "UNSUPPORTED_MEDIA_TYPE"));
    let plain = server.request("POST /v1/echo", &["content-type: text/plain", &key], body);
    assert_eq!((plain.status, &*plain.code()), (415, "UNSUPPORTED_MEDIA_TYPE"));

    let huge = server.request("POST /v1/echo", &json, &" ".repeat(2 * 1024 * 1024 + 1));
    assert_eq!((huge.status, &*huge.code()), (413, "PAYLOAD_TOO_LARGE"));
}

#[test]
fn stats_count_every_request_once() {
    let server = freddy();
    let stats = |server: &Server| {
        let stats = server.with_key("GET /v1/admin/stats", "admin").json();
        (stats["admitted"].as_u64().unwrap(), stats["refused"].as_u64().unwrap())
    };
    assert_eq!(stats(&server), (1, 0));
    server.with_key("GET /v1/models", "read");
    server.with_key("POST /v1/webhooks", "read"); // refused by the route
    server.with_key("GET /v1/models", "revoked"); // refused by the guards
    assert_eq!(stats(&server), (3, 2));
    assert_eq!(
        server.with_key("POST /v1/webhooks", "webhook").json(),
        json!({"success": true, "accepted_from": "key_webhook"})
    );
}

#[test]
fn unknown_paths_and_wrong_methods_are_in_the_envelope() {
    let server = freddy();
    let unknown = documented(
        "NOT_FOUND",
        "The requested resource was not found.",
        "Resource not found",
        "client_error",
        404,
        &json!({}),
    );
    assert_documented(&server.request("GET /v1/nowhere", &[], ""), &unknown);
    assert_documented(&server.with_key("GET /nowhere", "read"), &unknown);
    assert_documented(&server.with_key("GET /nowhere", "revoked"), &unknown);

    let wrong = server.with_key("DELETE /v1/models", "read");
    assert_eq!((wrong.status, &*wrong.code()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(wrong.header("allow"), ["GET,HEAD"]);
    assert_eq!(server.request("PUT /health", &[], "").status, 405);
    // A known path tells nothing to a stranger.
    assert_eq!(server.request("DELETE /v1/models", &[], "").status, 401);
}

#[test]
fn r012_head_has_the_fields_and_no_content() {
    let server = freddy();
    let get = server.request("GET /v1/models", &[], "");
    let head = server.request("HEAD /v1/models", &[], "");
    assert_eq!((head.status, &*head.body), (401, ""));
    for name in ["content-type", "content-length", "www-authenticate", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[test]
fn every_response_has_a_request_id_of_its_own() {
    let server = freddy();
    let replies = [
        server.request("GET /health", &[], ""),
        server.request("GET /health", &[], ""),
        server.with_key("GET /v1/models", "read"),
        server.request("GET /nowhere", &[], ""),
    ];
    let ids: HashSet<String> = replies.iter().map(|reply| reply.header("x-request-id").concat()).collect();
    assert_eq!(ids.len(), replies.len());
    assert!(ids.iter().all(|id| id.len() == 36));

    let traced =
        server.request("GET /nowhere", &["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], "");
    assert_eq!(traced.header("x-request-id"), ["4bf92f35-77b3-4da6-a3ce-929d0e0e4736"]);
}

#[test]
fn the_ready_line_is_as_promised_and_the_only_one() {
    let server = freddy();
    let demo = server.ready()["demo"].as_object().unwrap().clone();
    let names: Vec<&str> = demo.keys().map(String::as_str).collect();
    let promised = [
        "read",
        "write",
        "admin",
        "webhook",
        "expired",
        "paused",
        "deactivated",
        "revoked",
        "suspended",
        "premium",
        "limited",
        "token",
        "expired_token",
        "email",
        "password",
        "organization",
        "other_organization",
    ];
    assert_eq!(names, promised);
    let keys: HashSet<&str> = promised[..11].iter().map(|name| server.demo(name)).collect();
    assert!(keys.len() == 11 && keys.iter().all(|key| key.len() == 43 && key.starts_with("ak_")));
    let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();

    for key in &keys {
        assert_ne!(server.request("GET /v1/me", &[&format!("x-api-key: {key}")], "").status, 500);
    }
    let (status, rest, log) = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(rest, "");
    // The log tells of the refusals, and nothing of any key but its last four characters.
    assert!(log.contains("key_revoked") && log.contains("the key is revoked"), "{log}");
    for key in keys {
        assert!(!log.contains(&key[3..39]), "{log}");
    }
}

#[test]
fn without_a_demo_no_key_opens_anything() {
    let server = Server::start("freddy", &["--no-demo"]);
    assert_eq!(server.ready()["demo"], json!({}));
    assert_eq!(server.request("GET /v1/me", &[&format!("x-api-key: ak_{}", "a".repeat(40))], "").status, 401);
}

#[test]
fn a_wrong_command_line_or_a_taken_port_is_explained() {
    let run = |arguments: &[&str]| {
        let output = Command::new(example("freddy")).args(arguments).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), output.stdout)
    };
    for arguments in [&["--lisen"][..], &["--listen"]] {
        let (code, said, out) = run(arguments);
        assert!(code == Some(2) && said.contains("usage: freddy") && out.is_empty(), "{said}");
    }
    let server = freddy();
    let taken = server.ready()["listening"].as_str().unwrap().strip_prefix("http://").unwrap();
    let (code, said, out) = run(&["--listen", taken]);
    assert!(code == Some(1) && said.contains("--listen") && out.is_empty(), "{said}");
}

#[test]
fn it_can_be_stopped_as_soon_as_it_says_that_it_runs() {
    for signal in ["TERM", "INT"] {
        for _ in 0..5 {
            let (status, _, _) = freddy().stop_by(signal);
            assert!(status.success(), "{signal}: {status}");
        }
    }
}

#[test]
fn it_stops_although_a_connection_is_open_and_a_request_half_sent() {
    let server = freddy();
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    let mut half = server.connect();
    half.write_all(format!("POST /v1/echo HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{", server.demo("write")).as_bytes()).unwrap();
    let (status, _, _) = server.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn many_at_once_get_their_own_answers() {
    let server = freddy();
    thread::scope(|scope| {
        for turn in 0..32 {
            let server = &server;
            scope.spawn(move || {
                let (key, status) = [("read", 200), ("webhook", 403), ("paused", 401)][turn % 3];
                assert_eq!(server.with_key("GET /v1/models", key).status, status);
            });
        }
    });
}
