//! An earlier Freddy API, as its document describes it: a key in `api-key`, or a token that a client gets for its key.
//!
//! ```sh
//! cargo run --example freddy_v0 -- --listen 127.0.0.1:8080
//! ```

#[path = "../common/mod.rs"]
mod common;
#[path = "../freddy/login.rs"]
#[expect(dead_code, reason = "only `random` is used")]
mod login;
#[path = "../freddy/options.rs"]
#[expect(dead_code, reason = "this server has no external issuer")]
mod options;
#[path = "../freddy/tokens.rs"]
mod tokens;

use std::{process::ExitCode, sync::Arc, time::SystemTime};

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use common::{
    Server,
    demo::{ORGANIZATION, OTHER_ORGANIZATION, setup},
    keys::Keys,
    options::Options,
};
use serde_json::{Value, json};
use tokens::{Exchanged, Mint};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthMethod, AuthStack, BoxError, ClientIp, Disclosure, ErrorEnvelopeLayer, KeyFormat,
    KeyRegistry, KeyState, MaybeReady, Principal, RegistryError, Rejection, RequireLayer,
    token::{Claims, TokenRevocation, TokenStatus},
};

#[tokio::main]
async fn main() -> ExitCode {
    common::main("freddy_v0", server).await
}

async fn server(options: Options) -> Result<Server, BoxError> {
    let keys = options.storage.open(KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?).await?;
    let mint = Mint::new()?;
    let demo = if options.demo { demo(&keys, &mint).await? } else { json!({}) };
    let Keys { scheme, store, registry, upkeep, .. } = keys;

    let (tokens, _) = tokens::layer(&mint, None).await?;
    let tokens = tokens.revocation(KeysBehind(registry));
    // The document answers invalid, expired, suspended and disabled credentials with 401 and different codes.
    let keys = ApiKeyLayer::new(scheme, store).header("api-key").disclose(Disclosure::State);
    let stack = AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .limit(common::failures(60, ClientIp::peer()))
        .auth(AuthLayer::first(tokens).then(keys))
        .limit(common::plans()?)
        .build()?;
    let private = Router::new()
        .route("/v1/models", get(common::models).route_layer(RequireLayer::scope("read")))
        .route("/v1/me", get(me))
        .route("/v1/auth/token", post(exchange).with_state(Arc::new(mint)));
    Ok(Server { app: common::app(private, &stack), demo, upkeep: vec![upkeep] })
}

async fn demo(keys: &Keys, mint: &Mint) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let mut demo = keys.adopt(ids.records(&["read", "write", "webhook"])?).await?;
    let (token, expired) = mint.demo()?;
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

/// Issues a token in exchange for a key. The token has the key's permissions.
async fn exchange(State(mint): State<Arc<Mint>>, who: Principal) -> Result<impl IntoResponse, Rejection> {
    // A token would not carry the key's own limits.
    if *who.method() != AuthMethod::ApiKey || who.limits().is_some() {
        return Err(Rejection::custom(http::StatusCode::FORBIDDEN, "OPERATION_NOT_ALLOWED")
            .message("This credential cannot be exchanged for a token."));
    }
    let (token, lifetime) = mint.exchange(&who).map_err(Rejection::internal)?;
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs() });
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(answer)))
}

/// Revokes a token when the key that it was issued for is no longer valid.
struct KeysBehind(KeyRegistry);

impl TokenRevocation for KeysBehind {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        let Some(key) = token.principal().claims::<Exchanged>().and_then(|claims| claims.key_id.clone()) else {
            return MaybeReady::ready(Ok(TokenStatus::Valid));
        };
        let keys = self.0.clone();
        MaybeReady::boxed(async move {
            let key = match keys.get(&setup(), &key).await {
                Ok(key) => key,
                Err(RegistryError::NotFound) => return Ok(TokenStatus::Revoked),
                Err(error) => return Err(error.into()),
            };
            let good = key.state() == KeyState::Active && key.expires_at().is_none_or(|end| SystemTime::now() < end);
            Ok(if good { TokenStatus::Valid } else { TokenStatus::Revoked })
        })
    }
}
