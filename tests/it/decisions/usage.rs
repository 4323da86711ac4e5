//! USAGE.md, section 8, as it is written there; limits are not built yet, so the plan and its quota are left out.

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use std::time::Duration;
use tower::ServiceExt as _;
use tower_auth::{
    testing::{FakeAuth, FlakyKeyStore, ManualClock},
    *,
};

fn get_with_key(key: &str) -> Request<Body> {
    Request::get("/v1/models").header("x-api-key", key).body(Body::empty()).unwrap()
}

fn app(auth: impl Into<AuthLayer>, clock: &ManualClock) -> Router {
    let stack = AuthStack::builder().auth(auth).clock(clock).build().unwrap();
    Router::new().route("/v1/models", get(|p: Principal| async move { p.subject().to_owned() })).layer(stack)
}

#[tokio::test]
async fn whoever_calls_is_alice() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let app = app(FakeAuth::always(Principal::builder("alice").scopes(["read"]).build()), &clock);
    let call = || app.clone().oneshot(Request::get("/v1/models").body(Body::empty()).unwrap());
    let response = call().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(crate::support::text(response.map(http_body_util::BodyExt::boxed_unsync)).await, "alice");
}

#[tokio::test]
async fn nobody_calls() {
    let app = app(FakeAuth::never(), &ManualClock::at("2026-01-01T00:00:00Z"));
    let refused = app.oneshot(get_with_key("whatever")).await.unwrap();
    assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::MissingCredential); // no JSON parsing in tests
    assert_eq!(refused.headers()["www-authenticate"], "Fake realm=\"test\"");
}

#[tokio::test]
async fn a_minute_later_the_key_has_expired() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
    let record = KeyRecord::new("k1", "acme").expires_at(clock.now() + Duration::from_secs(60));
    let keys = ApiKeyLayer::new(scheme.clone(), MemoryKeyStore::new().with(&scheme, "test-key", record).unwrap());
    let app = app(keys.disclose(Disclosure::State), &clock);
    assert_eq!(app.clone().oneshot(get_with_key("test-key")).await.unwrap().status(), StatusCode::OK);
    clock.advance(Duration::from_secs(60));
    let refused = app.oneshot(get_with_key("test-key")).await.unwrap();
    assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::ExpiredKey);
}

#[tokio::test]
async fn p14_a_dead_store_is_503_and_not_401() {
    let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
    let store =
        FlakyKeyStore::new(MemoryKeyStore::new().with(&scheme, "test-key", KeyRecord::new("k1", "acme")).unwrap());
    let app = app(ApiKeyLayer::new(scheme, store.clone()), &ManualClock::at("2026-01-01T00:00:00Z"));
    store.fail();
    let status = async || app.clone().oneshot(get_with_key("test-key")).await.unwrap().status();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    store.recover();
    assert_eq!((status().await, store.asked()), (StatusCode::OK, 2));
}
