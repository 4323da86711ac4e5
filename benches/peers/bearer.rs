//! Tokens in front of a service that does nothing, compared with other crates for tokens.
//!
//! `README.md` next to this file says how to run it. All crates get the same tokens and one key, without a network: as a
//! JSON Web Key Set if the crate accepts one. All check the signature, `exp`, `aud` and `iss`, and read the claims into one
//! type. Ours also checks `typ` and refuses duplicate names.
//!
//! Each crate depends on its own version of `jsonwebtoken`: jwt-authorizer on 9, which always uses ring; axum-jwt-auth on
//! 10, always with the pure Rust crates; tower-oauth2-resource-server on 11. Both backends of 10 and 11 are built here.
//! Without a choice they would panic, so the process installs one: AWS-LC, which is faster for all keys except HMAC, or with
//! `--rust-crypto` the pure Rust crates, with which HMAC is a tenth faster and RSA ten times slower.
//!
//! axum-jwt-auth is an extractor, so it is measured in a router, and ours in the same router.

#[path = "../support/harness.rs"]
mod harness;
#[path = "../support/issuer.rs"]
mod issuer;
mod oauth_peers;
#[path = "../support/prepared.rs"]
mod prepared;
#[path = "../support/services.rs"]
mod services;
#[path = "../support/token_peers.rs"]
mod token_peers;
#[path = "../support/tokens.rs"]
mod tokens;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use axum::{Router, body::Body, routing::get};
use axum_jwt_auth::{Decoder, LocalDecoder};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use serde::de::DeserializeOwned;
use tower::{Layer, Service, service_fn};
use tower_auth::{BearerLayer, Principal};

use self::{
    harness::{Bench, Effort, Report, Row, target},
    issuer::{AUDIENCE, ISSUER},
    oauth_peers::{Huskarl, oauth_resource_server},
    token_peers::{Claims, authorizer, resource_server},
    tokens::{Issuer, PATH},
};

const OK: StatusCode = StatusCode::OK;

fn main() {
    install_backend();
    let mut bench = Bench::default();
    let issuers = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(Issuer::new);
    let raw = issuers.each_ref().map(|issuer| issuer.raw(&mut bench, &format!("{issuer}: raw")));
    let bases = Bases::new(&mut bench, &issuers[0]);
    let rows: Vec<_> =
        issuers.iter().zip(raw).map(|(issuer, raw)| Rows::new(&mut bench, &bases, issuer, raw)).collect();

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    for rows in &rows {
        rows.targets(&report);
    }
}

/// Installs the backend of the peers, except jwt-authorizer.
fn install_backend() {
    use jsonwebtoken::crypto::{aws_lc, rust_crypto};
    use jsonwebtoken_10::crypto::{aws_lc as aws_lc_10, rust_crypto as rust_crypto_10};

    let (eleven, ten) = if std::env::args().any(|arg| arg == "--rust-crypto") {
        (&rust_crypto::DEFAULT_PROVIDER, &rust_crypto_10::DEFAULT_PROVIDER)
    } else {
        (&aws_lc::DEFAULT_PROVIDER, &aws_lc_10::DEFAULT_PROVIDER)
    };
    eleven.install_default().expect("no backend is installed yet");
    ten.install_default().expect("no backend is installed yet");
}

/// The services that do nothing, one per kind of body.
struct Bases {
    service: Row,
    /// jwt-authorizer answers with a body of axum 0.7.
    axum_07: Row,
    router: Row,
}

impl Bases {
    fn new(bench: &mut Bench, issuer: &Issuer) -> Self {
        let tokens = issuer.tokens();
        bench.without_floor();
        Self {
            service: tokens.row(bench, "bare service", OK, service_fn(bare::<Body>)),
            axum_07: tokens.row(bench, "bare service, axum 0.7's body", OK, service_fn(bare::<axum_07::body::Body>)),
            router: tokens.row(bench, "bare axum Router", OK, routed(Router::new().route(PATH, get(async || ())))),
        }
    }
}

/// A service that does nothing.
fn bare<R: Default>(_: Request<Body>) -> Ready<Result<Response<R>, Infallible>> {
    ready(Ok(Response::default()))
}

/// The rows of one algorithm.
struct Rows<'a> {
    issuer: &'a Issuer,
    ours: Row,
    by_hand: Row,
    authorizer: Row,
    resource_server: Row,
    huskarl: Row,
    /// It knows no HMAC.
    oauth: Option<Row>,
    ours_in_router: Row,
    extractor: Row,
}

impl<'a> Rows<'a> {
    fn new(bench: &mut Bench, bases: &Bases, issuer: &'a Issuer, raw: Row) -> Self {
        let tokens = issuer.tokens();
        let name = |what: &str| format!("{issuer}: {what}");
        bench.against(raw);
        bench.over(bases.service);
        let ours = tokens.row(bench, &name("BearerLayer"), OK, layer(issuer).layer(service_fn(bare::<Body>)));
        let by_hand = tokens.row(bench, &name("jsonwebtoken 11 by hand"), OK, by_hand(issuer));
        let resource_server = resource_server(issuer.jwks(), issuer.algorithm).layer(service_fn(bare::<Body>));
        let resource_server = tokens.row(bench, &name("tower-oauth2-resource-server"), OK, resource_server);
        let huskarl = tokens.row(bench, &name("huskarl-resource-server"), OK, Huskarl::new(issuer));
        let oauth = (issuer.algorithm != Algorithm::HS256).then(|| {
            let layer = oauth_resource_server(issuer).layer(service_fn(bare::<Body>));
            tokens.row(bench, &name("oauth-resource-server"), OK, layer)
        });
        bench.over(bases.axum_07);
        let authorizer = authorizer(&issuer.jwks()).layer(service_fn(bare));
        let authorizer = tokens.row(bench, &name("jwt-authorizer"), OK, authorizer);
        bench.over(bases.router);
        let ours_in_router = tokens.row(bench, &name("axum Router: BearerLayer"), OK, router(issuer));
        let extractor = tokens.row(bench, &name("axum Router: axum-jwt-auth"), OK, router_of_extractor(issuer));
        Self { issuer, ours, by_hand, authorizer, resource_server, huskarl, oauth, ours_in_router, extractor }
    }

    /// Prints the target. Only HMAC has one: with other algorithms the signature takes nearly all of the time.
    fn targets(&self, report: &Report) {
        let mut peers = vec![
            ("jsonwebtoken 11 by hand", self.ours, self.by_hand),
            ("tower-oauth2-resource-server", self.ours, self.resource_server),
            ("jwt-authorizer", self.ours, self.authorizer),
            ("huskarl-resource-server", self.ours, self.huskarl),
            ("axum-jwt-auth, both in a Router", self.ours_in_router, self.extractor),
        ];
        peers.extend(self.oauth.map(|theirs| ("oauth-resource-server", self.ours, theirs)));
        let mut ratios: Vec<_> =
            peers.into_iter().map(|(peer, ours, theirs)| (peer, report.ratio(ours, theirs))).collect();
        // The fastest peer, against which ours looks worst, is first.
        ratios.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        if let (Algorithm::HS256, Some((best, ratio))) = (self.issuer.algorithm, ratios.first().copied()) {
            target(&format!("HS256, the best peer is {best}"), ratio, 0.5, "x best peer");
        }
        for (peer, ratio) in ratios {
            println!("- {}: {ratio:.2} x {peer}", self.issuer);
        }
    }
}

fn layer(issuer: &Issuer) -> BearerLayer {
    BearerLayer::new(issuer.verifier().build().expect("the settings are complete"))
}

/// A check written by hand with `jsonwebtoken` alone.
fn by_hand(issuer: &Issuer) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + use<> {
    let keys: JwkSet = parse(issuer);
    let key = DecodingKey::from_jwk(&keys.keys[0]).expect("the key is valid");
    let mut validation = Validation::new(issuer.algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    service_fn(move |mut request: Request<Body>| {
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let Some(token) = token.and_then(|token| decode::<Claims>(token, &key, &validation).ok()) else {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            return ready(Ok(refusal));
        };
        request.extensions_mut().insert(Arc::new(token.claims));
        bare(request)
    })
}

fn parse<T: DeserializeOwned>(issuer: &Issuer) -> T {
    serde_json::from_str(&issuer.jwks()).expect("the JSON is a key set")
}

fn router(issuer: &Issuer) -> Router {
    routed(Router::new().route(PATH, get(async |_: Principal| ())).layer(layer(issuer)))
}

/// Prepares the router like `axum::serve`; otherwise it would build the routes again for each request.
fn routed(router: Router) -> Router {
    router.with_state(())
}

fn router_of_extractor(issuer: &Issuer) -> Router {
    use jsonwebtoken_10::{DecodingKey, Validation, jwk::JwkSet};

    let keys: JwkSet = parse(issuer);
    let keys = keys.keys.iter().map(|key| DecodingKey::from_jwk(key).expect("the key is valid"));
    let mut validation = Validation::new(issuer.to_string().parse().expect("the algorithm has the same name there"));
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let decoder =
        LocalDecoder::builder().keys(keys.collect()).validation(validation).build().expect("the settings are complete");
    let decoder: Decoder<Claims> = Arc::new(decoder);
    Router::new().route(PATH, get(async |_: axum_jwt_auth::Claims<Claims>| ())).with_state(decoder)
}
