//! Reports of leaked keys: who may send them, what becomes of the keys, and what is said of them.

mod fetched;
mod findings;
mod mounted;
mod outages;
mod secrets;
mod signatures;

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_auth::{
    FullBody, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, Principal,
    leaks::{GitHubKeys, LeakReports, LeakedKey, ReportKeys},
    registry::{AuditFilter, AuditRow, IssuedKey, KeyAction},
    testing::ManualClock,
};

use crate::{
    support::Body,
    tokens::mint::{self, Key},
};

/// The identifier of the key of these tests.
const IDENTIFIER: &str = "a1";
/// The name of the pattern of its keys.
const TYPE: &str = "acme_api_key";
const URL: &str = "https://github.com/octocat/hello/blob/1234/.env";

/// The document that GitHub would publish.
fn published(keys: &[(&str, &str, bool)]) -> Vec<u8> {
    let keys = keys.iter().map(|(id, pem, current)| json!({ "key_identifier": id, "key": pem, "is_current": current }));
    json!({ "public_keys": keys.collect::<Value>() }).to_string().into_bytes()
}

/// The key of these tests, as if it were GitHub's.
fn github() -> GitHubKeys {
    GitHubKeys::from_json(&published(&[(IDENTIFIER, mint::P256, true)])).unwrap()
}

/// R and S as X.509 encodes them.
fn der(fixed: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
        [&[2, u8::try_from(sign.len() + digits.len()).unwrap()], sign, &digits].concat()
    };
    let inside = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [&[0x30, u8::try_from(inside.len()).unwrap()], &inside[..]].concat()
}

fn signature(key: &Key, body: &[u8]) -> String {
    STANDARD.encode(der(&key.sign(body)))
}

/// A request as GitHub sends it, with these two headers.
fn post(identifier: &str, signature: &str, body: impl Into<bytes::Bytes>) -> Request<Body> {
    Request::post("/secret-scanning/github")
        .header("content-type", "application/json")
        .header("github-public-key-identifier", identifier)
        .header("github-public-key-signature", signature)
        .body(Body::from(body.into()))
        .unwrap()
}

/// A body with a good signature.
fn signed(body: &str) -> Request<Body> {
    post(IDENTIFIER, &signature(mint::key("es256"), body.as_bytes()), body.to_owned())
}

fn entry(token: &str) -> Value {
    json!({ "token": token, "type": TYPE, "url": URL, "source": "content" })
}

fn report<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Request<Body> {
    signed(&tokens.into_iter().map(entry).collect::<Value>().to_string())
}

async fn ask(reports: &LeakReports, request: Request<Body>) -> Response<FullBody> {
    let response = reports.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    response
}

async fn status(reports: &LeakReports, request: Request<Body>) -> u16 {
    ask(reports, request).await.status().as_u16()
}

/// The labels of an answer, in its order.
async fn labels(reports: &LeakReports, request: Request<Body>) -> Vec<bool> {
    let response = ask(reports, request).await;
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    let answer = crate::support::json(response).await;
    let label = |one: &Value| match one["label"].as_str().unwrap() {
        "true_positive" => true,
        "false_positive" => false,
        other => panic!("{other}"),
    };
    answer.as_array().unwrap().iter().map(label).collect()
}

/// A service with keys, and the endpoint for its leaks.
struct Desk {
    hand: ManualClock,
    scheme: KeyScheme,
    store: MemoryKeyStore,
    keys: KeyRegistry,
    reports: LeakReports,
    told: Arc<Mutex<Vec<LeakedKey>>>,
    admin: Principal,
}

fn scheme() -> KeyScheme {
    KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap())
}

impl Desk {
    fn new() -> Self {
        Self::signed_by(github())
    }

    fn signed_by(keys: impl ReportKeys) -> Self {
        let (hand, scheme, store) = (ManualClock::at("2026-06-02T12:00:00Z"), scheme(), MemoryKeyStore::new());
        let registry = KeyRegistry::with_clock(scheme.clone(), store.clone(), &hand);
        let told: Arc<Mutex<Vec<LeakedKey>>> = Arc::default();
        let reports = LeakReports::new(registry.clone(), store.clone(), keys).on_leak({
            let told = Arc::clone(&told);
            move |leak| told.lock().unwrap().push(leak.clone())
        });
        Self { hand, scheme, store, keys: registry, reports, told, admin: Principal::builder("alice").build() }
    }

    async fn create(&self) -> IssuedKey {
        self.create_as(NewKey::named("ci")).await
    }

    async fn create_as(&self, new: NewKey) -> IssuedKey {
        self.keys.create(&self.admin, new.account("acme").organizations(["org_1"])).await.unwrap()
    }

    /// Whether the key was revoked.
    async fn is_revoked(&self, key: &IssuedKey) -> bool {
        self.keys.get(&self.admin, key.key.id()).await.unwrap().revoked_at().is_some()
    }

    /// The audit rows that say a key was revoked.
    async fn revocations(&self, key: &IssuedKey) -> Vec<AuditRow> {
        let rows = self.keys.audit(&self.admin, &AuditFilter::key(key.key.id())).await.unwrap().items;
        rows.into_iter().filter(|row| row.action == KeyAction::Revoked).collect()
    }

    /// What was told since the last call.
    fn told(&self) -> Vec<LeakedKey> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}
