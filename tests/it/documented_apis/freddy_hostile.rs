//! Hand-written requests against the Freddy server: what no client library sends.

use std::io::{Read as _, Write as _};

use crate::support::server::Server;

fn freddy() -> Server {
    Server::start("freddy", &[])
}

/// A request whose only interesting line is this one, byte for byte.
fn with_line(line: &[u8]) -> Vec<u8> {
    [b"GET /v1/me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n", line, b"\r\n\r\n"].concat()
}

#[test]
fn r010_control_bytes_and_folded_lines_never_reach_the_service() {
    let server = freddy();
    let key = server.demo("read").to_owned();
    for (name, line) in [
        ("NUL", format!("x-api-key: {key}\0")),
        ("NUL inside", format!("x-api-key: {}\0{}", &key[..20], &key[20..])),
        ("bare CR", format!("x-api-key: {}\r{}", &key[..20], &key[20..])),
        ("obs-fold", format!("x-api-key: {}\r\n {}", &key[..20], &key[20..])),
        ("DEL", format!("x-api-key: {key}\x7f")),
        ("space before the colon", format!("x-api-key : {key}")),
    ] {
        assert_eq!(server.raw(&with_line(line.as_bytes())).status, 400, "{name}");
    }
    let (_, _, log) = server.stop();
    assert!(!log.contains(&key[3..39]), "{log}");
}

#[test]
fn odd_credentials_are_400_or_401_and_never_accepted() {
    let server = freddy();
    let key = server.demo("read").to_owned();
    let long = "a".repeat(8000);
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("twice the same", format!("x-api-key: {key}\r\nx-api-key: {key}").into(), 400),
        ("twice, one wrong", format!("x-api-key: nonsense\r\nX-API-KEY: {key}").into(), 400),
        ("twice, one empty", format!("x-api-key: \r\nx-api-key: {key}").into(), 400),
        ("joined by a comma", format!("x-api-key: {key}, {key}").into(), 401),
        ("joined without a space", format!("x-api-key: {key},{key}").into(), 401),
        ("a trailing comma", format!("x-api-key: {key},").into(), 401),
        ("in quotes", format!("x-api-key: \"{key}\"").into(), 401),
        ("a tab inside", format!("x-api-key: {}\t{}", &key[..20], &key[20..]).into(), 401),
        ("a space inside", format!("x-api-key: {} {}", &key[..20], &key[20..]).into(), 401),
        ("percent-encoded", format!("x-api-key: %61{}", &key[1..]).into(), 401),
        ("upper case", format!("x-api-key: {}", key.to_ascii_uppercase()).into(), 401),
        ("one character short", format!("x-api-key: {}", &key[..42]).into(), 401),
        ("one character long", format!("x-api-key: {key}a").into(), 401),
        ("very long", format!("x-api-key: ak_{long}").into(), 401),
        ("UTF-8", "x-api-key: ak_ключ".as_bytes().to_vec(), 401),
        ("invalid UTF-8", [&b"x-api-key: ak_"[..], &[0xff; 40]].concat(), 401),
        ("empty", b"x-api-key:".to_vec(), 401),
        ("blank", b"x-api-key:  \t ".to_vec(), 401),
        ("only a prefix", b"x-api-key: ak_".to_vec(), 401),
        ("a scheme in front", format!("x-api-key: Bearer {key}").into(), 401),
        ("as a bearer token", format!("authorization: Bearer {key}").into(), 401),
        ("as basic", format!("authorization: Basic {key}").into(), 401),
        ("an underscore in the name", format!("x_api_key: {key}").into(), 401),
    ];
    for (name, line, status) in cases {
        let reply = server.raw(&with_line(&line));
        assert_eq!(reply.status, status, "{name}");
        assert!(!reply.body.contains(&key[3..]) && !reply.head.contains(&key[3..]), "{name}");
        assert_eq!(reply.header("www-authenticate").is_empty(), status != 401, "{name}");
    }
    // White space around a value is no part of it (RFC 9110, section 5.5).
    assert_eq!(server.raw(&with_line(format!("x-api-key:\t {key} \t").as_bytes())).status, 200);
    assert_eq!(server.raw(&with_line(format!("x-api-key:{key}").as_bytes())).status, 200);
}

#[test]
fn r011_a_stranger_is_refused_before_a_body_byte_is_asked_for() {
    let server = freddy();
    let expecting = |key: &str| {
        let head =
            "POST /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
        format!("{head}content-length: 10\r\nx-api-key: {key}\r\n\r\n")
    };
    let first_line = |request: String| {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first_line(expecting("nonsense")), "HTTP/1.1 401 Unauthorized");
    assert_eq!(first_line(expecting(server.demo("read"))), "HTTP/1.1 403 Forbidden");
    assert_eq!(first_line(expecting(server.demo("write"))), "HTTP/1.1 100 Continue");
}

#[test]
fn p64_a_body_that_breaks_off_is_refused_in_the_envelope() {
    let server = freddy();
    let head = format!(
        "POST /v1/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\nx-api-key: {}\r\n",
        server.demo("write")
    );
    let reply = server.raw(format!("{head}transfer-encoding: chunked\r\n\r\nZZ\r\n{{}}\r\n0\r\n\r\n").as_bytes());
    assert_eq!((reply.status, &*reply.code()), (400, "INVALID_REQUEST"));
}

#[test]
fn r015_no_header_of_a_client_makes_a_refusal_a_success_that_caches_keep() {
    let server = freddy();
    let grpc = "content-type: application/grpc";
    for path in ["GET /v1/models", "GET /nowhere", "HEAD /v1/models"] {
        let reply = server.request(path, &[grpc], "");
        assert!(reply.status >= 400 && reply.header("cache-control") == ["no-store"], "{path}: {}", reply.head);
    }
    let admitted = server.request("GET /v1/models", &[grpc, &format!("x-api-key: {}", server.demo("read"))], "");
    assert_eq!(
        (admitted.header("cache-control"), admitted.header("vary")),
        (vec!["private"], vec!["cookie, x-api-key"])
    );
}

#[test]
fn odd_paths_open_nothing() {
    let server = freddy();
    let key = server.demo("read").to_owned();
    for (path, status) in [
        ("/v1/organizations/org_other/../org_demo", 404),
        ("/v1/organizations/org_demo%2F..%2Forg_other", 403),
        ("/v1/organizations/%6frg_other", 403),
        ("/v1/organizations/%6frg_demo", 200),
        ("/v1/organizations/org_demo/", 404),
        ("/v1//organizations/org_demo", 404),
        ("/v1/organizations/", 404),
        ("/v1/organizations/%00", 403),
        ("/v1/organizations/%ff", 403),
        ("/V1/ME", 404),
        ("/health/../v1/me", 404),
    ] {
        let reply = server.request(&format!("GET {path}"), &[&format!("x-api-key: {key}")], "");
        assert_eq!(reply.status, status, "{path} {}", reply.body);
    }
}

#[test]
fn broken_http_and_dropped_connections_leave_the_server_well() {
    let server = freddy();
    for broken in [
        &b"\r\n\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0xff; 64],
        b"PRI * HTTP/2.0\r\n\r\nnonsense",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(broken);
        drop(stream);
    }
    for cut in [1, 10, 40, 80] {
        let whole = with_line(format!("x-api-key: {}", server.demo("read")).as_bytes());
        let mut stream = server.connect();
        stream.write_all(&whole[..cut]).unwrap();
        drop(stream);
    }
    assert_eq!(server.with_key("GET /v1/models", "read").status, 200);
    let (status, _, log) = server.stop();
    assert!(status.success() && !log.contains("panicked"), "{log}");
}
