//! An earlier Freddy API, as its document describes it: a key in `api-key`, or a token that a client gets for its key, refreshes
//! and gives back.
//!
//! ```sh
//! cargo run --example freddy_v0 -- --listen 127.0.0.1:8080
//! ```

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use axum::{Json, Router, routing::get};
use common::{
    Server,
    demo::{ACCOUNT, ORGANIZATION, OTHER_ORGANIZATION},
    keys::Keys,
    options::Options,
    sessions::demo_tokens,
};
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, AuthLayer, AuthStack, BoxError, ClientIp, Disclosure, ErrorEnvelopeLayer, KeyFormat,
    Principal, RequireLayer,
    endpoints::WellKnown,
    permission::role,
    session::{Grant, Sessions},
};

#[tokio::main]
async fn main() -> ExitCode {
    common::main_issuing("freddy_v0", server).await
}

async fn server(options: Options) -> Result<Server, BoxError> {
    let keys = options.storage.open(KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?).await?;
    let address = options.public_url.or_of(options.listen.parse()?);
    let sessions = keys.sessions(&address, None).await?;
    let demo = if options.demo { demo(&keys, &sessions).await? } else { json!({}) };
    let Keys { scheme, store, mut upkeep, sharing, .. } = keys;

    // The document answers invalid, expired, suspended and disabled credentials with 401 and different codes.
    let keys = ApiKeyLayer::new(scheme, store).header("api-key").disclose(Disclosure::State);
    let (limit, client) = (sharing.plans(common::plans()?), ClientIp::peer());
    let failures = sharing.failures(common::failures(60, client.clone()));
    let endpoints = AuthEndpoints::new(sessions.clone()).keys(keys.clone()).introspection(role("admin"));
    let endpoints = endpoints.limit(limit.clone()).client_ip(client);
    let documents = WellKnown::new(&sessions, &format!("{address}/v1/auth"))?.endpoints(&endpoints);
    let stack = AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .limit(common::sharing::of_keys(&failures))
        .auth(AuthLayer::first(endpoints.bearer()?).then(keys))
        .limit(limit)
        .build()?;
    let private = Router::new()
        .route("/v1/models", get(common::models).route_layer(RequireLayer::scope("read")))
        .route("/v1/me", get(me));
    let public = Router::new()
        .nest_service("/v1/auth", failures.layer(endpoints))
        .route_service("/.well-known/{*document}", documents)
        .layer((axum::Extension(ClientIp::peer()), stack.envelope()));
    let app = public.merge(common::app(private, &stack));
    upkeep.push(sessions.start());
    Ok(Server { app, demo, upkeep })
}

async fn demo(keys: &Keys, sessions: &Sessions) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let mut demo = keys.adopt(ids.records(&["read", "write", "webhook"])?).await?;
    let user = Principal::builder("user_1").account(ACCOUNT).organizations([ORGANIZATION]).plan("standard");
    let [token, expired] = demo_tokens(sessions, &Grant::of(&user.scopes(["read"]).build()))?;
    let others = [
        ("token", token),
        ("expired_token", expired),
        ("organization", ORGANIZATION.to_owned()),
        ("other_organization", OTHER_ORGANIZATION.to_owned()),
    ];
    demo.extend(others.map(|(name, value)| (name.to_owned(), value.into())));
    Ok(demo.into())
}

async fn me(who: Principal) -> Json<Value> {
    Json(json!({ "subject": who.subject(), "scopes": who.scopes(), "method": who.method().to_string() }))
}
