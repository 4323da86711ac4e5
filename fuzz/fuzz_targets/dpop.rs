//! Sends any header and any claims as a proof of possession with a good signature, and compares the verdict with a second reader.
//! Also sends any bytes as a proof, and as the path of a request.
//!
//! The input is a header, an empty line and claims. Without an empty line it is the claims, with the usual header.
#![no_main]

#[path = "parts/strict.rs"]
mod strict;

use std::{
    convert::Infallible,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tower::{Layer as _, Service as _, service_fn};
use tower_auth::{
    AuthLayer, BearerLayer, BoxError, Clock, Dpop, FullBody, MaybeReady, Secret, TokenVerifier,
    dpop::{Replay, ReplayStore, UsedProof},
    json::{self, JsonLimits},
    token::{Algorithm, SigningKey, VerifyingKey},
};

use self::strict::Strict;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "an example of thirty-two bytes..";
const ORIGIN: &str = "https://a.test/v1";
const HTU: &str = "https://a.test/v1/x";
const DEEPEST: usize = 8;

/// Every proof is a new one, so that inputs do not depend on each other.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
        assert!(proof.now() <= proof.until() && proof.time_left() <= Duration::from_secs(81));
        MaybeReady::ready(Ok(Replay::New))
    }
}

struct Fixed {
    layer: AuthLayer,
    key: SigningKey,
    jwk: Map<String, Value>,
    usual: String,
    token: String,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let Ok(Value::Object(mut jwk)) = serde_json::from_str(key.public_jwk()) else { panic!("a key is an object") };
    jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&&**name));
    let secret = Secret::new(SECRET);
    let verifying = VerifyingKey::hmac(Algorithm::Hs256, &secret).unwrap();
    let tokens = TokenVerifier::keys("i", [verifying]).audience("a").build().unwrap();
    let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let settings = Dpop::new(ORIGIN).replay_store(Forgetful);
    let layer = AuthLayer::first(BearerLayer::new(tokens).dpop(settings)).clock(clock);
    let claims = format!(r#"{{"iss":"i","aud":"a","sub":"s","exp":{},"cnf":{{"jkt":"{}"}}}}"#, NOW + 60, key.id());
    let signed = format!("{}.{}", b64(br#"{"alg":"HS256","typ":"at+jwt"}"#), b64(claims.as_bytes()));
    let mac = hmac(SECRET.as_bytes(), signed.as_bytes());
    let usual = serde_json::json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}).to_string();
    Fixed { layer, key, jwk, usual, token: format!("{signed}.{}", b64(&mac)) }
});

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}

/// Returns whether a request with this proof is admitted.
fn admits(path: &str, proof: &[u8]) -> Option<bool> {
    let request = Request::get(path).header("authorization", format!("DPoP {}", FIXED.token));
    let request = request.header("dpop", HeaderValue::from_bytes(proof).ok()?).body(()).ok()?;
    let inner = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(FullBody::from(Bytes::new())))));
    let mut service = FIXED.layer.layer(inner);
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => {
            let status = response.status().as_u16();
            assert!([200, 401].contains(&status), "{status}");
            Some(status == 200)
        }
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("the answer is pending, although it has nothing to wait for"),
    }
}

/// Reads an object without duplicate names.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    json::check(bytes, &JsonLimits::new().max_depth(DEEPEST)).ok()?;
    serde_json::from_slice::<Strict>(bytes).expect("serde_json refuses this");
    match serde_json::from_slice(bytes).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Refused,
    Accepted,
    /// The second reader does not know.
    Either,
}

/// The verdict of the manual page.
fn judge(header: &[u8], claims: &[u8]) -> Verdict {
    let read = || {
        let (header, claims) = (object(header)?, object(claims)?);
        let text = |members: &Map<String, Value>, name: &str| members.get(name)?.as_str().map(str::to_owned);
        let jwk = header.get("jwk")?.as_object()?;
        let is_ours = FIXED.jwk.iter().all(|(name, value)| jwk.get(name) == Some(value));
        let is_private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name));
        let is_extended = ["crit", "b64", "enc", "zip"].iter().any(|name| header.contains_key(*name));
        let (id, htu) = (text(&claims, "jti")?, text(&claims, "htu")?);
        let iat = claims.get("iat")?.as_f64()?;
        let good = text(&header, "typ")? == "dpop+jwt"
            && text(&header, "alg")? == "ES256"
            && is_ours
            && !is_private
            && !is_extended
            && (1..=256).contains(&id.len())
            && text(&claims, "htm")? == "GET"
            && (NOW as f64 - 70.0..=NOW as f64 + 10.0).contains(&iat)
            && text(&claims, "ath")? == b64(&Sha256::digest(&FIXED.token))
            && same_address(&htu);
        if !good {
            return None;
        }
        let known = |members: &Map<String, Value>, names: &[&str]| members.keys().all(|name| names.contains(&&**name));
        let plain = known(&header, &["typ", "alg", "jwk"])
            && known(jwk, &["kty", "crv", "x", "y"])
            && known(&claims, &["jti", "htm", "htu", "iat", "ath"])
            && htu == HTU;
        Some(if plain { Verdict::Accepted } else { Verdict::Either })
    };
    read().unwrap_or(Verdict::Refused)
}

/// Returns whether the address could be that of the request, by a reading that is too generous.
fn same_address(htu: &str) -> bool {
    if htu == HTU {
        return true;
    }
    if htu.contains(['?', '#', '@', '\\', ' ']) || !htu.is_ascii() {
        return false;
    }
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let mut decoded = Vec::new();
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        decoded.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return false,
            },
            byte => byte,
        });
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let is_port = port.is_empty() || port.parse() == Ok(443_u16);
    scheme.eq_ignore_ascii_case("https") && host.eq_ignore_ascii_case("a.test") && is_port && kept == [&b"v1"[..], b"x"]
}

fuzz_target!(|bytes: &[u8]| {
    let empty_line = bytes.windows(2).position(|two| two == b"\n\n");
    let usual = FIXED.usual.as_bytes();
    let (header, claims) = empty_line.map_or((usual, bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    // The key and the hash of the token differ from run to run, so an input names them.
    let replaced = |text: &[u8]| match str::from_utf8(text) {
        Ok(text) => {
            let jwk = Value::Object(FIXED.jwk.clone()).to_string();
            text.replace("JWK", &jwk).replace("ATH", &b64(&Sha256::digest(&FIXED.token))).into_bytes()
        }
        Err(_) => text.to_vec(),
    };
    let (header, claims) = (replaced(header), replaced(claims));
    let signed = format!("{}.{}", b64(&header), b64(&claims));
    let mut signature = FIXED.key.sign(signed.as_bytes()).unwrap();
    let proof = format!("{signed}.{}", b64(&signature));
    let admitted = admits("/x", proof.as_bytes()) == Some(true);
    match judge(&header, &claims) {
        // Longer than a proof may be.
        Verdict::Accepted if proof.len() > 8 * 1024 => assert!(!admitted),
        Verdict::Accepted => assert!(admitted, "a good proof is refused"),
        Verdict::Refused => assert!(!admitted, "a bad proof is accepted"),
        Verdict::Either => {}
    }
    let place = bytes.len() % (signature.len() * 8);
    signature[place / 8] ^= 1 << (place % 8);
    let broken = format!("{signed}.{}", b64(&signature));
    assert_ne!(admits("/x", broken.as_bytes()), Some(true), "a broken signature is accepted");
    assert_ne!(admits("/x", bytes), Some(true), "an unsigned input is accepted");
    if let Ok(path) = str::from_utf8(bytes)
        && path.starts_with('/')
        && let Ok(uri) = path.parse::<Uri>()
        && uri.path() != "/x"
    {
        let claims = format!(r#"{{"jti":"a","htm":"GET","htu":"{HTU}","iat":{NOW},"ath":"{}"}}"#, b64(&Sha256::digest(&FIXED.token)));
        let signed = format!("{}.{}", b64(FIXED.usual.as_bytes()), b64(claims.as_bytes()));
        let signature = FIXED.key.sign(signed.as_bytes()).unwrap();
        let admitted = admits(path, format!("{signed}.{}", b64(&signature)).as_bytes()) == Some(true);
        // `%78` is x, and nothing else is.
        assert!(!admitted || uri.path() == "/%78", "a proof for {HTU} is good for {path}");
    }
});
