//! Tokens as the documentation of a provider shows them, and what every preset says of them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tower_auth::{
    BoxError, Clock, MaybeReady,
    token::{Claims, KeySource, TokenError, TokenVerifierBuilder},
};

use crate::tokens::mint::{RSA, attackers, b64, hmac, jwks, key};

/// The time in seconds. It is the real one, because that is the time at which a verifier fetches keys before the first token.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A token of a provider.
#[derive(Clone)]
pub(crate) struct Documented {
    kid: &'static str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    padded: bool,
}

impl Documented {
    /// A token that is signed by this key, with these claims. The header has `alg`, `kid` and `typ`.
    pub(crate) fn new(kid: &'static str, typ: &str, claims: Value) -> Self {
        let header = json!({"alg": key(kid).alg, "kid": kid, "typ": typ});
        let (Value::Object(header), Value::Object(claims)) = (header, claims) else { panic!("claims are an object") };
        Self { kid, header, claims, padded: false }
    }

    pub(crate) fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(claim.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim).unwrap();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name).unwrap();
        self
    }

    /// The same claims under another key, as if the provider had signed with it.
    pub(crate) fn under(mut self, kid: &'static str) -> Self {
        self.kid = kid;
        self.header("alg", key(kid).alg).header("kid", kid)
    }

    /// The same with base64 padding.
    pub(crate) fn padded(self) -> Self {
        Self { padded: true, ..self }
    }

    pub(crate) fn unpadded(self) -> Self {
        Self { padded: false, ..self }
    }

    fn encoded(&self, bytes: impl AsRef<[u8]>) -> String {
        if self.padded { URL_SAFE.encode(bytes) } else { b64(bytes) }
    }

    /// What is signed: the header and the claims.
    fn message(&self) -> String {
        let [header, claims] =
            [&self.header, &self.claims].map(|part| self.encoded(Value::from(part.clone()).to_string()));
        format!("{header}.{claims}")
    }

    pub(crate) fn sign(&self) -> String {
        self.signed(|message| key(self.kid).sign(message))
    }

    fn signed(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message = self.message();
        format!("{message}.{}", self.encoded(sign(message.as_bytes())))
    }
}

/// The keys that a provider publishes. They may change.
#[derive(Clone)]
pub(crate) struct Published(Arc<Mutex<String>>);

impl Published {
    pub(crate) fn new(document: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(document.into())))
    }
}

impl KeySource for Published {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Ok(Bytes::from(self.0.lock().unwrap().clone())))
    }
}

/// What the verifier says of a token; the text of a refusal is that of the log.
pub(crate) async fn judge(preset: TokenVerifierBuilder, token: &str) -> Result<Claims, (TokenError, String)> {
    let keys = Published::new(jwks(&["rs256", "es256", "es384"]));
    let verifier = preset.keys_from(keys).build().unwrap();
    // A token that is refused anyhow fetches no keys, and without keys the reason is unknown.
    verifier.ready(Duration::from_secs(10)).await.unwrap();
    let verdict = verifier.verify(token, &Clock::system()).await;
    verdict.map_err(|error| {
        let told = verifier.explain(token, &error);
        (error, told)
    })
}

/// Returns the claims of a token that is good.
pub(crate) async fn accept(preset: TokenVerifierBuilder, token: &Documented) -> Claims {
    judge(preset, &token.sign()).await.unwrap_or_else(|(_, told)| panic!("{told}"))
}

/// Asserts that a token is refused, and that the log names the reason.
pub(crate) async fn refuse(preset: TokenVerifierBuilder, token: &Documented, reason: &str) {
    refuse_text(preset, &token.sign(), reason).await;
}

async fn refuse_text(preset: TokenVerifierBuilder, token: &str, reason: &str) {
    match judge(preset, token).await {
        Ok(claims) => panic!("accepted, and not refused for {reason:?}: {:?}", claims.principal()),
        Err((_, told)) => assert!(told.contains(reason), "expected {reason:?}, got {told:?}"),
    }
}

/// Asserts what is so for every preset: additions that mean nothing are accepted, and forged, expired and incomplete tokens
/// are not.
pub(crate) async fn assert_strict(preset: impl Fn() -> TokenVerifierBuilder, good: &Documented) {
    accept(preset(), good).await;
    let more = good
        .clone()
        .header("x-new", "a text")
        .header("x5t", "dGV4dA")
        .with("https://example.com/new", json!({"a": [1]}));
    accept(preset(), &more).await;

    refuse(preset(), &good.clone().with("exp", now() - 1), "expired").await;
    refuse(preset(), &good.clone().without("exp"), "exp is missing").await;
    refuse(preset(), &good.clone().with("nbf", now() + 90), "not yet valid").await;
    refuse(preset(), &good.clone().without("iss"), "no iss").await;
    refuse(preset(), &good.clone().with("sub", ""), "the subject is missing").await;
    refuse(preset(), &good.clone().with("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), "cnf")
        .await;
    let issuer = good.claims["iss"].as_str().unwrap();
    let other_slash = issuer.strip_suffix('/').map_or_else(|| format!("{issuer}/"), str::to_owned);
    refuse(preset(), &good.clone().with("iss", other_slash), "they differ in the last slash").await;

    // The signature of another key, under the name of the right one.
    let [rsa, p256] = attackers();
    let stranger = if good.kid.starts_with("rs") { rsa } else { p256 };
    if stranger.alg == key(good.kid).alg {
        refuse_text(preset(), &good.signed(|message| stranger.sign(message)), "signature is invalid").await;
    }
    let unsigned = good.clone().header("alg", "none").signed(|_| Vec::new());
    refuse_text(preset(), &unsigned, "alg is missing, none, or unknown").await;
    // The public key as a shared secret.
    let forged = good.clone().header("alg", "HS256").signed(|message| hmac("HS256", RSA.as_bytes(), message));
    refuse_text(preset(), &forged, "no key of the issuer").await;

    // A new key is fetched when the first token names it.
    let keys = Published::new(jwks(&["es384"]));
    let old = good.clone().under("es384").sign();
    let verifier = preset().keys_from(keys.clone()).cooldown(Duration::ZERO).build().unwrap();
    let clock = Clock::system();
    assert!(verifier.verify(&old, &clock).await.is_ok());
    *keys.0.lock().unwrap() = jwks(&["es256", "es384"]);
    assert!(verifier.verify(&good.clone().under("es256").sign(), &clock).await.is_ok());
    assert!(verifier.verify(&old, &clock).await.is_ok());
}

/// Asserts that a verifier cannot be built, and why.
pub(crate) fn assert_unbuilt(preset: TokenVerifierBuilder, reason: &str) {
    let told = preset.build().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains(reason), "expected {reason:?}, got {told:?}");
}
