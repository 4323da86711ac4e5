//! Requests that other websites make a browser send, with the cookies of its user.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, BoxError, ClientIp, ErrorEnvelopeLayer, MaybeReady, PeerAddr, Quota, RateLimitLayer,
    Rejection, RequestExt as _,
    token::{Claims, TokenRevocation, TokenStatus},
};

use super::{
    INVALID, NOW, Told, ask,
    cookie::{REPEATED, by_cookie},
    hand,
    mint::key,
    stack_of,
};
use crate::support::{Body, ok, strict as service, text};

fn session() -> String {
    format!("__Host-session={}", key("hs256").token(NOW))
}

/// A request with a good token in the cookie.
fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    bare(method, target, &[headers, &[("cookie", &session())]].concat())
}

fn bare(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    request.body(Body::default()).unwrap()
}

const CODE: &str = "CROSS_SITE_REQUEST";

fn assert_cross_site(told: &Told, cause: &str) {
    told.assert(403, CODE, &[]);
    let said = told.cause.as_deref().unwrap();
    assert!(said.contains(cause), "{said}: {cause}");
    assert!(!said.contains("eyJ") && !said.contains(char::is_control), "{said}");
}

const HOST: (&str, &str) = ("host", "api.test");

/// The headers of a POST to `api.test`, and what the log says if it is refused; nothing if it is admitted.
const POSTS: &[(&[(&str, &str)], &str)] = &[
    (&[HOST, ("sec-fetch-site", "same-origin")], ""),
    (&[HOST, ("sec-fetch-site", "none")], ""),
    // What the newer header says is not asked of the older one.
    (&[HOST, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.test")], ""),
    (&[HOST, ("sec-fetch-site", "same-origin"), ("origin", "null")], ""),
    (&[("sec-fetch-site", "same-origin")], ""),
    (&[HOST, ("sec-fetch-site", "cross-site")], "`Sec-Fetch-Site` is \"cross-site\""),
    (&[HOST, ("sec-fetch-site", "same-site")], "`Sec-Fetch-Site` is \"same-site\""),
    (&[HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://api.test")], "\"cross-site\""),
    (&[HOST, ("sec-fetch-site", "")], "`Sec-Fetch-Site` is \"\""),
    (&[HOST, ("sec-fetch-site", "Same-Origin")], "\"Same-Origin\""),
    (&[HOST, ("sec-fetch-site", "same-origin, none")], "\"same-origin, none\""),
    (&[HOST, ("sec-fetch-site", "same-origin;a=1")], "\"same-origin;a=1\""),
    (&[HOST, ("sec-fetch-site", "\"none\"")], "`Sec-Fetch-Site` is"),
    (&[HOST, ("sec-fetch-site", "n\u{f6}ne\u{202e}")], "`Sec-Fetch-Site` is"),
    (&[HOST, ("sec-fetch-site", "none"), ("sec-fetch-site", "none")], "`sec-fetch-site` occurs more than once"),
    (&[HOST, ("origin", "https://api.test")], ""),
    (&[HOST, ("origin", "http://api.test")], ""),
    (&[HOST, ("origin", "https://API.Test")], ""),
    (&[("host", "API.TEST"), ("origin", "https://api.test")], ""),
    (&[("host", "api.test:443"), ("origin", "https://api.test")], ""),
    (&[("host", "api.test:80"), ("origin", "http://api.test")], ""),
    (&[("host", "api.test:"), ("origin", "http://api.test")], ""),
    (&[HOST, ("origin", "https://api.test:443")], ""),
    (&[("host", "api.test:8443"), ("origin", "https://api.test:8443")], ""),
    (&[("host", "[::1]:3000"), ("origin", "http://[::1]:3000")], ""),
    (&[("host", "[::1]"), ("origin", "http://[::1]")], ""),
    (&[("host", "127.0.0.1:3000"), ("origin", "http://127.0.0.1:3000")], ""),
    (&[HOST, ("origin", "null")], "`Origin` is \"null\", and the request is for \"api.test\""),
    (&[HOST, ("origin", "")], "`Origin` is \"\""),
    (
        &[HOST, ("origin", "https://evil.test")],
        "`Origin` is \"https://evil.test\", and the request is for \"api.test\"",
    ),
    (&[HOST, ("origin", "https://test")], "`Origin` is"),
    (&[HOST, ("origin", "https://app.api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://evilapi.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test.evil.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test.")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test:8443")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test:80")], "`Origin` is"),
    (&[("host", "api.test:8443"), ("origin", "https://api.test")], "`Origin` is"),
    (&[("host", "api.test:443"), ("origin", "http://api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test:99999")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test:+443")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test/")], "`Origin` is"),
    (&[HOST, ("origin", "https://evil.test/api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://evil.test#api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://evil.test\\api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test@evil.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://user@api.test")], "`Origin` is"),
    (&[("host", "user@api.test"), ("origin", "https://user@api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://evil.test, https://api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test https://evil.test")], "`Origin` is"),
    (&[HOST, ("origin", "api.test")], "`Origin` is"),
    (&[HOST, ("origin", "//api.test")], "`Origin` is"),
    (&[HOST, ("origin", "chrome-extension://api.test")], "`Origin` is"),
    (&[HOST, ("origin", "file://api.test")], "`Origin` is"),
    (&[HOST, ("origin", "https://")], "`Origin` is"),
    (&[("host", ""), ("origin", "https://")], "`Origin` is"),
    (&[HOST, ("origin", "https://api.test"), ("origin", "https://api.test")], "`origin` occurs more than once"),
    (&[HOST, HOST, ("origin", "https://api.test")], "`host` occurs more than once"),
    (&[("origin", "https://api.test")], "and the request is for no host"),
    // A proxy may write these, and so may a client.
    (&[("host", "inner"), ("x-forwarded-host", "api.test"), ("origin", "https://api.test")], "is for \"inner\""),
    (&[("host", "inner"), ("forwarded", "host=api.test"), ("origin", "https://api.test")], "is for \"inner\""),
    (&[HOST, ("referer", "https://api.test/")], "the request has neither `Sec-Fetch-Site` nor `Origin`"),
    (&[HOST], "the request has neither `Sec-Fetch-Site` nor `Origin`"),
];

#[tokio::test]
async fn a_post_with_a_cookie_is_of_the_same_origin_or_refused() {
    let stack = stack_of(by_cookie());
    for (headers, cause) in POSTS {
        let told = ask(&stack, request("POST", "/", headers)).await;
        if cause.is_empty() {
            assert_eq!(told.short(), (200, ""), "{headers:?}: {told:?}");
        } else {
            assert_eq!(told.short(), (403, CODE), "{headers:?}: {told:?}");
            assert_cross_site(&told, cause);
        }
    }
}

/// Over HTTP/2 and with a full request target, the authority is in the URI, and `Host` is not asked.
#[tokio::test]
async fn the_authority_of_the_request_target_is_the_host() {
    let stack = stack_of(by_cookie());
    for (target, headers, status) in [
        ("https://api.test/", &[("origin", "https://api.test")][..], 200),
        ("https://api.test/", &[("host", "evil.test"), ("origin", "https://api.test")], 200),
        ("http://api.test:8080/", &[("origin", "http://api.test:8080")], 200),
        ("https://api.test/", &[("host", "evil.test"), ("origin", "https://evil.test")], 403),
        ("https://api.test/", &[], 403),
    ] {
        assert_eq!(ask(&stack, request("POST", target, headers)).await.status, status, "{target} {headers:?}");
    }
}

#[tokio::test]
async fn what_may_change_something_is_checked() {
    let stack = stack_of(by_cookie());
    for method in
        ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "QUERY", "get", "PURGE"]
    {
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&method);
        let target = if method == "CONNECT" { "api.test:443" } else { "/" };
        for headers in [&[][..], &[HOST], &[HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")]] {
            let status = ask(&stack, request(method, target, headers)).await.status;
            assert_eq!(status, if safe { 200 } else { 403 }, "{method} {headers:?}");
            // A browser opens a WebSocket to any host, with its cookies.
            let upgrade = [headers, &[("connection", "upgrade"), ("upgrade", "websocket")]].concat();
            assert_eq!(ask(&stack, request(method, target, &upgrade)).await.status, 403, "{method} {headers:?}");
        }
        let own = [HOST, ("origin", "https://api.test"), ("upgrade", "websocket")];
        assert_eq!(ask(&stack, request(method, target, &own)).await.status, 200, "{method}");
    }
}

#[tokio::test]
async fn a_token_in_the_header_needs_no_check() {
    let stack = stack_of(by_cookie());
    let field = format!("Bearer {}", key("hs256").token(NOW));
    let evil = [HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.test"), ("authorization", &field)];
    ask(&stack, bare("POST", "/", &evil)).await.assert_accepted();
    // It decides, with a cookie beside it too. Another scheme, which a browser sends of itself, does not.
    ask(&stack, request("POST", "/", &evil)).await.assert_accepted();
    let basic = request("POST", "/", &[HOST, ("authorization", "Basic dXNlcjpwYXNz")]);
    assert_cross_site(&ask(&stack, basic).await, "neither");
    // Without a credential, there is nothing to misuse.
    assert_eq!(ask(&stack, bare("POST", "/", &[HOST, ("cookie", "a=1")])).await.status, 401);
}

/// Is asked about every token that verifies.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

impl TokenRevocation for Asked {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        MaybeReady::ready(Ok(TokenStatus::Valid))
    }
}

/// Another website learns nothing about the cookie: neither whether there is a session, nor whether it is over.
#[tokio::test]
async fn a_token_from_another_site_is_not_looked_at() {
    let asked = Asked::default();
    let stack = stack_of(by_cookie().revocation(asked.clone()));
    for token in [&*key("hs256").token(NOW), &key("hs256").token(NOW - 7200), "a.b.c", "nonsense", "\"\""] {
        let cookie = format!("__Host-session={token}");
        let told = ask(&stack, bare("POST", "/", &[HOST, ("origin", "https://evil.test"), ("cookie", &cookie)])).await;
        assert_cross_site(&told, "`Origin` is \"https://evil.test\"");
        assert_eq!(told.body["error"]["details"], serde_json::json!({}));
    }
    assert_eq!(asked.0.load(Ordering::Relaxed), 0);
    let twice = [HOST, ("origin", "https://evil.test"), ("cookie", "__Host-session=a; __Host-session=b")];
    ask(&stack, bare("POST", "/", &twice)).await.assert(400, "INVALID_REQUEST", &[REPEATED]);
    let own = [HOST, ("origin", "https://api.test"), ("cookie", "__Host-session=a.b.c")];
    ask(&stack, bare("POST", "/", &own)).await.assert(401, "TOKEN_INVALID", &[INVALID]);
}

fn from_user(mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(PeerAddr("192.0.2.1".parse::<IpAddr>().unwrap()));
    request
}

/// The user of the browser has guessed nothing: a website must not use up the attempts of its visitors.
#[tokio::test]
async fn nobody_is_charged_for_what_another_site_does() {
    let budget = || RateLimitLayer::failures(Quota::per_hour(1), ClientIp::peer());
    let inner = AuthStack::builder().auth(by_cookie()).limit(budget()).clock(&hand()).build().unwrap();
    let auth = AuthLayer::from(by_cookie());
    let outer = AuthStack::builder().auth(auth.optional()).limit(budget()).clock(&hand()).build().unwrap();
    let alone = stack_of(by_cookie());
    let evil = || from_user(request("POST", "/", &[HOST, ("sec-fetch-site", "cross-site")]));
    let guess = || from_user(bare("GET", "/", &[("authorization", "Bearer a.b.c")]));
    for _ in 0..5 {
        assert_cross_site(&ask(&inner, evil()).await, "cross-site");
        // The same further in, behind the budget of another stack.
        let response = outer.layer(alone.layer(ok())).oneshot(evil()).await.unwrap();
        assert_eq!(Rejection::of(&response).unwrap().code(), Some(CODE));
    }
    for stack in [&inner, &outer] {
        assert_eq!(ask(stack, guess()).await.status, 401, "the address has its attempt");
        assert_eq!(ask(stack, guess()).await.status, 429);
    }
}

/// A handler may refuse with the same status and code, and is charged as before.
#[tokio::test]
async fn a_403_of_a_handler_is_charged_still() {
    let budget = RateLimitLayer::failures(Quota::per_hour(1), ClientIp::peer());
    let stack = AuthStack::builder().auth(AuthLayer::from(by_cookie()).optional()).limit(budget).clock(&hand());
    let stack = stack.build().unwrap();
    let handler = service(|_| Rejection::custom(StatusCode::FORBIDDEN, CODE).into_response().map(|()| Body::default()));
    let behind = stack.layer(handler);
    let anonymous = || from_user(bare("GET", "/", &[]));
    assert_eq!(behind.clone().oneshot(anonymous()).await.unwrap().status(), 403);
    assert_eq!(
        behind.oneshot(from_user(bare("GET", "/", &[("authorization", "Bearer a.b.c")]))).await.unwrap().status(),
        429
    );
}

#[tokio::test]
async fn what_the_client_reads_is_clear_and_shows_no_header() {
    let stack = stack_of(by_cookie());
    let evil = || request("POST", "/", &[HOST, ("origin", "https://evil.test")]);
    let told = ask(&stack, evil()).await;
    let error = &told.body["error"];
    assert!(error["message"].as_str().unwrap().starts_with("This request came from another website."), "{told:?}");
    assert!(error["system_message"].as_str().unwrap().contains("Sec-Fetch-Site or Origin"), "{told:?}");
    assert!(!told.body.to_string().contains("evil.test"));
    let response = stack.layer(ok()).oneshot(evil()).await.unwrap();
    assert_eq!(Rejection::of(&response).unwrap().layer(), Some("bearer"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    // Over gRPC it is PERMISSION_DENIED.
    let mut grpc = request("POST", "/a.B/C", &[HOST, ("content-type", "application/grpc"), ("te", "trailers")]);
    *grpc.version_mut() = Version::HTTP_2;
    let builder = AuthStack::builder().auth(by_cookie()).envelope(ErrorEnvelopeLayer::detailed());
    let response = builder.clock(&hand()).build().unwrap().layer(ok()).oneshot(grpc).await.unwrap();
    assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &HeaderValue::from(7)));
}

/// A layer that only reports lets the request pass, as nobody.
#[tokio::test]
async fn a_trial_refuses_nothing() {
    let stack = stack_of(AuthLayer::from(by_cookie()).report_only());
    let handler = service(|request: Request<Body>| {
        let nobody = request.principal().is_err() && request.method() == Method::POST;
        Response::new(Body::from(nobody.to_string()))
    });
    let evil = request("POST", "/", &[HOST, ("origin", "https://evil.test")]);
    let response = stack.layer(handler).oneshot(evil).await.unwrap();
    assert_eq!(text(response).await, "true");
}
