//! What reviews and attacks found, so that it does not come back.

use std::sync::{Arc, Mutex};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tower::{Layer, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, Challenge, ErrorEnvelopeLayer,
    KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, PeerAddr, Principal, Rejection, RejectionKind,
    RequestHead, RequireLayer, Rules, permission::scope, testing::FakeAuth,
};

use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store, strict, text},
};

#[tokio::test]
async fn r086_what_is_done_to_an_id_is_done_to_all_of_its_keys() {
    let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
    let store = MemoryKeyStore::new();
    for key in ["old-key", "new-key"] {
        store.insert(&scheme, key, KeyRecord::new("key_1", "acme")).unwrap();
    }
    store.insert(&scheme, "other", KeyRecord::new("key_2", "acme")).unwrap();
    let status = async |key: &str| {
        let service = ApiKeyLayer::new(scheme.clone(), store.clone()).layer(ok());
        service.oneshot(get("/", &[("x-api-key", key)])).await.unwrap().status().as_u16()
    };
    assert!(store.set_state("key_1", KeyState::Revoked));
    assert_eq!((status("old-key").await, status("new-key").await, status("other").await), (401, 401, 200));
    assert!(!store.set_state("key_1", KeyState::Active), "revoked is for good");
    assert!(
        store.insert(&scheme, "old-key", KeyRecord::new("key_1", "acme")).is_err(),
        "also for a caller that inserts it again"
    );
    assert!(store.remove("key_2") && !store.remove("key_2"));
    assert_eq!(status("other").await, 401);
}

#[test]
fn r079_no_length_overflows() {
    assert!(crate::support::ak().accept_lengths(40..=usize::MAX).is_err());
    assert!(KeyFormat::prefixed("ak", usize::MAX).is_err());
    let format = KeyFormat::prefixed("ak", 40).unwrap().accept_lengths(39..=40).unwrap();
    for short in ["", "ak_", "ak_a", "ak_abcde", "ak_abcdef"] {
        assert!(!format.accepts(short.as_bytes()), "{short}");
    }
}

#[tokio::test]
async fn r001_every_401_that_passes_an_envelope_has_a_challenge() {
    let json = strict(|_: Request<Body>| {
        let mut response = Response::new(Body::from("{\"error\":\"no\"}"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    });
    let challenge = async |layer: ErrorEnvelopeLayer| {
        let response = layer.layer(json.clone()).oneshot(get("/", &[])).await.unwrap();
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert_eq!(text(response).await, "{\"error\":\"no\"}");
        challenge
    };
    assert_eq!(challenge(ErrorEnvelopeLayer::detailed()).await, "Bearer realm=\"api\"");
    // The envelope of a stack knows what the stack accepts.
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store).realm("ours")).build().unwrap();
    assert_eq!(challenge(stack.envelope()).await, "ApiKey realm=\"ours\"");
}

#[tokio::test]
async fn p67_a_foreign_500_that_is_adopted_is_logged() {
    let logs = Logs::capture();
    let broken = strict(|_: Request<Body>| {
        let mut response = Response::new(Body::from("db: no such table users"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let response = layer.layer(broken).oneshot(get("/", &[])).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(!text(response).await.contains("no such table"));
    let log = logs.text();
    assert!(log.contains(&id) && log.contains("ERROR") && log.contains("status=500"), "{log}");
}

#[tokio::test]
async fn p66_nothing_that_describes_the_old_body_stays() {
    const OLD: [&str; 8] = [
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        "content-location",
        "trailer",
        "etag",
        "content-encoding",
    ];
    let broken = strict(|_: Request<Body>| {
        let mut response = Response::new(Body::from("broken"));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        for name in OLD {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        response.headers_mut().insert("x-frame-options", HeaderValue::from_static("DENY"));
        response
    });
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let response = layer.layer(broken).oneshot(get("/", &[])).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["x-frame-options"]),
        (StatusCode::BAD_GATEWAY, &HeaderValue::from_static("DENY"))
    );
    for name in OLD {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

/// A method that reads a session from `Cookie`.
struct Session([HeaderName; 1]);

impl Authenticator for Session {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut sessions =
            cookies.flat_map(|line| line.split("; ")).filter_map(|cookie| cookie.strip_prefix("session="));
        AuthFuture::ready(match sessions.next() {
            Some(session) => AuthOutcome::Authenticated(Principal::builder(session).build()),
            None => AuthOutcome::NoCredential,
        })
    }

    fn challenge(&self) -> &'static str {
        "Session realm=\"api\""
    }

    fn credential_headers(&self) -> &[HeaderName] {
        &self.0
    }
}

#[tokio::test]
async fn r009_cookie_may_come_in_several_lines() {
    let layer = AuthLayer::first(Session([header::COOKIE]));
    let split = get("/", &[("cookie", "theme=dark"), ("cookie", "session=alice")]);
    assert_eq!(layer.layer(ok()).oneshot(split).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn r078_ambiguous_requests_are_refused_where_that_is_wished() {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let first = |strictly: bool| {
        let keys = ApiKeyLayer::new(scheme.clone(), store.clone()).header("x-api-key").bearer();
        let layer = AuthLayer::first(keys);
        if strictly { layer.reject_ambiguous() } else { layer }
    };
    let bearer = format!("Bearer {KEY}");
    let both = || get("/", &[("x-api-key", KEY), ("authorization", &bearer)]);
    assert_eq!(first(false).layer(ok()).oneshot(both()).await.unwrap().status(), StatusCode::OK);
    let refused = first(true).layer(ok()).oneshot(both()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::MalformedRequest);
    for one in [get("/", &[("x-api-key", KEY)]), get("/", &[("authorization", &bearer), ("x-api-key", " ")])] {
        assert_eq!(first(true).layer(ok()).oneshot(one).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refusal_from_further_in_takes_its_admission_back() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let stack = AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, store))
        .on_decision(move |decision| {
            tell.lock().unwrap().push((decision.layer(), decision.is_admitted(), decision.supersedes_admission()));
        })
        .build()
        .unwrap();
    let service = stack.layer(RequireLayer::scope("write").layer(ok()));
    service.oneshot(get("/", &[("x-api-key", KEY)])).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [("gate", true, false), ("permission", false, true)]);
}

#[test]
fn a_scheme_that_is_no_token_is_an_error_at_start_up() {
    for scheme in ["", "two words", "Bearer:", "schlüssel"] {
        let (keys, store) = store(KeyRecord::new("key_1", "acme"));
        let error = AuthStack::builder().auth(ApiKeyLayer::new(keys, store).auth_scheme(scheme)).build().unwrap_err();
        assert!(error.to_string().contains("authentication scheme"), "{error}");
    }
    assert_eq!(Challenge::new("").as_str(), "Unknown");
}

/// The service that tonic generates answers to any HTTP method: a preflight must not reach it.
#[tokio::test]
async fn r016_a_preflight_runs_no_grpc_method() {
    let rules = Rules::new().require("/inventory.v1.Stock/Reserve", scope("write"));
    let auth = AuthLayer::from(FakeAuth::never()).allow_preflight();
    let stack = AuthStack::builder().auth(auth).rules(rules).build().unwrap();
    let never = strict(|_: Request<Body>| panic!("a stranger has reached the method"));
    let mut request = get(
        "/inventory.v1.Stock/Reserve",
        &[
            ("origin", "https://a.example"),
            ("access-control-request-method", "POST"),
            ("content-type", "application/grpc"),
        ],
    );
    *request.method_mut() = http::Method::OPTIONS;
    assert_eq!(stack.layer(never).oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

/// axum's `nest` strips the prefix: `/admin/health` is not the public `/health` of the table.
#[tokio::test]
async fn r018_rules_inside_nest_are_a_mounting_error_and_open_nothing() {
    let rules = || Rules::new().public("GET /health").require("* /admin/**", scope("admin")).otherwise_deny();
    let stack = AuthStack::builder().auth(FakeAuth::never()).rules(rules()).build().unwrap();
    let inner = axum::Router::new().route("/health", axum::routing::get(|| async { "secret" }));
    let nested = axum::Router::new().nest("/admin", inner.clone().layer(stack.guards())).layer(stack.envelope());
    let ask = |path: &str| Request::get(path).body(axum::body::Body::empty()).unwrap();
    let refused = nested.oneshot(ask("/admin/health")).await.unwrap();
    assert!(matches!(refused.status().as_u16(), 401 | 500), "{}", refused.status());
    let known = AuthStack::builder()
        .auth(FakeAuth::always(Principal::builder("alice").build()))
        .rules(rules())
        .build()
        .unwrap();
    let nested = axum::Router::new().nest("/admin", inner.clone().layer(known.guards()));
    let refused = nested.oneshot(ask("/admin/health")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let whole = axum::Router::new().nest("/admin", inner).layer(stack);
    assert_eq!(whole.oneshot(ask("/admin/health")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_writes_log_lines_through_a_cause() {
    let logs = Logs::capture();
    let handler = strict(|_: Request<Body>| {
        Rejection::unavailable("no file a\n INFO tower_auth: request admitted subject=\"root\"\u{1b}[2J")
            .into_response()
    });
    ErrorEnvelopeLayer::detailed().layer(handler).oneshot(get("/", &[])).await.unwrap();
    let log = logs.text();
    assert!(log.contains("no file a\\n INFO") && !log.contains("no file a\n") && !log.contains("\u{1b}[2J"), "{log}");
}

/// The log alone tells whose request a handler refused.
#[tokio::test]
async fn a_handlers_refusal_is_logged_once_and_with_the_caller() {
    let logs = Logs::capture();
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store)).build().unwrap();
    let handler =
        strict(|_: Request<Body>| Rejection::custom(StatusCode::CONFLICT, "TAKEN").cause("seen once").into_response());
    let mut request = get("/", &[("x-api-key", KEY)]);
    request.extensions_mut().insert(PeerAddr([192, 0, 2, 7].into()));
    stack.layer(handler).oneshot(request).await.unwrap();
    let log = logs.text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("seen once")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for told in ["layer=\"handler\"", "subject=\"acme\"", "key_id=\"key_1\"", "5678", "peer=192.0.2.7", "trace_id="] {
        assert!(lines[0].contains(told), "{told} in {}", lines[0]);
    }
}

/// A client closes a connection whose header block is too large, and then the refusal is lost.
#[tokio::test]
async fn r171_a_long_text_does_not_make_fields_too_large() {
    let long = "слишком длинно ".repeat(1_000);
    let refusal = Rejection::custom(StatusCode::FORBIDDEN, "OWN").message(long.clone()).detail("why", long);
    let handler = strict(move |_: Request<Body>| refusal.clone().into_response());
    let mut request = get("/a.B/C", &[("content-type", "application/grpc"), ("te", "trailers")]);
    *request.method_mut() = http::Method::POST;
    let response = ErrorEnvelopeLayer::detailed().layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "7");
    let size: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(size < 8 * 1024, "{size}");
}

#[test]
fn two_tables_of_rules_are_an_error_at_start_up() {
    let builder = AuthStack::builder().auth(FakeAuth::never());
    assert!(builder.rules(Rules::new().public("/a")).rules(Rules::new().public("/b")).build().is_err());
    let literal = AuthStack::builder().auth(FakeAuth::never()).rules(Rules::new().public("/caf\u{e9}")).build();
    assert!(literal.unwrap_err().to_string().contains("%C3%A9"));
}

/// Work before authentication must not grow faster than the path.
#[tokio::test]
async fn a_long_path_of_encodings_is_read_once() {
    let stack =
        AuthStack::builder().auth(FakeAuth::never()).rules(Rules::new().public("/open/{name}")).build().unwrap();
    for (encoded, status) in [("%25", 200), ("%2525", 401), ("%21", 200)] {
        let path = format!("/open/{}", encoded.repeat(10_000));
        assert_eq!(stack.layer(ok()).oneshot(get(&path, &[])).await.unwrap().status().as_u16(), status, "{encoded}");
    }
}

#[tokio::test]
async fn r158_vary_is_not_said_twice_where_the_format_is_negotiated() {
    let handler = strict(|_: Request<Body>| {
        let mut response: Response<Body> = Rejection::not_found().into_response();
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin, Accept"));
        response
    });
    let response =
        ErrorEnvelopeLayer::detailed().or_problem_json().layer(handler).oneshot(get("/", &[])).await.unwrap();
    let vary: Vec<_> = response.headers().get_all(header::VARY).iter().collect();
    assert_eq!(vary, ["Origin, Accept"]);
}

#[tokio::test]
async fn p65_a_refusal_is_never_a_success() {
    for status in [StatusCode::OK, StatusCode::CREATED, StatusCode::CONTINUE] {
        let logs = Logs::capture();
        let handler = strict(move |_: Request<Body>| Rejection::custom(status, "FINE").into_response());
        let response = ErrorEnvelopeLayer::detailed().layer(handler).oneshot(get("/", &[])).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text(response).await.contains("INTERNAL_ERROR"));
        assert!(logs.text().contains("which is not an error status"), "{}", logs.text());
    }
}
