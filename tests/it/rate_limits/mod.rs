//! Limits in front of services: what a refusal says, what headers tell, who is counted, and the budget of failed attempts;
//! rules 089 and 117 to 139, pitfalls 16 and 40 to 50. Time stands still unless a test turns the clock.

mod addresses;
mod calendar;
mod charges_held;
mod clocks;
mod counting;
mod failures;
mod failures_further_in;
mod failures_login;
mod failures_slow;
mod failures_tokens;
mod faults;
mod fields;
mod given_back;
mod grpc;
mod legacy;
mod outages;
mod plans;
mod refusals;
mod remote;
mod several;
mod shadow;
mod shares;
mod shares_failures;
mod status;
mod structured;
mod who;

use std::{convert::Infallible, fmt, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    AuthFuture, AuthMethod, AuthOutcome, AuthStack, Authenticator, Plans, Principal, Quota, RateLimitLayer, Rejection,
    RejectionKind, RequestHead, testing::ManualClock,
};

use crate::support::{Body, get};

/// 1,800,000,000 seconds after 1970.
const NOW: &str = "2027-01-15T08:00:00Z";
const NOW_SECONDS: u64 = 1_800_000_000;

fn hand() -> ManualClock {
    ManualClock::at(NOW)
}

/// What a client receives.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    body: String,
    /// What only the service itself learns.
    cause: Option<String>,
}

impl Told {
    /// The one line of a header.
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter().map(|line| line.to_str().unwrap());
        let first = lines.next();
        assert_eq!(lines.next(), None, "{name} stands there twice");
        first
    }

    /// A header that has to be an integer as RFC 9110 writes one: digits and nothing else.
    fn number(&self, name: &str) -> Option<u64> {
        let value = self.header(name)?;
        let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
        assert!(plain, "{name}: {value}");
        Some(value.parse().unwrap())
    }

    fn limit(&self) -> Option<u64> {
        self.number("x-ratelimit-limit")
    }

    fn remaining(&self) -> Option<u64> {
        self.number("x-ratelimit-remaining")
    }

    fn reset(&self) -> Option<u64> {
        self.number("x-ratelimit-reset")
    }

    fn retry_after(&self) -> Option<u64> {
        self.number("retry-after")
    }

    /// Limit, remaining and reset.
    fn standing(&self) -> Option<(u64, u64, u64)> {
        Some((self.limit()?, self.remaining()?, self.reset()?))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The names of all headers that tell of a limit.
    fn names(&self) -> Vec<&str> {
        let names = self.headers.keys().map(http::HeaderName::as_str);
        names.filter(|name| name.contains("ratelimit") || *name == "retry-after").collect()
    }
}

async fn ask<S, B>(service: &S, request: Request<Body>) -> Told
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let cause = Rejection::of(&response).and_then(|refusal| Some(refusal.private_cause()?.to_string()));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Told { status, headers, body: String::from_utf8_lossy(&body).into_owned(), cause }
}

/// The statuses that so many requests like this one are answered.
async fn statuses<S, B>(service: &S, count: usize, request: impl Fn() -> Request<Body>) -> Vec<u16>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(ask(service, request()).await.status);
    }
    all
}

/// How many requests like this one come before the first 429; what there is, is spent.
async fn spend<S, B>(service: &S, request: impl Fn() -> Request<Body>) -> usize
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    for count in 0..10_000 {
        if ask(service, request()).await.status == 429 {
            return count;
        }
    }
    panic!("nothing is ever refused")
}

/// The same request on a connection from this address.
fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(tower_auth::PeerAddr(address.parse::<IpAddr>().unwrap()));
    request
}

/// Callers as the request says they are: `who` alone, or with `plan`, `account`, `key` (an id) and `token`. A `who` of
/// `bad` is a bad credential.
struct Claimed;

impl Authenticator for Claimed {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let said = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let Some(who) = said("who") else { return AuthFuture::ready(AuthOutcome::NoCredential) };
        if who == "bad" {
            return AuthFuture::ready(AuthOutcome::Rejected(Rejection::new(RejectionKind::InvalidKey)));
        }
        let mut principal = Principal::builder(who);
        if let Some(plan) = said("plan") {
            principal = principal.plan(plan);
        }
        if let Some(account) = said("account") {
            principal = principal.account(account);
        }
        if let Some(id) = said("key") {
            principal = principal.method(AuthMethod::ApiKey).credential_id(id);
        }
        if let Some(id) = said("token") {
            principal = principal.method(AuthMethod::Token).credential_id(id);
        }
        AuthFuture::ready(AuthOutcome::Authenticated(principal.build()))
    }

    fn challenge(&self) -> &'static str {
        "Claimed"
    }
}

/// A request of alice's.
fn alice() -> Request<Body> {
    get("/", &[("who", "alice")])
}

/// One plan for everybody.
fn plan(quotas: impl IntoIterator<Item = Quota>) -> Plans {
    Plans::new().plan("standard", quotas).fallback("standard").build().unwrap()
}

/// A limit of one plan for everybody.
fn by_plan(quotas: impl IntoIterator<Item = Quota>) -> RateLimitLayer {
    RateLimitLayer::by_plan(&plan(quotas))
}

/// A stack of callers as they say they are, and these limits.
fn stack(hand: &ManualClock, limits: impl IntoIterator<Item = RateLimitLayer>) -> AuthStack {
    let builder = AuthStack::builder().auth(Claimed).clock(hand);
    limits.into_iter().fold(builder, tower_auth::stack::AuthStackBuilder::limit).build().unwrap()
}

/// A service in this layer, over a probe of readiness, that answers 200.
fn over<L: Layer<Ok>>(layer: &L) -> L::Service {
    let answer: Answer = |_| Response::new(Body::default());
    layer.layer(crate::support::strict(answer))
}

type Answer = fn(Request<Body>) -> Response<Body>;
type Ok = crate::support::Strict<Answer>;
