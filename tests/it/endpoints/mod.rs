//! The endpoints for tokens: what OAuth and this crate say about them (rules 095 to 113), hostile requests, cookies of browsers.

mod bound;
mod browsers;
mod budgets;
mod clients;
mod exchanged;
mod hostile;
mod introspected;
mod json;
mod known;
mod mounted;
mod outages;
mod refreshed;
mod revoked;
mod secrets;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use tower::{Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, FullBody, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, Peppers, Principal,
    Rejection, RejectionKind, Secret, TokenVerifier,
    permission::scope,
    session::{
        ExchangeRule, Grant, IssuedTokens, Sessions, SessionsBuilder, TokenIssuer, TokenRequest,
        signing::{SigningKeys, SigningPolicy},
    },
    testing::ManualClock,
    token::{Algorithm, VerifyingKey},
};

use crate::{
    support::Body,
    tokens::mint::{self, Object},
};
use outages::Flaky;

/// 1,800,000,000 seconds after 1970.
const NOW: &str = "2027-01-15T08:00:00Z";
const SECONDS: u64 = 1_800_000_000;
const ISSUER: &str = "https://api.test";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A service with one key, `key_1`, and its endpoints.
struct Desk {
    hand: ManualClock,
    scheme: KeyScheme,
    store: MemoryKeyStore,
    flaky: Flaky,
    sessions: Sessions,
    keys: ApiKeyLayer,
    key: Secret,
    endpoints: AuthEndpoints,
}

/// Tokens of another issuer, of which those of `ci` are accepted, and those of `robot` as an actor.
fn rules() -> [ExchangeRule; 2] {
    let key = VerifyingKey::from_pem(Algorithm::Es256, mint::P256).unwrap().id("es256");
    let tokens = TokenVerifier::keys(mint::ISSUER, [key]).audience(mint::AUDIENCE).build().unwrap();
    let robots = ExchangeRule::new(tokens.clone()).claim("sub", "robot").subject_prefix("").may_act();
    [ExchangeRule::new(tokens).claim("sub", "ci").subject_prefix("ext:").scopes(["read", "deploy"]), robots]
}

/// A token of the other issuer.
fn foreign(subject: &str) -> String {
    sealed(&mint::claims(SECONDS).text("sub", subject))
}

fn sealed(claims: &Object) -> String {
    let key = mint::key("es256");
    key.seal(key.header(), claims)
}

impl Desk {
    fn new() -> Self {
        let (hand, store) = (ManualClock::at(NOW), MemoryKeyStore::new());
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
        let key = store.create(&scheme, KeyRecord::new("key_1", "acme").scopes(["read", "write", "inspect"])).unwrap();
        let signing = SigningKeys::in_memory(SigningPolicy::default(), &hand).unwrap();
        let issuer =
            TokenIssuer::new(ISSUER, signing).unwrap().audience("https://one.test").audience("https://two.test");
        let flaky = Flaky::new(store.clone());
        let sessions = Sessions::builder(issuer, flaky.clone(), &Peppers::ephemeral().unwrap());
        let sessions = rules().into_iter().fold(sessions, SessionsBuilder::exchange).build().unwrap();
        let keys = ApiKeyLayer::new(scheme.clone(), store.clone());
        let endpoints = AuthEndpoints::new(sessions.clone()).keys(keys.clone()).introspection(scope("inspect"));
        Self { hand, scheme, store, flaky, sessions, keys, key, endpoints }
    }

    /// Another key of the same account.
    fn other_key(&self, id: &str) -> Secret {
        self.store.create(&self.scheme, KeyRecord::new(id, "acme").scopes(["read"])).unwrap()
    }

    fn key(&self) -> [(&'static str, &str); 1] {
        [("x-api-key", self.key.expose())]
    }

    async fn json(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Told {
        ask(&self.endpoints, post(path, JSON, headers, body.to_string())).await
    }

    async fn form(&self, path: &str, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> Told {
        ask(&self.endpoints, post(path, FORM, headers, form(parameters))).await
    }

    /// A request for a token with the key in its header.
    async fn grant(&self, parameters: &[(&str, &str)]) -> Told {
        self.form("/token", &self.key(), parameters).await
    }

    /// A session of the key.
    async fn exchanged(&self) -> Value {
        let told = ask(&self.endpoints, bare("/token", &self.key())).await;
        assert_eq!(told.status, 200, "{told:?}");
        told.json()
    }

    /// A session of alice in a client.
    async fn session(&self, client: Option<&str>) -> IssuedTokens {
        let grant = Grant::of(&Principal::builder("alice").scopes(["read", "write"]).build());
        let grant = match client {
            Some(client) => grant.client(client),
            None => grant,
        };
        self.sessions.begin(grant, &TokenRequest::new()).await.unwrap()
    }

    /// Whether the token can be used as what it is.
    async fn is_active(&self, token: &str) -> bool {
        self.sessions.introspect(token).await.unwrap().is_active()
            || self.sessions.introspect_refresh_token(token).await.unwrap().is_active()
    }
}

fn refresh_token(tokens: &IssuedTokens) -> &str {
    tokens.refresh_token.as_ref().unwrap().expose()
}

/// The claims of a token, of which the signature is not checked.
fn claims(token: &str) -> Value {
    serde_json::from_slice(&mint::unb64(token.split('.').nth(1).unwrap())).unwrap()
}

fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

fn post(path: &str, media: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let mut request = bare(path, headers).map(|_| Body::from(body.into()));
    request.headers_mut().insert("content-type", media.parse().unwrap());
    request
}

/// A POST without a body.
fn bare(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
    request.body(Body::default()).unwrap()
}

/// What a client receives.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    body: String,
    /// What only the service learns.
    refusal: Option<Rejection>,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter().map(|line| line.to_str().unwrap());
        let first = lines.next();
        assert_eq!(lines.next(), None, "{name} occurs twice");
        first
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some(JSON), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `error` of OAuth.
    fn error(&self) -> (u16, String) {
        let body = self.json();
        let description = body["error_description"].as_str().unwrap();
        let allowed = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(description.bytes().all(allowed) && !description.is_empty(), "{description}");
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }

    /// The refusal of this crate, which has no body here.
    fn kind(&self) -> (u16, RejectionKind) {
        assert_eq!(self.body, "", "{self:?}");
        (self.status, self.refusal.as_ref().unwrap().kind())
    }

    fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {self:?}")).to_owned()
    }
}

/// Every answer is checked for what all have in common: rule 095.
async fn ask<S, B>(service: &S, request: Request<B>) -> Told
where
    S: Service<Request<B>, Response = Response<FullBody>, Error = Infallible> + Clone,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let told = told(response).await;
    assert_eq!(told.header("cache-control"), Some("no-store"), "{told:?}");
    assert_eq!(told.header("pragma"), Some("no-cache"), "{told:?}");
    told
}

async fn told<B>(response: Response<B>) -> Told
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let refusal = Rejection::of(&response).cloned();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Told { status, headers, body: crate::support::text(response).await, refusal }
}

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
