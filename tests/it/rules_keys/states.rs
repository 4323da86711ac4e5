//! Every state of a key, which of two is reported, and to whom.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::Value;
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthStack, Clock, Disclosure, KeyDigests, KeyRecord, KeyScheme, KeyState, KeyStatus, KeyStore,
    MemoryKeyStore, Rejection, RejectionKind, RequireLayer, StoreFuture,
    permission::{ScopeHierarchy, scope},
    testing::ManualClock,
};

use super::{Slow, answer};
use crate::support::{KEY, get, json, ok, store, text};

type Kind = RejectionKind;

const NOW: &str = "2025-06-15T12:00:00Z";
const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    ManualClock::at(NOW).now()
}

/// One way of being no good: what it does to a record, what then holds, and what a holder may be told.
struct Way {
    name: &'static str,
    spoil: fn(KeyRecord) -> KeyRecord,
    status: fn() -> KeyStatus,
    told: Kind,
}

/// In the order in which they are reported; the states of one field exclude each other.
const WAYS: [Way; 7] = [
    Way {
        name: "revoked",
        spoil: |key| key.state(KeyState::Revoked),
        status: || KeyStatus::Revoked,
        told: Kind::InvalidKey,
    },
    Way {
        name: "organisation suspended",
        spoil: |key| key.organization_suspended(true),
        status: || KeyStatus::OrganizationSuspended,
        told: Kind::Suspended,
    },
    Way {
        name: "account suspended",
        spoil: |key| key.account_suspended(true),
        status: || KeyStatus::AccountSuspended,
        told: Kind::Suspended,
    },
    Way {
        name: "deactivated",
        spoil: |key| key.state(KeyState::Deactivated),
        status: || KeyStatus::Deactivated,
        told: Kind::DeactivatedKey,
    },
    Way {
        name: "paused",
        spoil: |key| key.state(KeyState::Paused),
        status: || KeyStatus::Paused,
        told: Kind::PausedKey,
    },
    Way {
        name: "expired",
        spoil: |key| key.expires_at(now() - HOUR),
        status: || KeyStatus::Expired(now() - HOUR),
        told: Kind::ExpiredKey,
    },
    Way {
        name: "not yet valid",
        spoil: |key| key.not_before(now() + HOUR),
        status: || KeyStatus::NotYetValid(now() + HOUR),
        told: Kind::InvalidKey,
    },
];

fn record() -> KeyRecord {
    KeyRecord::new("k1", "acme")
}

fn stack(record: KeyRecord, disclosure: Disclosure) -> AuthStack {
    let (scheme, store) = store(record);
    let keys = ApiKeyLayer::new(scheme, store).disclose(disclosure);
    AuthStack::builder().auth(keys).clock(&ManualClock::at(NOW)).build().unwrap()
}

/// What a holder of the key receives, as kind and as bytes.
async fn told(record: KeyRecord, disclosure: Disclosure) -> (Option<Kind>, StatusCode, Value) {
    let response = answer(stack(record, disclosure).layer(ok()), get("/", &[("x-api-key", KEY)])).await;
    let (kind, status) = (Rejection::of(&response).map(Rejection::kind), response.status());
    (kind, status, if kind.is_some() { json(response).await } else { Value::Null })
}

#[tokio::test]
async fn r086_every_pair_of_states_tells_the_graver_one() {
    assert_eq!(record().status(now()), KeyStatus::Active);
    for (place, graver) in WAYS.iter().enumerate() {
        for lesser in &WAYS[place..] {
            // A key has one state: of two states the one that is set last holds, so the graver one is.
            let record = (graver.spoil)((lesser.spoil)(record()));
            assert_eq!(record.status(now()), (graver.status)(), "{} and {}", graver.name, lesser.name);
            let (kind, ..) = told(record, Disclosure::State).await;
            assert_eq!(kind, Some(graver.told), "{} and {}", graver.name, lesser.name);
        }
        let all = WAYS[place..].iter().rev().fold(record(), |record, way| (way.spoil)(record));
        assert_eq!(all.status(now()), (graver.status)(), "all from {}", graver.name);
    }
}

#[tokio::test]
async fn r086_revoked_is_for_good_and_the_rest_is_not() {
    let (scheme, store) = store(record());
    let service = ApiKeyLayer::new(scheme, store.clone()).disclose(Disclosure::State).layer(ok());
    let ask = async || {
        let response = answer(service.clone(), get("/", &[("x-api-key", KEY)])).await;
        Rejection::of(&response).map(Rejection::kind)
    };
    assert_eq!(ask().await, None);
    for (state, kind) in [
        (KeyState::Paused, Some(Kind::PausedKey)),
        (KeyState::Deactivated, Some(Kind::DeactivatedKey)),
        (KeyState::Active, None),
        (KeyState::Revoked, Some(Kind::InvalidKey)),
    ] {
        assert!(store.set_state("k1", state));
        assert_eq!(ask().await, kind, "{state:?}");
    }
    for state in [KeyState::Active, KeyState::Paused, KeyState::Deactivated] {
        assert!(!store.set_state("k1", state));
        assert_eq!(ask().await, Some(Kind::InvalidKey), "{state:?}");
    }
    assert!(!store.set_state("nobody", KeyState::Active));
}

#[tokio::test]
async fn r087_each_state_is_told_to_a_holder_only_where_disclosed() {
    for way in &WAYS {
        let spoilt = (way.spoil)(record());
        let (kind, status, body) = told(spoilt.clone(), Disclosure::State).await;
        assert_eq!((kind, status), (Some(way.told), StatusCode::UNAUTHORIZED), "{}", way.name);
        let details = if way.told == Kind::ExpiredKey {
            serde_json::json!({"expired_at": "2025-06-15T11:00:00Z"})
        } else {
            serde_json::json!({})
        };
        assert_eq!(body["error"]["details"], details, "{}", way.name);
        let (kind, status, body) = told(spoilt, Disclosure::Nothing).await;
        assert_eq!((kind, status), (Some(Kind::InvalidKey), StatusCode::UNAUTHORIZED), "{}", way.name);
        assert_eq!(body["error"]["code"], "INVALID_API_KEY", "{}", way.name);
        assert_eq!(body["error"]["details"], serde_json::json!({}), "{}", way.name);
    }
}

/// The whole answer, but for what differs from one request to the next.
async fn wire(stack: &AuthStack, key: &str) -> String {
    let response = answer(stack.layer(ok()), get("/", &[("x-api-key", key)])).await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let head = format!("{} {:?} ", response.status(), response.headers());
    (head + &text(response).await).replace(&id, "ID")
}

#[tokio::test]
async fn r087_what_strangers_may_not_tell_apart_is_equal_byte_for_byte() {
    let unknown = format!("ak_{}", "x".repeat(40));
    for disclosure in [Disclosure::Nothing, Disclosure::State] {
        let expected = wire(&stack(record(), disclosure), &unknown).await;
        assert!(expected.starts_with("401 Unauthorized") && expected.contains("INVALID_API_KEY"), "{expected}");
        for malformed in ["ak_short", "sk_1234567890abcdef1234567890abcdef12345678", "nonsense"] {
            assert_eq!(wire(&stack(record(), disclosure), malformed).await, expected, "{malformed}");
        }
        for way in WAYS.iter().filter(|way| way.told == Kind::InvalidKey || disclosure == Disclosure::Nothing) {
            let spoilt = (way.spoil)(record());
            assert_eq!(wire(&stack(spoilt, disclosure), KEY).await, expected, "{} {disclosure:?}", way.name);
        }
    }
}

#[tokio::test]
async fn r086_a_key_expires_at_the_second_and_begins_at_the_second() {
    let hand = ManualClock::at(NOW);
    let record = record().not_before(now() + Duration::from_secs(10)).expires_at(now() + Duration::from_secs(20));
    let (scheme, store) = store(record);
    let stack = |store: Box<dyn Fn(&KeyScheme) -> ApiKeyLayer>| {
        AuthStack::builder().auth(store(&scheme)).clock(Clock::from(&hand)).build().unwrap()
    };
    let slow = store.clone();
    let stacks = [
        stack(Box::new(move |scheme| ApiKeyLayer::new(scheme.clone(), store.clone()))),
        stack(Box::new(move |scheme| ApiKeyLayer::new(scheme.clone(), Slow(slow.clone())))),
    ];
    let mut at = 0;
    for (millis, status) in
        [(0, 401), (9_000, 401), (9_999, 401), (10_000, 200), (19_000, 200), (19_999, 200), (20_000, 401)]
    {
        hand.advance(Duration::from_millis(millis - at));
        at = millis;
        for stack in &stacks {
            let response = answer(stack.layer(ok()), get("/", &[("x-api-key", KEY)])).await;
            assert_eq!(response.status().as_u16(), status, "after {at} ms");
        }
    }
}

/// The clock is read when the store has answered, not when it was asked.
#[tokio::test]
async fn r086_a_key_that_expires_while_the_store_is_asked_is_expired() {
    struct Turning(MemoryKeyStore, ManualClock);
    impl KeyStore for Turning {
        fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
            let (found, hand) = (self.0.find(key), self.1.clone());
            StoreFuture::boxed(async move {
                hand.advance(HOUR);
                found.await
            })
        }
    }
    let hand = ManualClock::at(NOW);
    let (scheme, store) = store(record().expires_at(now() + HOUR));
    let keys = ApiKeyLayer::new(scheme, Turning(store, hand.clone())).disclose(Disclosure::State);
    let stack = AuthStack::builder().auth(keys).clock(&hand).build().unwrap();
    let response = answer(stack.layer(ok()), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(Rejection::of(&response).map(Rejection::kind), Some(Kind::ExpiredKey));
}

/// A store that is down, at once or after it was waited for.
struct Down;

impl KeyStore for Down {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Err("connection refused".into()))
    }
}

#[tokio::test]
async fn r081_a_store_that_does_not_answer_is_503_and_never_401() {
    async fn check(keys: ApiKeyLayer) {
        for layer in [tower_auth::AuthLayer::from(keys.clone()), keys.optional()] {
            let stack = AuthStack::builder().auth(layer.clone()).build().unwrap();
            let alone = answer(layer.layer(ok()), get("/", &[("x-api-key", KEY)])).await;
            let stacked = answer(stack.layer(ok()), get("/", &[("x-api-key", KEY)])).await;
            for (status, headers) in [(alone.status(), alone.headers()), (stacked.status(), stacked.headers())] {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
                assert!(!headers.contains_key("www-authenticate"));
            }
            assert_eq!(json(stacked).await["error"]["code"], "SERVICE_UNAVAILABLE");
            assert_eq!(answer(stack.layer(ok()), get("/", &[("x-api-key", "ak_no")])).await.status(), 401);
        }
    }
    let (scheme, _) = store(record());
    check(ApiKeyLayer::new(scheme.clone(), Down)).await;
    check(ApiKeyLayer::new(scheme, Slow(Down))).await;
}

#[tokio::test]
async fn r090_permissions_deny_by_default_and_nothing_is_implied() {
    let opens = async |scopes: &[&str], policy: RequireLayer| {
        let (scheme, store) = store(record().scopes(scopes.iter().copied()));
        let service = ApiKeyLayer::new(scheme, store).layer(policy.layer(ok()));
        answer(service, get("/", &[("x-api-key", KEY)])).await.status().as_u16()
    };
    assert_eq!(opens(&[], RequireLayer::scope("read")).await, 403);
    assert_eq!(opens(&[], RequireLayer::new(tower_auth::permission::any_scope(Vec::<String>::new()))).await, 403);
    assert_eq!(opens(&["admin"], RequireLayer::scope("webhook")).await, 403);
    assert_eq!(opens(&["admin"], RequireLayer::new(scope("read"))).await, 403);
    for near in ["Read", "read ", "reader", "rea", "*", ""] {
        assert_eq!(opens(&[near], RequireLayer::scope("read")).await, 403, "{near:?}");
    }
    let declared = ScopeHierarchy::new(["read", "admin", "webhook"]).implies("admin", ["read"]).unwrap();
    assert_eq!(opens(&["admin"], RequireLayer::new(declared.scope("read").unwrap())).await, 200);
    assert_eq!(opens(&["admin"], RequireLayer::new(declared.scope("webhook").unwrap())).await, 403);
    assert!(declared.scope("raed").unwrap_err().to_string().contains("\"raed\""));
}
