//! The two bodies that the Freddy server reads: what is echoed, and the login.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::server::{Reply, Server, example};

fn freddy() -> Server {
    Server::start("freddy", &[])
}

const JSON: &str = "content-type: application/json";

/// An echo with the key that may write.
fn echo(server: &Server, headers: &[&str], body: &str) -> Reply {
    let key = format!("x-api-key: {}", server.demo("write"));
    server.request("POST /v1/echo", &[&[&*key], headers].concat(), body)
}

/// The same in chunks of 64 KiB.
fn echo_chunked(server: &Server, body: &str) -> Reply {
    let head = format!("host: localhost\r\nconnection: close\r\nx-api-key: {}\r\n{JSON}", server.demo("write"));
    let mut request = format!("POST /v1/echo HTTP/1.1\r\n{head}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.as_bytes().chunks(64 << 10) {
        write!(request, "{:x}\r\n", chunk.len()).unwrap();
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    server.raw(&request)
}

fn login(server: &Server, body: &str) -> Reply {
    server.request("POST /v1/auth/login", &[JSON], body)
}

fn credentials(email: &str, password: &str) -> String {
    json!({ "email": email, "password": password }).to_string()
}

/// The only field that is wrong.
fn field(reply: &Reply) -> Value {
    assert_eq!((reply.status, &*reply.code()), (422, "VALIDATION_ERROR"), "{}", reply.body);
    let details = reply.json()["error"]["details"].clone();
    assert_eq!(details["fields"].as_array().unwrap().len(), 1, "{details}");
    details["fields"][0].clone()
}

#[test]
fn r149_what_is_documented_is_echoed_byte_for_byte() {
    let server = freddy();
    for body in [
        r#"{"name":"a"}"#,
        r#"{"name":"a","count":null,"tags":null}"#,
        r#"{"tags":["x","\u00e9\/"],"count":-9223372036854775808,"name":"\ud83d\ude00"}"#,
        "\r\n{ \"n\\u0061me\" :\t\"é\",\n\n\"count\":007 }".replace("007", "7").as_str(),
        r#"{"name":"","tags":[]}"#,
    ] {
        for reply in [echo(&server, &[JSON], body), echo_chunked(&server, body)] {
            assert_eq!((reply.status, &*reply.body), (200, body));
            assert_eq!(reply.header("content-type"), ["application/json"]);
        }
    }
    for media in ["application/json; charset=UTF-8", "application/vnd.freddy+json"] {
        assert_eq!(echo(&server, &[&format!("content-type: {media}")], r#"{"name":"a"}"#).status, 200, "{media}");
    }
}

#[test]
fn r140_what_is_not_documented_is_told_with_what_was_meant() {
    let server = freddy();
    for (body, pointer, reason, suggestion) in [
        (r#"{"name":"a","tag":[]}"#, "/tag", "unknown field", json!("tags")),
        (r#"{"name":"a","Count":1}"#, "/Count", "unknown field", json!("count")),
        (r#"{"name":"a","is_admin":true}"#, "/is_admin", "unknown field", json!(null)),
        (r#"{"count":1}"#, "/name", "missing field", json!(null)),
        (r#"{"name":null}"#, "/name", "expected a string, found null", json!(null)),
        (r#"["a",1,[]]"#, "", "expected an object, found an array", json!(null)),
        (r#"{"name":"a","tags":["x",1]}"#, "/tags/1", "expected a string, found an integer", json!(null)),
    ] {
        let expected = json!({ "pointer": pointer, "reason": reason, "suggestion": suggestion });
        assert_eq!(field(&echo(&server, &[JSON], body)), expected, "{body}");
    }
}

#[test]
fn r141_r142_r143_r150_other_bodies() {
    let server = freddy();
    let good = r#"{"name":"a"}"#;
    let told = |reply: Reply| (reply.status, reply.code());
    for (headers, body, expected) in [
        (&[JSON][..], "{\"name\":\"a\",}", (400, "INVALID_JSON")),
        (&[JSON], r#"{"name":"a","n\u0061me":"b"}"#, (400, "INVALID_JSON")),
        (&[JSON], "", (400, "INVALID_JSON")),
        (&[], "", (400, "INVALID_JSON")),
        (&[], good, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (&["content-type: text/plain"], good, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (&[JSON, JSON], good, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (&[JSON, "content-encoding: gzip"], good, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ] {
        let (status, code) = expected;
        assert_eq!(told(echo(&server, headers, body)), (status, code.to_owned()), "{headers:?} {body}");
        assert_eq!(
            told(server.request("POST /v1/auth/login", headers, body)),
            (status, code.to_owned()),
            "{headers:?}"
        );
    }
}

#[test]
fn p63_the_schema_is_told_to_nobody_who_may_not_write() {
    let server = freddy();
    let unknown = format!("ak_{}", "0".repeat(40));
    let keys =
        [(server.demo("read"), 403), (server.demo("webhook"), 403), (server.demo("revoked"), 401), (&unknown, 401)];
    for body in [r#"{"nmae":"a"}"#, "{", "[]", "null"] {
        let replies = keys.map(|(key, status)| {
            let key = format!("x-api-key: {key}");
            (server.request("POST /v1/echo", &[&key, JSON], body), status)
        });
        let stranger = (server.request("POST /v1/echo", &[JSON], body), 401);
        for (reply, status) in replies.into_iter().chain([stranger]) {
            assert_eq!(reply.status, status, "{body}");
            let schema = ["nmae", "name", "count", "tags", "fields", "JSON", "line", "column"];
            assert!(schema.iter().all(|word| !reply.body.contains(word)), "{}", reply.body);
        }
    }
}

fn padded(length: usize) -> String {
    let body = r#"{"name":"a"}"#;
    body.to_owned() + &" ".repeat(length - body.len())
}

#[test]
fn r144_a_body_may_have_1_mib_or_what_the_command_line_says() {
    for (server, most) in [(freddy(), 1 << 20), (Server::start("freddy", &["--body-limit", "100"]), 100)] {
        let exactly = padded(most);
        assert!(echo(&server, &[JSON], &exactly).body == exactly && echo_chunked(&server, &exactly).body == exactly);
        // A login is short, whatever else may be long.
        for (path, most) in [("POST /v1/echo", most), ("POST /v1/auth/login", most.min(4096))] {
            let key = format!("x-api-key: {}", server.demo("write"));
            // Of the body nothing is sent: what a server leaves unread may cost a client the answer.
            let reply = server.request(path, &[&key, JSON, &format!("content-length: {}", most + 1)], "");
            assert_eq!((reply.status, &*reply.code()), (413, "PAYLOAD_TOO_LARGE"), "{path}");
            assert_eq!(reply.json()["error"]["details"], json!({ "limit": most }));
        }
    }
    let server = Server::start("freddy", &["--body-limit", "100"]);
    assert_eq!(echo_chunked(&server, &padded(101)).status, 413);
    assert_eq!(login(&server, &credentials("a", &"b".repeat(100))).status, 413);
}

#[test]
fn a_body_limit_that_is_no_number_is_explained() {
    for arguments in [&["--body-limit", "x"][..], &["--body-limit", "-1"], &["--body-limit", "1k"], &["--body-limit"]] {
        let output = Command::new(example("freddy")).args(arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]), "{arguments:?}");
        assert!(said.contains("usage: freddy") && said.contains("--body-limit BYTES"), "{said}");
        assert!(arguments.get(1).is_none_or(|word| said.contains(&format!("{word:?}"))), "{said}");
    }
}

#[test]
fn a_login_needs_no_key_and_tells_who_it_is() {
    let server = freddy();
    let (email, password) = (server.demo("email"), server.demo("password"));
    let reply = login(&server, &credentials(email, password));
    let user = json!({ "id": "user_1", "email": email, "organizations": [server.demo("organization")] });
    assert_eq!((reply.status, &reply.json()["user"]), (200, &user));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (vec!["no-store"], vec!["no-cache"]));
    assert!(!reply.body.contains(password));
    // A key beside it changes nothing, whatever it is.
    for key in [server.demo("read"), server.demo("revoked"), "nonsense"] {
        let reply =
            server.request("POST /v1/auth/login", &[JSON, &format!("x-api-key: {key}")], &credentials(email, password));
        assert_eq!(reply.status, 200, "{key}");
    }
}

/// An answer without what differs between any two: its id, its time, its date.
fn comparable(reply: &Reply) -> (String, Value) {
    let mut body = reply.json();
    for varying in ["trace_id", "timestamp"] {
        assert!(body["error"].as_object_mut().unwrap().remove(varying).is_some());
    }
    let same = |line: &&str| !line.starts_with("x-request-id:") && !line.starts_with("date:");
    (reply.head.lines().filter(same).collect::<Vec<_>>().join("\n"), body)
}

#[test]
fn a_wrong_password_and_an_unknown_email_look_alike() {
    let server = freddy();
    let (email, password) = (server.demo("email"), server.demo("password"));
    let wrong = login(&server, &credentials(email, "wrong"));
    assert_eq!((wrong.status, &*wrong.code()), (401, "INVALID_CREDENTIALS"));
    assert_eq!((wrong.header("cache-control"), wrong.header("www-authenticate").len()), (vec!["no-store"], 1));
    for (email, password) in [
        ("nobody@example.com", password),
        ("nobody@example.com", "wrong"),
        (&email.to_ascii_uppercase(), password),
        ("", ""),
        (email, ""),
        (email, &password[1..]),
        (email, &format!("{password} ")),
        (email, &"x".repeat(4000)),
        (password, email),
    ] {
        assert_eq!(
            comparable(&login(&server, &credentials(email, password))),
            comparable(&wrong),
            "{email} {password}"
        );
    }
    let nobody = Server::start("freddy", &["--no-demo"]);
    assert_eq!(comparable(&login(&nobody, &credentials("demo@example.com", "wrong"))), comparable(&wrong));
}

#[test]
fn r140_a_typo_in_a_login_is_told_before_any_password_is_checked() {
    let server = freddy();
    let (email, password) = (server.demo("email"), server.demo("password"));
    let body = json!({ "email_adress": email, "password": password }).to_string();
    let reply = login(&server, &body);
    assert_eq!((reply.status, &*reply.code()), (422, "VALIDATION_ERROR"));
    let first = json!({ "pointer": "/email_adress", "reason": "unknown field", "suggestion": "email" });
    assert_eq!(reply.json()["error"]["details"]["fields"][0], first);
    assert!(!reply.body.contains(email) && !reply.body.contains(password));
    let more = json!({ "email": email, "password": password, "remember": true }).to_string();
    assert_eq!(field(&login(&server, &more))["pointer"], "/remember");
    let list = json!({ "email": email, "password": [password] }).to_string();
    assert_eq!(field(&login(&server, &list))["reason"], "expected a string, found an array");
    assert_eq!(server.request("GET /v1/auth/login", &[], "").status, 405);
}

#[test]
fn r151_the_log_knows_no_password_and_no_email() {
    let server = freddy();
    let (email, password) = (server.demo("email").to_owned(), server.demo("password").to_owned());
    assert!(email.contains('@') && password.len() >= 16, "{email} {password}");
    let bodies = [
        credentials(&email, &password),
        credentials(&email, &format!("{password}x")),
        credentials(&format!("x{email}"), &password),
        json!({ "email": email, "password": [password] }).to_string(),
        json!({ "email": email, "pasword": password }).to_string(),
        json!({ "email": email, "password": password, "a": password }).to_string(),
        format!("{{\"email\":\"{email}\",\"password\":\"{password}\""),
        format!("email={email}&password={password}"),
    ];
    let statuses = bodies.each_ref().map(|body| login(&server, body).status);
    assert_eq!(statuses, [200, 401, 401, 422, 422, 422, 400, 400]);
    let (_, rest, log) = server.stop();
    assert!(rest.is_empty() && log.contains("tower_auth") && log.contains("InvalidCredentials"), "{log}");
    assert!(!log.contains(&password) && !log.contains(&email), "{log}");
}
