//! What published clients read of Freddy.

use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const KEYS: &str = "/v1/organizations/org_demo/api-keys";

fn send(server: &Server, line: &str, body: &str) -> Reply {
    let key = format!("x-api-key: {}", server.demo("admin"));
    server.request(line, &[&key, "content-type: application/json"], body)
}

fn create(server: &Server) -> Value {
    send(server, &format!("POST {KEYS}"), r#"{"key_name":"ci"}"#).json()
}

fn opens(server: &Server, key: &Value) -> u16 {
    server.request("GET /v1/models", &[&format!("x-api-key: {}", key.as_str().unwrap())], "").status
}

/// "Rotate an API key (delete old, create new with same settings)", say the clients.
#[test]
fn p85_to_rotate_without_an_overlap_deletes_the_old_key_at_once() {
    let server = Server::start("freddy", &[]);
    for overlap in ["", "?overlap=0"] {
        let old = create(&server);
        let path = format!("{KEYS}/{}", old["id"].as_str().unwrap());
        let rotated = send(&server, &format!("POST {path}/rotate{overlap}"), "").json();
        assert_eq!((&rotated["success"], &rotated["old_key_id"]), (&json!(true), &old["id"]));
        assert_eq!((opens(&server, &old["key"]), opens(&server, &rotated["new_key"]["key"])), (401, 200));
        assert_eq!(send(&server, &format!("GET {path}"), "").code(), "API_KEY_NOT_FOUND");
        assert_eq!(send(&server, &format!("POST {path}/rotate{overlap}"), "").code(), "API_KEY_NOT_FOUND");
        let listed = send(&server, &format!("GET {KEYS}"), "").json();
        let is_listed = |key: &Value| listed["keys"].as_array().unwrap().iter().any(|listed| listed["id"] == key["id"]);
        assert!(!is_listed(&old) && is_listed(&rotated["new_key"]));
    }
    // Who wants one asks for it.
    let old = create(&server);
    let rotated = send(&server, &format!("POST {KEYS}/{}/rotate?overlap=60", old["id"].as_str().unwrap()), "").json();
    assert_eq!((opens(&server, &old["key"]), opens(&server, &rotated["new_key"]["key"])), (200, 200));
}

#[test]
fn p85_a_key_prefix_is_the_start_of_the_key() {
    let server = Server::start("freddy", &[]);
    let created = create(&server);
    let id = created["id"].as_str().unwrap();
    let read = send(&server, &format!("GET {KEYS}/{id}"), "").json();
    let rotated = send(&server, &format!("POST {KEYS}/{id}/rotate"), "").json();
    assert_eq!(created["key_prefix"], read["key_prefix"]);
    for key in [&created, &rotated["new_key"]] {
        let (prefix, key) = (key["key_prefix"].as_str().unwrap(), key["key"].as_str().unwrap());
        assert!(key.starts_with(prefix), "{prefix}");
        assert_eq!(prefix.len(), "ak_1234".len());
    }
    let listed = send(&server, &format!("GET {KEYS}"), "").json();
    let prefixes = listed["keys"].as_array().unwrap().iter().map(|key| key["key_prefix"].as_str().unwrap().to_owned());
    assert!(prefixes.clone().any(|prefix| server.demo("read").starts_with(&prefix)));
    assert!(prefixes.clone().all(|prefix| prefix.is_ascii() && prefix.len() == 7));
}

#[test]
fn p85_the_list_of_files_reads_in_both_published_shapes() {
    let server = Server::start("freddy", &[]);
    let files = |query: &str| send(&server, &format!("GET /v1/organizations/org_demo/files{query}"), "");
    for (query, page, size) in
        [("", 1, 50), ("?page=2&limit=10", 2, 10), ("?page=3&pageSize=20&purpose=user_data", 3, 20)]
    {
        let list = files(query).json();
        // `files`, `total`, `page`, `limit`, `has_more` for the generated clients.
        assert_eq!((&list["files"], &list["total"], &list["page"]), (&json!([]), &json!(0), &json!(page)), "{query}");
        assert_eq!((&list["limit"], &list["has_more"]), (&json!(size), &json!(false)), "{query}");
        // `data`, `total`, `page`, `pageSize`, `hasMore` for the one that was written by hand.
        assert_eq!((&list["data"], &list["pageSize"], &list["hasMore"]), (&json!([]), &json!(size), &json!(false)));
    }
    assert_eq!(files("?limit=x").status, 422);
}
