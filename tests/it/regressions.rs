//! What reviews and attacks found, so that it does not come back.

use std::sync::{Arc, Mutex};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tower::{Layer, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthStack, Authenticated, Authenticator, Challenge, ErrorEnvelopeLayer,
    KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Principal, Rejection, RejectionKind, RequestHead,
    RequireLayer,
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
        "also for whoever inserts it anew"
    );
    assert!(store.remove("key_2") && !store.remove("key_2"));
    assert_eq!(status("other").await, 401);
}

#[test]
fn r079_no_length_overflows() {
    assert!(KeyFormat::ak().accept_lengths(40..=usize::MAX).is_err());
    assert!(KeyFormat::prefixed("ak", usize::MAX).is_err());
    let format = KeyFormat::ak().checksummed();
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
        let cookies = request.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut sessions =
            cookies.flat_map(|line| line.split("; ")).filter_map(|cookie| cookie.strip_prefix("session="));
        AuthFuture::ready(match sessions.next() {
            Some(session) => Authenticated::As(Principal::builder(session).build()),
            None => Authenticated::NoCredential,
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
            tell.lock().unwrap().push((decision.layer(), decision.is_admitted(), decision.overrules()));
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
        let error = AuthStack::builder().auth(ApiKeyLayer::new(keys, store).scheme(scheme)).build().unwrap_err();
        assert!(error.to_string().contains("authentication scheme"), "{error}");
    }
    assert_eq!(Challenge::new("").as_str(), "Unknown");
}
