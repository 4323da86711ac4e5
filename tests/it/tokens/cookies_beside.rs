//! A cookie with a token beside other cookies, other credentials and other methods: what is hidden from the handler, what
//! is ambiguous, and what caches are told.

use std::slice;

use http::{HeaderMap, HeaderName, Request, Response, header};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, BearerLayer, ErrorEnvelopeLayer,
    KeyRecord, Principal, RequestExt as _, RequestHead,
};

use super::{
    MISSING, NOW, ask,
    cookie::by_cookie,
    mint::{claims, key},
    stack_of, strict,
};
use crate::support::{Body, KEY, get, ok, store, strict as service, text};

fn token() -> String {
    key("hs256").token(NOW)
}

fn session() -> String {
    format!("__Host-session={}", token())
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("k1", "acme"));
    ApiKeyLayer::new(scheme, store)
}

/// Reads a cookie of its own, which is the subject, and names it or not.
struct Other {
    cookies: Vec<String>,
}

const COOKIE: HeaderName = header::COOKIE;

impl Authenticator for Other {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let lines = request.headers().get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| *name == "other").map(|(_, value)| Principal::builder(value).build());
        AuthFuture::ready(found.map_or(AuthOutcome::NoCredential, AuthOutcome::Authenticated))
    }

    fn challenge(&self) -> &'static str {
        "Other"
    }

    fn credential_headers(&self) -> &[HeaderName] {
        slice::from_ref(&COOKIE)
    }

    fn credential_cookies(&self) -> &[String] {
        &self.cookies
    }
}

fn other(names: &[&str]) -> Other {
    Other { cookies: names.iter().map(|name| (*name).to_owned()).collect() }
}

/// The headers that the handler sees.
async fn seen(stack: &AuthStack, request: Request<Body>) -> HeaderMap {
    let handler = service(|request: Request<Body>| {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(request.headers().clone());
        response
    });
    let mut response = stack.layer(handler).oneshot(request).await.unwrap();
    response.extensions_mut().remove().expect("the handler was called")
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("cookie").iter().map(|line| line.to_str().unwrap()).collect()
}

#[tokio::test]
async fn r010_both_headers_are_sensitive() {
    let stack = stack_of(by_cookie());
    let field = format!("Bearer {}", token());
    for credential in [("cookie", &*session()), ("authorization", &field)] {
        let request = get("/", &[("cookie", "a=1"), credential, ("cookie", "b=2"), ("x-other", "c")]);
        let headers = seen(&stack, request).await;
        for (name, value) in &headers {
            assert_eq!(value.is_sensitive(), name != "x-other", "{name}");
        }
        assert_eq!(headers.len(), 4);
    }
    let names = AuthLayer::from(by_cookie()).sensitive_headers();
    assert_eq!(names.iter().filter(|name| *name == "cookie" || *name == "authorization").count(), 2);
}

#[tokio::test]
async fn only_the_cookie_with_the_token_is_stripped() {
    let stack = stack_of(by_cookie().strip_credentials());
    let session = session();
    for (lines, left) in [
        (&["{s}"][..], &[][..]),
        (&["a=1; {s}; b=2"], &["a=1; b=2"]),
        (&["{s};a=1;b"], &["a=1; b"]),
        (&["a=1", "{s}", "b=2; c=\"3\""], &["a=1", "b=2; c=\"3\""]),
        // What another parser could take for it is not left behind either.
        (&["{s}; __Host-session =x; __host-session=y"], &["__host-session=y"]),
        (
            &["{s}; x__Host-session=1; __Host-session2=2; =__Host-session=3; __Host-session"],
            &["x__Host-session=1; __Host-session2=2; =__Host-session=3; __Host-session"],
        ),
    ] {
        let lines: Vec<String> = lines.iter().map(|line| line.replace("{s}", &session)).collect();
        let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("cookie", &**line)).collect();
        let headers = seen(&stack, get("/", &headers)).await;
        assert_eq!(cookies(&headers), left);
        assert!(headers.values().all(http::HeaderValue::is_sensitive));
    }
    // Whichever of the two decides, both are credentials.
    let field = format!("Bearer {}", token());
    let headers = seen(&stack, get("/", &[("authorization", &field), ("cookie", &format!("a=1; {session}"))])).await;
    assert_eq!((cookies(&headers), headers.contains_key("authorization")), (vec!["a=1"], false));
}

/// The refresh token of a browser is for the endpoints alone.
#[tokio::test]
async fn the_companion_of_the_cookie_is_stripped_and_is_no_credential() {
    let with = || by_cookie().also_strip("__Host-refresh");
    let line = format!("a=1; __Host-refresh=rt_1; {}; b=2", session());
    for (stack, left) in [
        (stack_of(with().strip_credentials()), "a=1; b=2"),
        (stack_of(with()), &*line),
        (stack_of(AuthLayer::from(with()).reject_ambiguous().strip_credentials()), "a=1; b=2"),
    ] {
        let headers = seen(&stack, get("/", &[("cookie", &line)])).await;
        assert_eq!(cookies(&headers), [left]);
        assert!(headers.values().all(http::HeaderValue::is_sensitive));
    }
    assert_eq!(ask(&stack_of(with()), get("/", &[("cookie", "__Host-refresh=rt_1")])).await.status, 401);
}

/// Whether or not the methods name their cookies.
#[tokio::test]
async fn cookies_in_several_lines_are_no_repeated_header() {
    let lines = [("cookie", "other=bob"), ("cookie", "a=1")];
    for names in [&[][..], &["other"]] {
        assert_eq!(ask(&stack_of(other(names)), get("/", &lines)).await.status, 200, "{names:?}");
        let both = AuthLayer::first(by_cookie()).then(other(names));
        assert_eq!(ask(&stack_of(both), get("/", &lines)).await.status, 200, "{names:?}");
    }
}

#[tokio::test]
async fn what_other_methods_read_is_stripped_too() {
    let line = format!("a=1; other=bob; {}", session());
    for (names, left) in [(&["other"][..], &["a=1"][..]), (&["other", "a"], &[]), (&[], &[])] {
        let stack = stack_of(AuthLayer::first(by_cookie()).then(other(names)).strip_credentials());
        let headers = seen(&stack, get("/", &[("cookie", &line)])).await;
        assert_eq!(cookies(&headers), left, "{names:?}");
        // Without a credential of this layer, nothing else happens.
        let headers = seen(&stack, get("/", &[("cookie", "other=bob; b=2")])).await;
        assert_eq!(cookies(&headers), if names.is_empty() { &[][..] } else { &["b=2"] }, "{names:?}");
    }
    // A header whose name is stripped is stripped whole.
    let layer = AuthLayer::from(by_cookie()).strip_headers([header::COOKIE]);
    assert!(cookies(&seen(&stack_of(layer), get("/", &[("cookie", &line)])).await).is_empty());
}

#[tokio::test]
async fn r028_only_credentials_are_ambiguous() {
    let stack = stack_of(AuthLayer::first(by_cookie()).then(keys()).reject_ambiguous());
    let (field, session) = (format!("Bearer {}", token()), session());
    let (field, key) = (("authorization", &*field), ("x-api-key", KEY));
    let mixed = format!("a=1; {session}; b=2");
    for (headers, status) in [
        (&[field, ("cookie", "a=1; b=2")][..], 200),
        (&[field, ("cookie", "__Host-session=")], 200),
        (&[key, ("cookie", "a=1")], 200),
        (&[("cookie", &session)], 200),
        (&[("cookie", "a=1"), ("cookie", &session)], 200),
        (&[field, ("cookie", &mixed)], 400),
        (&[key, ("cookie", &session)], 400),
        (&[field, ("cookie", "__Host-session=x")], 400),
        (&[field, key], 400),
    ] {
        let told = ask(&stack, get("/", headers)).await;
        assert_eq!(told.status, status, "{headers:?}");
        if status == 400 {
            told.assert(400, "INVALID_REQUEST", &[r#"Bearer realm="api", error="invalid_request""#]);
        }
    }
    let two = stack_of(AuthLayer::first(by_cookie()).then(other(&["other"])).reject_ambiguous());
    let line = format!("other=bob; {session}");
    assert_eq!(ask(&two, get("/", &[("cookie", &line)])).await.status, 400);
    assert_eq!(ask(&two, get("/", &[("cookie", "other=bob; a=1")])).await.status, 200);
    // A method that does not name its cookies could read any.
    let unnamed = stack_of(AuthLayer::first(by_cookie()).then(other(&[])).reject_ambiguous());
    assert_eq!(ask(&unnamed, get("/", &[field, ("cookie", "a=1")])).await.status, 400);
}

async fn subject(stack: &AuthStack, headers: &[(&str, &str)]) -> Result<String, u16> {
    let handler =
        service(|request: Request<Body>| Response::new(Body::from(request.principal().unwrap().subject().to_owned())));
    let response = stack.layer(handler).oneshot(get("/", headers)).await.unwrap();
    let status = response.status().as_u16();
    if status == 200 { Ok(text(response).await) } else { Err(status) }
}

#[tokio::test]
async fn methods_with_cookies_of_their_own_are_asked_in_order() {
    let (field, session) = (format!("Bearer {}", token()), session());
    let both = format!("other=bob; {session}");
    let bad = "other=bob; __Host-session=x";
    for names in [&["other"][..], &[]] {
        let (first, last) = (
            stack_of(AuthLayer::first(by_cookie()).then(other(names))),
            stack_of(AuthLayer::first(other(names)).then(by_cookie())),
        );
        for (headers, by_first, by_last) in [
            (&[("cookie", &*both)][..], Ok("user_1"), Ok("bob")),
            (&[("cookie", "other=bob; a=1")], Ok("bob"), Ok("bob")),
            (&[("cookie", &session)], Ok("user_1"), Ok("user_1")),
            (&[("cookie", "a=1"), ("authorization", &field)], Ok("user_1"), Ok("user_1")),
            (&[("cookie", "a=1")], Err(401), Err(401)),
        ] {
            let (by_first, by_last) = (by_first.map(str::to_owned), by_last.map(str::to_owned));
            assert_eq!(subject(&first, headers).await, by_first, "{names:?} {headers:?}");
            assert_eq!(subject(&last, headers).await, by_last, "{names:?} {headers:?}");
        }
    }
    // If they do not share the header, no other method takes over what only one of them reads.
    let first = stack_of(AuthLayer::first(by_cookie()).then(other(&["other"])));
    assert_eq!(subject(&first, &[("cookie", bad)]).await, Err(401));
    assert_eq!(subject(&first, &[("cookie", "other=bob"), ("authorization", &field)]).await, Ok("user_1".to_owned()));
}

#[tokio::test]
async fn two_layers_may_have_a_cookie_each() {
    let bearer = |name: &str| BearerLayer::new(strict().build().unwrap()).cookie(name);
    let stack = stack_of(AuthLayer::first(bearer("a")).then(bearer("b")));
    let (one, other) = (token(), key("hs256").seal(key("hs256").header(), claims(NOW).text("sub", "user_2")));
    for (line, expected) in [
        (format!("a={one}; b={other}"), Ok("user_1")),
        (format!("b={other}; a={one}"), Ok("user_1")),
        (format!("b={other}; c=1"), Ok("user_2")),
        (format!("a=x; b={other}"), Err(401)),
        (format!("b={other}; b={other}"), Err(400)),
        ("c=1".to_owned(), Err(401)),
    ] {
        assert_eq!(subject(&stack, &[("cookie", &line)]).await, expected.map(str::to_owned), "{line}");
    }
}

/// The form of what is in the header decides who reads it, and a cookie changes nothing about that.
#[tokio::test]
async fn keys_in_the_same_header_are_told_from_tokens() {
    let (key_field, token_field, session) = (format!("Bearer {KEY}"), format!("Bearer {}", token()), session());
    for layer in
        [AuthLayer::first(by_cookie()).then(keys().bearer()), AuthLayer::first(keys().bearer()).then(by_cookie())]
    {
        let stack = stack_of(layer);
        for (headers, expected) in [
            (&[("authorization", &*key_field), ("cookie", &*session)][..], Ok("acme")),
            (&[("authorization", &token_field), ("cookie", "__Host-session=x")], Ok("user_1")),
            (&[("cookie", &session)], Ok("user_1")),
            (&[("authorization", "Bearer x"), ("cookie", &session)], Err(401)),
        ] {
            assert_eq!(subject(&stack, headers).await, expected.map(str::to_owned), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn shared_caches_keep_nothing_of_a_cookie() {
    let (field, session) = (format!("Bearer {}", token()), session());
    let answer = |cached: bool| {
        service(move |_| {
            let mut response = Response::new(Body::default());
            if cached {
                response.headers_mut().insert("cache-control", http::HeaderValue::from_static("max-age=60"));
            }
            response
        })
    };
    let stack = stack_of(by_cookie());
    for credential in [("cookie", &*session), ("authorization", &field)] {
        for (cached, control) in [(false, "private"), (true, "max-age=60")] {
            let response = stack.layer(answer(cached)).oneshot(get("/", &[credential])).await.unwrap();
            let said = (&response.headers()["vary"], &response.headers()["cache-control"]);
            assert_eq!((said.0.to_str().unwrap(), said.1.to_str().unwrap()), ("cookie", control));
        }
    }
    // A refusal is stored by nobody, where an envelope writes it.
    let builder = AuthStack::builder().auth(by_cookie()).envelope(ErrorEnvelopeLayer::detailed());
    let stack = builder.clock(&super::hand()).build().unwrap();
    for line in ["__Host-session=x", "__Host-session=x; __Host-session=y", "a=1"] {
        let response = stack.layer(ok()).oneshot(get("/", &[("cookie", line)])).await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store", "{line}");
    }
    // Who may come without a credential gets another response with one, in either header.
    let optional = stack_of(by_cookie().optional());
    let response = optional.layer(ok()).oneshot(get("/", &[])).await.unwrap();
    assert_eq!(response.headers()["vary"], "authorization, cookie");
    assert!(!response.headers().contains_key("cache-control"));
}

#[tokio::test]
async fn r024_a_cookie_changes_no_challenge() {
    let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
    let stack = stack_of(by_cookie().resource_metadata(metadata));
    let offer = format!("{MISSING}, resource_metadata=\"{metadata}\"");
    ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[&offer]);
    let told = ask(&stack, get("/", &[("cookie", "__Host-session=x")])).await;
    let invalid = format!("{offer}, error=\"invalid_token\", error_description=\"The access token is invalid\"");
    told.assert(401, "TOKEN_INVALID", &[&invalid]);
    let expired = key("hs256").seal(key("hs256").header(), claims(NOW).raw("exp", NOW));
    let told = ask(&stack, get("/", &[("cookie", &format!("__Host-session={expired}"))])).await;
    let expired = format!("{offer}, error=\"invalid_token\", error_description=\"The access token expired\"");
    told.assert(401, "TOKEN_EXPIRED", &[&expired]);
}
