//! Tokens in `Sec-WebSocket-Protocol`: which is read, what the inner service sees, and what the client is answered.

use std::sync::{Arc, Mutex};

use axum::{Router, routing};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Request, Response, Version};
use proptest::prelude::*;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthFuture, AuthLayer, AuthStack, Authenticator, BearerLayer, Principal, RequestHead, Subprotocol};

use super::{INVALID, MISSING, NOW, ask, mint::key, stack_of, strict};
use crate::{
    no_leak::Logs,
    support::{Body, get, ok, sockets, strict as service, text},
};

const OFFERS: &str = "sec-websocket-protocol";
const K8S: &str = "base64url.bearer.authorization.k8s.io.";
const TWICE: &str =
    r#"Bearer realm="api", error="invalid_request", error_description="Two WebSocket subprotocols have a token""#;
const EMPTY: &str =
    r#"Bearer realm="api", error="invalid_request", error_description="The WebSocket subprotocol has no token""#;
const ENCODED: &str = r#"Bearer realm="api", error="invalid_request", error_description="The token in the WebSocket subprotocol is not base64url""#;

fn layer(form: impl Into<Subprotocol>) -> BearerLayer {
    BearerLayer::new(strict().cache(16).build().unwrap()).websocket_protocol(form)
}

fn token() -> String {
    key("hs256").token(NOW)
}

/// A WebSocket over HTTP/1.1 with these lines of protocols, in which `{t}` is a good token and `{e}` the same in base64url.
fn opening(lines: &[&str]) -> Request<Body> {
    let mut request = get("/ws", &[("connection", "Upgrade"), ("upgrade", "websocket")]);
    for line in lines {
        let line = line.replace("{t}", &token()).replace("{e}", &URL_SAFE_NO_PAD.encode(token()));
        request.headers_mut().append(OFFERS, line.parse().unwrap());
    }
    request
}

/// What the inner service sees of the protocols, and what the client is answered. The service chooses `chosen`.
async fn through(stack: &AuthStack, request: Request<Body>, chosen: Option<&'static str>) -> (String, Option<String>) {
    let service = service(move |request: Request<Body>| {
        let lines: Vec<_> = request.headers().get_all(OFFERS).iter().collect();
        assert!(lines.iter().all(|line| line.is_sensitive()));
        let seen: Vec<_> = lines.iter().map(|line| line.to_str().unwrap()).collect();
        let mut response = Response::new(Body::from(seen.join(" | ")));
        if let Some(chosen) = chosen {
            response.headers_mut().insert(OFFERS, chosen.parse().unwrap());
        }
        response
    });
    let response = stack.layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let answered = response.headers().get(OFFERS).map(|value| value.to_str().unwrap().to_owned());
    (text(response).await, answered)
}

/// The form, the lines, what the service sees, and what is answered if it chooses nothing.
#[tokio::test]
async fn the_token_is_taken_out_and_the_rest_stays() {
    let (prefix, after) = (|| Subprotocol::from("bearer."), || Subprotocol::after("access_token"));
    for (form, lines, seen, answered) in [
        (prefix(), &["bearer.{t}"][..], "", None),
        (prefix(), &["chat.v1, bearer.{t}"], "chat.v1", None),
        (prefix(), &["bearer.{t},chat.v1 ,chat.v2"], "chat.v1, chat.v2", None),
        (prefix(), &["chat.v1", "bearer.{t}", "chat.v2"], "chat.v1, chat.v2", None),
        (prefix(), &[",, chat.v1,,bearer.{t},"], "chat.v1", None),
        (prefix().answer("chat.v1"), &["chat.v2, chat.v1, bearer.{t}"], "chat.v2, chat.v1", Some("chat.v1")),
        // What was not offered is not answered.
        (prefix().answer("chat.v1"), &["chat.v2, bearer.{t}"], "chat.v2", None),
        (prefix().answer("bearer"), &["bearer, bearer.{t}"], "bearer", Some("bearer")),
        (after(), &["access_token, {t}"], "", Some("access_token")),
        (after(), &["access_token", "{t}"], "", Some("access_token")),
        (after(), &["chat.v1, access_token, {t}, chat.v2"], "chat.v1, chat.v2", Some("access_token")),
        (after().answer("chat.v1"), &["access_token, {t}, chat.v1"], "chat.v1", Some("chat.v1")),
        (
            Subprotocol::base64url(K8S),
            &["channel.k8s.io, base64url.bearer.authorization.k8s.io.{e}"],
            "channel.k8s.io",
            None,
        ),
    ] {
        let stack = stack_of(layer(form.clone()));
        let (told, answer) = through(&stack, opening(lines), None).await;
        assert_eq!((&*told, answer.as_deref()), (seen, answered), "{form:?}: {lines:?}");
        // What the handler chooses stays.
        let (_, chosen) = through(&stack, opening(lines), Some("own.v9")).await;
        assert_eq!(chosen.as_deref(), Some("own.v9"), "{form:?}: {lines:?}");
        let stripped = stack_of(layer(form).strip_credentials());
        assert_eq!(through(&stripped, opening(lines), None).await.0, seen);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_and_nothing_is_answered() {
    let prefix = stack_of(layer("bearer."));
    let after = stack_of(layer(Subprotocol::after("access_token")));
    let k8s = stack_of(layer(Subprotocol::base64url(K8S)));
    for (stack, lines, status, code, challenge) in [
        (&prefix, &["chat.v1"][..], 401, "AUTHENTICATION_REQUIRED", MISSING),
        (&prefix, &["Bearer.{t}"], 401, "AUTHENTICATION_REQUIRED", MISSING),
        (&prefix, &["bearer{t}"], 401, "AUTHENTICATION_REQUIRED", MISSING),
        (&prefix, &["chat.bearer.{t}"], 401, "AUTHENTICATION_REQUIRED", MISSING),
        (&prefix, &["bearer.a.b.c"], 401, "TOKEN_INVALID", INVALID),
        (&prefix, &["bearer. {t}"], 401, "TOKEN_INVALID", INVALID),
        (&prefix, &["bearer.\"{t}\""], 401, "TOKEN_INVALID", INVALID),
        (&prefix, &["bearer.{t};q=1"], 401, "TOKEN_INVALID", INVALID),
        (&prefix, &["bearer."], 400, "INVALID_REQUEST", EMPTY),
        (&prefix, &["bearer.{t}, bearer.{t}"], 400, "INVALID_REQUEST", TWICE),
        (&prefix, &["bearer.{t}", "bearer."], 400, "INVALID_REQUEST", TWICE),
        (&after, &["access_token"], 400, "INVALID_REQUEST", EMPTY),
        (&after, &["{t}, access_token"], 400, "INVALID_REQUEST", EMPTY),
        (&after, &["{t}"], 401, "AUTHENTICATION_REQUIRED", MISSING),
        (&after, &["access_token, x, {t}"], 401, "TOKEN_INVALID", INVALID),
        (&after, &["access_token, {t}, access_token, {t}"], 400, "INVALID_REQUEST", TWICE),
        (&k8s, &["base64url.bearer.authorization.k8s.io.{t}"], 400, "INVALID_REQUEST", ENCODED),
        (&k8s, &["base64url.bearer.authorization.k8s.io.{e}="], 400, "INVALID_REQUEST", ENCODED),
        (&k8s, &["base64url.bearer.authorization.k8s.io.AAAAA"], 400, "INVALID_REQUEST", ENCODED),
        (&k8s, &["base64url.bearer.authorization.k8s.io.AAAA"], 401, "TOKEN_INVALID", INVALID),
        (&k8s, &["base64url.bearer.authorization.k8s.io."], 400, "INVALID_REQUEST", EMPTY),
    ] {
        let told = ask(stack, opening(lines)).await;
        told.assert(status, code, &[challenge]);
        assert!(!format!("{told:?}").contains(&token()), "{told:?}");
    }
    let refused = prefix.layer(ok()).oneshot(opening(&["chat.v1, bearer.a.b.c"])).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers().get(OFFERS)), (401, None));
}

/// A script of another website can make a browser send no such header with a request that opens no WebSocket, and a program
/// should use `Authorization`.
#[tokio::test]
async fn the_token_is_read_only_if_a_websocket_is_opened() {
    let stack = stack_of(layer("bearer."));
    let offers = format!("chat.v1, bearer.{}", token());
    for (method, version, uri, upgrade, status) in [
        (Method::GET, Version::HTTP_11, "/ws", "websocket", 200),
        (Method::GET, Version::HTTP_11, "/ws", "WebSocket", 200),
        (Method::GET, Version::HTTP_11, "/ws", "h2c, websocket", 200),
        (Method::GET, Version::HTTP_11, "/ws", "h2c", 401),
        (Method::GET, Version::HTTP_11, "/ws", "websockets", 401),
        (Method::GET, Version::HTTP_11, "/ws", "", 401),
        (Method::POST, Version::HTTP_11, "/ws", "websocket", 401),
        (Method::HEAD, Version::HTTP_11, "/ws", "websocket", 401),
        (Method::CONNECT, Version::HTTP_11, "/ws", "websocket", 401),
        (Method::CONNECT, Version::HTTP_2, "https://api.test/ws", "", 200),
        (Method::CONNECT, Version::HTTP_3, "https://api.test/ws", "", 200),
        (Method::CONNECT, Version::HTTP_2, "api.test:443", "", 401),
        (Method::GET, Version::HTTP_2, "https://api.test/ws", "websocket", 401),
    ] {
        let request = Request::builder().method(method.clone()).version(version).uri(uri).header(OFFERS, &offers);
        let request = if upgrade.is_empty() { request } else { request.header("upgrade", upgrade) };
        let told = ask(&stack, request.body(Body::default()).unwrap()).await;
        assert_eq!(told.status, status, "{method} {version:?} {upgrade}");
    }
    // Whether it is read or not, nobody further in sees it.
    let open = stack_of(layer("bearer.").optional());
    let plain = get("/", &[(OFFERS, &offers)]);
    assert_eq!(through(&open, plain, None).await, ("chat.v1".to_owned(), None));
}

#[tokio::test]
async fn the_header_decides_before_the_subprotocol_and_this_before_the_cookie() {
    let both = || layer("bearer.").cookie("session");
    let stack = stack_of(both());
    let (good, cookie) = (token(), format!("session={}", token()));
    let with = |lines: &[&str], more: &[(&'static str, String)]| {
        let mut request = opening(lines);
        for (name, value) in more {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    let authorization = |token: &str| ("authorization", format!("Bearer {token}"));
    ask(&stack, with(&["bearer.x"], &[authorization(&good)])).await.assert_accepted();
    ask(&stack, with(&["bearer.{t}"], &[authorization("x")])).await.assert_invalid();
    // No `Origin`: another website may have opened it with the cookie, and not with the subprotocol.
    ask(&stack, with(&["bearer.{t}"], &[("cookie", cookie.clone())])).await.assert_accepted();
    ask(&stack, with(&["bearer.x"], &[("cookie", cookie.clone())])).await.assert_invalid();
    ask(&stack, with(&["chat.v1"], &[("cookie", cookie.clone())])).await.assert(403, "CROSS_SITE_REQUEST", &[]);

    let strict = stack_of(AuthLayer::from(both()).reject_ambiguous());
    ask(&strict, with(&["chat.v1, bearer.{t}"], &[])).await.assert_accepted();
    ask(&strict, with(&["chat.v1"], &[authorization(&good)])).await.assert_accepted();
    for (lines, more) in [(&["bearer.x"][..], authorization(&good)), (&["bearer.{t}"], ("cookie", cookie))] {
        assert_eq!(ask(&strict, with(lines, &[more])).await.short(), (400, "INVALID_REQUEST"));
    }
}

#[tokio::test]
async fn two_layers_read_two_forms_of_one_header() {
    let other = BearerLayer::new(strict().build().unwrap()).websocket_protocol(Subprotocol::after("access_token"));
    let stack = stack_of(AuthLayer::first(layer("bearer.")).then(other));
    for (lines, seen, answered) in [
        (&["chat.v1, bearer.{t}"][..], "chat.v1", None),
        (&["chat.v1, access_token, {t}"], "chat.v1", Some("access_token")),
    ] {
        let (told, answer) = through(&stack, opening(lines), None).await;
        assert_eq!((&*told, answer.as_deref()), (seen, answered));
    }
}

/// Everything is logged, also the head that the service sees.
#[tokio::test]
async fn no_part_of_the_token_is_logged() {
    let logs = Logs::capture();
    let encoded = URL_SAFE_NO_PAD.encode(token());
    for (form, line) in [
        (Subprotocol::prefix("bearer."), "chat.v1, bearer.{t}"),
        (Subprotocol::prefix("bearer."), "chat.v1, bearer.x{t}"),
        (Subprotocol::prefix("bearer."), "bearer.{t}, bearer.{t}"),
        (Subprotocol::after("access_token"), "access_token, {t}"),
        (Subprotocol::base64url(K8S), "base64url.bearer.authorization.k8s.io.{e}"),
        (Subprotocol::base64url(K8S), "base64url.bearer.authorization.k8s.io.{e}="),
    ] {
        let service = service(|request: Request<Body>| {
            tracing::info!(?request, "seen");
            Response::new(Body::default())
        });
        let stack = stack_of(layer(form.clone()));
        tracing::info!(?stack, ?form, "made");
        let response = stack.layer(service).oneshot(opening(&[line])).await.unwrap();
        tracing::info!(headers = ?response.headers(), "answered");
    }
    let told = logs.text();
    assert!(told.matches("answered").count() == 6 && told.matches("seen").count() == 3, "{told}");
    for secret in [token(), encoded] {
        let parts = secret.as_bytes().chunks(12).filter(|part| part.len() == 12);
        for part in parts.map(|part| std::str::from_utf8(part).unwrap()) {
            assert!(!told.contains(part), "{part} is in {told}");
        }
    }
}

#[test]
fn the_header_is_named_as_sensitive() {
    let named = AuthLayer::from(layer("bearer.")).sensitive_headers();
    assert!(named.iter().any(|name| name == OFFERS), "{named:?}");
    let named = AuthLayer::from(BearerLayer::new(strict().build().unwrap())).sensitive_headers();
    assert!(!named.iter().any(|name| name == OFFERS), "{named:?}");
}

#[test]
fn a_form_that_cannot_be_is_said_when_it_is_built() {
    for (form, expected) in [
        (Subprotocol::prefix(""), "\"\" cannot be in a WebSocket subprotocol"),
        (Subprotocol::prefix("bearer "), "\"bearer \" cannot be in a WebSocket subprotocol"),
        (Subprotocol::after("a,b"), "\"a,b\" cannot be in a WebSocket subprotocol"),
        (Subprotocol::base64url("a/b"), "\"a/b\" cannot be in a WebSocket subprotocol"),
        (Subprotocol::prefix("bearer.").answer("a b"), "\"a b\" is not a WebSocket subprotocol"),
        (Subprotocol::prefix("bearer.").answer("bearer.v1"), "would be read as a credential"),
    ] {
        let told = AuthStack::builder().auth(layer(form)).build().unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
    }
    let twice = layer("bearer.").websocket_protocol("token.");
    let told = AuthStack::builder().auth(twice).build().unwrap_err().to_string();
    assert!(told.contains("two forms of WebSocket subprotocols"), "{told}");
}

/// A method of the service's own, which names its form.
struct Own([http::HeaderName; 1], [Subprotocol; 1]);

impl Authenticator for Own {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(tower_auth::AuthOutcome::Authenticated(Principal::builder("own").build()))
    }

    fn challenge(&self) -> &'static str {
        "Own"
    }

    fn credential_headers(&self) -> &[http::HeaderName] {
        &self.0
    }

    fn credential_subprotocols(&self) -> &[Subprotocol] {
        &self.1
    }
}

#[tokio::test]
async fn a_method_of_ones_own_names_its_form() {
    let own = Own([http::header::SEC_WEBSOCKET_PROTOCOL], [Subprotocol::prefix("ticket.")]);
    let seen = through(&stack_of(Arc::new(own)), opening(&["ticket.7, chat.v1"]), None).await;
    assert_eq!(seen, ("chat.v1".to_owned(), None));
}

/// A real handshake: the server chooses among what is left, and the client accepts what it has offered.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_websocket_is_opened_with_a_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let app = {
        let seen = Arc::clone(&seen);
        let handler = routing::any(move |request: axum::extract::Request| {
            let offered = request.headers().get(OFFERS).map(|value| value.to_str().unwrap().to_owned());
            let chosen = offered.clone().filter(|offered| offered == "chat.v1");
            seen.lock().unwrap().push(offered);
            async move {
                let response =
                    Response::builder().status(101).header("connection", "Upgrade").header("upgrade", "websocket");
                let response = match chosen {
                    Some(chosen) => response.header(OFFERS, chosen),
                    None => response,
                };
                response.body(axum::body::Body::empty()).unwrap()
            }
        });
        let form = Subprotocol::after("access_token");
        Router::new().route("/ws", handler).layer(stack_of(layer(form)))
    };
    let server = sockets::axum(app).await;
    let shake = |offers: String| {
        let address = server.address;
        let head = format!(
            "GET /ws HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{OFFERS}: {offers}\r\n\r\n"
        );
        tokio::task::spawn_blocking(move || handshake(address, &head))
    };
    let good = shake(format!("chat.v1, access_token, {}", token())).await.unwrap();
    assert!(good.starts_with("http/1.1 101") && good.contains("sec-websocket-protocol: chat.v1\r\n"), "{good}");
    let alone = shake(format!("access_token, {}", token())).await.unwrap();
    assert!(alone.starts_with("http/1.1 101") && alone.contains("sec-websocket-protocol: access_token\r\n"), "{alone}");
    let bad = shake("access_token, a.b.c".to_owned()).await.unwrap();
    assert!(bad.starts_with("http/1.1 401") && !bad.contains("sec-websocket-protocol:"), "{bad}");
    assert_eq!(*seen.lock().unwrap(), [Some("chat.v1".to_owned()), None]);
}

/// The head of the answer to this one, in lower case.
fn handshake(address: std::net::SocketAddr, head: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::support::server::PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap().to_lowercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever else a client offers, no part of the token reaches the service, and all others do, in order.
    #[test]
    fn nothing_of_the_token_is_left(
        before in prop::collection::vec("[a-z.]{1,8}", 0..4),
        after in prop::collection::vec("[a-z.]{1,8}", 0..4),
        separator in "( , |,|,,|\t,)",
        split in 0_usize..9,
        form in 0_u8..3,
    ) {
        let (form, own) = match form {
            0 => (Subprotocol::prefix("token~"), vec![format!("token~{}", token())]),
            1 => (Subprotocol::base64url("token~"), vec![format!("token~{}", URL_SAFE_NO_PAD.encode(token()))]),
            _ => (Subprotocol::after("token~"), vec!["token~".to_owned(), token()]),
        };
        let others: Vec<String> = before.iter().chain(&after).cloned().collect();
        let all: Vec<String> = before.iter().chain(&own).chain(&after).cloned().collect();
        let (first, second) = all.split_at(split.min(all.len()));
        let lines = [first.join(&separator), second.join(&separator)];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (seen, _) = runtime.block_on(through(&stack_of(layer(form)), opening(&lines), None));
        prop_assert_eq!(seen, others.join(", "));
    }
}
