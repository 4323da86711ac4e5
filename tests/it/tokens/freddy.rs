//! The main example server as a process: its own tokens, and those of an issuer outside.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::{
    EXPIRED, INVALID, MALFORMED, MISSING,
    grammar::{ELSEWHERE, FIELDS},
    hostile::{Table, Verdict, complaint},
    mint::{AUDIENCE, ISSUER, KIDS, claims, jwks, key, secret},
};
use crate::support::server::{Reply, Server, example};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The server with the forge as an issuer outside.
fn outside(name: &str) -> Server {
    let file = format!("{}/jwks-{name}.json", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, jwks(&KIDS)).unwrap();
    let many = ["--failures", "1000000"];
    Server::start("freddy", &[&["--jwks", &file, "--issuer", ISSUER, "--audience", AUDIENCE][..], &many].concat())
}

fn me(server: &Server, lines: &[&str]) -> Reply {
    server.request("GET /v1/me", lines, "")
}

fn by_token(server: &Server, token: &str) -> Reply {
    me(server, &[&format!("authorization: Bearer {token}")])
}

/// What the server adds to every challenge of its own.
fn offer(challenge: &str) -> String {
    format!("{challenge}, ApiKey realm=\"api\"")
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, if reply.status == 200 { String::new() } else { reply.code() })
}

fn assert_refused(reply: &Reply, code: &str, challenge: &str) {
    assert_eq!((told(reply), reply.header("www-authenticate")), ((401, code.to_owned()), vec![&*offer(challenge)]));
    assert_eq!(reply.head.matches("invalid_token").count(), usize::from(code != "AUTHENTICATION_REQUIRED"));
}

/// Whether these bytes can be sent as a part of a line.
fn sendable(token: &[u8]) -> bool {
    token.len() < 200_000 && token.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

/// Of none of these texts a part of 16 characters at its start or its end stands in the log.
fn assert_not_told(log: &str, secrets: &[String]) {
    assert!(log.contains("request refused"), "{log}");
    let parts = secrets.iter().flat_map(|secret| secret.split('.')).filter(|part| part.len() > 16 && part.is_ascii());
    let ends: BTreeSet<&str> = parts.flat_map(|part| [&part[..16], &part[part.len() - 16..]]).collect();
    for end in ends {
        assert!(!log.contains(end), "the log has {end}");
    }
}

/// Waits as told where a plan's limit is used up: so many good tokens of one subject come nowhere else.
fn patiently(server: &Server, request: &[u8]) -> Reply {
    loop {
        let reply = server.raw(request);
        if reply.status != 429 {
            return reply;
        }
        let wait: u64 = reply.header("retry-after")[0].parse().unwrap();
        thread::sleep(Duration::from_secs(wait));
    }
}

#[test]
fn every_token_gets_its_answer_over_http() {
    let server = outside("table");
    let table = Table::new(now(), 50);
    let (mut wrong, mut sent) = (Vec::new(), Vec::new());
    for case in table.cases.iter().filter(|case| sendable(&case.token)) {
        let head = b"GET /v1/me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer ";
        let reply = patiently(&server, &[head, &*case.token, b"\r\n\r\n"].concat());
        let challenges = reply.header("www-authenticate");
        let got = match (&*told(&reply).1, &*challenges) {
            ("", []) if reply.status == 200 => Some(Verdict::Accepted),
            ("TOKEN_INVALID", [challenge]) if *challenge == offer(INVALID) => Some(Verdict::Invalid),
            ("TOKEN_EXPIRED", [challenge]) if *challenge == offer(EXPIRED) => Some(Verdict::Expired),
            _ => None,
        };
        if got != Some(case.verdict) || reply.status == 500 {
            wrong.push(complaint(case, &format!("{} {}", reply.head, reply.body), None));
        }
        sent.push(String::from_utf8_lossy(&case.token).into_owned());
    }
    table.assert_nobody_called();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sent.len() > table.cases.len() * 9 / 10, "{} of {}", sent.len(), table.cases.len());
    let (status, _, log) = server.stop();
    assert!(status.success() && !log.contains("panicked"), "{log}");
    assert_not_told(&log, &KIDS.map(secret));
    assert_not_told(&log, &sent.into_iter().filter(|token| token.starts_with("eyJ")).collect::<Vec<_>>());
}

/// hyper refuses a head that is too large itself.
#[test]
fn a_token_of_a_mebibyte_is_no_request() {
    let server = outside("large");
    let mut stream = server.connect();
    let head = "GET /v1/me HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ";
    let _ = stream.write_all(format!("{head}{}\r\n\r\n", "a.b.c".repeat(200_000)).as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(by_token(&server, &key("rs256").token(now())).status, 200);
}

#[test]
fn the_field_is_read_as_in_process() {
    let server = outside("grammar");
    let token = key("rs256").token(now());
    for (name, field, status, code) in FIELDS {
        let reply = me(&server, &[&format!("authorization: {}", field.replace("TOKEN", &token))]);
        assert_eq!(told(&reply), (status, code.to_owned()), "{name}");
        match code {
            "TOKEN_INVALID" => assert_refused(&reply, code, INVALID),
            "AUTHENTICATION_REQUIRED" => assert_refused(&reply, code, MISSING),
            "INVALID_REQUEST" => assert_eq!(reply.header("www-authenticate"), [MALFORMED]),
            _ => assert!(reply.header("www-authenticate").is_empty()),
        }
    }
    let line = format!("authorization: Bearer {token}");
    for lines in [[&*line, &*line], [&line, "Authorization: Basic dXNlcjpwYXNz"], ["AUTHORIZATION: x", &line]] {
        assert_eq!(told(&me(&server, &lines)), (400, "INVALID_REQUEST".to_owned()));
    }
    for (path, line) in ELSEWHERE {
        let (path, line) = (path.replace("TOKEN", &token), line.replace("TOKEN", &token));
        let path = path.split('#').next().unwrap();
        assert_refused(&server.request(&format!("GET {path}"), &[&line], ""), "AUTHENTICATION_REQUIRED", MISSING);
    }
    let form = ["content-type: application/x-www-form-urlencoded"];
    let body = format!("access_token={token}");
    assert_refused(&server.request("POST /v1/echo", &form, &body), "AUTHENTICATION_REQUIRED", MISSING);
    assert_refused(&server.request("GET /v1/me", &form, &body), "AUTHENTICATION_REQUIRED", MISSING);
    let (_, _, log) = server.stop();
    assert_not_told(&log, &[token]);
}

#[test]
fn the_demo_token_opens_what_its_claims_say() {
    let server = Server::start("freddy", &["--failures", "1000000"]);
    let line = format!("authorization: Bearer {}", server.demo("token"));
    let body = me(&server, &[&line]).json();
    assert_eq!((&body["method"], &body["subject"]), (&json!("token"), &json!("user_1")));
    assert_eq!((&body["organizations"], &body["scopes"]), (&json!([server.demo("organization")]), &json!(["read"])));
    assert_eq!((&body["account"], &body["plan"]), (&json!("acct_demo"), &json!("standard")));
    for (request, status) in [
        ("GET /v1/models", 200),
        ("GET /v1/organizations/org_demo", 200),
        ("GET /v1/organizations/org_other", 403),
        ("POST /v1/webhooks", 403),
        ("GET /v1/admin/stats", 403),
        ("POST /v1/echo", 403),
        ("GET /nowhere", 404),
    ] {
        let reply = server.request(request, &[&line], "");
        assert_eq!(reply.status, status, "{request}: {}", reply.body);
    }
    let scope = |request: &str| server.request(request, &[&line], "").header("www-authenticate").concat();
    assert_eq!(scope("POST /v1/webhooks"), "Bearer error=\"insufficient_scope\", scope=\"webhook\"");
    assert_eq!(scope("POST /v1/echo"), "Bearer error=\"insufficient_scope\", scope=\"write\"");
    assert_eq!(scope("GET /v1/admin/stats"), "Bearer error=\"insufficient_scope\"");
    // A key without the scope learns of no token.
    let by_key = server.with_key("POST /v1/webhooks", "read");
    assert_eq!((by_key.status, by_key.header("www-authenticate").len()), (403, 0));
}

#[test]
fn only_a_token_that_was_good_is_told_to_be_over() {
    let server = Server::start("freddy", &["--failures", "1000000"]);
    let expired = server.demo("expired_token").to_owned();
    assert_refused(&by_token(&server, &expired), "TOKEN_EXPIRED", EXPIRED);
    let body = by_token(&server, &expired).json();
    assert_eq!(body["error"]["message"], "Your session has expired. Please sign in again.");
    assert_eq!(body["error"]["type"], "authentication_error");
    // Every single character of it counts.
    for at in (0..expired.len()).step_by(3).chain([expired.len() - 1]) {
        let other = if expired.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &expired[..at], &expired[at + 1..]);
        assert_refused(&by_token(&server, &changed), "TOKEN_INVALID", INVALID);
    }
    let demo = server.demo("token");
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (good, over) = (parts(demo), parts(&expired));
    let mixed = [good[0].clone(), good[1].clone(), over[2].clone()].join(".");
    assert_refused(&by_token(&server, &mixed), "TOKEN_INVALID", INVALID);
}

#[test]
fn the_token_decides_whatever_the_key_is() {
    let server = Server::start("freddy", &["--failures", "1000000"]);
    let nobody = format!("ak_{}", "0".repeat(40));
    let keys = ["read", "admin", "revoked", "expired", "paused"].map(|name| server.demo(name).to_owned());
    let [good, expired] = ["token", "expired_token"].map(|name| server.demo(name).to_owned());
    for api_key in keys.iter().chain([&nobody, &"nonsense".to_owned(), &String::new()]) {
        let key_line = format!("x-api-key: {api_key}");
        for (token, code, challenge) in [
            (&*good, "", ""),
            (&expired, "TOKEN_EXPIRED", EXPIRED),
            ("a.b.c", "TOKEN_INVALID", INVALID),
            ("nonsense", "TOKEN_INVALID", INVALID),
            // Keys come in a header of their own here.
            (&keys[0], "TOKEN_INVALID", INVALID),
            (&nobody, "TOKEN_INVALID", INVALID),
            (api_key, "TOKEN_INVALID", INVALID),
        ] {
            if token.is_empty() {
                continue;
            }
            let reply = me(&server, &[&key_line, &format!("authorization: Bearer {token}")]);
            if code.is_empty() {
                assert_eq!((reply.status, &reply.json()["method"]), (200, &json!("token")), "{api_key}");
            } else {
                assert_refused(&reply, code, challenge);
            }
        }
        // Another scheme is no token, and the key is asked.
        let basic = me(&server, &[&key_line, "authorization: Basic dXNlcjpwYXNz"]);
        assert_eq!(basic.status == 200, *api_key == keys[0] || *api_key == keys[1], "{api_key}");
    }
    let secrets: Vec<String> = keys.into_iter().chain([good, expired]).collect();
    let (_, _, log) = server.stop();
    for secret in &secrets {
        // Of a key whose secret matched, the last four characters may be told.
        let hidden = if secret.starts_with("ak_") { &secret[3..39] } else { secret };
        assert!(!log.contains(hidden), "{log}");
    }
    assert_not_told(&log, &secrets[5..]);
}

#[test]
fn an_issuer_outside_is_one_only_where_it_was_named() {
    let (with, without) = (outside("named"), Server::start("freddy", &["--failures", "1000000"]));
    for kid in KIDS {
        let token = key(kid).seal(key(kid).header(), claims(now()).text("scope", "read write").text("plan", "gold"));
        let reply = by_token(&with, &token);
        assert_eq!((reply.status, &reply.json()["plan"]), (200, &json!("gold")), "{kid}: {}", reply.body);
        assert_refused(&by_token(&without, &token), "TOKEN_INVALID", INVALID);
    }
    // The server's own tokens are its own, there too; and no process takes those of another.
    assert_eq!(by_token(&with, with.demo("token")).status, 200);
    assert_refused(&by_token(&with, without.demo("token")), "TOKEN_INVALID", INVALID);
    // The name of the server as the issuer, and a key of the issuer outside.
    let posing = key("hs256").seal(key("hs256").header(), claims(now()).text("iss", "freddy"));
    assert_refused(&by_token(&with, &posing), "TOKEN_INVALID", INVALID);
}

/// By the rule of the example: one of the organisation may read.
#[test]
fn a_token_of_the_issuer_outside_is_exchanged_by_a_rule() {
    let server = outside("exchanged");
    let kid = KIDS[0];
    let exchange = |organization: &str| {
        let claims = claims(now()).raw("organizations", json!([organization])).text("scope", "read write");
        let token = key(kid).seal(key(kid).header(), claims);
        let form = [
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type=urn:ietf:params:oauth:token-type:jwt",
            &format!("subject_token={token}"),
        ];
        let media = "Content-Type: application/x-www-form-urlencoded";
        server.request("POST /v1/auth/token", &[media], &form.join("&"))
    };
    let good = exchange("org_demo");
    assert_eq!((good.status, &good.json()["scope"]), (200, &json!("read")), "{}", good.body);
    let token = good.json()["access_token"].as_str().unwrap().to_owned();
    let me = by_token(&server, &token).json();
    assert_eq!((&me["organizations"], &me["plan"]), (&json!(["org_demo"]), &json!("standard")));
    assert_eq!(me["subject"], json!(format!("{ISSUER}|user_1")), "no user of this server");
    let other = exchange("org_other");
    assert_eq!((other.status, &other.json()["error"]), (400, &json!("invalid_request")));
}

#[test]
fn a_key_set_that_cannot_be_read_is_explained() {
    let file = |name: &str, text: &str| {
        let file = format!("{}/{name}.json", env!("CARGO_TARGET_TMPDIR"));
        fs::write(&file, text).unwrap();
        file
    };
    let (no_json, no_keys) = (file("no-json", "no JSON"), file("no-keys", "{\"keys\":[]}"));
    for (arguments, code, part) in [
        (&["--jwks", "/nowhere/jwks.json", "--issuer", ISSUER, "--audience", AUDIENCE][..], 1, "/nowhere/jwks.json"),
        (&["--jwks", &no_json, "--issuer", ISSUER, "--audience", AUDIENCE], 1, "not JSON"),
        (&["--jwks", &no_keys, "--issuer", ISSUER, "--audience", AUDIENCE], 1, "no key"),
        (&["--jwks", &no_keys], 2, "go together"),
        (&["--issuer", ISSUER, "--audience", AUDIENCE], 2, "go together"),
        (&["--jwks"], 2, "needs a file"),
    ] {
        let output = Command::new(example("freddy")).args(arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(part), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
