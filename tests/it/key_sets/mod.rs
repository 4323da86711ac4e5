//! Keys that are fetched: how often, from whom, and what becomes of tokens while their issuer misbehaves.

mod beside;
mod carried;
mod discovery;
mod documents;
mod environment;
mod freddy;
mod lookups;
mod misbehaving;
mod over;
mod pace;
mod places;
mod refreshes;
pub(crate) mod server;
pub(crate) mod source;
mod task;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tower_auth::{
    Clock, TokenVerifier,
    testing::ManualClock,
    token::{Claims, TokenError, TokenVerifierBuilder, VerifyFuture},
};

use self::source::{Does, Script};
use crate::support::server::PATIENCE;

pub(crate) const ISSUER: &str = "https://id.example.com/";
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// What a verifier has by default.
pub(crate) const FRESH: Duration = Duration::from_secs(15 * 60);
pub(crate) const STALE: Duration = Duration::from_secs(24 * 3600);
pub(crate) const COOLDOWN: Duration = Duration::from_secs(30);
pub(crate) const FETCH: Duration = Duration::from_secs(5);

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// The smallest step of a manual clock.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A key of the issuer, and the name that it is published under.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    pub(crate) seed: u8,
}

pub(crate) const OLD: Signer = Signer { id: "old", seed: 1 };
pub(crate) const NEW: Signer = Signer { id: "new", seed: 2 };
/// A key that the issuer never publishes.
pub(crate) const STRANGER: Signer = Signer { id: "stranger", seed: 3 };

impl Signer {
    /// The private key as PKCS #8 (RFC 8410, section 7).
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[self.seed; 32]].concat()
    }

    pub(crate) fn key(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.pkcs8())
    }

    /// The public key as it stands in a set.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key(), Algorithm::EdDSA).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn header(&self) -> Header {
        let (typ, kid) = (Some("at+jwt".to_owned()), Some(self.id.to_owned()));
        Header { typ, kid, ..Header::new(Algorithm::EdDSA) }
    }

    pub(crate) fn sign(&self, header: &Header, issuer: &str) -> String {
        encode(header, &claims(issuer), &self.key()).unwrap()
    }

    /// A token without fault.
    pub(crate) fn token(&self) -> String {
        self.sign(&self.header(), ISSUER)
    }
}

/// Claims that are good until the year 2100.
pub(crate) fn claims(issuer: &str) -> Value {
    json!({ "iss": issuer, "aud": AUDIENCE, "sub": "ann", "exp": 4_102_444_800_u64, "scope": "read" })
}

/// The document of an issuer that has these keys.
pub(crate) fn key_set(signers: &[&Signer]) -> Bytes {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string().into()
}

/// What becomes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Good,
    UnknownKey,
    Malformed,
    Unavailable,
    Refused,
}

impl From<&Result<Claims, TokenError>> for Fate {
    fn from(outcome: &Result<Claims, TokenError>) -> Self {
        match outcome {
            Ok(_) => Self::Good,
            Err(TokenError::UnknownKey) => Self::UnknownKey,
            Err(TokenError::Malformed(_)) => Self::Malformed,
            Err(TokenError::Unavailable(_)) => Self::Unavailable,
            Err(_) => Self::Refused,
        }
    }
}

/// Waits for a verdict, and not for ever.
pub(crate) async fn verdict(verified: VerifyFuture) -> Result<Claims, TokenError> {
    tokio::time::timeout(PATIENCE, verified).await.expect("a verdict comes")
}

/// Why there are no keys.
pub(crate) async fn reason(verified: VerifyFuture) -> String {
    match verdict(verified).await {
        Err(TokenError::Unavailable(why)) => why.to_string(),
        other => panic!("there are keys: {other:?}"),
    }
}

/// Polls once: what is not there then has to be waited for.
pub(crate) fn at_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A verifier whose keys come from a script, on a clock that the test turns.
pub(crate) struct Desk {
    pub(crate) source: Arc<Script>,
    pub(crate) hand: ManualClock,
    pub(crate) tokens: TokenVerifier,
}

impl Desk {
    pub(crate) fn new(first: Does) -> Self {
        Self::built(first, |builder| builder)
    }

    pub(crate) fn built(first: Does, change: impl FnOnce(TokenVerifierBuilder) -> TokenVerifierBuilder) -> Self {
        let source = Script::new(first);
        let builder = TokenVerifier::source(ISSUER, Arc::clone(&source)).audience(AUDIENCE);
        Self { source, hand: noon(), tokens: change(builder).build().unwrap() }
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::from(&self.hand)
    }

    pub(crate) fn verify(&self, signer: &Signer) -> VerifyFuture {
        self.tokens.verify(&signer.token(), &self.clock())
    }

    pub(crate) async fn fate(&self, signer: &Signer) -> Fate {
        Fate::from(&verdict(self.verify(signer)).await)
    }

    /// Turns the clock forward.
    pub(crate) fn later(&self, by: Duration) {
        self.hand.advance(by);
    }
}

/// A tick before this time is over.
pub(crate) fn just_before(time: Duration) -> Duration {
    time.checked_sub(TICK).unwrap()
}

pub(crate) fn noon() -> ManualClock {
    ManualClock::at("2026-06-02T12:00:00Z")
}
