//! The `tracing` events of decisions, which are stable: their targets, levels, fields and values.

use std::{collections::BTreeMap, time::Duration};

use http::{Request, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Rejection,
    testing::{FlakyKeyStore, ManualClock},
};
use tracing::Level;

use super::{Events, HINT, KEYED, Line, TRACE_ID, from_peer, keys, record};
use crate::{
    no_leak::Logs,
    support::{Body, get, ok, store, strict},
};

const REFUSAL_FIELDS: [&str; 16] = [
    "message", "kind", "status", "layer", "method", "path", "required", "limit", "plan", "subject", "key_id",
    "key_hint", "client", "peer", "trace_id", "cause",
];
const ADMISSION_FIELDS: [&str; 10] =
    ["message", "layer", "method", "path", "subject", "key_id", "key_hint", "client", "peer", "trace_id"];

/// The one event of a request.
async fn event(stack: &AuthStack, request: Request<Body>) -> Line {
    let events = Events::capture();
    stack.layer(ok()).oneshot(request).await.unwrap();
    let mut lines = events.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn values<const N: usize>(expected: [(&'static str, &str); N]) -> BTreeMap<&'static str, String> {
    expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn sorted(fields: &[&'static str]) -> Vec<&'static str> {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    fields
}

#[tokio::test]
async fn the_event_of_a_refusal_is_stable() {
    let (scheme, memory) = store(record().state(KeyState::Paused));
    let store = FlakyKeyStore::new(memory);
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store.clone())).build().unwrap();
    let line = event(&stack, from_peer("/", &KEYED)).await;
    assert_eq!((line.target, line.level), ("tower_auth", Level::INFO));
    assert_eq!(sorted(&line.fields), sorted(&REFUSAL_FIELDS));
    let peer = "192.0.2.7";
    let expected = values([
        ("message", "request refused"),
        ("kind", "InvalidKey"),
        ("status", "401"),
        ("layer", "api_key"),
        ("method", "GET"),
        ("path", "/"),
        ("subject", "acme"),
        ("key_id", "key_1"),
        ("key_hint", HINT),
        ("peer", peer),
        ("trace_id", TRACE_ID),
        ("cause", "the key is paused"),
    ]);
    assert_eq!(line.values, expected);
    // What is not known is not there.
    let line =
        event(&stack, get("/", &[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])).await;
    let expected = values([
        ("message", "request refused"),
        ("kind", "MissingCredential"),
        ("status", "401"),
        ("layer", "auth"),
        ("method", "GET"),
        ("path", "/"),
        ("trace_id", TRACE_ID),
    ]);
    assert_eq!(line.values, expected);
    // A fault of ours is an error.
    store.fail();
    let line = event(&stack, from_peer("/", &KEYED)).await;
    assert_eq!((line.target, line.level), ("tower_auth", Level::ERROR));
    assert_eq!(sorted(&line.fields), sorted(&REFUSAL_FIELDS));
    let expected = values([
        ("message", "request refused by a fault of the service"),
        ("kind", "Unavailable"),
        ("status", "503"),
        ("layer", "api_key"),
        ("method", "GET"),
        ("path", "/"),
        ("peer", peer),
        ("trace_id", TRACE_ID),
        ("cause", "the store is set to fail"),
    ]);
    assert_eq!(line.values, expected);
}

#[tokio::test]
async fn the_event_of_an_admission_is_stable() {
    let stack = AuthStack::builder().auth(keys(record())).build().unwrap();
    let line = event(&stack, from_peer("/", &KEYED)).await;
    assert_eq!((line.target, line.level), ("tower_auth", Level::DEBUG));
    assert_eq!(sorted(&line.fields), sorted(&ADMISSION_FIELDS));
    let expected = values([
        ("message", "request admitted"),
        ("layer", "gate"),
        ("method", "GET"),
        ("path", "/"),
        ("subject", "acme"),
        ("key_id", "key_1"),
        ("key_hint", HINT),
        ("peer", "192.0.2.7"),
        ("trace_id", TRACE_ID),
    ]);
    assert_eq!(line.values, expected);
    // A visitor is nobody.
    let visitors = AuthStack::builder().auth(keys(record()).optional()).build().unwrap();
    let line = event(&visitors, from_peer("/", &[])).await;
    let expected = values([
        ("message", "request admitted"),
        ("layer", "gate"),
        ("method", "GET"),
        ("path", "/"),
        ("peer", "192.0.2.7"),
        ("trace_id", TRACE_ID),
    ]);
    assert_eq!(line.values, expected);
}

/// What a handler refuses is logged by the envelope: once, with its cause, and without a second line for the same
/// request.
#[tokio::test]
async fn the_event_of_a_handlers_refusal_is_the_same() {
    let stack = AuthStack::builder().auth(keys(record())).build().unwrap();
    let handler = strict(|_| Rejection::custom(StatusCode::CONFLICT, "TAKEN").cause("a row").into_response());
    let events = Events::capture();
    stack.layer(handler).oneshot(from_peer("/", &KEYED)).await.unwrap();
    let lines = events.take();
    let [admitted, refused] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(admitted.values["message"], "request admitted");
    assert_eq!(
        (refused.target, refused.level, sorted(&refused.fields)),
        ("tower_auth", Level::INFO, sorted(&REFUSAL_FIELDS))
    );
    for (name, value) in [
        ("message", "request refused"),
        ("kind", "Custom"),
        ("status", "409"),
        ("layer", "handler"),
        ("trace_id", TRACE_ID),
        ("cause", "a row"),
    ] {
        assert_eq!(refused.values[name], value);
    }
}

/// "Why did this customer get a 401 at 03:12?" All that support has is the customer's request id, and the log.
#[tokio::test]
async fn why_did_this_customer_get_a_401_at_03_12() {
    let clock = ManualClock::at("2026-01-01T03:12:00Z");
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let minute = Duration::from_secs(60);
    let mut store = MemoryKeyStore::new();
    let mut customers = Vec::new();
    for (id, change, cause) in [
        (
            "key_expired",
            (|key, now| KeyRecord::expires_at(key, now)) as fn(KeyRecord, std::time::SystemTime) -> KeyRecord,
            "expired",
        ),
        ("key_young", |key, now| key.not_before(now + Duration::from_secs(1)), "not yet valid"),
        ("key_paused", |key, _| key.state(KeyState::Paused), "paused"),
        ("key_deactivated", |key, _| key.state(KeyState::Deactivated), "deactivated"),
        ("key_revoked", |key, _| key.state(KeyState::Revoked), "revoked"),
        ("key_suspended", |key, _| key.account_suspended(true), "account is suspended"),
        ("key_good", |key, now| key.expires_at(now + Duration::from_secs(1)), ""),
    ] {
        let key = scheme.generate().unwrap().expose().to_owned();
        store = store.with(&scheme, &key, change(KeyRecord::new(id, format!("account of {id}")), clock.now())).unwrap();
        customers.push((id, key, cause));
    }
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store)).clock(&clock).build().unwrap();
    let logs = Logs::capture();
    let mut asked = Vec::new();
    for (id, key, cause) in &customers {
        let response = stack.layer(ok()).oneshot(get("/v1/models", &[("x-api-key", key)])).await.unwrap();
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(response.status().as_u16(), if cause.is_empty() { 200 } else { 401 });
        asked.push((request_id, id, &key[key.len() - 4..], cause));
    }
    clock.advance(minute);
    let log = logs.text();
    for (request_id, id, last, cause) in asked.into_iter().filter(|(.., cause)| !cause.is_empty()) {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&request_id)).collect();
        let [line] = lines[..] else { panic!("one line of {request_id}: {log}") };
        for part in ["kind=InvalidKey", "status=401", "layer=\"api_key\"", id, &format!("ak_…{last}"), cause] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
    for (_, key, _) in customers {
        assert!(!log.contains(&key[3..20]), "the log shows a key");
    }
}
