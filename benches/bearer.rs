//! The cost of tokens per request: `BearerLayer` compared with the signature check alone (raw), and cached tokens compared
//! with the minimum work for them (the floor).
//!
//! `cargo bench --bench bearer --all-features` takes half a minute, with `-- --quick` a few seconds. It reports times
//! and asserts none: only ratios within one run are meaningful, and on a busy machine only those of the quietest run. The
//! row with two threads is meaningful only if two cores are idle. `benches/peers` measures other crates in the same way.

#[path = "support/harness.rs"]
mod harness;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/prepared.rs"]
mod prepared;
#[path = "support/services.rs"]
mod services;
#[path = "support/tokens.rs"]
mod tokens;
#[path = "support/two_threads.rs"]
mod two_threads;

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use axum::body::Body;
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::Algorithm;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service, service_fn};
use tower_auth::{BearerLayer, token::TokenVerifier};

use self::{
    harness::{Bench, Effort, Report, Row, target},
    issuer::now,
    tokens::{Issuer, Presented, Tokens, ask},
};

const OK: StatusCode = StatusCode::OK;
const NO: StatusCode = StatusCode::UNAUTHORIZED;

fn main() {
    let mut bench = Bench::default();
    let issuers =
        [Algorithm::HS256, Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA]
            .map(Issuer::new);
    let raw = issuers.each_ref().map(|issuer| issuer.raw(&mut bench, &format!("{issuer}: raw")));
    two_threads(&mut bench, &issuers[1]);
    let bare = issuers[0].tokens().row(bench.without_floor(), "bare service", OK, service_fn(bare));
    bench.over(bare);

    let accepted: Vec<_> =
        issuers.iter().zip(raw).map(|(issuer, raw)| Accepted::new(&mut bench, issuer, raw)).collect();
    let cached = cached(bench.without_floor(), &issuers[1]);
    for (issuer, raw) in issuers.iter().zip(raw) {
        refused(&mut bench, issuer, raw);
    }

    let Some(effort) = Effort::from_args() else { return };
    for issuer in &issuers {
        let tokens = issuer.tokens();
        let bytes: usize = tokens.texts.iter().map(String::len).sum();
        println!("{issuer}: {} tokens of {} bytes", tokens.texts.len(), bytes / tokens.texts.len());
    }
    println!();
    let report = bench.report(effort);
    for accepted in &accepted {
        accepted.target(&report);
    }
    target("a remembered token", report.ratio(cached.ours, cached.floor), 1.5, "x floor");
}

/// The rows that have a target.
#[derive(Clone, Copy)]
struct Compared {
    floor: Row,
    ours: Row,
}

/// A service that does nothing.
fn bare(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

fn layer(tokens: TokenVerifier) -> BearerLayer {
    BearerLayer::new(tokens)
}

fn verifier(issuer: &Issuer) -> TokenVerifier {
    issuer.verifier().build().expect("the settings are complete")
}

fn remembering(issuer: &Issuer) -> TokenVerifier {
    issuer.verifier().cache(1024).build().expect("the settings are complete")
}

/// The rows for a good token.
struct Accepted<'a> {
    issuer: &'a Issuer,
    rows: Compared,
}

impl<'a> Accepted<'a> {
    fn new(bench: &mut Bench, issuer: &'a Issuer, raw: Row) -> Self {
        bench.against(raw);
        let service = layer(verifier(issuer)).layer(service_fn(bare));
        let ours = issuer.tokens().row(bench, &format!("{issuer}: accepted"), OK, service);
        Self { issuer, rows: Compared { floor: raw, ours } }
    }

    fn target(&self, report: &Report) {
        if matches!(self.issuer.algorithm, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
            let Compared { floor, ours } = self.rows;
            target(&format!("{}, not remembered", self.issuer), report.ratio(ours, floor), 1.10, "x raw");
        }
    }
}

/// The rows for bad tokens.
fn refused(bench: &mut Bench, issuer: &Issuer, raw: Row) {
    bench.against(raw);
    let mut row = |what: &str, tokens: Tokens| {
        let service = layer(verifier(issuer)).layer(service_fn(bare));
        tokens.row(bench, &format!("{issuer}: refused, {what}"), NO, service);
    };
    let good = issuer.tokens().texts;
    let parts = || good.iter().map(|token| token.rsplit_once('.').expect("a token has three parts"));
    if issuer.algorithm == Algorithm::RS256 {
        row("two parts", Tokens::new(parts().map(|(signed, _)| signed.to_owned())));
        row("padded", Tokens::new(good.iter().map(|token| format!("{token}="))));
    }
    let others = parts().map(|(_, signature)| signature).cycle().skip(1);
    row("wrong signature", Tokens::new(parts().zip(others).map(|((signed, _), other)| format!("{signed}.{other}"))));
    row("expired", issuer.tokens_until(now() - 60));
}

/// The rows for tokens that were verified before.
fn cached(bench: &mut Bench, issuer: &Issuer) -> Compared {
    let tokens = issuer.tokens();
    let known: HashMap<_, _> = found(&tokens).collect();
    let map = service_fn(move |request| admit(request, |place| known.get(place).cloned()));
    tokens.row(bench, "remembered: floor, SHA-256, HashMap, extension", OK, map);
    let floor = tokens.row(bench, "remembered: floor, SHA-256, quick_cache, extension", OK, floor(&tokens));
    bench.against(floor);
    let service = layer(remembering(issuer)).layer(service_fn(bare));
    let ours = tokens.row(bench, "remembered: BearerLayer", OK, service);
    let one = Tokens::new(tokens.texts.into_iter().take(1));
    bench.without_floor();
    let hot = one.row(bench, "one token, remembered: floor", OK, self::floor(&one));
    bench.against(hot);
    one.row(bench, "one token, remembered: BearerLayer", OK, layer(remembering(issuer)).layer(service_fn(bare)));
    Compared { floor, ours }
}

type Place = [u8; 32];

fn place(token: &[u8]) -> Place {
    Sha256::digest(token).into()
}

/// The holder of a token.
#[derive(Clone)]
struct Who(#[expect(dead_code, reason = "a handler would read it")] Arc<str>);

fn found(tokens: &Tokens) -> impl Iterator<Item = (Place, Who)> {
    tokens.texts.iter().map(|token| (place(token.as_bytes()), Who(Arc::from("user_4711"))))
}

/// The minimum work for a token that was verified before. It does not check the time.
fn floor(
    tokens: &Tokens,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + use<> {
    let known = Arc::new(Cache::new(1024));
    for (place, who) in found(tokens) {
        known.insert(place, who);
    }
    service_fn(move |request| admit(request, |place| known.get(place)))
}

fn admit(
    mut request: Request<Body>,
    find: impl FnOnce(&Place) -> Option<Who>,
) -> Ready<Result<Response<Body>, Infallible>> {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let Some(who) = token.and_then(|token| find(&place(token))) else {
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = NO;
        return ready(Ok(refusal));
    };
    request.extensions_mut().insert(who);
    bare(request)
}

/// One token that two threads present at the same time. Each thread sends as many requests as the row with one thread.
fn two_threads(bench: &mut Bench, issuer: &Issuer) {
    const REQUESTS: usize = 1024;
    let one = Tokens::new(issuer.tokens().texts.into_iter().take(1));
    let service = one.presented_to(layer(remembering(issuer)).layer(service_fn(bare)));
    bench.without_floor();
    let mut alone = service.clone();
    let floor = bench.work("one token, remembered: 1024 requests", move || many(&mut alone, REQUESTS));
    bench.against(floor);
    let (mut other, mut this) = (service.clone(), service);
    let name = "one token, remembered: 1024 requests in each of two threads";
    bench.in_two_threads(name, move || many(&mut this, REQUESTS), move || many(&mut other, REQUESTS));
}

fn many<S>(service: &mut Presented<S>, requests: usize)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, http::HeaderValue::from_static("Bearer of one of the tokens"));
    for _ in 0..requests {
        let mut request = Request::new(Body::empty());
        request.headers_mut().clone_from(&headers);
        assert_eq!(ask(service, request), OK);
    }
}
