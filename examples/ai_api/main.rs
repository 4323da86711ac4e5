//! An AI API, as its document describes it: the API key as `Authorization: Bearer`, four permissions, and errors in a compact
//! format.
//!
//! ```sh
//! cargo run --example ai_api -- --listen 127.0.0.1:8080
//! cargo run --example ai_api -- --database sqlite:keys.db --secrets peppers.txt
//! ```

#[path = "../common/mod.rs"]
mod common;

use std::{process::ExitCode, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use common::{Server, caller::Caller, keys::Keys, options::Options};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BoxError, ClientIp, Disclosure, ErrorEnvelopeLayer, KeyFormat, KeyRegistry,
    KeyState, NewKey, RegistryError, Rejection, RejectionKind, RequireLayer, StrictJson,
    envelope::{Catalogue, CatalogueEntry},
    json::FieldViolation,
    registry::IssuedKey,
};

const PERMISSIONS: [&str; 4] = ["read", "write", "admin", "webhook"];

/// How long the old key stays valid after a rotation, so that applications can be updated.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> ExitCode {
    common::main("ai_api", server).await
}

async fn server(options: Options) -> Result<Server, BoxError> {
    let keys = options.storage.open(KeyFormat::opaque(20)).await?;
    let demo = if options.demo { demo(&keys).await? } else { json!({}) };
    let Keys { scheme, store, registry, upkeep, sharing, .. } = keys;

    let keys = ApiKeyLayer::new(scheme, store).bearer().disclose(Disclosure::All);
    let stack = AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::compact().catalogue(catalogue()).adopt_foreign_errors())
        .limit(common::sharing::of_keys(&sharing.failures(common::failures(60, ClientIp::peer()))))
        .auth(AuthLayer::first(keys).disclose_header())
        .limit(sharing.plans(common::plans()?))
        .build()?;
    let admin = Router::new()
        .route("/v1/admin", get(|| async { Json(json!({ "success": true, "data": { "status": "ok" } })) }))
        .route("/v1/keys", post(create))
        .route("/v1/keys/{id}/rotate", post(rotate))
        .route("/v1/keys/{id}", delete(revoke))
        .route_layer(RequireLayer::scope("admin"))
        .with_state(registry);
    let private = Router::new()
        .route("/v1/models", get(common::models).route_layer(RequireLayer::scope("read")))
        .route("/v1/generate", post(generate).route_layer(RequireLayer::scope("read")))
        .route("/v1/resources", post(resource).route_layer(RequireLayer::scope("write")))
        .route("/v1/webhooks", get(webhooks).post(webhooks).route_layer(RequireLayer::scope("webhook")))
        .merge(admin);
    Ok(Server { app: common::app(private, &stack), demo, upkeep })
}

async fn demo(keys: &Keys) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let mut records = ids.records(&["read", "write", "admin", "webhook"])?;
    records.push(("revoked", ids.reader("revoked").state(KeyState::Revoked)));
    Ok(keys.adopt(records).await?.into())
}

/// The texts of this document. Every bad key except an expired one is `INVALID_API_KEY`. Its id is disclosed only to a client
/// that has the secret.
fn catalogue() -> Catalogue {
    use RejectionKind as Kind;
    let invalid = CatalogueEntry::new("INVALID_API_KEY").message("The provided API key is invalid");
    Catalogue::default().map(|kind, words| match kind {
        Kind::MissingCredential => CatalogueEntry::new("MISSING_API_KEY").message("API key is required"),
        Kind::ExpiredKey => CatalogueEntry::new("EXPIRED_API_KEY").message("The API key has expired"),
        Kind::InvalidKey | Kind::RevokedKey | Kind::PausedKey | Kind::DeactivatedKey | Kind::Suspended => {
            invalid.clone()
        }
        _ => words,
    })
}

#[derive(Deserialize)]
struct Generate {
    prompt: String,
    model: String,
    #[expect(dead_code, reason = "nothing is generated here")]
    max_tokens: Option<u32>,
    #[expect(dead_code, reason = "nothing is generated here")]
    temperature: Option<f64>,
}

async fn generate(StrictJson(ask): StrictJson<Generate>) -> Json<Value> {
    let text = format!("You said: {}", ask.prompt);
    Json(json!({ "success": true, "data": { "model": ask.model, "text": text } }))
}

#[derive(Deserialize)]
struct Resource {
    name: String,
}

async fn resource(StrictJson(new): StrictJson<Resource>) -> Response {
    (StatusCode::CREATED, Json(json!({ "success": true, "data": { "name": new.name } }))).into_response()
}

async fn webhooks() -> Json<Value> {
    Json(json!({ "success": true, "data": [] }))
}

#[derive(Deserialize)]
struct Create {
    name: String,
    permissions: Vec<String>,
    expires_in_days: Option<u32>,
}

async fn create(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    StrictJson(new): StrictJson<Create>,
) -> Result<Response, Rejection> {
    let unknown = new.permissions.iter().position(|permission| !PERMISSIONS.contains(&permission.as_str()));
    if let Some(place) = unknown {
        let reason = format!("must be one of {}", PERMISSIONS.join(", "));
        return Err(Rejection::invalid_fields([FieldViolation::new(format!("/permissions/{place}"), reason)]));
    }
    let mut key = NewKey::named(new.name)
        .account(caller.who.account().unwrap_or_default())
        .scopes(new.permissions)
        .plan("standard");
    if let Some(days) = new.expires_in_days {
        key = key.expires_in(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
    Ok(shown_once(&keys.create(&caller, key).await?))
}

async fn rotate(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Rejection> {
    own(&keys, &caller, &id).await?;
    Ok(shown_once(&keys.rotate(&caller, &id, OVERLAP).await?))
}

async fn revoke(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Rejection> {
    own(&keys, &caller, &id).await?;
    let key = keys.revoke(&caller, &id).await?;
    Ok(Json(json!({ "success": true, "data": { "id": key.id(), "revoked": true } })))
}

/// Finds a key of the caller's account. A key of another account is not found.
async fn own(keys: &KeyRegistry, caller: &Caller, id: &str) -> Result<(), RegistryError> {
    let key = keys.get(caller, id).await?;
    if key.principal().account() == caller.who.account() { Ok(()) } else { Err(RegistryError::NotFound) }
}

fn shown_once(issued: &IssuedKey) -> Response {
    let key = &issued.key;
    let data = json!({
        "id": key.id(), "name": key.name(), "permissions": key.principal().scopes(), "key": issued.secret.expose(),
    });
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (StatusCode::CREATED, headers, Json(json!({ "success": true, "data": data }))).into_response()
}
