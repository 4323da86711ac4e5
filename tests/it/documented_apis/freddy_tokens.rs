//! Document 000, "Bearer Tokens": sentence by sentence, on a server in memory and on servers that share a database.

use std::thread;

use serde_json::{Value, json};

use super::databases::Place;
use crate::{
    sessions::storm::rounds,
    support::server::{Reply, Server},
};

const JSON: &str = "Content-Type: application/json";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn exchange(server: &Server, key: &str) -> Reply {
    server.request("POST /v1/auth/token", &[&format!("X-API-Key: {key}"), "content-length: 0"], "")
}

fn refresh(server: &Server, token: &str) -> Reply {
    server.request("POST /v1/auth/refresh", &[JSON], &json!({ "refresh_token": token }).to_string())
}

fn log_out(server: &Server, token: &str) -> Reply {
    server.request("POST /v1/auth/logout", &[JSON], &json!({ "refresh_token": token }).to_string())
}

fn log_in(server: &Server, demo: &Server) -> Value {
    let body = json!({ "email": demo.demo("email"), "password": demo.demo("password") }).to_string();
    good(&server.request("POST /v1/auth/login", &[JSON], &body))
}

/// The answer of an endpoint that gives tokens.
fn good(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (vec!["no-store"], vec!["no-cache"]));
    let tokens = reply.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    tokens
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Includes the token in a request.
fn models(server: &Server, tokens: &Value) -> u16 {
    let line = format!("Authorization: Bearer {}", text(tokens, "access_token"));
    server.request("GET /v1/models", &[&line], "").status
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, reply.code())
}

#[test]
fn use_your_api_key_credentials_to_authenticate_receive_a_jwt_and_include_it_in_subsequent_requests() {
    let server = Server::start("freddy", &[]);
    let tokens = good(&exchange(&server, server.demo("read")));
    assert_eq!(text(&tokens, "access_token").split('.').count(), 3);
    assert_eq!(models(&server, &tokens), 200);
    assert_eq!(told(&exchange(&server, "ak_wrong")), (401, "INVALID_API_KEY".to_owned()));
    for (key, code) in
        [("expired", "API_KEY_EXPIRED"), ("paused", "API_KEY_PAUSED"), ("suspended", "ACCOUNT_SUSPENDED")]
    {
        assert_eq!(told(&exchange(&server, server.demo(key))), (401, code.to_owned()));
    }
    let nothing = server.request("POST /v1/auth/token", &["content-length: 0"], "");
    assert_eq!(told(&nothing), (401, "AUTHENTICATION_REQUIRED".to_owned()));
}

#[test]
fn a_token_may_do_what_its_scope_says() {
    let server = Server::start("freddy", &[]);
    let key = format!("X-API-Key: {}", server.demo("write"));
    let ask =
        |scope: &str| server.request("POST /v1/auth/token", &[&key, JSON], &json!({ "scope": scope }).to_string());
    let narrow = good(&ask("read"));
    let line = format!("Authorization: Bearer {}", text(&narrow, "access_token"));
    assert_eq!(text(&narrow, "scope"), "read");
    let write = server.request("POST /v1/echo", &[&line, JSON], r#"{"name":"x"}"#);
    assert_eq!(told(&write), (403, "INSUFFICIENT_PERMISSIONS".to_owned()));
    assert_eq!(told(&ask("admin")), (400, "INVALID_SCOPE".to_owned()));
}

#[test]
fn bearer_tokens_provide_session_based_authentication_with_automatic_expiration_and_refresh_capabilities() {
    let server = Server::start("freddy", &[]);
    for first in [good(&exchange(&server, server.demo("read"))), log_in(&server, &server)] {
        let second = good(&refresh(&server, text(&first, "refresh_token")));
        assert_eq!(models(&server, &second), 200);
        assert_ne!(second["refresh_token"], first["refresh_token"]);
        let again = good(&refresh(&server, text(&first, "refresh_token")));
        assert_eq!(again["refresh_token"], second["refresh_token"], "a retry gets the same successor");
    }
    let expired = format!("Authorization: Bearer {}", server.demo("expired_token"));
    assert_eq!(told(&server.request("GET /v1/models", &[&expired], "")), (401, "TOKEN_EXPIRED".to_owned()));
}

#[test]
fn authentication_endpoints_reject_any_request_body_containing_fields_that_are_not_part_of_the_documented_schema() {
    let server = Server::start("freddy", &[]);
    let key = format!("X-API-Key: {}", server.demo("read"));
    let tokens = good(&exchange(&server, server.demo("read")));
    let token = text(&tokens, "refresh_token");
    for (endpoint, body, pointer, suggestion) in [
        ("token", json!({ "scop": "read" }), "/scop", "scope"),
        ("refresh", json!({ "refresh_tokn": token }), "/refresh_tokn", "refresh_token"),
        ("logout", json!({ "refreshToken": token }), "/refreshToken", "refresh_token"),
        ("login", json!({ "email_adress": "a", "password": "b" }), "/email_adress", "email"),
    ] {
        let reply = server.request(&format!("POST /v1/auth/{endpoint}"), &[&key, JSON], &body.to_string());
        assert_eq!(told(&reply), (422, "VALIDATION_ERROR".to_owned()), "{endpoint}");
        let field = &reply.json()["error"]["details"]["fields"][0];
        assert_eq!((&field["pointer"], &field["suggestion"]), (&json!(pointer), &json!(suggestion)), "{endpoint}");
        assert!(!reply.body.contains(token), "{endpoint}");
    }
    assert_eq!(models(&server, &tokens), 200, "none of them has ended the session");
}

#[test]
fn token_revocation_implement_proper_logout_to_invalidate_tokens() {
    let server = Server::start("freddy", &[]);
    let first = log_in(&server, &server);
    let second = good(&refresh(&server, text(&first, "refresh_token")));
    let other = log_in(&server, &server);
    let out = log_out(&server, text(&second, "refresh_token"));
    assert_eq!((out.status, &out.json()["success"]), (200, &json!(true)));
    for tokens in [&first, &second] {
        assert_eq!(models(&server, tokens), 401);
        assert_eq!(told(&refresh(&server, text(tokens, "refresh_token"))), (401, "TOKEN_INVALID".to_owned()));
    }
    assert_eq!(models(&server, &other), 200, "another device stays signed in");
    assert_eq!(log_out(&server, text(&second, "refresh_token")).status, 200, "log out again");
    assert_eq!(log_out(&server, "rt_nonsense").status, 200);
}

#[test]
fn a_key_that_is_revoked_or_paused_takes_its_tokens_with_it() {
    let server = Server::start("freddy", &[]);
    let admin = [&*format!("X-API-Key: {}", server.demo("admin")), JSON];
    let keys = "/v1/organizations/org_demo/api-keys";
    let new = server.request(&format!("POST {keys}"), &admin, r#"{"key_name":"ci"}"#).json();
    let (key, id) = (text(&new, "key"), text(&new, "id"));
    let tokens = good(&exchange(&server, key));
    let act =
        |what: &str| server.request(&format!("POST {keys}/{id}/{what}"), &[admin[0], "content-length: 0"], "").status;
    assert_eq!(act("pause"), 200);
    assert_eq!((models(&server, &tokens), refresh(&server, text(&tokens, "refresh_token")).status), (401, 401));
    assert_eq!(act("unpause"), 200);
    assert_eq!(models(&server, &tokens), 200);
    assert_eq!(server.request(&format!("DELETE {keys}/{id}"), &admin[..1], "").status / 100, 2);
    assert_eq!((models(&server, &tokens), refresh(&server, text(&tokens, "refresh_token")).status), (401, 401));
}

/// A bucket of its own would still have most of its 100 requests a minute when the other has spent 60.
#[test]
fn a_key_and_its_tokens_share_one_bucket() {
    let server = Server::start("freddy", &[]);
    let exchanged = exchange(&server, server.demo("read"));
    assert_eq!(exchanged.header("x-ratelimit-limit"), ["100"], "an exchange is counted too");
    let line = format!("Authorization: Bearer {}", text(&good(&exchanged), "access_token"));
    for _ in 0..60 {
        assert_eq!(server.request("GET /v1/models", &[&line], "").status, 200);
    }
    let by_key = server.with_key("GET /v1/models", "read");
    let left: u32 = by_key.header("x-ratelimit-remaining").concat().parse().unwrap();
    assert!(by_key.status == 200 && left < 90, "{left}");
    let limited = good(&exchange(&server, server.demo("limited")));
    let line = format!("Authorization: Bearer {}", text(&limited, "access_token"));
    let reply = server.request("GET /v1/models", &[&line], "");
    assert_eq!(reply.header("x-ratelimit-limit"), ["10"], "the key's own limit");
}

/// The observers of the guards learn of what the endpoints decide.
#[test]
fn an_exchange_is_a_use_of_the_key() {
    let server = Server::start("freddy", &[]);
    let stats = || server.with_key("GET /v1/admin/stats", "admin").json();
    let before = stats();
    good(&exchange(&server, server.demo("read")));
    assert_eq!(exchange(&server, "ak_wrong").status, 401);
    assert_eq!(refresh(&server, "rt_nonsense").status, 401);
    let after = stats();
    let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!((more("admitted"), more("refused")), (2, 2), "the request for the second numbers is admitted too");
    let limited = |server: &Server, header: &str| {
        let line = format!("{header}: {}", server.demo("read"));
        server.request("POST /v1/auth/token", &[&line, "content-length: 0"], "").header("x-ratelimit-limit").concat()
    };
    assert_eq!(limited(&Server::start("freddy_v0", &[]), "api-key"), "100");
}

/// A token with fewer scopes has the role of its key, and must not get the secret of another key.
#[test]
fn a_narrowed_token_of_an_admin_changes_no_key() {
    let server = Server::start("freddy", &[]);
    let key = format!("X-API-Key: {}", server.demo("admin"));
    let keys = "/v1/organizations/org_demo/api-keys";
    let id = server.request(&format!("POST {keys}"), &[&key, JSON], r#"{"key_name":"ci"}"#).json();
    let id = text(&id, "id");
    let narrow = good(&server.request("POST /v1/auth/token", &[&key, JSON], r#"{"scope":"read"}"#));
    let line = format!("Authorization: Bearer {}", text(&narrow, "access_token"));
    assert_eq!(server.request(&format!("GET {keys}"), &[&line], "").status, 200);
    for (request, body) in [
        (format!("POST {keys}"), "{}"),
        (format!("PATCH {keys}/{id}"), "{}"),
        (format!("DELETE {keys}/{id}"), ""),
        (format!("POST {keys}/{id}/rotate"), ""),
    ] {
        let reply = server.request(&request, &[&line, JSON], body);
        assert_eq!(told(&reply), (403, "INSUFFICIENT_PERMISSIONS".to_owned()), "{request}");
    }
}

/// The cookies of an answer, as a browser sends them.
fn cookies(reply: &Reply) -> String {
    let lines = reply.header("set-cookie").into_iter().map(|line| line.split(';').next().unwrap());
    format!("Cookie: {}", lines.collect::<Vec<_>>().join("; "))
}

#[test]
fn a_page_of_the_same_origin_has_its_tokens_in_cookies() {
    let server = Server::start("freddy", &[]);
    let body =
        json!({ "email": server.demo("email"), "password": server.demo("password"), "cookie": true }).to_string();
    let same = "Sec-Fetch-Site: same-origin";
    for site in [&["Sec-Fetch-Site: cross-site"][..], &["Origin: https://evil.example"], &[]] {
        let reply = server.request("POST /v1/auth/login", &[&[JSON], site].concat(), &body);
        assert_eq!((told(&reply), reply.header("set-cookie").len()), ((403, "CROSS_SITE_REQUEST".to_owned()), 0));
    }
    let login = server.request("POST /v1/auth/login", &[JSON, same], &body);
    assert_eq!((login.status, &login.json()["expires_in"]), (200, &json!(900)), "{}", login.body);
    assert!(!login.body.contains("_token"), "{}", login.body);
    assert!(login.header("set-cookie").iter().all(|line| line.contains("; HttpOnly") && !line.contains("Secure")));
    let cookie = cookies(&login);
    let me = |cookie: &str| server.request("GET /v1/me", &[cookie], "").status;
    assert_eq!(me(&cookie), 200);
    let refreshed = server.request("POST /v1/auth/refresh", &[&cookie, same, "content-length: 0"], "");
    assert_eq!((refreshed.status, refreshed.json()), (200, json!({ "expires_in": 900 })));
    let cookie = cookies(&refreshed);
    let echo = |more: &str| server.request("POST /v1/echo", &[&cookie, JSON, more], r#"{"name":"x"}"#);
    assert_eq!(echo(same).status, 200);
    assert_eq!(told(&echo("Sec-Fetch-Site: cross-site")), (403, "CROSS_SITE_REQUEST".to_owned()));
    let access = cookie.split(';').next().unwrap();
    assert_eq!(server.request("POST /v1/auth/logout", &[access, same, "content-length: 0"], "").status, 200);
    assert_eq!(me(&cookie), 401);
    let public = Server::start("freddy", &["--public-url", "https://api.example.com"]);
    let body =
        json!({ "email": public.demo("email"), "password": public.demo("password"), "cookie": true }).to_string();
    let login = public.request("POST /v1/auth/login", &[JSON, same], &body);
    assert!(login.header("set-cookie").iter().all(|line| line.starts_with("__Host-") && line.contains("; Secure")));
}

#[test]
fn guesses_at_the_endpoints_are_charged_to_the_address() {
    let server = Server::start("freddy", &["--failures", "5"]);
    for _ in 0..5 {
        assert_eq!(refresh(&server, "rt_nonsense").status, 401);
    }
    let reply = refresh(&server, "rt_nonsense");
    assert_eq!((reply.status, reply.header("retry-after").len()), (429, 1), "{}", reply.body);
}

#[test]
fn an_oauth_client_gets_what_its_standards_say() {
    let server = Server::start("freddy", &[]);
    let metadata = server.request("GET /.well-known/oauth-authorization-server", &[], "").json();
    let issuer = text(&metadata, "issuer").to_owned();
    for (name, path) in [
        ("token_endpoint", "/v1/auth/token"),
        ("revocation_endpoint", "/v1/auth/revoke"),
        ("introspection_endpoint", "/v1/auth/introspect"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(metadata[name], json!(format!("{issuer}{path}")), "{name}");
    }
    let secret = format!("grant_type=client_credentials&client_secret={}", server.demo("read"));
    let tokens = good(&server.request("POST /v1/auth/token", &[FORM], &secret));
    assert_eq!((models(&server, &tokens), &tokens["refresh_token"]), (200, &Value::Null));
    let session = log_in(&server, &server);
    let form = format!("grant_type=refresh_token&refresh_token={}", text(&session, "refresh_token"));
    let next = good(&server.request("POST /v1/auth/token", &[FORM], &form));
    let revoke = format!("token={}", text(&next, "refresh_token"));
    assert_eq!(server.request("POST /v1/auth/revoke", &[FORM], &revoke).status, 200);
    assert_eq!(models(&server, &next), 401);
    let over = server.request("POST /v1/auth/token", &[FORM], &form);
    assert_eq!((over.status, &over.json()["error"]), (400, &json!("invalid_grant")));

    let inspect = |key: &str, token: &Value| {
        let key = format!("X-API-Key: {}", server.demo(key));
        server.request("POST /v1/auth/introspect", &[FORM, &key], &format!("token={}", text(token, "access_token")))
    };
    assert_eq!(inspect("admin", &tokens).json()["active"], json!(true));
    assert_eq!(inspect("admin", &next).json(), json!({ "active": false }));
    assert_eq!(inspect("read", &tokens).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_in_a_database_outlive_a_restart_and_are_known_to_every_process() {
    for place in Place::all().await {
        let url = ["--public-url", "https://api.example.com"];
        let first = place.start("freddy", &url);
        let second = place.start("freddy", &[&url[..], &["--no-demo"]].concat());
        let tokens = good(&exchange(&first, first.demo("read")));
        assert_eq!(models(&second, &tokens), 200, "{}: one set of keys signs", place.url);
        let next = good(&refresh(&second, text(&tokens, "refresh_token")));
        let again = good(&refresh(&first, text(&tokens, "refresh_token")));
        assert_eq!(again["refresh_token"], next["refresh_token"], "{}", place.url);
        drop((first, second));

        let third = place.start("freddy", &[&url[..], &["--no-demo"]].concat());
        assert_eq!(models(&third, &next), 200, "{}: after a restart", place.url);
        let last = good(&refresh(&third, text(&next, "refresh_token")));
        let other = place.start("freddy", &[&url[..], &["--no-demo"]].concat());
        assert_eq!(log_out(&third, text(&last, "refresh_token")).status, 200);
        for server in [&third, &other] {
            assert_eq!((models(server, &last), models(server, &next)), (401, 401), "{}", place.url);
        }
    }
}

/// Refreshes one session in rounds, from so many connections at once, at these servers by turns.
fn storm(servers: &[&Server], tokens: &Value, rounds: usize) {
    let mut token = text(tokens, "refresh_token").to_owned();
    for round in 0..rounds {
        let successors = thread::scope(|scope| {
            let asked: Vec<_> = (0..64)
                .map(|client| {
                    let (server, token) = (servers[client % servers.len()], &token);
                    scope.spawn(move || text(&good(&refresh(server, token)), "refresh_token").to_owned())
                })
                .collect();
            asked.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(successors.iter().all(|next| *next == successors[0]), "round {round}: one successor");
        token.clone_from(&successors[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r108_many_refreshes_at_once_over_http_have_one_winner_on_each_store() {
    let rounds = rounds(3);
    let memory = Server::start("freddy", &[]);
    storm(&[&memory], &log_in(&memory, &memory), rounds);
    for place in Place::all().await {
        let url = ["--public-url", "https://api.example.com"];
        let (one, two) = (place.start("freddy", &url), place.start("freddy", &[&url[..], &["--no-demo"]].concat()));
        storm(&[&one, &two], &log_in(&one, &one), rounds);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_a_refresh_locks_nobody_out() {
    for place in Place::all().await {
        let url = ["--public-url", "https://api.example.com"];
        let demo = place.start("freddy", &url);
        let admin = format!("X-API-Key: {}", demo.demo("admin"));
        let mut token = text(&log_in(&demo, &demo), "refresh_token").to_owned();
        let mut rotated = 0;
        for turn in 0..40 {
            if turn >= 6 && rotated > 0 {
                break;
            }
            let server = place.start("freddy", &[&url[..], &["--no-demo"]].concat());
            let body = json!({ "refresh_token": token }).to_string();
            let request = format!(
                "POST /v1/auth/refresh HTTP/1.1\r\nhost: x\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut connection = server.connect();
            std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
            // Sooner or later than the write of the new generation.
            thread::sleep(std::time::Duration::from_millis(turn * turn));
            server.stop_by("KILL");
            let inspect = format!("token={token}&token_type_hint=refresh_token");
            let inspected = demo.request("POST /v1/auth/introspect", &[FORM, &admin], &inspect);
            rotated += u32::from(inspected.json() == json!({ "active": false }));
            let retry = good(&refresh(&demo, &token));
            token = text(&retry, "refresh_token").to_owned();
        }
        assert!(rotated > 0, "{}: no process was killed after its write", place.url);
    }
}

/// The metadata of a server that listens on all addresses name one that works on this machine.
#[test]
fn servers_that_listen_on_all_addresses_start_and_name_their_issuer() {
    for name in ["freddy", "freddy_v0"] {
        let issuer = |server: &Server| {
            let metadata = server.request("GET /.well-known/oauth-authorization-server", &[], "").json();
            let issuer = text(&metadata, "issuer").to_owned();
            assert_eq!(metadata["token_endpoint"], json!(format!("{issuer}/v1/auth/token")), "{name}");
            issuer
        };
        let everywhere = Server::start(name, &["--listen", "0.0.0.0:0"]);
        let port = everywhere.ready()["listening"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        assert_eq!(issuer(&everywhere), format!("http://127.0.0.1:{port}"), "{name}");
        assert!(everywhere.stop().2.contains("--public-url"), "{name}: a line says what to set");
        let named = Server::start(name, &["--listen", "0.0.0.0:0", "--public-url", "https://api.example.com/"]);
        assert_eq!(issuer(&named), "https://api.example.com", "{name}: the slash is not doubled");
    }
}
