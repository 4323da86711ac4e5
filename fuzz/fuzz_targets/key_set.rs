//! Reads any bytes as a key set, as one key and as PEM, and builds keys with any numbers. A second reader with `serde_json` checks
//! the results.
//!
//! A text is tried in every form. Input that begins with `0` is DER, which is tried in PEM under several labels. After one of the
//! bytes 1 to 5, the input is the content of a key: RSA, a curve point, Ed25519, a secret, or a point of secp256k1.
#![no_main]

#[path = "parts/sign.rs"]
mod sign;

use std::{
    cell::LazyCell,
    time::{Duration, SystemTime},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rsa::{
    BigUint, RsaPublicKey, pkcs1::DecodeRsaPublicKey as _, pkcs8::DecodePublicKey as _, traits::PublicKeyParts as _,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower_auth::{
    BoxError, Clock, MaybeReady, TokenVerifier,
    token::{Algorithm, Claims, KeySet, KeySource, TokenError, TokenVerifierBuilder, VerifyingKey},
};

use self::sign::sign;

const MOST_KEYS: usize = 64;
/// The most keys that are tried for one token.
const MOST_TRIES: usize = 4;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A good key, placed next to those of the fuzzer.
const KNOWN: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"known","use":"sig","x":"fgqmODSsNJh8QT6Rx7PAHH3T0jb358M3rhScAm_c2c0"}"#;
/// `{"alg":"Ed25519","kid":"known","typ":"at+jwt"}` and `{"iss":"i","aud":"a","sub":"s","exp":1700000001}`, signed with that key.
const TOKEN: &str = "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoia25vd24iLCJ0eXAiOiJhdCtqd3QifQ.\
    eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6InMiLCJleHAiOjE3MDAwMDAwMDF9.\
    O7jTymhoYgsgoR4Gds83IcCk-vfE5HRJQ6teJTDfxRVPs89siFIhYkWKm7CjjoPG4iS-E5bqkKf30hQpoHjDCA";
const NOW: u64 = 1_700_000_000;

thread_local! {
    // Fetches need a timer.
    static RUNTIME: LazyCell<Runtime> =
        LazyCell::new(|| Builder::new_current_thread().enable_time().build().unwrap());
}

fn verify(builder: TokenVerifierBuilder, token: &str) -> Result<Claims, TokenError> {
    let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let verifier = builder.audience("a").build().unwrap();
    RUNTIME.with(|runtime| runtime.block_on(async { verifier.verify(token, &clock).await }))
}

/// A key source with a fixed set, as an issuer publishes it.
struct Published(Bytes);

impl KeySource for Published {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Ok(self.0.clone()))
    }
}

/// Returns the text of a member.
fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

/// Returns the decoded bytes of a member.
fn decoded(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

/// Checks whether a key suits this algorithm, and says what is wrong with it.
fn fault(jwk: &Value, algorithm: Algorithm) -> Result<(), &'static str> {
    use Algorithm::{Ed25519, Es256, Es256k, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

    let ensure = |good: bool, what| if good { Ok(()) } else { Err(what) };
    let absent = |name: &str| jwk.get(name).is_none_or(Value::is_null);
    ensure(jwk.is_object(), "it is no object")?;
    let named = match text(jwk, "alg") {
        None => jwk.get("alg").is_none(),
        Some("EdDSA") => algorithm == Ed25519,
        Some(name) => name == algorithm.name(),
    };
    ensure(named, "alg names another")?;
    ensure(jwk.get("kid").is_none_or(Value::is_string), "kid is no text")?;
    ensure(absent("use") || text(jwk, "use") == Some("sig"), "it is for something else")?;
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let verifies = operations.is_some_and(|all| all.iter().any(|one| one == "verify"));
    ensure(absent("key_ops") || verifies, "it is not for verifying")?;
    let crv = text(jwk, "crv");
    let length = |name: &str, bytes: usize| decoded(jwk, name).is_some_and(|value| value.len() == bytes);
    match text(jwk, "kty") {
        Some("RSA") => {
            ensure(matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512), "an RSA key is for another")?;
            ensure(jwk.get("alg").is_some() || algorithm == Rs256, "an RSA key without alg is for RS256")?;
            let (n, e) = (decoded(jwk, "n").ok_or("no n")?, decoded(jwk, "e").ok_or("no e")?);
            numbers(&BigUint::from_bytes_be(&n), &BigUint::from_bytes_be(&e))
        }
        Some("EC") => {
            let bytes = match (algorithm, crv) {
                (Es256, Some("P-256")) => 32,
                (Es384, Some("P-384")) => 48,
                (Es512, Some("P-521")) => 66,
                (Es256k, Some("secp256k1")) => 32,
                _ => return Err("another curve"),
            };
            ensure(length("x", bytes) && length("y", bytes), "a coordinate has another length")
        }
        Some("OKP") => {
            ensure(algorithm == Ed25519 && crv == Some("Ed25519"), "another curve")?;
            ensure(length("x", 32), "x has another length")
        }
        Some("oct") => {
            let shortest = match algorithm {
                Hs256 => 32,
                Hs384 => 48,
                Hs512 => 64,
                _ => return Err("a secret is for another"),
            };
            ensure(text(jwk, "alg").is_some(), "a secret without alg")?;
            ensure(decoded(jwk, "k").is_some_and(|secret| secret.len() >= shortest), "a short secret")
        }
        _ => Err("another type"),
    }
}

/// Checks the numbers of an RSA key: with weak numbers, signing would not need the private key.
fn numbers(n: &BigUint, e: &BigUint) -> Result<(), &'static str> {
    let is_odd = |number: &BigUint| number.to_bytes_le().first().is_some_and(|byte| byte & 1 == 1);
    match () {
        () if !RSA_BITS.contains(&n.bits()) => Err("too few bits, or too many"),
        () if !is_odd(n) => Err("an even modulus"),
        () if !is_odd(e) || *e < BigUint::from(3_u8) => Err("an exponent that is even, or one"),
        () => Ok(()),
    }
}

/// Returns the algorithm if the key must be accepted: it has no fault and no other members, and its point cannot be invalid.
fn must_be_taken(jwk: &Value) -> Option<Algorithm> {
    let known = ["kty", "crv", "x", "n", "e", "k", "alg", "kid", "use", "key_ops"];
    let members = jwk.as_object()?;
    let operations = members.get("key_ops").and_then(Value::as_array);
    let clean = members.keys().all(|name| known.contains(&&**name))
        && ["use", "crv", "x", "n", "e", "k"].iter().all(|name| members.get(*name).is_none_or(Value::is_string))
        && (!members.contains_key("key_ops") || operations.is_some_and(|all| all.iter().all(Value::is_string)));
    let kinds = match text(jwk, "kty")? {
        "RSA" if text(jwk, "e")? == "AQAB" => &[["n", "e"]][..],
        "oct" => &[["k", "k"]],
        // Some backends refuse a point that is not on the curve.
        _ => return None,
    };
    let clean = clean && kinds.iter().flatten().all(|name| decoded(jwk, name).is_some());
    let unnamed = if members.contains_key("n") { Algorithm::Rs256 } else { Algorithm::Hs256 };
    let algorithm = text(jwk, "alg").map_or(Some(unnamed), Algorithm::from_name)?;
    (clean && fault(jwk, algorithm).is_ok()).then_some(algorithm)
}

/// Asserts that the text about a key does not show its secrets.
fn hides_secrets(jwk: &Value, told: &str) {
    let shown = [text(jwk, "alg"), text(jwk, "kid")].map(Option::unwrap_or_default);
    for name in ["k", "d", "p", "q", "dp", "dq", "qi"] {
        let secret = text(jwk, name).filter(|secret| secret.len() >= 16 && secret.bytes().all(|byte| byte > b' '));
        let Some(secret) = secret.filter(|secret| !shown.iter().any(|text| text.contains(secret))) else { continue };
        assert!(!told.contains(secret), "the secret {name} is shown: {told}");
    }
}

/// Reads one key, and checks that it was rightly accepted or refused.
fn one(jwk: &Value) -> Option<VerifyingKey> {
    match VerifyingKey::from_jwk(&jwk.to_string()) {
        Ok(key) => {
            assert_eq!(fault(jwk, key.algorithm()), Ok(()), "accepted for {}: {jwk}", key.algorithm());
            hides_secrets(jwk, &format!("{key:?}"));
            Some(key)
        }
        Err(error) => {
            assert_eq!(must_be_taken(jwk), None, "{error}: {jwk}");
            hides_secrets(jwk, &format!("{error} {error:?}"));
            None
        }
    }
}

/// Signs a token with a secret of a set.
fn forged(jwk: &Value, algorithm: Algorithm) -> Option<String> {
    let secret = decoded(jwk, "k")?;
    let mut header = json!({"alg": algorithm.name(), "typ": "at+jwt"});
    if let Some(kid) = text(jwk, "kid") {
        header["kid"] = kid.into();
    }
    let claims = br#"{"iss":"i","aud":"a","sub":"s","exp":1700000001}"#;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(algorithm, &secret, signed.as_bytes());
    // Longer values of `kid` are refused in a token.
    let short = text(jwk, "kid").is_none_or(|kid| kid.len() <= 256);
    short.then(|| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads a whole document. Asserts that its keys are exactly those that are accepted one by one.
fn document(bytes: &[u8]) {
    let set = KeySet::from_json(bytes);
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let listed = value.as_ref().and_then(|value| value.get("keys")).and_then(Value::as_array);
    let listed = listed.filter(|keys| keys.len() <= MOST_KEYS);
    let taken: Vec<_> = listed.into_iter().flatten().filter_map(|jwk| Some((jwk, one(jwk)?))).collect();
    let Ok(set) = set else {
        assert!(taken.is_empty(), "{} good keys are lost", taken.len());
        return;
    };
    assert!(!set.is_empty() && set.len() <= MOST_KEYS, "{} keys", set.len());
    let keys: Vec<_> = taken.iter().map(|(_, key)| key).collect();
    assert_eq!(format!("{set:?}"), format!("{keys:?}"));

    let published = || TokenVerifier::source("i", Published(Bytes::copy_from_slice(bytes)));
    // The first secret of the set, because no other key is tried before it.
    let secret =
        taken.iter().find_map(|(jwk, key)| forged(jwk, key.algorithm()).filter(|_| text(jwk, "kty") == Some("oct")));
    if let Some(token) = secret {
        let judged = verify(TokenVerifier::key_set("i", set), &token);
        assert!(judged.is_ok(), "a token signed with a key of the set is refused: {judged:?}");
        assert!(verify(published(), &token).is_err(), "a published secret is accepted as a key");
    }
    let judged = verify(published(), "a.b.c");
    assert!(judged.is_err());
}

/// Reads the input as elements of a list of keys, next to a good key.
fn beside(elements: &str) {
    let Ok(others) = serde_json::from_str::<Vec<Value>>(&format!("[{elements}]")) else { return };
    let same = |jwk: &&Value| text(jwk, "kid") == Some("known") && text(jwk, "crv") == Some("Ed25519");
    let shadowed = others.iter().filter(same).count() >= MOST_TRIES;
    for (known_is_last, text) in
        [(false, format!("{{\"keys\":[{KNOWN},{elements}]}}")), (true, format!("{{\"keys\":[{elements},{KNOWN}]}}"))]
    {
        // The input may be blank, and one more level of nesting may be too deep.
        if serde_json::from_str::<Value>(&text).is_err() {
            continue;
        }
        document(text.as_bytes());
        let set = KeySet::from_json(text.as_bytes());
        if others.len() >= MOST_KEYS {
            assert!(set.is_err(), "{} keys are accepted", others.len() + 1);
            continue;
        }
        let set = set.expect("the good key is lost");
        let published = TokenVerifier::source("i", Published(text.clone().into()));
        for builder in [TokenVerifier::key_set("i", set), published] {
            let judged = verify(builder, TOKEN);
            assert!(judged.is_ok() || (known_is_last && shadowed), "{judged:?}: {text}");
        }
    }
}

/// Reads a PEM for every algorithm.
fn pem(text: &str) {
    let taken = |algorithm: &Algorithm| match VerifyingKey::from_pem(*algorithm, text) {
        Ok(key) => {
            assert_eq!(key.algorithm(), *algorithm);
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 512, "{error}");
            false
        }
    };
    let taken: Vec<_> = Algorithm::ALL.iter().copied().filter(taken).collect();
    assert!(
        !taken.iter().any(|algorithm| algorithm.name().starts_with("HS")),
        "a public key is accepted as a secret: {taken:?}"
    );
    let rsa = taken.iter().filter(|algorithm| algorithm.name().contains('S') && !algorithm.name().starts_with('E'));
    let rsa = rsa.count();
    assert!(matches!((rsa, taken.len()), (6, 6) | (0, 0 | 1)), "{taken:?}");
    if rsa > 0 {
        let other = RsaPublicKey::from_public_key_pem(text).ok().or_else(|| RsaPublicKey::from_pkcs1_pem(text).ok());
        if let Some(other) = other {
            assert_eq!(numbers(other.n(), other.e()), Ok(()));
        }
    }
}

fn der(bytes: &[u8]) {
    let lines: Vec<_> = STANDARD.encode(bytes).into_bytes().chunks(64).map(|line| [line, b"\n"].concat()).collect();
    let lines = String::from_utf8(lines.concat()).unwrap();
    for label in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY"] {
        pem(&format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n"));
    }
}

/// Builds a key from these bytes, and reads it as part of a set.
fn made(bytes: &[u8]) {
    let b64 = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
    let [kind, choice, parts @ ..] = bytes else { return };
    let choice = usize::from(*choice);
    let jwk = match kind {
        1 => {
            let (e, n) = parts.split_at(parts.len().min(choice));
            json!({"kty": "RSA", "n": b64(n), "e": b64(e)})
        }
        2 => {
            let (x, y) = parts.split_at(parts.len().min(choice));
            let crv = match parts.len() {
                0..81 => "P-256",
                81..120 => "P-384",
                _ => "P-521",
            };
            json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)})
        }
        5 => {
            let (x, y) = parts.split_at(parts.len().min(choice));
            json!({"kty": "EC", "crv": "secp256k1", "x": b64(x), "y": b64(y)})
        }
        3 => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(parts)}),
        _ => {
            let algorithm = Algorithm::ALL[choice % Algorithm::ALL.len()];
            json!({"kty": "oct", "alg": algorithm.name(), "k": b64(parts)})
        }
    };
    beside(&jwk.to_string());
}

fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [b'0', ..] => der(bytes),
        [1..=5, ..] => made(bytes),
        _ => {
            document(bytes);
            let Ok(text) = str::from_utf8(bytes) else { return };
            match serde_json::from_str::<Value>(text) {
                Ok(value) => drop(one(&value)),
                Err(_) => assert!(VerifyingKey::from_jwk(text).is_err(), "accepted, but not JSON"),
            }
            beside(text);
            pem(text);
        }
    }
});
