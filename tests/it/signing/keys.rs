//! What a key signs, and how it is parsed.

use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
use tower_auth::{
    Secret,
    token::{Algorithm, KeySet, VerifyingKey},
};

use super::*;

const ALL: [Algorithm; 4] = [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519, Algorithm::Rs256];

/// Another implementation verifies the tokens with the published key.
fn another_verifies(key: &SigningKey) {
    let now = SystemTime::now();
    let jwk: Jwk = serde_json::from_str(key.public_jwk()).unwrap();
    let mut validation = Validation::new(match key.algorithm() {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::Ed25519 => jsonwebtoken::Algorithm::EdDSA,
        _ => jsonwebtoken::Algorithm::RS256,
    });
    validation.set_audience(&[AUDIENCE]);
    let (token, decoding) = (token(key, now, HOUR), DecodingKey::from_jwk(&jwk).unwrap());
    let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
    assert_eq!(decoded.claims["sub"], "alice");
    assert_eq!(decoded.header.kid.as_deref(), Some(key.id()));
    assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.id());
    // The subject is another one, and everything else is as before.
    let parts: Vec<&str> = token.split('.').collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert!(claims.contains("alice"));
    let changed = URL_SAFE_NO_PAD.encode(claims.replace("alice", "malory"));
    let changed = [parts[0], &changed, parts[2]].join(".");
    let error = jsonwebtoken::decode::<Value>(&changed, &decoding, &validation).unwrap_err();
    assert_eq!(*error.kind(), jsonwebtoken::errors::ErrorKind::InvalidSignature);
}

#[tokio::test]
async fn tokens_verify_here_and_elsewhere() {
    let hand = hand();
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        another_verifies(&key);
        let token = token(&key, hand.now(), HOUR);
        let set = KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, key.public_jwk()).as_bytes()).unwrap();
        for tokens in [
            TokenVerifier::keys(ISSUER, [key.verifying_key()]),
            TokenVerifier::key_set(ISSUER, set),
            TokenVerifier::keys(ISSUER, [VerifyingKey::from_jwk(key.public_jwk()).unwrap()]),
        ] {
            let tokens = tokens.audience(AUDIENCE).build().unwrap();
            assert_eq!(verify(&tokens, &token, &hand).await.unwrap(), "alice", "{algorithm}");
        }
        let other = TokenVerifier::keys(ISSUER, [SigningKey::generate(Algorithm::Es256).unwrap().verifying_key()]);
        verify(&other.audience(AUDIENCE).build().unwrap(), &token, &hand).await.unwrap_err();
    }
}

#[test]
fn a_published_key_has_its_members_and_no_others() {
    for (algorithm, members) in ALL.into_iter().zip([
        &["kty", "crv", "x", "y"][..],
        &["kty", "crv", "x", "y"],
        &["kty", "crv", "x"],
        &["kty", "n", "e"],
    ]) {
        let key = SigningKey::generate(algorithm).unwrap();
        let jwk: Value = serde_json::from_str(key.public_jwk()).unwrap();
        let names: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, [members, &["kid", "alg", "use"]].concat());
        assert_eq!((&jwk["kid"], &jwk["use"]), (&json!(key.id()), &json!("sig")));
        let alg = if algorithm == Algorithm::Ed25519 { "EdDSA" } else { algorithm.name() };
        assert_eq!(jwk["alg"], alg);
        assert_eq!(key.algorithm(), algorithm);
    }
}

/// AWS-LC's Rust crate allocates up to four buffers of its own.
#[test]
fn signing_allocates_the_signature_alone() {
    let backend = if cfg!(feature = "aws-lc-rs") { 4 } else { 0 };
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519] {
        let keys = SigningKeys::in_memory(SigningPolicy::new().algorithm(algorithm), &hand()).unwrap();
        let now = hand().now();
        let key = keys.current(now).unwrap();
        let found = allocation_counter::measure(|| drop(keys.current(now).unwrap()));
        assert_eq!(found.count_total, 0, "{algorithm}");
        key.sign(b"a message").unwrap();
        let signed = allocation_counter::measure(|| drop(key.sign(b"a message").unwrap()));
        assert!(signed.count_total <= 1 + backend, "{algorithm}: {}", signed.count_total);
    }
}

#[test]
fn a_clone_is_the_same_key_and_each_generated_key_is_another() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(key.clone().id(), key.id());
    assert_ne!(SigningKey::generate(Algorithm::Es256).unwrap().id(), key.id());
}

/// Keys of openssl.
const P256: &str = include_str!("../../fixtures/tokens/p256.pem");
const P384: &str = include_str!("../../fixtures/tokens/p384.pem");
const ED25519: &str = include_str!("../../fixtures/tokens/ed25519.pem");
const RSA: &str = include_str!("../../fixtures/tokens/rsa.pem");

#[test]
fn keys_of_openssl_are_parsed() {
    for (algorithm, pem) in ALL.into_iter().zip([P256, P384, ED25519, RSA]) {
        let key = SigningKey::from_pem(algorithm, &Secret::new(pem)).unwrap();
        another_verifies(&key);
        let one_line = Secret::new(pem.replace('\n', "\\n"));
        assert_eq!(SigningKey::from_pem(algorithm, &one_line).unwrap().id(), key.id());
    }
}

#[test]
fn what_is_no_key_for_the_algorithm_is_explained() {
    let small = include_str!("../../fixtures/tokens/rsa1024.pem");
    let label = |label: &str| P256.replace("PRIVATE KEY", label);
    for (algorithm, pem, said) in [
        (Algorithm::Es256, P384.to_owned(), "not a private key for ES256"),
        (Algorithm::Es384, P256.to_owned(), "not a private key for ES384"),
        (Algorithm::Ed25519, P256.to_owned(), "not a private key for Ed25519"),
        (Algorithm::Rs256, P256.to_owned(), "not a private key for RS256"),
        (Algorithm::Es256, RSA.to_owned(), "not a private key for ES256"),
        (Algorithm::Rs256, small.to_owned(), "help: use a key of the algorithm"),
        (Algorithm::Hs256, P256.to_owned(), "HS256 is not supported; help: use ES256"),
        (Algorithm::Ps256, RSA.to_owned(), "PS256 is not supported"),
        (Algorithm::Es256, String::new(), "no line -----BEGIN PRIVATE KEY-----"),
        (Algorithm::Es256, "key.pem".to_owned(), "no line -----BEGIN PRIVATE KEY-----"),
        (Algorithm::Es256, label("EC PRIVATE KEY"), "openssl pkcs8 -topk8"),
        (Algorithm::Es256, label("ENCRYPTED PRIVATE KEY"), "encrypted with a password"),
        (Algorithm::Es256, label("OPENSSH PRIVATE KEY"), "OpenSSH"),
        (Algorithm::Es256, label("PUBLIC KEY"), "not a private key"),
        (Algorithm::Es256, P256.replace("-----END", "-----"), "its END line is missing"),
        (Algorithm::Es256, P256.replace("KEY-----\nM", "KEY-----\n!"), "not base64"),
        (Algorithm::Es256, P256.replace("KEY-----\nM", "KEY-----\nN"), "not a private key for ES256"),
        (Algorithm::Es256, "A".repeat(100_000), "too long"),
    ] {
        let error = SigningKey::from_pem(algorithm, &Secret::new(pem)).unwrap_err().to_string();
        assert!(error.contains(said), "{algorithm}: {error}");
    }
}
