//! What a stack costs a server of which clients ask over HTTP, next to the crates that offer a part of it.
//!
//! `README.md` beside this file says how to run it. It takes two minutes, with `-- --quick` ten seconds. It reports and
//! asserts nothing of time: only ratios within one run mean something, and on a busy machine only those of CPU time, which
//! Linux tells. Requests per second mean something only where two cores are idle.
//!
//! Every row is compared with a server without any layer that gets the same request and writes no header for it, so ours
//! pays for headers that most peers do not write:
//!
//! | row | does | writes |
//! |---|---|---|
//! | ours | key or HS256 token, rules, plan, budget of failures, envelope | request id, limit, rest, reset; with a key `Vary`, `Cache-Control` |
//! | `tower_governor` 0.8 | a limit by address | limit, rest |
//! | jwt-authorizer 0.15 | HS256 token | nothing |
//! | tower-oauth2-resource-server 0.12 | HS256 token | nothing |
//!
//! Of ours, a token is remembered once it was verified, which no peer offers, or verified each time, as the peers do.
//! jwt-authorizer is for axum 0.7, which serves it, and a bare server of axum 0.7 is its baseline. jsonwebtoken 11, which
//! tower-oauth2-resource-server verifies with, goes by AWS-LC here.

#[path = "../support/end_to_end/mod.rs"]
#[expect(dead_code, reason = "no target is set here")]
mod end_to_end;
#[path = "../support/issuer.rs"]
mod issuer;
#[path = "../support/token_peers.rs"]
mod token_peers;
#[path = "../support/whole_stack.rs"]
mod whole_stack;

use std::{io, net::SocketAddr, pin::Pin};

use axum_07::{body::Body, response::Response, routing::get};
use http::header;
use jsonwebtoken::{Algorithm, crypto::aws_lc};
use tokio::net::TcpListener;
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};

use self::{
    end_to_end::{Asked, Bench, Effort},
    token_peers::{authorizer, resource_server},
    whole_stack::{BODY, Told, bare, jwks, keys, remembered, telling, verified, whole, with_key, with_token},
};

/// What the whole stack writes.
const WITH_KEY: Told = Told { cache: true, ..WITH_TOKEN };
const WITH_TOKEN: Told = Told { cache: false, id: true, limit: true };

fn main() {
    aws_lc::DEFAULT_PROVIDER.install_default().expect("nobody has chosen yet");
    let mut bench = Bench::new(BODY);
    by_key(&mut bench);
    by_token(&mut bench, &with_token());
    by_token_07(&mut bench, &with_token());

    let Some(effort) = Effort::from_args() else { return };
    bench.run(effort).print();
}

fn by_key(bench: &mut Bench) {
    let (asked, headers) = (with_key(), WITH_KEY.names());
    bench.baseline("bare, key", &asked, &[], bare());
    bench.row("bare, key, the six headers of the whole stack", &asked, &headers, telling(WITH_KEY));
    bench.row("ours: whole stack, key", &asked.guarded(), &headers, bare().layer(whole(keys())));
    let config = GovernorConfigBuilder::default().per_nanosecond(15).burst_size(4_000_000_000).use_headers().finish();
    let governed = bare().layer(GovernorLayer::new(config.expect("it is a good quota")));
    bench.row("tower_governor, by address", &asked, &["x-ratelimit-limit", "x-ratelimit-remaining"], governed);
}

fn by_token(bench: &mut Bench, asked: &Asked) {
    let headers = WITH_TOKEN.names();
    bench.baseline("bare, token", asked, &[], bare());
    bench.row("bare, token, the four headers of the whole stack", asked, &headers, telling(WITH_TOKEN));
    let asked = &asked.guarded();
    bench.row("ours: whole stack, token remembered", asked, &headers, bare().layer(whole(remembered())));
    bench.row("ours: whole stack, token verified each time", asked, &headers, bare().layer(whole(verified())));
    bench.row("tower-oauth2-resource-server", asked, &[], bare().layer(resource_server(jwks(), Algorithm::HS256)));
}

/// What is served by axum 0.7.
fn by_token_07(bench: &mut Bench, asked: &Asked) {
    let bare = bench.serve("bare, token, axum 0.7", asked, &[], serve(bare_07()));
    bench.against(bare);
    let router = bare_07().layer(authorizer(&jwks()));
    bench.serve("jwt-authorizer, axum 0.7", &asked.guarded(), &[], serve(router));
}

/// The same router and handler.
fn bare_07() -> axum_07::Router {
    axum_07::Router::new().route("/v1/models/:id", get(async || answer_07()))
}

fn answer_07() -> Response {
    let mut response = Response::new(Body::from(BODY));
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

type Served = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

fn serve(router: axum_07::Router) -> impl FnOnce(TcpListener) -> Served + Send {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    |listener| Box::pin(async { axum_07::serve(listener, service).tcp_nodelay(true).await })
}
