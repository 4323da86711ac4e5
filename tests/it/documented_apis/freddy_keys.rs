//! Freddy's keys, as the admins of an organisation look after them.

use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const JSON: &str = "Content-Type: application/json";
const KEYS: &str = "/v1/organizations/org_demo/api-keys";

struct Desk(Server);

impl Desk {
    fn new() -> Self {
        Self(Server::start("freddy", &[]))
    }

    fn send(&self, key: &str, line: &str, body: &str) -> Reply {
        self.0.request(line, &[&format!("x-api-key: {}", self.0.demo(key)), JSON, "accept: application/json"], body)
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        self.send("admin", &format!("{method} {KEYS}{path}"), body)
    }

    fn create(&self, body: &Value) -> Value {
        let reply = self.admin("POST", "", &body.to_string());
        assert_eq!((reply.status, reply.header("cache-control")), (201, vec!["no-store"]), "{}", reply.body);
        reply.json()
    }

    /// What a key opens.
    fn models(&self, key: &Value) -> (u16, String) {
        let reply = self.0.request("GET /v1/models", &[&format!("x-api-key: {}", key.as_str().unwrap())], "");
        (reply.status, if reply.status == 200 { String::new() } else { reply.code() })
    }
}

const FIELDS: [&str; 12] = [
    "id",
    "organization_id",
    "key_name",
    "key_prefix",
    "is_active",
    "is_paused",
    "scopes",
    "metadata",
    "created_by",
    "created_at",
    "last_used_at",
    "expires_at",
];

fn assert_key(key: &Value, secret: bool) {
    let names: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [&FIELDS[..], if secret { &["key"] } else { &[] }].concat();
    assert_eq!(names, expected);
}

const GOOD: (u16, String) = (200, String::new());

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

#[test]
fn a_key_is_created_listed_changed_and_deleted() {
    let desk = Desk::new();
    let body = json!({
        "key_name": "ci", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00Z", "usage_limit_chf": null,
        "metadata": { "team": "a" },
    });
    let key = desk.create(&body);
    assert_key(&key, true);
    assert_eq!((&key["key_name"], &key["expires_at"]), (&"ci".into(), &"2099-01-01T00:00:00Z".into()));
    assert_eq!((&key["is_active"], &key["is_paused"], &key["scopes"]), (&true.into(), &false.into(), &json!(["read"])));
    assert_eq!(desk.models(&key["key"]), GOOD);

    let id = key["id"].as_str().unwrap();
    let one = desk.admin("GET", &format!("/{id}"), "").json();
    assert_key(&one, false);
    let secret = key["key"].as_str().unwrap();
    assert_eq!(one["key_prefix"], secret[..7]);

    let all = desk.admin("GET", "?page=1&page_size=100", "").json();
    let listed = all["api_keys"].as_array().unwrap();
    assert!(listed.contains(&one) && listed.len() == 12 && all["total_count"] == 12);
    for key in listed {
        assert_key(key, false);
    }
    let second = desk.admin("GET", "?page=2&page_size=5", "").json();
    assert_eq!(second["api_keys"].as_array().unwrap()[..], listed[5..10]);
    let pagination = json!({ "page": 2, "page_size": 5, "total_count": 12, "total_pages": 3 });
    assert_eq!(second["pagination"], pagination);
    for (query, part) in [("skip=10&take=5", 10..12), ("skip=3&take=1", 3..4), ("page=4&page_size=5", 12..12)] {
        let answer = desk.admin("GET", &format!("?{query}"), "").json();
        assert_eq!(answer["api_keys"].as_array().unwrap()[..], listed[part], "{query}");
        assert_eq!(answer["total_count"], 12, "{query}");
    }
    let last = desk.admin("GET", &format!("?page={}&page_size=100", usize::MAX), "").json();
    assert_eq!((&last["api_keys"], &last["total_count"]), (&json!([]), &json!(12)));
    assert!(!all.to_string().contains(&secret[3..20]));

    let changed = desk.admin("PATCH", &format!("/{id}"), r#"{"key_name":"website","scopes":["webhook"]}"#).json();
    assert_eq!((&changed["key_name"], &changed["scopes"]), (&"website".into(), &json!(["webhook"])));
    assert_eq!(desk.models(&key["key"]).0, 403, "for the very next request");

    let deleted = desk.admin("DELETE", &format!("/{id}"), "");
    assert_eq!((deleted.status, &deleted.json()["success"]), (200, &true.into()));
    assert_eq!(desk.models(&key["key"]), refused("INVALID_API_KEY"));
    assert_eq!(desk.admin("GET", &format!("/{id}"), "").status, 404);
}

#[test]
fn notes_are_kept_and_null_is_not_the_same_as_nothing() {
    let desk = Desk::new();
    let notes = json!({ "team": "a", "cost": { "centre": 12.50, "codes": [null, "ä"] } });
    let end = "2099-01-01T00:00:00Z";
    let key = desk.create(&json!({ "key_name": "ci", "expires_at": end, "metadata": notes }));
    let key_path = format!("/{}", key["id"].as_str().unwrap());
    let change = |body: &str| {
        let reply = desk.admin("PATCH", &key_path, body);
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
        (reply.json()["expires_at"].clone(), reply.json()["metadata"].clone())
    };
    assert_eq!(key["metadata"], notes);
    assert_eq!(desk.admin("GET", &key_path, "").json()["metadata"], notes);
    let listed = desk.admin("GET", "", "").json();
    assert!(listed["api_keys"].as_array().unwrap().iter().any(|one| one["metadata"] == notes));

    assert_eq!(change(r#"{"key_name":"cd"}"#), (end.into(), notes.clone()), "an absent field changes nothing");
    assert_eq!(change(r#"{"expires_at":null}"#), (Value::Null, notes));
    assert_eq!(change(r#"{"metadata":{"team":"b"}}"#), (Value::Null, json!({ "team": "b" })));
    assert_eq!(change(&format!(r#"{{"expires_at":"{end}","metadata":null}}"#)), (end.into(), json!({})));
    assert_eq!(desk.models(&key["key"]), GOOD);
    for wrong in [json!("team a"), json!({ "x": "x".repeat(4096) })] {
        let reply = desk.admin("PATCH", &key_path, &json!({ "metadata": wrong }).to_string());
        assert_eq!(
            (reply.status, &reply.json()["error"]["details"]["fields"][0]["pointer"]),
            (422, &"/metadata".into())
        );
    }
    let plain = desk.create(&json!({ "key_name": "ci", "expires_at": null, "metadata": null }));
    assert_eq!(
        (&plain["expires_at"], &plain["metadata"], &plain["last_used_at"]),
        (&Value::Null, &json!({}), &Value::Null)
    );
}

#[test]
fn a_key_is_paused_and_deactivated_and_both_are_undone() {
    let desk = Desk::new();
    let key = desk.create(&json!({ "key_name": "ci" }));
    let act = |action: &str| {
        let reply = desk.admin("POST", &format!("/{}/{action}", key["id"].as_str().unwrap()), "");
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        (reply.json()["is_active"].as_bool().unwrap(), reply.json()["is_paused"].as_bool().unwrap())
    };
    assert_eq!((act("pause"), desk.models(&key["key"])), ((true, true), refused("API_KEY_PAUSED")));
    assert_eq!((act("deactivate"), desk.models(&key["key"])), ((false, true), refused("API_KEY_DEACTIVATED")));
    assert_eq!((act("activate"), desk.models(&key["key"])), ((true, true), refused("API_KEY_PAUSED")));
    assert_eq!((act("unpause"), desk.models(&key["key"])), ((true, false), GOOD));
    assert_eq!(desk.admin("POST", &format!("/{}/nonsense", key["id"].as_str().unwrap()), "").status, 404);
}

#[test]
fn a_rotated_key_is_good_beside_its_successor_for_as_long_as_was_asked() {
    let desk = Desk::new();
    let old = desk.create(&json!({ "key_name": "ci" }));
    let path = format!("/{}/rotate?overlap=3600", old["id"].as_str().unwrap());
    let reply = desk.admin("POST", &path, "");
    assert_eq!((reply.status, reply.header("cache-control")), (200, vec!["no-store"]));
    let rotated = reply.json();
    let names: Vec<&String> = rotated.as_object().unwrap().keys().collect();
    assert_eq!(names, ["success", "message", "old_key_id", "new_key"]);
    assert_key(&rotated["new_key"], true);
    assert_eq!(rotated["old_key_id"], old["id"]);
    assert_eq!((desk.models(&old["key"]), desk.models(&rotated["new_key"]["key"])), (GOOD, GOOD));
    assert_eq!(desk.admin("POST", &path, "").code(), "API_KEY_ROTATED");
    // The next has no overlap: its predecessor is gone at once, and so is the one before.
    let next = format!("/{}/rotate?overlap=0", rotated["new_key"]["id"].as_str().unwrap());
    let last = desk.admin("POST", &next, "").json();
    assert_eq!(desk.models(&last["new_key"]["key"]), GOOD);
    for gone in [&old["key"], &rotated["new_key"]["key"]] {
        assert_eq!(desk.models(gone), refused("INVALID_API_KEY"));
    }
}

#[test]
fn only_admins_of_the_organisation_look_after_its_keys() {
    let desk = Desk::new();
    for key in ["read", "write", "webhook", "premium"] {
        for (method, path) in
            [("GET", ""), ("POST", ""), ("GET", "/key_read"), ("DELETE", "/key_read"), ("POST", "/key_read/pause")]
        {
            let reply = desk.send(key, &format!("{method} {KEYS}{path}"), "");
            assert_eq!(
                (reply.status, reply.code()),
                (403, "INSUFFICIENT_PERMISSIONS".to_owned()),
                "{key} {method} {path}"
            );
        }
    }
    let other = desk.send("admin", "GET /v1/organizations/org_other/api-keys", "");
    assert_eq!((other.status, other.code()), (403, "ORGANIZATION_ACCESS_DENIED".to_owned()));
    assert_eq!(desk.0.request(&format!("GET {KEYS}"), &[], "").status, 401);
    assert_eq!(desk.admin("GET", "/key_read", "").status, 200);
    assert_eq!(desk.models(&desk.0.demo("read").into()), GOOD, "nobody has paused it");
}

#[test]
fn what_cannot_be_is_told_by_its_field() {
    let desk = Desk::new();
    for (body, pointer) in [
        (json!({}), "/key_name"),
        (json!({ "key_name": "" }), "/key_name"),
        (json!({ "key_name": "ci", "scopes": ["read", "admin"] }), "/scopes/1"),
        (json!({ "key_name": "ci", "expires_at": "tomorrow" }), "/expires_at"),
        (json!({ "key_name": "ci", "expires_at": "2001-01-01T00:00:00Z" }), "/expires_at"),
        (json!({ "key_name": "ci", "scope": ["read"] }), "/scope"),
    ] {
        let reply = desk.admin("POST", "", &body.to_string());
        assert_eq!((reply.status, reply.code()), (422, "VALIDATION_ERROR".to_owned()), "{body}");
        assert_eq!(reply.json()["error"]["details"]["fields"][0]["pointer"], pointer, "{body}");
    }
    for path in ["?page=x", "?page_size=-1"] {
        assert_eq!(desk.admin("GET", path, "").status, 422);
    }
    assert_eq!(desk.admin("GET", "?page=0&page_size=0", "").status, 200);
    assert_eq!(desk.admin("GET", "/key_nobody", "").code(), "API_KEY_NOT_FOUND");
}

#[test]
fn files_are_an_empty_list_for_readers() {
    let desk = Desk::new();
    let files = desk.send("read", "GET /v1/organizations/org_demo/files", "");
    assert_eq!((files.status, &files.json()["files"]), (200, &json!([])));
    assert_eq!(desk.send("webhook", "GET /v1/organizations/org_demo/files", "").status, 403);
}
