//! Tokens that an authorization server is asked about (RFC 7662): what it is asked, how often, and what its answers mean.

mod answers;
mod client;
mod layer;
mod memory;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower_auth::{
    BoxError, Clock, MaybeReady, TokenVerifier,
    testing::ManualClock,
    token::{Claims, Introspector, TokenError, TokenVerifierBuilder, VerifyFuture},
};

use crate::support::server::PATIENCE;

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "https://api.example.com";
/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;
const INACTIVE: &str = r#"{"active":false}"#;

fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

/// What a server says of a good token.
fn active() -> Value {
    json!({
        "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "scope": "read write", "client_id": "app",
        "token_type": "Bearer", "exp": NOW + 3600, "iat": NOW - 60,
    })
}

/// The same with other members; `null` is no member.
fn with(members: &Value) -> String {
    let mut answer = active();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            answer.as_object_mut().unwrap().remove(name);
        } else {
            answer[name] = value.clone();
        }
    }
    answer.to_string()
}

/// A server in memory. All its clones are one.
#[derive(Clone, Default)]
struct Server(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// What is said of a token; of all others, that they are not active. An error is an outage.
    answers: Mutex<HashMap<String, Result<String, String>>>,
    outage: Mutex<Option<String>>,
    /// If it is set, each question waits for a permit.
    gate: Mutex<Option<Arc<Semaphore>>>,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Server {
    fn says(&self, token: &str, answer: impl Into<String>) {
        self.0.answers.lock().unwrap().insert(token.to_owned(), Ok(answer.into()));
    }

    fn fails(&self, why: Option<&str>) {
        *self.0.outage.lock().unwrap() = why.map(str::to_owned);
    }

    /// From now on, each question waits until the test lets it go.
    fn shut(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    fn open(&self) {
        *self.0.gate.lock().unwrap() = None;
    }

    /// The number of questions since the last call.
    fn asked(&self) -> usize {
        self.0.asked.swap(0, Ordering::SeqCst)
    }

    fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::SeqCst)
    }

    /// Waits until this many questions are under way.
    async fn until(&self, questions: usize) {
        let there = async {
            while self.under_way() < questions {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("the questions come");
    }

    fn builder(&self) -> TokenVerifierBuilder {
        TokenVerifier::introspect(ISSUER, self.clone()).audience(AUDIENCE)
    }
}

/// Counts a question until it ends or is dropped.
struct UnderWay(Arc<Inner>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Introspector for Server {
    fn introspect(&self, token: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        let inner = Arc::clone(&self.0);
        inner.asked.fetch_add(1, Ordering::SeqCst);
        let known = inner.answers.lock().unwrap().get(token).cloned();
        let outage = inner.outage.lock().unwrap().clone().map(Err);
        let answer = outage.or(known).unwrap_or_else(|| Ok(INACTIVE.to_owned()));
        let gate = inner.gate.lock().unwrap().clone();
        MaybeReady::boxed(async move {
            let now = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            inner.most.fetch_max(now, Ordering::SeqCst);
            let _under_way = UnderWay(inner);
            match gate {
                Some(gate) => gate.acquire().await.unwrap().forget(),
                None => tokio::task::yield_now().await,
            }
            answer.map(Bytes::from).map_err(Into::into)
        })
    }

    fn location(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("https://id.example.com/introspect".into())
    }
}

/// A verifier on a clock that the test turns.
struct Desk {
    server: Server,
    hand: ManualClock,
    tokens: TokenVerifier,
}

impl Desk {
    fn new(settings: impl FnOnce(TokenVerifierBuilder) -> TokenVerifierBuilder) -> Self {
        let server = Server::default();
        Self { tokens: settings(server.builder()).build().unwrap(), hand: hand(), server }
    }

    fn clock(&self) -> Clock {
        Clock::from(&self.hand)
    }

    async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        verdict(self.tokens.verify(token, &self.clock())).await
    }

    /// A word for what becomes of the token.
    async fn fate(&self, token: &str) -> &'static str {
        word(&self.verify(token).await)
    }

    async fn fresh_fate(&self, token: &str) -> &'static str {
        word(&verdict(self.tokens.verify_fresh(token, &self.clock())).await)
    }

    fn wait(&self, time: Duration) {
        self.hand.advance(time);
    }
}

fn word(outcome: &Result<Claims, TokenError>) -> &'static str {
    match outcome {
        Ok(_) => "good",
        Err(TokenError::Inactive) => "inactive",
        Err(TokenError::Expired) => "expired",
        Err(TokenError::NotYetValid) => "early",
        Err(TokenError::WrongIssuer) => "issuer",
        Err(TokenError::WrongAudience) => "audience",
        Err(TokenError::WrongType) => "type",
        Err(TokenError::BadClaim(_)) => "claim",
        Err(TokenError::Malformed(_)) => "malformed",
        Err(TokenError::Unavailable(_)) => "unavailable",
        Err(TokenError::Unproven(_)) => "unproven",
        Err(_) => "other",
    }
}

/// Waits for a verdict, and not for ever.
async fn verdict(verified: VerifyFuture) -> Result<Claims, TokenError> {
    tokio::time::timeout(PATIENCE, verified).await.expect("a verdict comes")
}
