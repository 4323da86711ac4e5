//! Keys of another environment are strangers.

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Quota,
    RateLimitLayer, Restrictions, Secret, testing::ManualClock,
};

use super::{NOW, PEER, ask, layers, request};
use crate::support::{Body, KEY, get, ok, text};

const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

fn key() -> KeyRecord {
    KeyRecord::new("key_1", "acme")
}

fn stack(keys: ApiKeyLayer) -> AuthStack {
    AuthStack::builder().auth(keys).clock(&ManualClock::at(NOW)).build().unwrap()
}

/// The whole answer, but for the id of the request.
async fn wire(stack: &AuthStack, request: Request<Body>) -> String {
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let head = format!("{} {:?} ", response.status(), response.headers());
    (head + &text(response).await).replace(&id, "ID")
}

#[tokio::test]
async fn a_layer_admits_the_keys_of_its_environment_only() {
    let of_test = key().environment("test");
    for (record, here, status, cause) in [
        (key().environment("live"), Some("live"), 200, ""),
        (of_test.clone(), Some("test"), 200, ""),
        (of_test.clone(), None, 200, ""),
        (key(), None, 200, ""),
        (of_test, Some("live"), 401, "the key belongs to the environment \"test\""),
        (key().environment("LIVE"), Some("live"), 401, "\"LIVE\""),
        (key().environment(""), Some("live"), 401, "\"\""),
        // Nobody has said that it may be used here.
        (key(), Some("live"), 401, "no environment"),
    ] {
        for keys in layers(&record) {
            let keys = match here {
                Some(here) => keys.environment(here),
                None => keys,
            };
            let told = ask(&stack(keys), request(PEER, &[])).await;
            told.assert(status, if status == 401 { "INVALID_API_KEY" } else { "" });
            assert!(told.cause.contains(cause), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_key_of_another_environment_is_an_unknown_key_byte_for_byte() {
    let networks = Restrictions::new().networks(["203.0.113.0/24"]).unwrap();
    let past = ManualClock::at("2020-01-01T00:00:00Z").now();
    let all = [key(), key().state(KeyState::Paused), key().expires_at(past), key().restrictions(networks)];
    for disclosure in [Disclosure::Nothing, Disclosure::State, Disclosure::All] {
        for record in &all {
            for keys in layers(&record.clone().environment("test")) {
                let stack = stack(keys.environment("live").disclose(disclosure));
                let unknown = wire(&stack, get("/", &[("x-api-key", STRANGER)])).await;
                assert!(unknown.starts_with("401") && unknown.contains("INVALID_API_KEY"), "{unknown}");
                assert_eq!(wire(&stack, get("/", &[("x-api-key", KEY)])).await, unknown, "{record:?}");
            }
        }
    }
}

/// A customer who confuses two keys does not lock out the office.
#[tokio::test]
async fn a_key_of_another_environment_is_charged_to_its_holder() {
    for keys in layers(&key().environment("test")) {
        let limit = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
        let builder = AuthStack::builder().auth(keys.environment("live")).limit(limit).clock(&ManualClock::at(NOW));
        let stack = builder.build().unwrap();
        for status in [401, 401, 429] {
            assert_eq!(ask(&stack, request(PEER, &[])).await.status, status);
        }
        let mut unknown = request(PEER, &[]);
        unknown.headers_mut().insert("x-api-key", STRANGER.parse().unwrap());
        ask(&stack, unknown).await.assert(401, "INVALID_API_KEY");
    }
}

#[tokio::test]
async fn an_environment_has_a_name_and_a_static_key_has_none() {
    for nameless in ["", " "] {
        let [keys, _] = layers(&key());
        let error = AuthStack::builder().auth(keys.environment(nameless)).build().unwrap_err().to_string();
        assert!(error.contains("environment"), "{error}");
    }
    let ops = ApiKeyLayer::static_key("ops", Secret::new(KEY)).unwrap().environment("live");
    ask(&stack(ops), request(PEER, &[])).await.assert(401, "INVALID_API_KEY");
}

/// A record that was written by hand may be wrong. What the key itself names counts too.
#[tokio::test]
async fn a_key_that_names_another_environment_than_its_record_is_refused() {
    let format = KeyFormat::prefixed("sk", 32).unwrap().environments(["live", "test"]).unwrap();
    let scheme = KeyScheme::ephemeral(format);
    for (named, recorded, status) in [("live", "live", 200), ("test", "live", 401), ("live", "test", 401)] {
        let secret = scheme.generate_in(named).unwrap();
        let store = MemoryKeyStore::new();
        store.insert(&scheme, secret.expose(), key().environment(recorded)).unwrap();
        let stack = stack(ApiKeyLayer::new(scheme.clone(), store).environment("live"));
        let told = ask(&stack, get("/", &[("x-api-key", secret.expose())])).await;
        told.assert(status, if status == 401 { "INVALID_API_KEY" } else { "" });
        assert_eq!(told.cause.contains("itself names another"), named != "live", "{told:?}");
    }
}
