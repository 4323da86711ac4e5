//! The issuer in memory: its tokens, its keys, and its outages.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_auth::{
    Clock, TokenVerifier,
    testing::{ManualClock, TestIssuer, TestToken},
    token::{Algorithm, SigningKey, TokenError},
};

const API: &str = "https://api.test";

fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

const NOW: u64 = 1_800_000_000;

fn alice(issuer: &TestIssuer) -> TestToken {
    issuer.token("alice").audience(API)
}

/// The three parts: header, claims, signature.
fn parts(token: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let [header, claims, signature] = parts.try_into().unwrap();
    (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&claims).unwrap(), signature)
}

async fn verified(tokens: &TokenVerifier, token: TestToken, hand: &ManualClock) -> Result<(), TokenError> {
    tokens.verify(&token.sign(), &Clock::from(hand)).await.map(drop)
}

#[test]
fn a_token_has_the_claims_of_the_profile() {
    let issuer = TestIssuer::named("https://id.example").clock(&hand());
    let (header, claims, _) = parts(&alice(&issuer).sign());
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header["typ"], "at+jwt");
    assert!(issuer.key_set().contains(header["kid"].as_str().unwrap()));
    assert_eq!(
        claims,
        json!({
            "iss": "https://id.example", "sub": "alice", "aud": API, "client_id": "test-client", "jti": "test-token-1",
            "iat": NOW, "exp": NOW + 300,
        })
    );
    let (_, claims, _) = parts(&issuer.token("bob").audience("a").audience("b").scopes(["x", "y"]).sign());
    assert_eq!(
        (&claims["aud"], &claims["scope"], &claims["jti"]),
        (&json!(["a", "b"]), &json!("x y"), &json!("test-token-2"))
    );
}

#[test]
fn every_member_can_be_replaced_and_removed() {
    let issuer = TestIssuer::new().clock(&hand());
    let names = ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"];
    for name in names {
        let (_, claims, _) = parts(&alice(&issuer).without(name).sign());
        assert!(claims.get(name).is_none(), "{claims}");
        assert_eq!(claims.as_object().unwrap().len(), names.len() - 1);
        let (_, claims, _) = parts(&alice(&issuer).without(name).claim(name, [1]).sign());
        assert_eq!(claims[name], json!([1]));
    }
    for name in ["alg", "kid", "typ"] {
        let (header, ..) = parts(&alice(&issuer).without_header(name).sign());
        assert!(header.get(name).is_none(), "{header}");
        let (header, ..) = parts(&alice(&issuer).without_header(name).header(name, 7).sign());
        assert_eq!(header[name], 7);
    }
    let born = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    let (_, claims, _) = parts(&alice(&issuer).expires_in(Duration::from_secs(5)).issued_at(born).sign());
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(100), &json!(105)));
    let (_, claims, _) = parts(&alice(&issuer).expires_in(Duration::MAX).sign());
    assert_eq!(claims["exp"], Value::Null, "there is no such time");
}

#[tokio::test]
async fn a_wrong_token_is_wrong_in_one_way() {
    let hand = hand();
    let issuer = TestIssuer::new().clock(&hand);
    let tokens = issuer.verifier().audience(API).build().unwrap();
    assert!(verified(&tokens, alice(&issuer), &hand).await.is_ok());
    assert!(
        verified(&tokens, alice(&issuer).signed_by(&SigningKey::generate(Algorithm::Es256).unwrap()), &hand)
            .await
            .is_err()
    );
    for (token, wanted) in [
        (alice(&issuer).expired(), "expired"),
        (alice(&issuer).by_stranger(), "signature"),
        (alice(&issuer).unsigned(), "none"),
        (alice(&issuer).typ("JWT"), "typ"),
        (alice(&issuer).claim("iss", "https://other.test"), "other.test"),
        (issuer.token("alice"), "aud"),
        (alice(&issuer).without("exp"), "exp"),
        (alice(&issuer).header("kid", "other"), "kid"),
    ] {
        let text = token.sign();
        let error = tokens.verify(&text, &Clock::from(&hand)).await.unwrap_err();
        let told = tokens.explain(&text, &error);
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    // A stranger's token differs in its signature only.
    let (mine, theirs) = (parts(&alice(&issuer).sign()), parts(&alice(&issuer).by_stranger().sign()));
    assert_eq!(mine.0, theirs.0);
}

#[tokio::test]
async fn every_algorithm_that_signs_can_be_chosen() {
    for (algorithm, alg) in [(Algorithm::Es256, "ES256"), (Algorithm::Es384, "ES384"), (Algorithm::Ed25519, "EdDSA")] {
        let issuer = TestIssuer::new().algorithm(algorithm);
        let tokens = issuer.verifier().audience(API).build().unwrap();
        assert!(tokens.verify(&alice(&issuer).sign(), &Clock::system()).await.is_ok(), "{algorithm}");
        assert_eq!(issuer.key_set().matches("\"kid\"").count(), 1, "{algorithm}");
        issuer.rotate();
        assert_eq!(parts(&alice(&issuer).sign()).0["alg"], alg);
    }
}

#[tokio::test]
async fn a_key_that_is_removed_verifies_nothing_after_the_next_fetch() {
    let hand = hand();
    let issuer = TestIssuer::new().clock(&hand);
    let tokens = issuer.verifier().audience(API).build().unwrap();
    let old = alice(&issuer).sign();
    assert!(tokens.verify(&old, &Clock::from(&hand)).await.is_ok());
    issuer.rotate();
    hand.advance(Duration::from_secs(30));
    assert!(verified(&tokens, alice(&issuer), &hand).await.is_ok());
    assert!(tokens.verify(&old, &Clock::from(&hand)).await.is_ok(), "both keys are published");
    issuer.remove_old_keys();
    issuer.rotate();
    hand.advance(Duration::from_secs(30));
    assert!(verified(&tokens, alice(&issuer), &hand).await.is_ok());
    assert!(tokens.verify(&old, &Clock::from(&hand)).await.is_err(), "the first key is gone");
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn an_outage_and_a_delay_are_those_of_all_handles() {
    let hand = hand();
    let issuer = TestIssuer::new().clock(&hand);
    let tokens = issuer.verifier().audience(API).build().unwrap();
    issuer.clone().fail();
    assert!(matches!(verified(&tokens, alice(&issuer), &hand).await, Err(TokenError::Unavailable(_))));
    issuer.recover();
    hand.advance(Duration::from_secs(1));
    issuer.clone().delay(Duration::from_secs(3));
    let clock = Clock::from(&hand);
    let token = alice(&issuer).sign();
    let mut waiting = Box::pin(tokens.verify(&token, &clock));
    for _ in 0..50 {
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the fetch takes no time"),
            () = tokio::task::yield_now() => {}
        }
    }
    hand.advance(Duration::from_secs(3));
    assert!(waiting.await.is_ok());
    assert_eq!(issuer.fetches(), 2);
}

#[test]
fn a_verifier_of_another_name_is_not_built() {
    let error = TokenVerifier::source("https://other.test", TestIssuer::new()).audience(API).build().unwrap_err();
    assert!(error.to_string().contains("https://id.test"), "{error}");
}
