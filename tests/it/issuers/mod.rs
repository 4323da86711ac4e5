//! Presets: tokens of the documented shape with their principals, and the usual mistakes with their causes.

mod auth0;
mod authentik;
mod aws_alb;
mod azure_b2c;
mod ci;
mod clerk;
mod cloudflare_access;
mod cognito;
mod descope;
mod documented;
mod entra;
mod firebase;
mod google;
mod keycloak;
mod kinde;
mod kubernetes;
mod logto;
mod okta;
mod onelogin;
mod ory;
mod pingone;
mod spiffe;
mod stytch;
mod supabase;
mod workos;
mod zitadel;

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Map, Value};
use tower_auth::{
    BoxError, Clock, MaybeReady,
    testing::ManualClock,
    token::{Claims, KeySource, TokenError, TokenVerifierBuilder},
};

use crate::tokens::mint::{self, RSA};

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

/// A token, with every member of header and claims.
#[derive(Clone, Debug)]
struct Token {
    kid: &'static str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// The token as it was before it was changed, signed.
    good: String,
}

/// A token with these members of the header beside `alg` and `kid`, signed by this key.
fn token(kid: &'static str, header: Value, claims: Value) -> Token {
    let (Value::Object(header), Value::Object(claims)) = (header, claims) else { panic!("a token has two objects") };
    let mut token = Token { kid, header, claims, good: String::new() };
    token.good = token.sign();
    token
}

impl Token {
    /// Takes the token as the good one, and the changes as a part of it.
    fn as_good(&self) -> Self {
        token(self.kid, Value::Object(self.header.clone()), Value::Object(self.claims.clone()))
    }

    /// Replaces a claim.
    fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut this = self.clone();
        this.claims.insert(name.to_owned(), value.into());
        this
    }

    fn without(&self, name: &str) -> Self {
        let mut this = self.clone();
        assert!(this.claims.remove(name).is_some(), "the token has no {name} to begin with");
        this
    }

    /// Replaces a parameter of the header.
    fn header(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut this = self.clone();
        this.header.insert(name.to_owned(), value.into());
        this
    }

    fn head(&self, alg: &str, kid: &str) -> String {
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), alg.into());
        header.entry("kid").or_insert_with(|| kid.into());
        header.retain(|_, value| !value.is_null());
        Value::Object(header).to_string()
    }

    fn body(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    fn sign(&self) -> String {
        let key = mint::key(self.kid);
        key.seal(self.head(key.alg, key.kid), self.body())
    }
}

/// A key set that can change.
#[derive(Clone)]
struct Published(Arc<Mutex<String>>);

impl KeySource for Published {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Ok(Bytes::from(self.0.lock().unwrap().clone())))
    }
}

fn publish(kids: &[&str]) -> Published {
    Published(Arc::new(Mutex::new(mint::jwks(kids))))
}

/// What a preset says of a token, and the cause in the log if it refuses it, after it has seen the good one.
async fn judge(preset: TokenVerifierBuilder, good: &Token, token: &str) -> Result<Claims, (TokenError, String)> {
    let verifier = preset.keys_from(publish(&[good.kid])).build().unwrap();
    let clock = Clock::from(&hand());
    // The keys are in memory then: a token that no key makes good does not have them fetched.
    let _ = verifier.verify(&good.good, &clock).await;
    let verdict = verifier.verify(token, &clock).await;
    verdict.map_err(|error| {
        let told = verifier.explain(token, &error);
        (error, told)
    })
}

async fn accept(preset: TokenVerifierBuilder, token: &Token) -> Claims {
    judge(preset, token, &token.sign()).await.unwrap()
}

/// The token is refused, and the cause contains this text.
async fn refuse(preset: TokenVerifierBuilder, token: &Token, cause: &str) {
    let (error, told) = judge(preset, token, &token.sign()).await.expect_err(cause);
    assert!(told.contains(cause), "{error:?}: {told}");
}

/// The error of a preset that cannot be built with what it was given contains both texts.
fn rejects(preset: TokenVerifierBuilder, what: &str, help: &str) {
    let told = preset.build().expect_err(what).to_string();
    assert!(told.contains(what) && told.contains(help), "{told}");
}

/// The keys for this token are looked for at this URL. Nothing is fetched: the client needs a runtime, and there is none.
fn asks_at(preset: TokenVerifierBuilder, good: &Token, url: &str) {
    let (verifier, clock) = (preset.build().unwrap(), Clock::from(&hand()));
    let verdict = pin!(verifier.verify(&good.good, &clock)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(TokenError::Unavailable(why))) = verdict else { panic!("{verdict:?}") };
    assert!(why.starts_with(&format!("{url}: ")), "{why}");
}

/// What is right and wrong with the tokens of every issuer.
async fn usual_mistakes(preset: impl Fn() -> TokenVerifierBuilder, good: &Token) {
    accept(preset(), good).await;
    let odd = good.header("x5t#S256", "aGVhZGVy").header("oiat", NOW).header("client", Value::Array(Vec::new()));
    accept(preset(), &odd).await;

    let key = mint::key(good.kid);
    let unsigned = format!("{}.{}.", mint::b64(good.head("none", key.kid)), mint::b64(good.body()));
    let none = judge(preset(), good, &unsigned).await;
    assert!(none.is_err_and(|(_, told)| told.contains("none")), "alg none");
    let message = format!("{}.{}", mint::b64(good.head("HS256", key.kid)), mint::b64(good.body()));
    let confused = format!("{message}.{}", mint::b64(mint::hmac("HS256", RSA.as_bytes(), message.as_bytes())));
    let confused = judge(preset(), good, &confused).await;
    assert!(matches!(confused, Err((TokenError::UnknownKey, _))), "{confused:?}");
    let stranger = mint::attackers().iter().find(|other| other.alg == key.alg).unwrap();
    let forged = judge(preset(), good, &stranger.seal(good.head(key.alg, key.kid), good.body())).await;
    assert!(matches!(forged, Err((TokenError::BadSignature, _))), "{forged:?}");

    let issuer = good.claims["iss"].as_str().unwrap();
    let respelled = issuer.strip_suffix('/').map_or_else(|| format!("{issuer}/"), str::to_owned);
    refuse(preset(), &good.with("iss", respelled), "issuer").await;
    refuse(preset(), &good.with("iss", "https://id.example.com/"), "https://id.example.com/").await;
    refuse(preset(), &good.without("iss"), "no iss").await;
    refuse(preset(), &good.without("exp"), "exp").await;
    refuse(preset(), &good.without("sub"), "sub").await;
    refuse(preset(), &good.with("sub", ""), "sub").await;
    refuse(preset(), &good.with("exp", NOW), "expired").await;
    refuse(preset(), &good.header("typ", "logout+jwt"), "logout+jwt").await;
    rotates(preset(), good).await;
}

/// A new key is fetched when a token names it, and a removed one is forgotten.
async fn rotates(preset: TokenVerifierBuilder, good: &Token) {
    let (hand, keys) = (hand(), publish(&["ps512"]));
    let clock = Clock::from(&hand);
    let verifier = preset.keys_from(keys.clone()).build().unwrap();
    let early = verifier.verify(&good.sign(), &clock).await;
    assert!(matches!(early, Err(TokenError::UnknownKey)), "{early:?}");
    *keys.0.lock().unwrap() = mint::jwks(&["ps512", good.kid]);
    hand.advance(Duration::from_secs(31));
    verifier.verify(&good.sign(), &clock).await.unwrap();
    *keys.0.lock().unwrap() = mint::jwks(&["ps512"]);
    hand.advance(Duration::from_secs(16 * 60));
    let mut late = good.clone();
    late.claims.insert("exp".to_owned(), (NOW + 24 * 3600).into());
    late.claims.insert("iat".to_owned(), (NOW + 16 * 60).into());
    assert!(verifier.verify(&late.sign(), &clock).await.is_err(), "the key was removed");
}
