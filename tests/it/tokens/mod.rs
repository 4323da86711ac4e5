//! Tokens: what is accepted, what is not, and in which words; rules 019 to 031, 034, 037 to 048, 050 to
//! 070, and pitfalls 20 to 25, 28 and 30.

mod ages;
mod balancers;
mod builder;
mod cache;
mod claims;
mod clients;
mod cookie;
mod cookies_beside;
mod cross_site;
mod curves;

mod exchanged;
mod freddy;
mod fresh;
mod grammar;
mod hostile;
mod issuers;
mod key_sets;
mod keys_alone;
mod methods;
pub(crate) mod mint;
mod pitfalls;
mod required;
mod revocation;
mod rules_bearer;
mod rules_jwt;
mod rules_time;
mod shapes;
mod sources;
mod subjects;
mod tenants;
mod websocket;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, BearerLayer, BoxError, Clock, MaybeReady, Rejection, TokenVerifier,
    testing::ManualClock,
    token::{Claims, KeySet, KeySource, TokenError, TokenVerifierBuilder},
};

use self::mint::{AUDIENCE, ISSUER, KIDS, jwks};
use crate::support::{self, Body, get, ok};

/// The time of all tests on a clock that stands still: 2027-01-15T08:00:00Z.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) const INVALID: &str =
    r#"Bearer realm="api", error="invalid_token", error_description="The access token is invalid""#;
pub(crate) const EXPIRED: &str =
    r#"Bearer realm="api", error="invalid_token", error_description="The access token expired""#;
pub(crate) const MALFORMED: &str =
    r#"Bearer realm="api", error="invalid_request", error_description="The Authorization header has no token""#;
pub(crate) const MISSING: &str = r#"Bearer realm="api""#;

pub(crate) fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

/// A verifier that knows all keys and has the strictest settings, which are the default ones.
pub(crate) fn strict() -> TokenVerifierBuilder {
    TokenVerifier::key_set(ISSUER, KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap()).audience(AUDIENCE)
}

/// The settings of the example server for an issuer outside.
pub(crate) fn lenient(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    builder
        .typ(["at+jwt", "JWT"])
        .allow_missing_typ()
        .organizations_from("organizations")
        .roles_from("roles")
        .account_from("account")
        .plan_from("plan")
        .leeway(Duration::from_secs(60))
}

/// What a verifier says of a token at [`NOW`].
pub(crate) async fn judged(builder: TokenVerifierBuilder, token: &str) -> Result<Claims, TokenError> {
    builder.build().unwrap().verify(token, &Clock::from(&hand())).await
}

/// The same, and what a log says of the refusal.
pub(crate) async fn explained(builder: TokenVerifierBuilder, token: &str) -> Result<Claims, (TokenError, String)> {
    let verifier = builder.build().unwrap();
    let verdict = verifier.verify(token, &Clock::from(&hand())).await;
    verdict.map_err(|error| {
        let told = verifier.explain(token, &error);
        (error, told)
    })
}

/// A verifier as [`strict`] without an audience.
pub(crate) fn nobodys() -> TokenVerifierBuilder {
    TokenVerifier::key_set(ISSUER, KeySet::from_json(jwks(&KIDS).as_bytes()).unwrap())
}

/// A stack of one verifier at [`NOW`].
pub(crate) fn stack(builder: TokenVerifierBuilder) -> AuthStack {
    stack_of(BearerLayer::new(builder.build().unwrap()))
}

pub(crate) fn stack_of(auth: impl Into<AuthLayer>) -> AuthStack {
    AuthStack::builder().auth(auth).clock(&hand()).build().unwrap()
}

/// A document that somebody publishes.
pub(crate) struct Published(pub(crate) String);

impl KeySource for Published {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Ok(Bytes::from(self.0.clone())))
    }
}

/// What a client receives.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// All lines of `WWW-Authenticate`.
    pub(crate) challenges: Vec<String>,
    pub(crate) body: Value,
    /// What only the service itself learns.
    pub(crate) cause: Option<String>,
}

impl Told {
    pub(crate) fn short(&self) -> (u16, &str) {
        (self.status, &self.code)
    }

    pub(crate) fn assert(&self, status: u16, code: &str, challenges: &[&str]) {
        let told: Vec<&str> = self.challenges.iter().map(String::as_str).collect();
        assert_eq!((self.short(), &*told), ((status, code), challenges), "{self:?}");
    }

    pub(crate) fn assert_accepted(&self) {
        self.assert(200, "", &[]);
    }

    pub(crate) fn assert_invalid(&self) {
        self.assert(401, "TOKEN_INVALID", &[INVALID]);
    }

    pub(crate) fn assert_expired(&self) {
        self.assert(401, "TOKEN_EXPIRED", &[EXPIRED]);
    }
}

pub(crate) async fn ask(stack: &AuthStack, request: Request<Body>) -> Told {
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let lines = response.headers().get_all("www-authenticate").iter();
    let challenges = lines.map(|line| line.to_str().unwrap().to_owned()).collect();
    let cause = Rejection::of(&response).and_then(|refusal| Some(refusal.private_cause()?.to_string()));
    let body: Value = serde_json::from_str(&support::text(response).await).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
    Told { status, code, challenges, body, cause }
}

/// A request with this token.
pub(crate) async fn present(stack: &AuthStack, token: &str) -> Told {
    ask(stack, get("/", &[("authorization", &format!("Bearer {token}"))])).await
}
