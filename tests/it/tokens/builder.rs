//! What is refused when a verifier or a key is put together, and that none of it shows a secret.

use std::time::Duration;

use bytes::Bytes;
use tower_auth::{
    AuthStack, BearerLayer, BoxError, ConfigError, MaybeReady, Secret, TokenVerifier,
    token::{Algorithm, KeySet, KeySource, TokenVerifierBuilder, VerifyingKey},
};

use super::{
    mint::{ED25519, ISSUER, KIDS, P256, P384, P521, RSA, RSA_PKCS1, SECP256K1, fixture, jwks, key, secret},
    strict,
};

fn wrong(builder: TokenVerifierBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

fn keys() -> KeySet {
    KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap()
}

/// A source that was put together wrongly.
struct Misconfigured;

impl KeySource for Misconfigured {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Err("nobody asks".into()))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        Err(ConfigError::new("the source has no address", "give it one"))
    }
}

#[test]
fn what_is_missing_or_too_much_is_said_when_it_is_built() {
    let cases = [
        ("no audience", TokenVerifier::key_set(ISSUER, keys()), "no audience"),
        ("an empty audience", TokenVerifier::key_set(ISSUER, keys()).audience(""), "no audience"),
        ("an empty audience beside another", strict().audience(""), "no audience"),
        ("an empty issuer", TokenVerifier::key_set("", keys()).audience("api"), "no issuer"),
        ("no key", TokenVerifier::keys(ISSUER, []).audience("api"), "no key"),
        ("no type", strict().typ([""; 0]), "no type"),
        ("a leeway of 61 seconds", strict().leeway(Duration::from_secs(61)), "leeway"),
        ("a leeway of a day", strict().leeway(Duration::from_secs(86_400)), "leeway"),
        ("a cache of nothing", strict().cache(0), "cache"),
        ("a source without an address", TokenVerifier::source(ISSUER, Misconfigured).audience("api"), "no address"),
    ];
    for (name, builder, part) in cases {
        let said = wrong(builder);
        assert!(said.contains(part) && said.contains("help:"), "{name}: {said}");
    }
    assert!(strict().leeway(Duration::from_secs(60)).cache(1).build().is_ok());
    assert_eq!(strict().build().unwrap().issuer(), ISSUER);
}

#[test]
fn a_secret_is_for_hmac_and_hmac_is_for_a_secret() {
    let long = Secret::new("s".repeat(300));
    for algorithm in Algorithm::ALL {
        let hmac = algorithm.name().starts_with("HS");
        assert_eq!(VerifyingKey::hmac(*algorithm, &long).is_ok(), hmac, "{algorithm}");
        if hmac {
            for pem in [RSA, RSA_PKCS1, P256, P384, P521, SECP256K1, ED25519] {
                let said = VerifyingKey::from_pem(*algorithm, pem).unwrap_err().to_string();
                assert!(said.contains("needs a secret"), "{said}");
            }
        }
    }
}

#[test]
fn secrets_are_as_long_as_the_hash() {
    for (algorithm, length) in [(Algorithm::Hs256, 31), (Algorithm::Hs384, 47), (Algorithm::Hs512, 63)] {
        let short = VerifyingKey::hmac(algorithm, &Secret::new("s".repeat(length))).unwrap_err().to_string();
        assert!(short.contains(&format!("and this one has {length}")), "{short}");
        assert!(VerifyingKey::hmac(algorithm, &Secret::new("s".repeat(length + 1))).is_ok());
        // Bytes count, and not characters.
        let wide = "é".repeat(length.div_ceil(2));
        assert!(VerifyingKey::hmac(algorithm, &Secret::new(wide)).is_ok());
    }
}

#[test]
fn a_pem_is_for_its_own_family() {
    for algorithm in Algorithm::ALL {
        for (pem, family) in [
            (RSA, "RS256 RS384 RS512 PS256 PS384 PS512"),
            (RSA_PKCS1, "RS256 RS384 RS512 PS256 PS384 PS512"),
            (P256, "ES256"),
            (P384, "ES384"),
            (P521, "ES512"),
            (SECP256K1, "ES256K"),
            (ED25519, "Ed25519"),
        ] {
            let fits = family.split(' ').any(|name| algorithm.name() == name);
            let made = VerifyingKey::from_pem(*algorithm, pem);
            assert_eq!(made.is_ok(), fits, "{algorithm} {family}: {made:?}");
            if let Ok(key) = made {
                assert_eq!(key.algorithm(), *algorithm);
            }
        }
    }
    // Line ends and white space around it are the editor's.
    for pem in [RSA.replace('\n', "\r\n"), format!("\n\n{RSA}\n\n"), RSA.trim_end().to_owned()] {
        assert!(VerifyingKey::from_pem(Algorithm::Rs256, &pem).is_ok());
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let truncated = RSA.lines().take(3).collect::<Vec<_>>().join("\n");
    for (name, pem) in [
        ("nothing", String::new()),
        ("a word", "key".to_owned()),
        ("no lines around it", RSA.lines().filter(|line| !line.starts_with('-')).collect()),
        ("cut off", truncated),
        ("no base64", RSA.replace("MII", "!!!")),
        ("another tag", RSA.replace("PUBLIC KEY", "SECRET KEY")),
        ("a private RSA key", fixture!("rsa.pem").to_owned()),
        ("a private key for P-256", fixture!("p256.pem").to_owned()),
        ("a private key for Ed25519", fixture!("ed25519.pem").to_owned()),
        ("zeros", "-----BEGIN PUBLIC KEY-----\nAAAAAAAA\n-----END PUBLIC KEY-----\n".to_owned()),
        ("a secret", secret("hs256")),
        ("a JWK", key("rs256").jwk().to_string()),
    ] {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps512, Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519] {
            assert!(VerifyingKey::from_pem(algorithm, &pem).is_err(), "{name} for {algorithm}");
        }
    }
}

/// Everything that an error or a `Debug` could show, and must not.
const SECRET: &str = "correct-horse-battery-staple-0123456789";

#[test]
fn no_error_shows_what_it_was_given() {
    let encoded = super::mint::b64(SECRET);
    let said = |error: ConfigError| {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
    };
    said(VerifyingKey::hmac(Algorithm::Rs256, &Secret::new(SECRET)).unwrap_err());
    said(VerifyingKey::hmac(Algorithm::Hs512, &Secret::new(SECRET)).unwrap_err());
    for algorithm in Algorithm::ALL {
        said(VerifyingKey::from_pem(*algorithm, SECRET).unwrap_err());
    }
    for jwk in [
        SECRET.to_owned(),
        format!("{{\"kty\":\"oct\",\"k\":\"{encoded}\"}}"),
        format!("{{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"{encoded}\"}}"),
        format!("{{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"{encoded}!\"}}"),
        format!("{{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":[\"{encoded}\"]}}"),
        format!("{{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"{encoded}\"}}"),
        format!("{{\"kty\":\"RSA\",\"k\":\"{encoded}\",\"n\":\"{encoded}\",\"e\":1}}"),
        format!("{{\"k\":\"{encoded}\"}}"),
        format!("{{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"{encoded}\""),
    ] {
        said(VerifyingKey::from_jwk(&jwk).unwrap_err());
        let set = format!("{{\"keys\":[{jwk}]}}");
        said(KeySet::from_json(set.as_bytes()).unwrap_err());
    }
}

/// A secret that was put where a JWK belongs, in the quotes of JSON.
#[test]
fn no_error_shows_a_secret_in_quotes() {
    let error = VerifyingKey::from_jwk(&format!("\"{SECRET}\"")).unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
}

#[test]
fn debug_shows_no_key() {
    let jwk = format!("{{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k1\",\"k\":\"{}\"}}", super::mint::b64(SECRET));
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    let set = KeySet::from_json(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap();
    let builder = TokenVerifier::key_set(ISSUER, set.clone()).audience("api");
    let shown = format!("{builder:?}");
    let verifier = builder.build().unwrap();
    let layer = BearerLayer::new(verifier.clone());
    let stack = AuthStack::builder().auth(layer.clone()).build().unwrap();
    let bytes = format!("{:?}", SECRET.as_bytes());
    let all = [
        shown,
        format!("{key:?}"),
        format!("{set:?}"),
        format!("{verifier:?}"),
        format!("{layer:?}"),
        format!("{stack:?}"),
    ];
    for shown in &all {
        for hidden in [SECRET, &super::mint::b64(SECRET), &bytes, &SECRET[..12]] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
    // What tells keys and verifiers apart is shown.
    assert!(all[1].contains("Hs256") && all[1].contains("k1"), "{}", all[1]);
    assert!(all[3].contains(ISSUER), "{}", all[3]);
}
