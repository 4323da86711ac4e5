//! The Aitronos API, as its document describes it: `X-API-Key` on every request, own error texts, rate-limit headers on every
//! response.
//!
//! ```sh
//! cargo run --example aitronos -- --listen 127.0.0.1:8080
//! ```

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use axum::{
    Json, Router,
    routing::{get, post},
};
use common::{
    Server,
    demo::{ORGANIZATION, OTHER_ORGANIZATION},
    keys::Keys,
    options::Options,
    watch::Watch,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, ClientIp, ErrorEnvelopeLayer, KeyFormat, RejectionKind, RequireLayer,
    StrictBodyLayer,
    envelope::{Catalogue, CatalogueEntry},
    permission::{OrgSource, member_of},
};

#[tokio::main]
async fn main() -> ExitCode {
    common::main_alerting("aitronos", server).await
}

async fn server(options: Options) -> Result<Server, BoxError> {
    // The document's text says 42 characters, its example has 43. Both lengths are accepted; new keys have 43.
    let keys = options.storage.open(KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?).await?;
    let demo = if options.demo { demo(&keys).await? } else { json!({}) };
    let watch = Watch::new(&keys, common::plans()?, options.alerting.webhook()?)?;
    let Keys { scheme, store, upkeep, sharing, .. } = keys;

    let stack = watch
        .observe(AuthStack::builder())
        .envelope(ErrorEnvelopeLayer::detailed().catalogue(catalogue()).adopt_foreign_errors())
        .limit(common::sharing::of_keys(&sharing.failures(common::failures(60, ClientIp::peer()))))
        .auth(ApiKeyLayer::new(scheme, store).header("x-api-key"))
        .build()?;
    let private = Router::new()
        .merge(watch.routes("/v1"))
        .merge(watch.limits_route())
        .route("/v1/models", get(common::models).route_layer(RequireLayer::scope("read")))
        .route(
            "/v1/model/response",
            post(respond)
                .route_layer(RequireLayer::new(member_of(OrgSource::body_field("organization_id"))))
                .route_layer(StrictBodyLayer::<Ask>::new()?)
                .route_layer(RequireLayer::scope("read")),
        );
    Ok(Server { app: common::app(private, &stack), demo, upkeep: watch.start(upkeep) })
}

async fn demo(keys: &Keys) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let mut demo = keys.adopt(ids.records(&["read", "write", "webhook"])?).await?;
    demo.insert("organization".to_owned(), ORGANIZATION.into());
    demo.insert("other_organization".to_owned(), OTHER_ORGANIZATION.into());
    Ok(demo.into())
}

/// The texts of this document. A missing key and an expired key get the same answer as an invalid key.
fn catalogue() -> Catalogue {
    use RejectionKind as Kind;
    let invalid = CatalogueEntry::new("INVALID_API_KEY")
        .message("The API key provided is invalid or has expired.")
        .system_message("API key validation failed");
    let insufficient = CatalogueEntry::new("INSUFFICIENT_PERMISSIONS")
        .message("You don't have permission to access this resource.")
        .system_message("Insufficient permissions for this operation");
    Catalogue::default().map(|kind, words| match kind {
        Kind::MissingCredential | Kind::InvalidKey => invalid.clone().without_details(),
        Kind::InsufficientPermissions | Kind::OrganizationDenied => insufficient.clone().without_details(),
        _ => words.error_type("client_error"),
    })
}

/// A request to a model.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the layers read the fields; the type declares which are allowed")]
struct Ask {
    organization_id: String,
    model: String,
    inputs: Vec<Input>,
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_output_synapses: Option<u32>,
    thread_id: Option<String>,
    assistant_id: Option<String>,
    workflow_id: Option<String>,
    vector_store_ids: Option<Value>,
    space_id: Option<String>,
    previous_response_id: Option<String>,
    edit_message_id: Option<String>,
    previous_message_id: Option<String>,
    instructions: Option<String>,
    tools: Option<Value>,
    system_tools: Option<Value>,
    reasoning: Option<Value>,
    include: Option<Value>,
    disable_rules: Option<Value>,
    store: Option<bool>,
    output_mode: Option<String>,
    metadata: Option<Value>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Input {
    role: String,
    content: Option<Value>,
    files: Option<Value>,
    id: Option<String>,
    tool_call_id: Option<String>,
}

/// Answers as the document's snippets expect: they read `response[0].text`.
async fn respond() -> Json<Value> {
    Json(json!({ "success": true, "response": [{ "type": "text", "text": "Hello! How can I help you today?" }] }))
}
