//! What a source may answer, and what of it becomes a key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{COOLDOWN, Desk, FRESH, Fate, ISSUER, NEW, OLD, STRANGER, Signer, claims, key_set, source::Does, verdict};

/// What the verifier and the client read at the most.
const LARGEST: usize = 256 * 1024;

/// A key set with this many keys, of which the last is good.
fn crowd(keys: usize) -> Bytes {
    let mut all: Vec<Value> = (1..keys).map(|_| STRANGER.jwk()).collect();
    all.push(OLD.jwk());
    json!({ "keys": all }).to_string().into()
}

/// A good document of this length.
fn padded(length: usize) -> Bytes {
    let mut document = key_set(&[&OLD]).to_vec();
    document.resize(length, b' ');
    document.into()
}

fn keys(keys: &Value) -> Bytes {
    json!({ "keys": keys }).to_string().into()
}

/// A secret as somebody may publish it by mistake.
fn oct() -> Value {
    json!({ "kty": "oct", "alg": "HS256", "kid": "secret", "use": "sig", "k": URL_SAFE_NO_PAD.encode(SECRET) })
}

const SECRET: &[u8] = b"thirty-two bytes that are public";

#[tokio::test]
async fn r069_a_document_that_is_no_key_set_keeps_the_old_keys() {
    let mut weak = OLD.jwk();
    weak["use"] = "enc".into();
    let unread = json!([null, 1, "key", {}, { "kty": "unknown", "kid": "old" }, weak]);
    for (document, why) in [
        (Bytes::new(), "not JSON"),
        (Bytes::from_static(b"<html>"), "not JSON"),
        (Bytes::from_static(b"\xff\xfe"), "not JSON"),
        (key_set(&[&OLD]).slice(1..), "not JSON"),
        ([key_set(&[&OLD]), key_set(&[&OLD])].concat().into(), "not JSON"),
        (Bytes::from_static(b"{}"), "no list"),
        (Bytes::from_static(b"null"), "no list"),
        (OLD.jwk().to_string().into(), "no list"),
        (json!([OLD.jwk()]).to_string().into(), "no list"),
        (keys(&json!({ "0": OLD.jwk() })), "no list"),
        (keys(&json!([])), "no key in the set"),
        (keys(&unread), "no key in the set"),
        (keys(&json!([oct()])), "no key in the set"),
        (crowd(65), "65 keys"),
        (padded(LARGEST + 1), "262144 bytes"),
    ] {
        let desk = Desk::new(Does::Answer(document.clone()));
        let told = super::reason(desk.verify(&OLD)).await;
        assert!(told.contains(why), "{told}");

        desk.source.now(Does::publish(&[&OLD]));
        desk.later(COOLDOWN);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);

        desk.source.now(Does::Answer(document));
        desk.later(FRESH);
        assert_eq!(desk.fate(&OLD).await, Fate::Good, "{why}");
        assert_eq!(desk.source.fetches(), 3);
    }
}

#[tokio::test]
async fn r069_a_document_at_the_limits_is_taken() {
    for document in [crowd(64), padded(LARGEST)] {
        let desk = Desk::new(Does::Answer(document));
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
    }
}

#[tokio::test]
async fn r069_a_key_that_cannot_be_used_does_not_spoil_the_others() {
    let mut for_encryption = STRANGER.jwk();
    for_encryption["use"] = "enc".into();
    let set = json!([for_encryption, { "kty": "unknown" }, null, OLD.jwk(), { "kty": "EC" }, NEW.jwk()]);
    let desk = Desk::new(Does::Answer(keys(&set)));
    for (signer, fate) in [(&OLD, Fate::Good), (&NEW, Fate::Good), (&STRANGER, Fate::UnknownKey)] {
        assert_eq!(desk.fate(signer).await, fate, "{}", signer.id);
    }
}

/// A token that is signed with a secret.
fn by_secret(kid: Option<&str>, secret: &[u8]) -> String {
    let header =
        Header { typ: Some("at+jwt".to_owned()), kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
    encode(&header, &claims(ISSUER), &EncodingKey::from_secret(secret)).unwrap()
}

#[tokio::test]
async fn r069_a_published_secret_is_no_key() {
    let desk = Desk::new(Does::Answer(keys(&json!([oct(), OLD.jwk()]))));
    let public = URL_SAFE_NO_PAD.decode(OLD.jwk()["x"].as_str().unwrap()).unwrap();
    for token in [by_secret(Some("secret"), SECRET), by_secret(None, SECRET), by_secret(Some("old"), &public)] {
        let outcome = verdict(desk.tokens.verify(&token, &desk.clock())).await;
        assert_eq!(Fate::from(&outcome), Fate::UnknownKey, "{outcome:?}");
    }
    assert_eq!(desk.fate(&OLD).await, Fate::Good, "the others are");
    // It would be one in a file that the service alone reads.
    let set = tower_auth::token::KeySet::from_json(&keys(&json!([oct()]))).unwrap();
    let local = tower_auth::TokenVerifier::key_set(ISSUER, set).audience(super::AUDIENCE).build().unwrap();
    assert!(local.verify(&by_secret(Some("secret"), SECRET), &desk.clock()).await.is_ok());
}

#[tokio::test]
async fn a_key_of_the_same_name_and_another_value_is_another_key() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    let impostor = Signer { id: OLD.id, seed: STRANGER.seed };
    assert_eq!(desk.fate(&impostor).await, Fate::Refused);
    desk.source.now(Does::publish(&[&impostor]));
    desk.later(FRESH);
    assert_eq!((desk.fate(&impostor).await, desk.fate(&OLD).await), (Fate::Good, Fate::Refused));
}
