//! Fixed keys beside those of a source: an issuer that moves from a secret to a published key.

use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use tower_auth::{
    Clock, Health, Secret, TokenVerifier,
    token::{Algorithm, TokenError, VerifyingKey},
};

use super::{
    AUDIENCE, COOLDOWN, Desk, FRESH, Fate, ISSUER, NEW, OLD, STALE, STRANGER, claims, noon, source::Does, verdict,
};

const SECRET: &str = "a secret that issuer and service share: 48 bytes";

fn shared() -> VerifyingKey {
    VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(SECRET)).unwrap()
}

/// A token under a shared secret.
fn legacy(kid: Option<&str>, secret: &[u8]) -> String {
    let header = Header { typ: Some("at+jwt".into()), kid: kid.map(str::to_owned), ..Header::new(Alg::HS256) };
    encode(&header, &claims(ISSUER), &EncodingKey::from_secret(secret)).unwrap()
}

fn moving(first: Does) -> Desk {
    Desk::built(first, |builder| builder.also_keys([shared()]))
}

impl Desk {
    async fn fate_of(&self, token: &str) -> Fate {
        Fate::from(&verdict(self.tokens.verify(token, &self.clock())).await)
    }
}

#[tokio::test]
async fn both_kinds_of_keys_verify() {
    let desk = moving(Does::publish(&[&OLD]));
    for kid in [None, Some("legacy"), Some("old")] {
        assert_eq!(desk.fate_of(&legacy(kid, SECRET.as_bytes())).await, Fate::Good, "{kid:?}");
    }
    assert_eq!(desk.source.fetches(), 0, "a fixed key needs no fetch");
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 1));
    assert_eq!((desk.fate(&STRANGER).await, desk.source.fetches()), (Fate::UnknownKey, 1));
    desk.later(FRESH);
    desk.source.now(Does::publish(&[&NEW]));
    assert_eq!((desk.fate_of(&legacy(None, SECRET.as_bytes())).await, desk.source.fetches()), (Fate::Good, 1));
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 2));
    assert_eq!(desk.fate(&OLD).await, Fate::UnknownKey);
}

#[tokio::test]
async fn fixed_keys_work_while_the_source_is_down() {
    let desk = moving(Does::Fail("down"));
    assert_eq!(desk.fate_of(&legacy(None, SECRET.as_bytes())).await, Fate::Good);
    assert_eq!(desk.source.fetches(), 0);
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Unavailable, 1));
    assert_eq!(desk.fate_of(&legacy(None, SECRET.as_bytes())).await, Fate::Good);
    // A part of the tokens is still verified.
    assert!(matches!(desk.tokens.health(), Health::Degraded(why) if why.contains("down")));
    assert!(matches!(Desk::new(Does::Fail("down")).tokens.health(), Health::Down(_)));
    // The keys of the source become too old, and the fixed ones do not.
    let desk = moving(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("down"));
    desk.later(STALE);
    assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
    assert_eq!(desk.fate_of(&legacy(None, SECRET.as_bytes())).await, Fate::Good);
}

#[tokio::test]
async fn a_forged_secret_causes_no_fetch() {
    let desk = moving(Does::Fail("down"));
    for kid in [None, Some("old"), Some("made up")] {
        for secret in [b"another secret of somebody who has none".as_slice(), &OLD.pkcs8(), b""] {
            assert_eq!(desk.fate_of(&legacy(kid, secret)).await, Fate::Refused, "no fetch can make it good");
        }
    }
    assert_eq!(desk.source.fetches(), 0);
    let refused =
        verdict(moving(Does::Fail("down")).tokens.verify(&legacy(None, b"another"), &moving(Does::Hang).clock()));
    assert!(matches!(refused.await, Err(TokenError::BadSignature)));
}

#[tokio::test]
async fn a_rotation_is_seen_past_a_fixed_key_of_the_same_algorithm() {
    // The fixed key has no id, so it is tried for every token.
    let fixed = VerifyingKey::from_jwk(&OLD.jwk().to_string().replace("\"kid\"", "\"other\"")).unwrap();
    let desk = Desk::built(Does::publish(&[&NEW]), |builder| builder.also_keys([fixed]));
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 0));
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 1));
    desk.source.now(Does::publish(&[&NEW, &STRANGER]));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&STRANGER).await, desk.source.fetches()), (Fate::Good, 2));
}

#[tokio::test]
async fn a_cache_remembers_tokens_of_both_kinds() {
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.also_keys([shared()]).cache(16));
    let token = legacy(None, SECRET.as_bytes());
    for _ in 0..3 {
        assert_eq!(desk.fate_of(&token).await, Fate::Good);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
    }
    desk.source.now(Does::publish(&[&NEW]));
    desk.later(FRESH);
    assert_eq!(desk.fate(&NEW).await, Fate::Good);
    assert_eq!(desk.fate(&OLD).await, Fate::UnknownKey, "its key is gone");
    assert_eq!(desk.fate_of(&token).await, Fate::Good);
}

#[tokio::test]
async fn the_cause_names_the_keys_of_both_kinds() {
    let desk = moving(Does::publish(&[&OLD]));
    let token = STRANGER.token();
    let error = verdict(desk.tokens.verify(&token, &desk.clock())).await.unwrap_err();
    let why = desk.tokens.explain(&token, &error);
    assert!(why.contains("no kid (HS256)") && why.contains(r#""old" (Ed25519)"#), "{why}");
}

#[tokio::test]
async fn fixed_keys_beside_fixed_keys_are_one_set() {
    let public = VerifyingKey::from_jwk(&OLD.jwk().to_string()).unwrap();
    for first in [vec![], vec![public]] {
        let tokens = TokenVerifier::keys(ISSUER, first).also_keys([shared()]).audience(AUDIENCE).build().unwrap();
        assert!(verdict(tokens.verify(&legacy(None, SECRET.as_bytes()), &Clock::from(&noon()))).await.is_ok());
    }
    assert!(TokenVerifier::keys(ISSUER, []).also_keys([]).audience(AUDIENCE).build().is_err());
}

/// A document of an own source with a secret in it.
fn with_secret() -> Does {
    let secret = serde_json::json!({
        "kty": "oct", "alg": "HS256", "kid": "shared",
        "k": base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, SECRET),
    });
    Does::Answer(serde_json::json!({ "keys": [OLD.jwk(), secret] }).to_string().into())
}

#[tokio::test]
async fn a_source_has_secrets_where_the_verifier_says_so() {
    let token = legacy(Some("shared"), SECRET.as_bytes());
    let desk = Desk::built(with_secret(), tower_auth::token::TokenVerifierBuilder::secret_keys_from_source);
    assert_eq!((desk.fate_of(&token).await, desk.fate(&OLD).await), (Fate::Good, Fate::Good));
    assert_eq!(desk.fate_of(&legacy(Some("shared"), b"another")).await, Fate::Refused);
    let desk = Desk::new(with_secret());
    assert_eq!((desk.fate_of(&token).await, desk.fate(&OLD).await), (Fate::UnknownKey, Fate::Good));
    // Beside another secret, both are tried.
    let other = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("another secret, and also 32 bytes")).unwrap();
    let desk = Desk::built(with_secret(), |builder| builder.also_keys([other]).secret_keys_from_source());
    assert_eq!(desk.fate_of(&token).await, Fate::Good);
}

#[test]
fn a_key_set_over_http_never_has_secrets() {
    let keys = || tower_auth::jwks::JwksClient::new("https://id.example.com/keys");
    for builder in [TokenVerifier::source(ISSUER, keys()), TokenVerifier::source(ISSUER, std::sync::Arc::new(keys()))] {
        let error = builder.audience(AUDIENCE).secret_keys_from_source().build().unwrap_err().to_string();
        assert!(error.contains("published"), "{error}");
    }
}

#[tokio::test]
async fn a_bundle_of_spiffe_has_keys_of_one_use() {
    let with = |signer: &super::Signer, usage: serde_json::Value| {
        let mut jwk = signer.jwk();
        jwk["use"] = usage;
        jwk
    };
    let mut nameless = with(&STRANGER, "jwt-svid".into());
    nameless.as_object_mut().unwrap().remove("kid");
    let keys = [with(&OLD, "jwt-svid".into()), with(&NEW, "x509-svid".into()), nameless];
    let bundle = || Does::Answer(serde_json::json!({ "keys": keys, "spiffe_refresh_hint": 300 }).to_string().into());
    let desk = Desk::built(bundle(), tower_auth::token::TokenVerifierBuilder::spiffe_bundle);
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    assert_eq!(desk.fate(&NEW).await, Fate::UnknownKey, "a key for certificates");
    assert_eq!(desk.fate(&STRANGER).await, Fate::UnknownKey, "a key without an id");
    let only = |jwk: serde_json::Value| Does::Answer(serde_json::json!({ "keys": [jwk] }).to_string().into());
    for usage in [serde_json::json!("sig"), serde_json::json!(null), serde_json::json!(["jwt-svid"])] {
        let desk = Desk::built(only(with(&OLD, usage.clone())), tower_auth::token::TokenVerifierBuilder::spiffe_bundle);
        assert_eq!(desk.fate(&OLD).await, Fate::Unavailable, "{usage}");
    }
    let plain = Desk::new(only(with(&OLD, "jwt-svid".into())));
    assert_eq!(plain.fate(&OLD).await, Fate::Unavailable, "by default no such key is taken");
}

#[test]
fn a_document_has_one_form() {
    let source = || super::source::Script::new(Does::Answer("{}".into()));
    let builder = || TokenVerifier::source(ISSUER, source()).audience(AUDIENCE);
    for (pair, names) in [
        (builder().pem_map(Algorithm::Es256).spiffe_bundle(), ["pem_map", "spiffe_bundle"]),
        (builder().secret_keys_from_source().pem_map(Algorithm::Es256), ["pem_map", "secret_keys_from_source"]),
        (builder().spiffe_bundle().secret_keys_from_source(), ["spiffe_bundle", "secret_keys_from_source"]),
    ] {
        let error = pair.build().unwrap_err().to_string();
        assert!(names.iter().all(|name| error.contains(&format!("TokenVerifierBuilder::{name}"))), "{error}");
    }
    for one in [builder().pem_map(Algorithm::Es256), builder().spiffe_bundle(), builder().secret_keys_from_source()] {
        assert!(one.build().is_ok());
    }
}
