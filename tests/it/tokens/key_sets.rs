//! Which keys of a document are taken, and for what.

use std::sync::Arc;

use serde_json::{Value, json};
use tower_auth::{
    BearerLayer, Secret, TokenVerifier,
    token::{Algorithm, KeySet, KeySource, SigningKey, TokenError, TokenVerifierBuilder, VerifyingKey},
};

use super::{
    NOW, Published, judged,
    mint::{AUDIENCE, ISSUER, KIDS, b64, claims, fixture, jwks, key, secret},
    present, stack_of,
};

fn of(keys: &[Value]) -> TokenVerifierBuilder {
    let document = json!({ "keys": keys }).to_string();
    TokenVerifier::key_set(ISSUER, KeySet::from_json(document.as_bytes()).unwrap()).audience(AUDIENCE)
}

fn with(kid: &str, name: &str, value: Value) -> Value {
    let mut jwk = key(kid).jwk();
    jwk[name] = value;
    jwk
}

fn published(document: &impl ToString) -> TokenVerifierBuilder {
    TokenVerifier::source(ISSUER, Published(document.to_string())).audience(AUDIENCE)
}

#[test]
fn what_is_no_set_is_refused() {
    for document in [
        "",
        " ",
        "null",
        "[]",
        "{}",
        "\"keys\"",
        "1",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":\"\"}",
        "{\"keys\":[]}",
        "{\"keys\":[{}]}",
        "{\"keys\":[null]}",
        "{\"keys\":[[]]}",
        "{\"KEYS\":[]}",
        "{\"keys\":[}",
        "{\"keys\":[]",
        "\u{feff}{}",
    ] {
        assert!(KeySet::from_json(document.as_bytes()).is_err(), "{document}");
    }
    assert!(KeySet::from_json(&[0xff; 10]).is_err());
    assert!(KeySet::from_json(key("rs256").jwk().to_string().as_bytes()).is_err(), "one key is no set");
}

#[test]
fn a_set_has_64_keys_at_the_most() {
    let set = |count: usize| {
        let keys: Vec<Value> = (0..count).map(|n| with("ed25519", "kid", json!(format!("k{n}")))).collect();
        KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes())
    };
    let most = set(64).unwrap();
    assert_eq!((most.len(), most.is_empty()), (64, false));
    assert!(set(65).unwrap_err().to_string().contains("65 keys"));
}

#[test]
fn every_key_of_the_forge_is_taken_and_what_else_stands_in_a_document_is_not_minded() {
    assert_eq!(KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap().len(), KIDS.len());
    let mut jwk = key("rs256").jwk();
    for (name, value) in [
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("issuer", json!("somebody")),
        ("key_ops", json!(["verify"])),
        ("exp", json!(1)),
    ] {
        jwk[name] = value;
    }
    let document = json!({ "issuer": "x", "keys": [jwk], "more": [1, 2, 3] });
    assert_eq!(KeySet::from_json(document.to_string().as_bytes()).unwrap().len(), 1);
}

#[test]
fn a_key_that_is_not_for_verifying_is_left_out() {
    let good = key("es256").jwk();
    for (name, bad) in [
        ("use enc", with("rs256", "use", json!("enc"))),
        ("another use", with("rs256", "use", json!("SIG"))),
        ("key_ops without verify", with("rs256", "key_ops", json!(["sign"]))),
        ("key_ops for wrapping", with("rs256", "key_ops", json!(["wrapKey", "encrypt"]))),
        ("no key_ops", with("rs256", "key_ops", json!([]))),
        ("RSA with an EC alg", with("rs256", "alg", json!("ES256"))),
        ("RSA with HS256", with("rs256", "alg", json!("HS256"))),
        ("RSA with EdDSA", with("rs256", "alg", json!("EdDSA"))),
        ("P-256 with ES384", with("es256", "alg", json!("ES384"))),
        ("P-256 with RS256", with("es256", "alg", json!("RS256"))),
        ("P-256 with HS256", with("es256", "alg", json!("HS256"))),
        ("P-384 with ES256", with("es384", "alg", json!("ES256"))),
        ("Ed25519 with ES256", with("ed25519", "alg", json!("ES256"))),
        ("a secret with RS256", with("hs256", "alg", json!("RS256"))),
        ("a secret with none", with("hs256", "alg", json!("none"))),
        ("a secret of 31 bytes", with("hs256", "k", json!(b64([7_u8; 31])))),
        ("a secret of 47 bytes for HS384", with("hs384", "k", json!(b64([7_u8; 47])))),
        ("a secret of 63 bytes for HS512", with("hs512", "k", json!(b64([7_u8; 63])))),
        ("a secret with padding", with("hs256", "k", json!(b64([7_u8; 32]) + "="))),
    ] {
        assert!(VerifyingKey::from_jwk(&bad.to_string()).is_err(), "{name}");
        let set = KeySet::from_json(json!({ "keys": [bad, good] }).to_string().as_bytes()).unwrap();
        assert_eq!(set.len(), 1, "{name}: {set:?}");
    }
    for (name, good) in [
        ("use sig", with("rs256", "use", json!("sig"))),
        ("key_ops with verify", with("rs256", "key_ops", json!(["sign", "verify"]))),
        ("an unknown operation beside it", with("rs256", "key_ops", json!(["verify", "prove"]))),
        ("PS512", with("rs256", "alg", json!("PS512"))),
        ("a secret of 32 bytes", with("hs256", "k", json!(b64([7_u8; 32])))),
    ] {
        assert!(VerifyingKey::from_jwk(&good.to_string()).is_ok(), "{name}");
    }
}

/// Every reader of a published set could sign with a secret in it.
#[tokio::test]
async fn secrets_in_a_published_set_are_left_out() {
    let verifier = || published(&jwks(&KIDS));
    for kid in KIDS {
        let judged = judged(verifier(), &key(kid).token(NOW)).await;
        assert_eq!(judged.is_ok(), !kid.starts_with("hs"), "{kid}: {judged:?}");
    }
    let refused = judged(published(&jwks(&["hs256"])), &key("hs256").token(NOW)).await;
    assert!(matches!(refused, Err(TokenError::Unavailable(_))), "{refused:?}");
    let stack = stack_of(BearerLayer::new(published(&jwks(&["hs256"])).build().unwrap()));
    let told = present(&stack, &key("hs256").token(NOW)).await;
    told.assert(503, "SERVICE_UNAVAILABLE", &[]);
    // In a document of one's own they are keys like any.
    assert!(judged(of(&[key("hs256").jwk()]), &key("hs256").token(NOW)).await.is_ok());
}

#[tokio::test]
async fn rsa_keys_without_alg_are_for_what_the_verifier_says() {
    let mut jwk = key("rs256").jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| name != "alg" && name != "kid");
    let document = json!({ "keys": [jwk] });
    for (chosen, good) in [(None, "rs256"), (Some(Algorithm::Ps256), "ps256"), (Some(Algorithm::Rs512), "rs512")] {
        for kid in &KIDS[3..9] {
            let builder = published(&document);
            let builder = if let Some(algorithm) = chosen { builder.rsa_algorithm(algorithm) } else { builder };
            let token = key(kid).seal(key(kid).header().without("kid"), claims(NOW));
            let judged = judged(builder, &token).await;
            assert_eq!(judged.is_ok(), *kid == good, "{chosen:?} {kid}: {judged:?}");
        }
    }
}

#[tokio::test]
async fn the_id_of_a_key_is_the_one_that_it_was_given() {
    let secret = Secret::new(secret("hs256"));
    let hmac = || VerifyingKey::hmac(Algorithm::Hs256, &secret).unwrap();
    let token = |kid: Option<&str>| {
        let header = key("hs256").header().without("kid");
        key("hs256").seal(kid.map_or_else(|| header.clone(), |kid| header.clone().text("kid", kid)), claims(NOW))
    };
    for (named, presented, good) in [
        (None, None, true),
        // A name that no key has tells nothing where no key has any.
        (None, Some("2026"), true),
        (None, Some(""), true),
        (Some("2026"), None, true),
        (Some("2026"), Some("2026"), true),
        (Some("2026"), Some("2025"), false),
        (Some("2026"), Some(""), false),
        (Some(""), Some(""), true),
    ] {
        let key = if let Some(id) = named { hmac().id(id) } else { hmac() };
        let judged = judged(TokenVerifier::keys(ISSUER, [key]).audience(AUDIENCE), &token(presented)).await;
        assert_eq!(judged.is_ok(), good, "{named:?} {presented:?}: {judged:?}");
    }
}

/// While keys change, two have the same id, or a token names none of several.
#[tokio::test]
async fn several_keys_may_fit() {
    let other = super::mint::attackers()[0].jwk();
    let same_id = |mut jwk: Value| {
        jwk["kid"] = "current".into();
        jwk
    };
    let both = [same_id(other), same_id(key("rs256").jwk())];
    let header = key("rs256").header();
    for header in [header.clone().text("kid", "current"), header.without("kid")] {
        for keys in [both.clone(), [both[1].clone(), both[0].clone()]] {
            assert!(judged(of(&keys), &key("rs256").seal(&header, claims(NOW))).await.is_ok());
        }
        let refused = judged(of(&both[..1]), &key("rs256").seal(&header, claims(NOW))).await;
        assert!(matches!(refused, Err(TokenError::BadSignature)), "{refused:?}");
    }
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let modulus = |first: u8, bytes: usize| json!(b64([vec![first], vec![0xff; bytes - 1]].concat()));
    for (name, n) in [
        ("2047 bits", modulus(0x7f, 256)),
        ("2047 bits and a zero before", modulus(0, 256)),
        ("8193 bits", modulus(1, 1025)),
        ("16384 bits", modulus(0xff, 2048)),
    ] {
        let said = VerifyingKey::from_jwk(&with("rs256", "n", n).to_string()).unwrap_err().to_string();
        assert!(said.contains("2048 to 8192 bits"), "{name}: {said}");
    }
    // Zeros before the number change nothing about it.
    let n = super::mint::unb64(key("rs256").jwk()["n"].as_str().unwrap());
    let padded = with("rs256", "n", json!(b64([&[0, 0], &*n].concat())));
    assert!(VerifyingKey::from_jwk(&padded.to_string()).is_ok());
}

#[tokio::test]
async fn a_source_is_shared_by_reference_too() {
    let source: Arc<dyn KeySource> = Arc::new(Published(jwks(&["es256"])));
    let builder = TokenVerifier::source(ISSUER, source).audience(AUDIENCE);
    assert!(judged(builder, &key("es256").token(NOW)).await.is_ok());
}

/// Their keys verify, and the crate makes none.
#[test]
fn keys_of_every_curve_that_verifies_do_not_sign() {
    for (algorithm, pem) in [(Algorithm::Es512, fixture!("p521.pem")), (Algorithm::Es256k, fixture!("secp256k1.pem"))] {
        let made = SigningKey::generate(algorithm).unwrap_err().to_string();
        let read = SigningKey::from_pem(algorithm, &Secret::new(pem)).unwrap_err().to_string();
        for said in [made, read] {
            assert!(
                said.contains(&format!("{algorithm} is not supported")) && said.contains("use ES256, ES384"),
                "{said}"
            );
        }
    }
}
