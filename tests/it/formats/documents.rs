//! Formats as two documented APIs show them: document 003 (compact), and Halfred of document 004 (`OpenAI`-like).

use serde_json::Value;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, Disclosure, ErrorEnvelopeLayer, KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore,
    Rejection, RejectionKind,
    envelope::{Catalogue, CatalogueEntry},
    testing::ManualClock,
};

use super::shown;
use crate::support::{KEY, get, json, ok, store, text};

/// The three examples of document 003, as they stand there.
const INVALID: &str = r#"{
  "success": false,
  "error": {
    "code": "INVALID_API_KEY",
    "message": "The provided API key is invalid",
    "details": {
      "key_id": "key_1234567890"
    }
  }
}"#;
const EXPIRED: &str = r#"{
  "success": false,
  "error": {
    "code": "EXPIRED_API_KEY",
    "message": "The API key has expired",
    "details": {
      "expired_at": "2024-01-01T00:00:00Z"
    }
  }
}"#;
const MISSING: &str = r#"{
  "success": false,
  "error": {
    "code": "MISSING_API_KEY",
    "message": "API key is required",
    "details": {
      "header": "Authorization"
    }
  }
}"#;

fn envelope_003() -> ErrorEnvelopeLayer {
    let catalogue = Catalogue::default()
        .with(
            RejectionKind::InvalidKey,
            CatalogueEntry::new("INVALID_API_KEY").message("The provided API key is invalid"),
        )
        .with(RejectionKind::ExpiredKey, CatalogueEntry::new("EXPIRED_API_KEY").message("The API key has expired"))
        .with(RejectionKind::MissingCredential, CatalogueEntry::new("MISSING_API_KEY").message("API key is required"));
    ErrorEnvelopeLayer::compact().catalogue(catalogue)
}

/// As texts without white space, so that the order of the members counts.
fn assert_same(shown: &Value, example: &str) {
    let example: Value = serde_json::from_str(example).unwrap();
    assert_eq!(shown.to_string(), example.to_string());
}

#[tokio::test]
async fn r154_document_003_is_spoken_field_by_field() {
    for (refusal, example) in [
        (Rejection::new(RejectionKind::InvalidKey).detail("key_id", "key_1234567890"), INVALID),
        (Rejection::new(RejectionKind::ExpiredKey).detail("expired_at", "2024-01-01T00:00:00Z"), EXPIRED),
        (Rejection::new(RejectionKind::MissingCredential).detail("header", "Authorization"), MISSING),
    ] {
        let response = shown(&envelope_003(), &[], &refusal).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (401, &"application/json".parse().unwrap())
        );
        assert_same(&json(response).await, example);
    }
}

/// What a stack itself says: the expired key as documented; the others without details, which it does not tell.
#[tokio::test]
async fn r154_document_003_in_front_of_a_store() {
    let clock = ManualClock::at("2024-01-01T00:00:00Z");
    let (scheme, store) = store(KeyRecord::new("key_1234567890", "acme").expires_at(clock.now()));
    let keys = ApiKeyLayer::new(scheme, store).bearer().disclose(Disclosure::State);
    let stack = AuthStack::builder().auth(keys).envelope(envelope_003()).clock(&clock).build().unwrap();
    let ask = |headers: &[(&str, &str)]| stack.layer(ok()).oneshot(get("/v1/generate", headers));
    let expired = ask(&[("authorization", &format!("Bearer {KEY}"))]).await.unwrap();
    assert_eq!(expired.headers()["www-authenticate"], r#"Bearer realm="api""#);
    assert_same(&json(expired).await, EXPIRED);
    let unknown = format!("Bearer {}", KEY.replace('1', "2"));
    for (headers, example) in [(&[("authorization", unknown.as_str())][..], INVALID), (&[], MISSING)] {
        let mut example: Value = serde_json::from_str(example).unwrap();
        example["error"]["details"] = serde_json::json!({});
        assert_same(&json(ask(headers).await.unwrap()).await, &example.to_string());
    }
}

const HALFRED: &str = "halfred_Ab3dEf6hIj9lMn2pQr5tUv8xYz1b";

fn halfred() -> (AuthStack, MemoryKeyStore) {
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("halfred", 28).unwrap().without_checksum());
    let store = MemoryKeyStore::new().with(&scheme, HALFRED, KeyRecord::new("key_1", "project")).unwrap();
    let say = |code: &'static str, message: &'static str| {
        CatalogueEntry::new(code).message(message).error_type("authentication_error")
    };
    let catalogue = Catalogue::default()
        .with(RejectionKind::InvalidKey, say("invalid_api_key", "Invalid API key"))
        .with(RejectionKind::MissingCredential, say("invalid_api_key", "Authentication failed"));
    let stack = AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, store.clone()).bearer())
        .envelope(ErrorEnvelopeLayer::openai().catalogue(catalogue))
        .build()
        .unwrap();
    (stack, store)
}

#[tokio::test]
async fn r154_halfred_speaks_as_openai_clients_read() {
    let (stack, store) = halfred();
    let invalid = r#"{"error":{"message":"Invalid API key","type":"authentication_error","param":null,"code":"invalid_api_key"}}"#;
    let missing = invalid.replace("Invalid API key", "Authentication failed");
    let ask = |key: &str| {
        let lines = [("authorization", key)];
        stack.layer(ok()).oneshot(get("/v1/models", if key.is_empty() { &[] } else { &lines }))
    };
    assert_eq!(ask(&format!("Bearer {HALFRED}")).await.unwrap().status().as_u16(), 200);
    for (key, expected) in [
        (format!("Bearer {}", HALFRED.replace('b', "c")), invalid),
        (format!("Bearer {}", &HALFRED[8..]), invalid),
        ("Bearer sk-1234".to_owned(), invalid),
        (String::new(), &missing),
    ] {
        let response = ask(&key).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (401, &"application/json".parse().unwrap())
        );
        assert_eq!(text(response).await, expected, "{key}");
    }
    assert!(store.set_state("key_1", KeyState::Revoked));
    assert_eq!(text(ask(&format!("Bearer {HALFRED}")).await.unwrap()).await, invalid, "revoked, at once");
}

/// By default its codes are those of the catalogue in lower case, and `param` is there and null.
#[tokio::test]
async fn r154_the_openai_format_without_a_catalogue_of_ones_own() {
    for kind in RejectionKind::ALL.iter().copied() {
        let (own, detailed) = (ErrorEnvelopeLayer::openai(), ErrorEnvelopeLayer::detailed());
        let shown_so = json(shown(&own, &[], &Rejection::new(kind)).await).await;
        let error = shown_so["error"].as_object().unwrap();
        let names: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!((shown_so.as_object().unwrap().len(), names), (1, vec!["message", "type", "param", "code"]));
        assert!(error["param"].is_null());
        let other = json(shown(&detailed, &[], &Rejection::new(kind)).await).await;
        assert_eq!(error["code"], other["error"]["code"].as_str().unwrap().to_lowercase());
        assert_eq!([&error["message"], &error["type"]], [&other["error"]["message"], &other["error"]["type"]]);
    }
}
