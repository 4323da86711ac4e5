//! Pitfalls 20 to 25, 28 and 30: what published systems got wrong about tokens.

use std::time::Duration;

use serde_json::{Value, json};
use tower_auth::{
    Clock, TokenVerifier,
    token::{Algorithm, KeySet, TokenError, VerifyingKey},
};

use super::{
    EXPIRED, INVALID, MISSING, NOW, ask, hand, judged,
    mint::{AUDIENCE, ISSUER, KIDS, RSA, b64, claims, hmac, jwks, key},
    present, stack, strict,
};
use crate::support::get;

#[tokio::test]
async fn p20_the_attacker_does_not_pick_the_algorithm() {
    let keys = || [VerifyingKey::from_pem(Algorithm::Rs256, RSA).unwrap()];
    let verifier = || TokenVerifier::keys(ISSUER, keys()).audience(AUDIENCE);
    let rs256 = key("rs256");
    let good = rs256.seal(rs256.header().without("kid"), claims(NOW));
    assert!(judged(verifier(), &good).await.is_ok());
    for alg in ["HS256", "HS384", "HS512", "none"] {
        let header = b64(rs256.header().without("kid").text("alg", alg));
        let signed = format!("{header}.{}", b64(claims(NOW)));
        for secret in [RSA, RSA.trim_end(), ""] {
            let token = format!("{signed}.{}", b64(hmac(alg, secret.as_bytes(), signed.as_bytes())));
            assert!(judged(verifier(), &token).await.is_err(), "{alg}");
        }
    }
}

#[tokio::test]
async fn p21_claims_that_are_configured_are_required() {
    let token = |without: &[&str]| {
        let claims = without.iter().fold(claims(NOW), |claims, name| claims.without(name));
        key("rs256").seal(key("rs256").header(), claims)
    };
    assert!(matches!(judged(strict(), &token(&["iss"])).await, Err(TokenError::WrongIssuer)));
    assert!(matches!(judged(strict(), &token(&["aud"])).await, Err(TokenError::WrongAudience)));
    assert!(judged(strict(), &token(&["iss", "aud"])).await.is_err());
    assert!(judged(strict(), &token(&["exp"])).await.is_err());
}

#[tokio::test]
async fn p22_a_token_for_something_else_is_none() {
    for typ in ["refresh+jwt", "id+jwt", "JWT", "logout+jwt"] {
        let token = key("rs256").seal(key("rs256").header().text("typ", typ), claims(NOW));
        assert!(matches!(judged(strict(), &token).await, Err(TokenError::WrongType)), "{typ}");
    }
}

#[tokio::test]
async fn p23_a_token_is_not_good_in_the_second_in_which_it_expires() {
    for leeway in [Duration::from_secs(61), Duration::from_secs(60) + Duration::from_nanos(1), Duration::MAX] {
        assert!(strict().leeway(leeway).build().unwrap_err().to_string().contains("leeway"), "{leeway:?}");
    }
    let token = key("rs256").seal(key("rs256").header(), claims(NOW).raw("exp", NOW));
    assert!(matches!(judged(strict(), &token).await, Err(TokenError::Expired)));
}

#[tokio::test]
async fn p24_nonsense_is_401_and_the_scheme_has_no_case() {
    let (stack, token) = (stack(strict()), key("rs256").token(NOW));
    for nonsense in ["a.b.c", "..", "e30.e30.e30", "eyJhbGciOiJSUzI1NiJ9.e30.AA", "🔑.🔑.🔑"] {
        present(&stack, nonsense).await.assert_invalid();
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        ask(&stack, get("/", &[("authorization", &format!("{scheme} {token}"))])).await.assert_accepted();
    }
}

/// A document with one bad key in front of good ones, and another behind them.
fn set_with(bad: &str) -> Result<KeySet, tower_auth::ConfigError> {
    let good: Value = serde_json::from_str(&jwks(&["rs256", "es256"])).unwrap();
    let good: Vec<String> = good["keys"].as_array().unwrap().iter().map(ToString::to_string).collect();
    KeySet::from_json(format!("{{\"keys\":[{bad},{},{bad}]}}", good.join(",")).as_bytes())
}

#[tokio::test]
async fn p25_one_bad_key_does_not_discard_the_set() {
    let rsa = key("rs256").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = rsa.clone();
        jwk["kid"] = "bad".into();
        jwk[name] = value;
        jwk.to_string()
    };
    let twice = |first: &str| rsa.to_string().replacen('{', &format!("{{\"{first}\":\"EC\","), 1);
    for (name, bad) in [
        ("null", "null".to_owned()),
        ("a number", "1".to_owned()),
        ("a text", "\"key\"".to_owned()),
        ("an array", "[]".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("no kty", json!({ "kid": "bad", "n": "AQAB", "e": "AQAB" }).to_string()),
        ("an unknown kty", json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA" }).to_string()),
        ("a kty that is a number", with("kty", json!(7))),
        ("a kty that is null", with("kty", json!(null))),
        ("an unknown curve", json!({ "kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA" }).to_string()),
        ("a curve without signatures", json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA" }).to_string()),
        ("P-521", json!({ "kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA" }).to_string()),
        ("a point that is none", json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" }).to_string()),
        ("an unknown alg", with("alg", json!("RS1"))),
        ("an alg for encryption", with("alg", json!("RSA-OAEP-256"))),
        ("an alg of another type", with("alg", json!("ES256"))),
        ("an alg that is a number", with("alg", json!(256))),
        ("an alg that is null", with("alg", json!(null))),
        ("an alg that is an array", with("alg", json!(["RS256"]))),
        ("a kid that is a number", with("kid", json!(1))),
        ("a use for encryption", with("use", json!("enc"))),
        ("a use of its own", with("use", json!("tls"))),
        ("a use that is a number", with("use", json!(1))),
        ("key_ops without verify", with("key_ops", json!(["sign", "encrypt"]))),
        ("key_ops that are none", with("key_ops", json!([]))),
        ("key_ops that are a text", with("key_ops", json!("verify"))),
        ("key_ops that are numbers", with("key_ops", json!([1]))),
        ("a modulus that is no base64", with("n", json!("!!!"))),
        ("a modulus that is a number", with("n", json!(65537))),
        ("a short modulus", with("n", json!("AQAB"))),
        ("no exponent", with("e", json!(null))),
        ("an exponent of nothing", with("e", json!(""))),
        ("a secret without alg", json!({ "kty": "oct", "k": "c2VjcmV0" }).to_string()),
        ("a short secret", json!({ "kty": "oct", "alg": "HS256", "k": "c2VjcmV0" }).to_string()),
        ("a name twice", twice("kty")),
        ("a name twice, escaped", twice("kt\\u0079")),
        ("a deep one", format!("{{\"kty\":{}{}}}", "[".repeat(50), "]".repeat(50))),
    ] {
        let set = set_with(&bad).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(set.len() >= 2, "{name}: {set:?}");
        for kid in ["rs256", "es256"] {
            let verifier = TokenVerifier::key_set(ISSUER, set.clone()).audience(AUDIENCE);
            let judged = judged(verifier, &key(kid).token(NOW)).await;
            assert!(judged.is_ok(), "{name}: {judged:?}");
        }
    }
}

#[tokio::test]
async fn p25_a_key_without_kid_is_not_the_one_called_nothing() {
    let mut nameless = key("rs256").jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    let named = key("es256").jwk();
    let set = || KeySet::from_json(json!({ "keys": [nameless, named] }).to_string().as_bytes()).unwrap();
    let verifier = || TokenVerifier::key_set(ISSUER, set()).audience(AUDIENCE);
    let token = |header| key("rs256").seal(header, claims(NOW));
    assert!(judged(verifier(), &token(key("rs256").header().without("kid"))).await.is_ok());
    for kid in ["", "null", "undefined", "0", "rs256"] {
        let refused = judged(verifier(), &token(key("rs256").header().text("kid", kid))).await;
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{kid:?}: {refused:?}");
    }
}

#[tokio::test]
async fn p28_a_401_has_a_challenge_with_parameters_and_commas() {
    let stack = stack(strict());
    let expired = key("rs256").seal(key("rs256").header(), claims(NOW).raw("exp", 0));
    ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[MISSING]);
    present(&stack, "a.b.c").await.assert(401, "TOKEN_INVALID", &[INVALID]);
    present(&stack, &expired).await.assert(401, "TOKEN_EXPIRED", &[EXPIRED]);
}

/// What a verifier remembers, it remembers for itself.
#[tokio::test]
async fn p30_no_verifier_believes_what_another_has_remembered() {
    let (token, clock) = (key("rs256").token(NOW), Clock::from(&hand()));
    let good = strict().cache(16).build().unwrap();
    for _ in 0..2 {
        assert!(good.verify(&token, &clock).await.is_ok());
    }
    let keys = || KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap();
    for (name, other) in [
        ("another audience", TokenVerifier::key_set(ISSUER, keys()).audience("other")),
        ("another issuer", TokenVerifier::key_set("https://other.test/", keys()).audience(AUDIENCE)),
        ("another type", strict().typ(["JWT"])),
        (
            "other keys",
            TokenVerifier::key_set(ISSUER, KeySet::from_json(jwks(&["es256"]).as_bytes()).unwrap()).audience(AUDIENCE),
        ),
        ("a shorter limit", strict().max_token_len(100)),
        ("another subject", strict().subject_from("uid")),
    ] {
        let other = other.cache(16).build().unwrap();
        for _ in 0..2 {
            assert!(good.verify(&token, &clock).await.is_ok());
            assert!(other.verify(&token, &clock).await.is_err(), "{name}");
        }
    }
}
