//! Credentials that two methods could read, and what caches may keep (p77).

use http::{HeaderMap, Request};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, Authenticator, KeyRecord, MaybeReady, RequestHead,
    testing::ManualClock,
};

use super::limits::{NOW, STRANGER, bearer, slow_keys, status, token};
use crate::support::{Body, KEY, get, ok, store};

#[tokio::test]
async fn r009_p77_a_bad_credential_is_not_rescued_where_two_methods_share_a_header() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let keys = || ApiKeyLayer::new(scheme.clone(), keys.clone()).header("x-api-key").bearer();
    let layer = AuthLayer::first(bearer()).then(keys());
    let service = layer.clock(&ManualClock::at(NOW)).layer(ok());
    let alice = format!("Bearer {}", token("alice", &[]));
    let (good, stranger) = (format!("Bearer {KEY}"), format!("Bearer {STRANGER}"));
    let nothing: &[(&str, &str)] = &[];
    for (authorization, key, expected) in [
        ("Bearer garbage", Some(KEY), 401),
        ("Bearer garbage", None, 401),
        (&stranger, Some(KEY), 401),
        (&good, Some(STRANGER), 200),
        (&good, None, 200),
        (&alice, Some(STRANGER), 200),
        (&alice[..alice.len() - 3], Some(KEY), 401),
        ("Basic YTpi", Some(KEY), 200),
    ] {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(key.map(|key| ("x-api-key", key)));
        assert_eq!(status(&service, get("/", &headers)).await, expected, "{headers:?}");
    }
    assert_eq!(status(&service, get("/", nothing)).await, 401);
    assert_eq!(status(&service, get("/", &[("x-api-key", KEY)])).await, 200);
}

/// It says that a credential is its own, and finds none.
struct FindsNothing(bool);

impl Authenticator for FindsNothing {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        if self.0 {
            return MaybeReady::boxed(async { AuthOutcome::NoCredential });
        }
        MaybeReady::ready(AuthOutcome::NoCredential)
    }

    fn challenge(&self) -> &'static str {
        "Claims"
    }

    fn credential_headers(&self) -> &[http::HeaderName] {
        const NAMES: [http::HeaderName; 1] = [http::header::AUTHORIZATION];
        &NAMES
    }
}

#[tokio::test]
async fn r009_p77_who_takes_a_header_over_and_finds_nothing_rescues_nobody() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    for slow in [false, true] {
        let optional = AuthLayer::first(bearer()).then(FindsNothing(slow)).optional().clock(&ManualClock::at(NOW));
        let keys = ApiKeyLayer::new(scheme.clone(), keys.clone());
        let third = AuthLayer::first(bearer()).then(FindsNothing(slow)).then(keys).clock(&ManualClock::at(NOW));
        for service in [optional.layer(ok()), third.layer(ok())] {
            let garbage = [("authorization", "Bearer garbage"), ("x-api-key", KEY)];
            assert_eq!(status(&service, get("/", &garbage)).await, 401, "slow: {slow}");
            let good = format!("Bearer {}", token("alice", &[]));
            assert_eq!(status(&service, get("/", &[("authorization", &good)])).await, 200, "slow: {slow}");
        }
    }
}

#[tokio::test]
async fn r015_an_optional_bearer_varies_by_authorization() {
    let headers = async |layer: AuthLayer, request: Request<Body>| -> HeaderMap {
        let layer = layer.clock(&ManualClock::at(NOW));
        layer.layer(ok()).oneshot(request).await.unwrap().headers().clone()
    };
    let good = format!("Bearer {}", token("alice", &[]));
    let with = || get("/", &[("authorization", &good)]);
    for request in [get("/", &[]), with()] {
        assert_eq!(headers(bearer().optional(), request).await["vary"], "authorization");
    }
    assert_eq!(headers(AuthLayer::from(bearer()), with()).await.get("vary"), None, "caches know what it opens");
    let both = AuthLayer::first(bearer()).then(slow_keys(KeyRecord::new("key_1", "acme"))).optional();
    assert_eq!(headers(both, get("/", &[])).await["vary"], "authorization, x-api-key");
    let reported = headers(AuthLayer::from(bearer()).report_only(), get("/", &[])).await;
    assert_eq!(reported["vary"], "authorization");
}

/// Reads two headers, and says that whatever stands in either is its own.
struct Sessions;

impl Authenticator for Sessions {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let session = request.headers().get("x-session").is_some();
        MaybeReady::ready(if session {
            AuthOutcome::Authenticated(tower_auth::Principal::builder("session").build())
        } else {
            AuthOutcome::NoCredential
        })
    }

    fn challenge(&self) -> &'static str {
        "Session"
    }

    fn credential_headers(&self) -> &[http::HeaderName] {
        static NAMES: [http::HeaderName; 2] = [http::header::AUTHORIZATION, http::HeaderName::from_static("x-session")];
        &NAMES
    }
}

#[tokio::test]
async fn r009_p77_a_header_that_was_taken_over_is_not_rescued_by_another_one_of_the_method() {
    let layer = AuthLayer::first(bearer()).then(Sessions).clock(&ManualClock::at(NOW));
    let service = layer.layer(ok());
    let garbage = [("authorization", "Bearer garbage"), ("x-session", "good")];
    assert_eq!(status(&service, get("/", &garbage)).await, 401);
    assert_eq!(status(&service, get("/", &[("x-session", "good")])).await, 200);
}

#[tokio::test]
async fn r009_p77_of_three_methods_in_one_header_each_has_its_turn() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let keys = ApiKeyLayer::new(scheme, keys).bearer();
    let layer = AuthLayer::first(bearer()).then(FindsNothing(false)).then(keys).clock(&ManualClock::at(NOW));
    let service = layer.layer(ok());
    let with = |credential: &str| get("/", &[("authorization", &format!("Bearer {credential}"))]);
    assert_eq!(status(&service, with(KEY)).await, 200);
    assert_eq!(status(&service, with(STRANGER)).await, 401);
    assert_eq!(status(&service, with("garbage")).await, 401);
}
