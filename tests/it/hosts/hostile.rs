//! Hand-written HTTP/1.1, byte for byte: what no client library sends. Nothing here is ever a 5xx, a hang, or an
//! admission that should not be.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use tokio::runtime;

use super::{
    Auth, READER, UNKNOWN, WRITER,
    serve::{self, Host},
};
use crate::support::server::{Reply, exchange};

/// Runs against bare hyper, axum and tonic, each on a thread of its own.
fn everywhere(test: impl Fn(Host, SocketAddr)) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let auth = Auth::new();
    for host in [Host::Hyper, Host::Axum, Host::Tonic] {
        let server = runtime.block_on(serve::start(host, &auth.mount()));
        test(host, server.address);
    }
}

/// A request of this line, these header lines and this body.
fn raw(address: SocketAddr, line: &[u8], headers: &[u8], body: &[u8]) -> Reply {
    let fixed = b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    exchange(address, &[line, fixed, headers, b"\r\n\r\n", body].concat())
}

/// The response to a request with these header lines. Header lines of a case are separated by a bar.
fn status(address: SocketAddr, headers: &[u8]) -> u16 {
    let lines: Vec<&[u8]> = headers.split(|byte| *byte == b'|').collect();
    let reply = raw(address, b"GET /v1/me", &lines.join(&b"\r\n"[..]), b"");
    assert!(!reply.body.contains(&READER[3..]) && !reply.head.contains(&READER[3..]), "{reply:?}");
    if reply.status == 200 {
        assert!(matches!(&*reply.body, "ann" | "bob"), "{reply:?}");
    } else {
        // Only the server itself answers without an envelope, before any service sees the request.
        let own = matches!(reply.status, 400 | 431) && reply.body.is_empty();
        assert!(own || reply.json()["success"] == false, "{reply:?}");
    }
    reply.status
}

/// Asks all cases of all hosts. In a line, `KEY` is ann's, `BOB` is bob's and `BAD` is nobody's.
fn assert_told(cases: &[(&str, &str, u16)]) {
    everywhere(|host, address| {
        for (name, line, expected) in cases {
            let line = line.replace("KEY", READER).replace("BOB", WRITER).replace("BAD", UNKNOWN);
            assert_eq!(status(address, line.as_bytes()), *expected, "{host:?}: {name}");
        }
        assert_eq!(status(address, format!("x-api-key: {READER}").as_bytes()), 200, "{host:?} is not well");
    });
}

#[test]
fn r004_r023_odd_schemes() {
    assert_told(&[
        ("as documented", "authorization: Bearer KEY", 200),
        ("lower case", "authorization: bearer KEY", 200),
        ("upper case", "authorization: BEARER KEY", 200),
        ("mixed case", "AUTHORIZATION: bEaReR KEY", 200),
        ("two spaces", "authorization: Bearer  KEY", 200),
        ("white space around the value", "authorization:\t Bearer KEY \t ", 200),
        ("nothing behind it", "authorization: Bearer", 401),
        ("a space behind it", "authorization: Bearer ", 401),
        ("spaces behind it", "authorization: bearer  ", 401),
        ("a tab behind it", "authorization: Bearer\t", 401),
        ("a tab between", "authorization: Bearer\tKEY", 401),
        ("two tabs between", "authorization: Bearer\t\tKEY", 401),
        ("a tab, then a space", "authorization: Bearer\t KEY", 401),
        ("nothing between", "authorization: BearerKEY", 401),
        ("a colon between", "authorization: Bearer:KEY", 401),
        ("a colon and a space between", "authorization: Bearer: KEY", 401),
        ("an equals sign between", "authorization: Bearer=KEY", 401),
        ("a comma between", "authorization: Bearer, KEY", 401),
        ("a no-break space between", "authorization: Bearer\u{a0}KEY", 401),
        ("an em space between", "authorization: Bearer\u{2003}KEY", 401),
        ("something behind the key", "authorization: Bearer KEY extra", 401),
        ("a key behind the key", "authorization: Bearer KEY KEY", 401),
        ("something before the key", "authorization: Bearer extra KEY", 401),
        ("the scheme twice", "authorization: Bearer Bearer KEY", 401),
        ("in quotes", "authorization: Bearer \"KEY\"", 401),
        ("in angle brackets", "authorization: Bearer <KEY>", 401),
        ("as a parameter", "authorization: Bearer token=KEY", 401),
        ("as a parameter in quotes", "authorization: Bearer token=\"KEY\"", 401),
        ("with padding", "authorization: Bearer KEY=", 401),
        ("no scheme", "authorization: KEY", 401),
        ("a space and no scheme", "authorization:  KEY", 401),
        ("basic", "authorization: Basic KEY", 401),
        ("basic, encoded", "authorization: Basic YW5uOnNlY3JldA==", 401),
        ("digest", "authorization: Digest username=\"KEY\"", 401),
        ("token", "authorization: Token KEY", 401),
        ("the name of the other challenge", "authorization: ApiKey KEY", 401),
        ("a longer scheme", "authorization: Bearers KEY", 401),
        ("a shorter scheme", "authorization: Beare KEY", 401),
        ("letters that look like it", "authorization: Ｂearer KEY", 401),
        ("a long s for an s in another scheme", "authorization: Baſic KEY", 401),
        ("empty", "authorization:", 401),
        ("blank", "authorization:  \t ", 401),
    ]);
}

#[test]
fn r023_a_tab_is_no_space_between_scheme_and_key() {
    assert_told(&[("a space, then a tab", "authorization: Bearer \tKEY", 401)]);
}

#[test]
fn r009_repeated_lines() {
    assert_told(&[
        ("the same key twice", "x-api-key: KEY|x-api-key: KEY", 400),
        ("a bad key, then a good one", "x-api-key: BAD|x-api-key: KEY", 400),
        ("a good key, then a bad one", "x-api-key: KEY|x-api-key: BAD", 400),
        ("an empty one, then a good one", "x-api-key:|x-api-key: KEY", 400),
        ("a good one, then an empty one", "x-api-key: KEY|x-api-key:", 400),
        ("two empty ones", "x-api-key:|x-api-key:", 400),
        ("in two cases", "X-Api-Key: KEY|x-api-key: KEY", 400),
        ("two callers", "x-api-key: KEY|x-api-key: BOB", 400),
        ("something between", "x-api-key: KEY|accept: */*|x-api-key: KEY", 400),
        ("three", "x-api-key: KEY|x-api-key: KEY|x-api-key: KEY", 400),
        ("bearer twice", "authorization: Bearer KEY|authorization: Bearer KEY", 400),
        ("bearer and basic", "authorization: Bearer KEY|authorization: Basic YTpi", 400),
        ("basic and bearer", "authorization: Basic YTpi|Authorization: Bearer KEY", 400),
        ("basic twice", "authorization: Basic YTpi|authorization: Basic YTpi", 400),
        ("an empty one and bearer", "authorization:|authorization: Bearer KEY", 400),
        ("a good key beside a repeated authorization", "x-api-key: KEY|authorization: a|authorization: b", 400),
        ("a good bearer beside a repeated key", "authorization: Bearer KEY|x-api-key: KEY|x-api-key: KEY", 400),
        ("other headers may be repeated", "x-api-key: KEY|accept: a/b|accept: c/d", 200),
    ]);
}

#[test]
fn comma_joined_values() {
    assert_told(&[
        ("the key twice", "x-api-key: KEY, KEY", 401),
        ("without a space", "x-api-key: KEY,KEY", 401),
        ("a bad one first", "x-api-key: BAD, KEY", 401),
        ("a good one first", "x-api-key: KEY, BAD", 401),
        ("a comma at the end", "x-api-key: KEY,", 401),
        ("a comma in front", "x-api-key: ,KEY", 401),
        ("a semicolon", "x-api-key: KEY; q=1", 401),
        ("two lines in one", "x-api-key: KEY, x-api-key: KEY", 401),
        ("two bearers", "authorization: Bearer KEY, Bearer KEY", 401),
        ("a basic behind", "authorization: Bearer KEY, Basic YTpi", 401),
        ("a basic in front", "authorization: Basic YTpi, Bearer KEY", 401),
        ("two tokens", "authorization: Bearer KEY,KEY", 401),
        ("a comma behind the token", "authorization: Bearer KEY,", 401),
    ]);
}

#[test]
fn r020_methods_beside_each_other() {
    assert_told(&[
        ("the first declared decides: good", "x-api-key: KEY|authorization: Bearer BAD", 200),
        ("the first declared decides: bad", "x-api-key: BAD|authorization: Bearer KEY", 401),
        ("whatever their order", "authorization: Bearer KEY|x-api-key: BAD", 401),
        ("a malformed key", "x-api-key: nonsense|authorization: Bearer KEY", 401),
        ("a bearer that was cut off", "x-api-key: KEY|authorization: Bearer", 400),
        ("an empty key is none", "x-api-key:|authorization: Bearer KEY", 200),
        ("another scheme is none", "x-api-key: KEY|authorization: Basic YTpi", 200),
        ("two that are none", "x-api-key:|authorization: Basic YTpi", 401),
    ]);
}

#[test]
fn places_where_no_key_is_looked_for() {
    assert_told(&[
        ("an underscore", "x_api_key: KEY", 401),
        ("another name", "api-key: KEY", 401),
        ("a longer name", "x-api-key-2: KEY", 401),
        ("the proxy's", "proxy-authorization: Bearer KEY", 401),
        ("a cookie", "cookie: x-api-key=KEY", 401),
        ("forwarded", "x-forwarded-authorization: Bearer KEY", 401),
        ("a claim", "x-authenticated-user: ann", 401),
        ("any case of the name", "X-Api-Key: KEY", 200),
    ]);
    everywhere(|host, address| {
        for query in ["x-api-key", "api_key", "access_token", "authorization"] {
            let line = format!("GET /v1/me?{query}={READER}");
            assert_eq!(raw(address, line.as_bytes(), b"accept: */*", b"").status, 401, "{host:?} {query}");
        }
        let line = format!("GET http://{READER}@localhost/v1/me");
        assert_eq!(raw(address, line.as_bytes(), b"accept: */*", b"").status, 401, "{host:?}: user information");
        let body = format!("access_token={READER}");
        let form = format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}", body.len());
        let reply = raw(address, b"POST /v1/models", form.as_bytes(), body.as_bytes());
        assert_eq!(reply.status, 401, "{host:?}: a form");
        let trailer = format!("0\r\nx-api-key: {READER}\r\n\r\n");
        let chunked = b"transfer-encoding: chunked\r\ntrailer: x-api-key";
        let reply = raw(address, b"POST /v1/models", chunked, trailer.as_bytes());
        assert_eq!(reply.status, 401, "{host:?}: a trailer");
    });
}

#[test]
fn r010_control_characters_and_folded_lines() {
    everywhere(|host, address| {
        let (one, other) = READER.split_at(20);
        for place in ["x-api-key: ", "authorization: Bearer "] {
            for control in (0..0x20).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
                for value in [[one, other], [READER, ""], ["", READER]] {
                    let line = [place.as_bytes(), value[0].as_bytes(), &[control], value[1].as_bytes()].concat();
                    assert_eq!(status(address, &line), 400, "{host:?} {place} {control:#x} {value:?}");
                }
            }
            for fold in ["\r\n ", "\r\n\t", "\n ", "\n\t"] {
                let line = format!("{place}{one}{fold}{other}");
                assert_eq!(status(address, line.as_bytes()), 400, "{host:?} {place} {fold:?}");
            }
            let tab = format!("{place}{one}\t{other}");
            assert_eq!(status(address, tab.as_bytes()), 401, "{host:?} {place}");
            // A line feed alone ends a line: what is left of the key is no key, and no header either.
            let split = format!("{place}{one}\n{other}");
            assert_eq!(status(address, split.as_bytes()), 400, "{host:?} {place}");
        }
        for line in
            ["x-api-key : KEY", "x-api-key\t: KEY", " x-api-key: KEY", "x-api-key KEY", ": KEY", "x-api-kéy: KEY"]
        {
            assert_eq!(status(address, line.replace("KEY", READER).as_bytes()), 400, "{host:?} {line}");
        }
    });
}

#[test]
fn bytes_beyond_ascii() {
    everywhere(|host, address| {
        for place in ["x-api-key: ", "authorization: Bearer "] {
            for byte in 0x80..=0xff {
                let inside = [place.as_bytes(), &READER.as_bytes()[..20], &[byte], &READER.as_bytes()[21..]].concat();
                assert_eq!(status(address, &inside), 401, "{host:?} {place} {byte:#x}");
            }
            for text in
                ["ak_ключключключключключключключключключключ", "ĸey", "💥", "\u{feff}KEY", "KEY\u{200b}", "KEY\u{a0}"]
            {
                let line = format!("{place}{}", text.replace("KEY", READER));
                assert_eq!(status(address, line.as_bytes()), 401, "{host:?} {place} {text}");
            }
        }
        let before = [b"authorization: \xff ", READER.as_bytes()].concat();
        assert_eq!(status(address, &before), 401, "{host:?}");
        let scheme = [b"authorization: Bearer\xa0", READER.as_bytes()].concat();
        assert_eq!(status(address, &scheme), 401, "{host:?}");
    });
}

#[test]
fn keys_that_are_nearly_right() {
    assert_told(&[
        ("as documented", "x-api-key: KEY", 200),
        ("without a space", "x-api-key:KEY", 200),
        ("white space around it", "x-api-key: \t KEY\t ", 200),
        ("a character more", "x-api-key: KEYa", 401),
        ("twice, joined", "x-api-key: KEYKEY", 401),
        ("a scheme in front", "x-api-key: Bearer KEY", 401),
        ("in quotes", "x-api-key: \"KEY\"", 401),
        ("in single quotes", "x-api-key: 'KEY'", 401),
        ("a placeholder", "x-api-key: YOUR_API_KEY_HERE", 401),
        ("only a prefix", "x-api-key: ak_", 401),
        ("null", "x-api-key: null", 401),
        ("a line end that was escaped", "x-api-key: KEY\\r\\n", 401),
        ("a line end that was encoded", "x-api-key: KEY%0d%0a", 401),
        ("the first letter encoded", "x-api-key: %61k_readreadreadreadreadreadreadreadreadread", 401),
        ("in upper case", "x-api-key: AK_READREADREADREADREADREADREADREADREADREAD", 401),
        ("a character less", "x-api-key: ak_readreadreadreadreadreadreadreadreadrea", 401),
        ("SQL", "x-api-key: ' OR '1'='1", 401),
    ]);
}

#[test]
fn over_long_values() {
    everywhere(|host, address| {
        for length in [1_000, 8_000, 20_000, 100_000] {
            let long = "a".repeat(length);
            for value in [long.clone(), format!("ak_{long}"), format!("{READER}{long}"), ",".repeat(length)] {
                for place in ["x-api-key: ", "authorization: Bearer ", "authorization: "] {
                    let line = format!("{place}{value}");
                    assert_eq!(status(address, line.as_bytes()), 401, "{host:?} {place} {length}");
                }
            }
        }
        // An odd name beside a good key costs nobody anything.
        let beside = format!("x-api-key: {READER}\r\nx-other: {}", "a".repeat(100_000));
        assert_eq!(status(address, beside.as_bytes()), 200, "{host:?}");
        let endless = format!("x-api-key: {}", "a".repeat(1_000_000));
        assert_eq!(status(address, endless.as_bytes()), 431, "{host:?}");
        let many = vec![format!("x-api-key: {READER}"); 90].join("\r\n");
        assert_eq!(status(address, many.as_bytes()), 400, "{host:?}");
        let too_many = vec![format!("x-api-key: {READER}"); 200].join("\r\n");
        assert_eq!(status(address, too_many.as_bytes()), 431, "{host:?}");
    });
}

#[test]
fn r018_odd_targets_open_nothing() {
    everywhere(|host, address| {
        for (target, stranger, known) in [
            ("GET //v1/me", 401, 400),
            ("GET /v1//me", 401, 400),
            ("GET /./v1/me", 401, 400),
            ("GET /health/../v1/me", 401, 400),
            ("GET /health/..%2fv1/me", 401, 400),
            ("GET /health%2f..%2fv1/me", 401, 400),
            ("GET /health%00", 401, 400),
            ("GET /health;/../v1/me", 401, 400),
            ("GET /%2e%2e/v1/me", 401, 400),
            ("GET /v1/m%65", 401, 400),
            ("GET /health;a", 401, 404),
            ("GET /V1/ME", 401, 404),
            ("GET /HEALTH", 401, 404),
            ("GET /health.", 401, 404),
            ("OPTIONS *", 401, 400),
            ("CONNECT localhost:80", 401, 400),
            ("GET http://elsewhere.test/health", 200, 200),
            ("GET http://elsewhere.test/v1/me", 401, 200),
            ("GET http://elsewhere.test//health", 401, 400),
            ("get /v1/me", 401, 405),
            ("GET /health?/../v1/me", 200, 200),
        ] {
            let reply = raw(address, target.as_bytes(), b"accept: */*", b"");
            assert_eq!(reply.status, stranger, "{host:?} {target}, a stranger");
            let reply = raw(address, target.as_bytes(), format!("x-api-key: {READER}").as_bytes(), b"");
            assert_eq!(reply.status, known, "{host:?} {target}, a known caller");
        }
    });
}

#[test]
fn one_connection_carries_many_callers() {
    everywhere(|host, address| {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut ask = |line: &str| {
            let request = format!("GET /v1/me HTTP/1.1\r\nhost: localhost\r\n{line}\r\n\r\n");
            connection.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            loop {
                let mut part = [0; 4096];
                let read = connection.read(&mut part).unwrap();
                assert_ne!(read, 0, "{host:?} closes after {line}");
                answer.extend_from_slice(&part[..read]);
                let text = String::from_utf8(answer.clone()).unwrap();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return (head[9..12].to_owned(), body.to_owned());
                }
            }
        };
        for _ in 0..2 {
            assert_eq!(ask("accept: */*").0, "401", "{host:?}");
            assert_eq!(ask(&format!("x-api-key: {READER}")), ("200".to_owned(), "ann".to_owned()), "{host:?}");
            assert_eq!(ask(&format!("x-api-key: {UNKNOWN}")).0, "401", "{host:?}");
            assert_eq!(
                ask(&format!("authorization: Bearer {WRITER}")),
                ("200".to_owned(), "bob".to_owned()),
                "{host:?}"
            );
            assert_eq!(ask("accept: */*").0, "401", "{host:?}");
        }
    });
}

#[test]
fn r011_a_stranger_is_refused_before_the_body() {
    everywhere(|host, address| {
        let head = b"content-type: application/json\r\ncontent-length: 1000000\r\nexpect: 100-continue";
        assert_eq!(raw(address, b"POST /v1/models", head, b"").status, 401, "{host:?}");
        let head = [&head[..], b"\r\nx-api-key: ", READER.as_bytes()].concat();
        assert_eq!(raw(address, b"POST /v1/models", &head, b"").status, 403, "{host:?}");
    });
}

#[test]
fn broken_http_and_dropped_connections_leave_a_host_well() {
    everywhere(|host, address| {
        for broken in [
            &b"\r\n\r\n\r\n"[..],
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            &[0xff; 64],
            b"PRI * HTTP/2.0\r\n\r\nnonsense",
        ] {
            let mut connection = TcpStream::connect(address).unwrap();
            let _ = connection.write_all(broken);
        }
        let whole = format!("GET /v1/me HTTP/1.1\r\nhost: localhost\r\nx-api-key: {READER}\r\n\r\n");
        for cut in 0..whole.len() {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.write_all(&whole.as_bytes()[..cut]).unwrap();
        }
        assert_eq!(status(address, format!("x-api-key: {READER}").as_bytes()), 200, "{host:?}");
    });
}
