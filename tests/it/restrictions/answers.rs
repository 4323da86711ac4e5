//! What a refusal tells, to whom, and who pays for it.

use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, ErrorEnvelopeLayer, KeyDigests, KeyRecord, KeyStore, Quota,
    RateLimitLayer, Rejection, RejectionKind, Restrictions, StoreFuture,
    envelope::{Catalogue, CatalogueEntry},
    rejection::Restriction,
    testing::ManualClock,
};

use super::{NOW, PEER, ask, layers, of_networks, of_origins, record, request, told};
use crate::support::{self, Body, KEY, get, ok, text};

const ELSEWHERE: &str = "203.0.113.5";
const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

fn newer() -> KeyRecord {
    record(Restrictions::from_json(r#"{"networks":["192.0.2.0/24"],"countries":["CH"]}"#).unwrap())
}

/// Each restriction, with a key that it refuses to a request from elsewhere.
fn all() -> [(Restriction, &'static str, KeyRecord); 3] {
    [
        (Restriction::Network, "IP_NOT_ALLOWED", of_networks(&["192.0.2.0/24"])),
        (Restriction::Origin, "ORIGIN_NOT_ALLOWED", of_origins(&["https://app.example.com"])),
        (Restriction::Unknown, "RESTRICTION_UNKNOWN", newer()),
    ]
}

fn stack(keys: ApiKeyLayer, envelope: ErrorEnvelopeLayer) -> AuthStack {
    let builder = AuthStack::builder().auth(keys).envelope(envelope).client_ip(ClientIp::peer());
    builder.clock(&ManualClock::at(NOW)).build().unwrap()
}

fn unknown_key(peer: &str) -> Request<Body> {
    let mut request = request(peer, &[]);
    request.headers_mut().insert("x-api-key", STRANGER.parse().unwrap());
    request
}

#[tokio::test]
async fn the_holder_is_told_which_restriction_whatever_is_disclosed() {
    for (restriction, code, record) in all() {
        for disclosure in [Disclosure::Nothing, Disclosure::State, Disclosure::All] {
            for keys in layers(&record) {
                let stack = stack(keys.disclose(disclosure), ErrorEnvelopeLayer::detailed());
                let response = stack.layer(ok()).oneshot(request(ELSEWHERE, &[])).await.unwrap();
                let refusal = Rejection::of(&response).unwrap().clone();
                assert_eq!((refusal.kind(), refusal.restriction()), (RejectionKind::Restricted, Some(restriction)));
                assert_eq!(refusal.layer(), Some("api_key"));
                assert_eq!(response.status(), StatusCode::FORBIDDEN);
                assert!(!response.headers().contains_key("www-authenticate"));
                let body = support::json(response).await;
                assert_eq!(body["error"]["code"], code);
                assert_eq!(body["error"]["type"], "authorization_error");
                assert_eq!(body["error"]["details"], json!({}));
            }
        }
    }
}

#[tokio::test]
async fn a_member_that_nobody_knows_refuses_every_use_and_is_named_in_the_log_only() {
    let told = told(&newer(), Some(&ClientIp::peer()), || request(PEER, &[])).await;
    told.assert(403, "RESTRICTION_UNKNOWN");
    assert!(told.cause.contains("\"countries\""), "{told:?}");
    let [keys, _] = layers(&newer());
    let stack = stack(keys, ErrorEnvelopeLayer::detailed());
    let response = stack.layer(ok()).oneshot(request(PEER, &[])).await.unwrap();
    assert!(!text(response).await.contains("countries"));
    // It refuses where no address is known too, and is no fault then.
    ask_without_ip(&newer()).await;
}

/// Limits that cannot be counted refuse as restrictions that cannot be checked do.
#[tokio::test]
async fn limits_that_cannot_be_read_refuse_every_use() {
    for (stored, why) in [
        (r#"[{"events":5,"calendar":"day","time_zone":"Mars/Crater","name":"sol"}]"#, "\"Mars/Crater\""),
        (r#"[{"events":5,"calendar":"decade","name":"decade"}]"#, "decade"),
        (r#"[{"events":5,"period_ns":1000000000,"name":"second","priority":1}]"#, "priority"),
        (r#"[{"events":0,"period_ns":1000000000,"name":"second"}]"#, "admits no request"),
        (r#"{"quotas":[]}"#, "quotas"),
        ("[]", "0 quotas"),
        ("null", "null"),
    ] {
        let record = KeyRecord::new("key_1", "acme").limits_from_json(stored).unwrap();
        assert_eq!((record.unread_limits(), record.principal().limits()), (Some(stored), None));
        let told = told(&record, None, || request(PEER, &[])).await;
        told.assert(403, "RESTRICTION_UNKNOWN");
        assert!(told.cause.contains(why), "{told:?}");
        ask_without_ip(&record).await;
    }
    // The state of a key comes first, and a text that is no JSON is an error of the store.
    let error = KeyRecord::new("key_1", "acme").limits_from_json("[secret").unwrap_err().to_string();
    assert!(error.contains("not JSON") && !error.contains("secret"), "{error}");
}

async fn ask_without_ip(record: &KeyRecord) {
    told(record, None, || request(PEER, &[])).await.assert(403, "RESTRICTION_UNKNOWN");
}

/// The whole answer, but for the id of the request.
async fn wire(stack: &AuthStack, request: Request<Body>) -> String {
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let head = format!("{} {:?} ", response.status(), response.headers());
    (head + &text(response).await).replace(&id, "ID")
}

#[tokio::test]
async fn a_stranger_is_told_nothing() {
    let plain = layers(&KeyRecord::new("key_1", "acme")).map(|keys| stack(keys, ErrorEnvelopeLayer::detailed()));
    for (.., record) in all() {
        for (keys, plain) in layers(&record).into_iter().zip(&plain) {
            let stack = stack(keys, ErrorEnvelopeLayer::detailed());
            assert_eq!(wire(&stack, unknown_key(ELSEWHERE)).await, wire(plain, unknown_key(ELSEWHERE)).await);
        }
    }
}

/// A key that is not active says so first: a restriction of a revoked key tells nothing.
#[tokio::test]
async fn the_state_of_a_key_comes_first() {
    for (.., record) in all() {
        let revoked = record.state(tower_auth::KeyState::Revoked);
        told(&revoked, Some(&ClientIp::peer()), || request(ELSEWHERE, &[])).await.assert(401, "INVALID_API_KEY");
    }
}

#[tokio::test]
async fn a_refusal_is_charged_to_the_credential_and_not_to_the_address() {
    for (_, code, record) in all() {
        for keys in layers(&record) {
            let limit = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
            let builder = AuthStack::builder().auth(keys).limit(limit).client_ip(ClientIp::peer());
            let stack = builder.clock(&ManualClock::at(NOW)).build().unwrap();
            for _ in 0..2 {
                ask(&stack, request(ELSEWHERE, &[])).await.assert(403, code);
            }
            let spent = ask(&stack, request(ELSEWHERE, &[])).await;
            spent.assert(429, "RATE_LIMIT_EXCEEDED");
            assert!(spent.cause.contains("with this credential") && spent.cause.contains("the key"), "{spent:?}");
            // The address has all of its own.
            for status in [401, 401, 429] {
                assert_eq!(ask(&stack, unknown_key(ELSEWHERE)).await.status, status);
            }
            // Where the key is allowed, the holder is served nevertheless.
            if code != "RESTRICTION_UNKNOWN" {
                ask(&stack, request(PEER, &[("origin", "https://app.example.com")])).await.assert(200, "");
            }
        }
    }
}

#[tokio::test]
async fn the_observer_learns_the_holder_and_the_cause() {
    for keys in layers(&of_networks(&["192.0.2.0/24"])) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let builder = AuthStack::builder().auth(keys).client_ip(ClientIp::peer()).on_decision(move |decision| {
            let who = decision.principal().and_then(|who| who.credential_id().map(str::to_owned));
            let cause = decision.private_cause().map(ToString::to_string);
            notes.lock().unwrap().push((decision.kind(), decision.layer(), who, cause));
        });
        ask(&builder.build().unwrap(), request(ELSEWHERE, &[])).await.assert(403, "IP_NOT_ALLOWED");
        let cause = format!("the key may not be used from {ELSEWHERE}");
        let expected = (Some(RejectionKind::Restricted), "api_key", Some("key_1".to_owned()), Some(cause));
        assert_eq!(*seen.lock().unwrap(), [expected]);
    }
}

#[tokio::test]
async fn problem_details_name_the_restriction() {
    let base = "https://api.example.com/problems/";
    for (_, code, record) in all() {
        for keys in layers(&record) {
            let stack = stack(keys, ErrorEnvelopeLayer::problem_types(base));
            let response = stack.layer(ok()).oneshot(request(ELSEWHERE, &[])).await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let body = support::json(response).await;
            assert_eq!((&body["status"], &body["code"]), (&json!(403), &json!(code)));
            assert_eq!(body["type"], format!("{base}{}", code.to_lowercase().replace('_', "-")));
            assert!(body["detail"].as_str().unwrap().starts_with("Your API key"));
        }
    }
}

#[tokio::test]
async fn grpc_clients_read_permission_denied_and_the_code() {
    for (_, code, record) in all() {
        for keys in layers(&record) {
            let stack = stack(keys, ErrorEnvelopeLayer::detailed());
            let mut call = request(ELSEWHERE, &[("content-type", "application/grpc"), ("te", "trailers")]);
            *call.method_mut() = http::Method::POST;
            let response = stack.layer(ok()).oneshot(call).await.unwrap();
            assert_eq!(
                (response.status(), &response.headers()["grpc-status"]),
                (StatusCode::OK, &"7".parse().unwrap())
            );
            let decoded = crate::grpc::decoded(response.headers());
            assert!(decoded.contains(&format!("ErrorInfo: reason {code} domain")), "{decoded}");
        }
    }
}

#[tokio::test]
async fn the_texts_of_restrictions_can_be_replaced_one_by_one_and_together() {
    let code = async |catalogue: &Catalogue, restriction: Restriction| {
        let (.., record) = all().into_iter().find(|(one, ..)| *one == restriction).unwrap();
        let [keys, _] = layers(&record);
        let stack = stack(keys, ErrorEnvelopeLayer::detailed().catalogue(catalogue.clone()));
        ask(&stack, request(ELSEWHERE, &[])).await.code
    };
    let one = Catalogue::default().with_restriction(Restriction::Network, CatalogueEntry::new("OFFICE_ONLY"));
    assert_eq!(code(&one, Restriction::Network).await, "OFFICE_ONLY");
    assert_eq!(code(&one, Restriction::Origin).await, "ORIGIN_NOT_ALLOWED");
    let kind = one.with(RejectionKind::Restricted, CatalogueEntry::new("FORBIDDEN"));
    let last = kind.clone().with_restriction(Restriction::Unknown, CatalogueEntry::new("TOO_NEW"));
    for (restriction, ..) in all() {
        assert_eq!(code(&kind, restriction).await, "FORBIDDEN");
        let expected = if restriction == Restriction::Unknown { "TOO_NEW" } else { "FORBIDDEN" };
        assert_eq!(code(&last, restriction).await, expected);
    }
    let mapped = Catalogue::default().map(|kind, _| CatalogueEntry::new(format!("{kind:?}")));
    assert_eq!(code(&mapped, Restriction::Origin).await, "Restricted");
}

/// A column that holds no object is an error of the store.
#[tokio::test]
async fn a_stored_text_that_is_no_object_is_503() {
    struct Broken;
    impl KeyStore for Broken {
        fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
            let read = || Ok(Some(KeyRecord::new("key_1", "acme").restrictions(Restrictions::from_json("[]")?)));
            StoreFuture::ready(read())
        }
    }
    let (scheme, _) = support::store(KeyRecord::new("key_1", "acme"));
    let stack = stack(ApiKeyLayer::new(scheme, Broken), ErrorEnvelopeLayer::detailed());
    let told = ask(&stack, get("/", &[("x-api-key", KEY)])).await;
    told.assert(503, "SERVICE_UNAVAILABLE");
    assert!(told.cause.contains("not a JSON object"), "{told:?}");
}
