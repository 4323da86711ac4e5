//! The cost of tokens that a service issues: exchange, refresh, and the check at every request, compared with `jsonwebtoken`'s bare
//! `encode` of the same claims with a parsed key. Then the memory of a session.
//!
//! `cargo bench --bench issue --features aws-lc-rs` takes some seconds. It reports times and asserts none: only ratios within one run
//! are meaningful.

#[path = "support/harness.rs"]
#[allow(dead_code, reason = "no row is a service")]
mod harness;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower_auth::{
    Clock, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, Peppers, Principal, TokenVerifier,
    registry::Actor,
    session::{
        Grant, SessionPolicy, Sessions, TokenIssuer, TokenRequest,
        signing::{SigningKeys, SigningPolicy},
    },
    token::{TokenRevocation as _, TokenStatus},
};

use self::harness::{Bench, Effort, target};

const ISSUER: &str = "https://api.example.com";
/// How many times the time of a bare `encode` an exchange may take.
const LIMIT: f64 = 1.3;
/// The sessions whose memory is measured.
const SESSIONS: usize = 100_000;

fn main() {
    let mut bench = Bench::default();
    let all = Issuing::new(SessionPolicy::default());
    let mut policy = SessionPolicy::default();
    policy.refresh_for_keys = false;
    let access_only = Issuing::new(policy);

    let (pem, pkcs8) = key();
    let peer = EncodingKey::from_ec_pem(pem.as_bytes()).expect("the key is valid");
    let (header, claims) = (header(), access_only.claims());
    let (peer_header, peer_claims) = (header.clone(), claims.clone());
    let encoded = bench.work("jsonwebtoken::encode of the same claims", move || {
        encode(&peer_header, &peer_claims, &peer).expect("it signs")
    });
    bench.against(encoded);
    let floor = bench.work("AWS-LC's signature of the same bytes", signed(&pkcs8, &header, &claims));

    let issue = access_only.sessions.issuer().clone();
    let holder = Grant::of(&access_only.key);
    let issued =
        bench.work("TokenIssuer::issue", move || issue.issue(&holder, Duration::from_secs(900)).expect("it signs"));
    let (sessions, caller) = (access_only.sessions.clone(), access_only.key.clone());
    let exchange = bench.work("exchange of a key for an access token", move || {
        now(sessions.exchange(&caller, &TokenRequest::new())).expect("the key is active")
    });
    let (sessions, caller) = (all.sessions.clone(), all.key.clone());
    let with_session = bench.work("exchange of a key for an access token and a session", move || {
        now(sessions.exchange(&caller, &TokenRequest::new())).expect("the key is active")
    });
    let sessions = all.sessions.clone();
    let mut token = now(sessions.exchange(&all.key, &TokenRequest::new())).expect("the key is active").refresh_token;
    let refresh = bench.work("refresh", move || {
        let old = token.take().expect("every refresh gives one");
        token = now(sessions.refresh(old.expose(), &TokenRequest::new())).expect("it is the newest").refresh_token;
    });
    let check = all.check(&mut bench);

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    let times = |row| report.added(row) / report.added(encoded);
    println!(
        "- {:.0} exchanges and {:.0} refreshes a second on one core",
        each(report.added(exchange)),
        each(report.added(refresh))
    );
    println!("- the check of a verified access token: {:.0} ns", report.added(check));
    println!("- issue {:.2} x, AWS-LC's signature alone {:.2} x a bare encode", times(issued), times(floor));
    target("an exchange", times(exchange), LIMIT, "x encode");
    target("an exchange with a session", times(with_session), LIMIT, "x encode");
    target("a refresh", times(refresh), LIMIT, "x encode");
    memory();
}

fn each(nanos: f64) -> f64 {
    1e9 / nanos
}

/// A key, and sessions in memory.
struct Issuing {
    sessions: Sessions,
    key: Principal,
}

impl Issuing {
    fn new(policy: SessionPolicy) -> Self {
        let (store, peppers) = (MemoryKeyStore::new(), Peppers::new(1, [7; 32]).expect("it is a pepper"));
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).expect("it is a format"));
        let registry = KeyRegistry::new(scheme, store.clone());
        let new = NewKey::named("ci").account("acme").scopes(["read", "write"]).organizations(["org"]).plan("standard");
        let key = now(registry.create(Actor::named("bench"), new)).expect("it is created").key.principal().clone();
        let keys = SigningKeys::in_memory(SigningPolicy::new(), Clock::system()).expect("there are random bytes");
        let issuer = TokenIssuer::new(ISSUER, keys).expect("it is an issuer");
        let sessions = Sessions::builder(issuer, store, &peppers).policy(policy).build().expect("the policy is valid");
        Self { sessions, key }
    }

    /// The claims of a token of the key.
    fn claims(&self) -> Value {
        let token = now(self.sessions.exchange(&self.key, &TokenRequest::new())).expect("the key is active");
        let claims = token.access_token.expose().split('.').nth(1).expect("a token has three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("it is base64url")).expect("it is JSON")
    }

    /// The question of every request whether a verified token is still good.
    fn check(&self, bench: &mut Bench) -> harness::Row {
        let tokens: TokenVerifier = self.sessions.issuer().verifier().build().expect("it is a verifier");
        let token = now(self.sessions.exchange(&self.key, &TokenRequest::new())).expect("the key is active");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
        let claims = runtime.block_on(async { tokens.verify(token.access_token.expose(), &Clock::system()).await });
        let (claims, sessions) = (claims.expect("it verifies"), self.sessions.clone());
        bench.without_floor().work("the check of a verified access token", move || {
            assert_eq!(now(async { sessions.status(&claims).await }).expect("the store answers"), TokenStatus::Valid);
        })
    }
}

fn header() -> Header {
    let (typ, kid) = (Some("at+jwt".to_owned()), Some("a".repeat(43)));
    Header { typ, kid, ..Header::new(Algorithm::ES256) }
}

/// A new key in PEM and in DER.
fn key() -> (String, Vec<u8>) {
    use base64::engine::general_purpose::STANDARD;
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("it is made");
    let pkcs8 = pkcs8.as_ref().to_vec();
    (format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&pkcs8)), pkcs8)
}

/// Signs what the other rows sign, and does nothing else.
fn signed(pkcs8: &[u8], header: &Header, claims: &Value) -> impl FnMut() -> usize + 'static {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).expect("it is a key");
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", part(&json!(header)), part(claims));
    let random = SystemRandom::new();
    move || pair.sign(&random, text.as_bytes()).expect("it signs").as_ref().len()
}

/// Prints the memory that sessions take.
fn memory() {
    let issuing = Issuing::new(SessionPolicy::default());
    let held = allocation_counter::measure(|| {
        for _ in 0..SESSIONS {
            drop(now(issuing.sessions.exchange(&issuing.key, &TokenRequest::new())).expect("the key is active"));
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let bytes = held.bytes_current as f64 / SESSIONS as f64;
    println!("- a session of a key takes {bytes:.0} bytes in memory ({SESSIONS} sessions)");
}

/// Runs what a store in memory answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}
