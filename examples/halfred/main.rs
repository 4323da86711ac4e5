//! The Halfred API, as its document describes it: `halfred_` keys as `Authorization: Bearer`, one key per project, and errors
//! that `OpenAI` clients read.
//!
//! ```sh
//! cargo run --example halfred -- --listen 127.0.0.1:8080
//! cargo run --example halfred -- --database sqlite:keys.db --secrets peppers.txt
//! ```

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use common::{
    Server,
    caller::Caller,
    demo::{ACCOUNT, setup},
    keys::Keys,
    options::Options,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    ApiKeyLayer, AuthStack, BoxError, ClientIp, Disclosure, ErrorEnvelopeLayer, KeyFormat, KeyRegistry, KeyState,
    NewKey, Rejection, RejectionKind, RequireLayer, StrictJson,
    envelope::{Catalogue, CatalogueEntry},
    json::FieldViolation,
    permission::{OrgSource, member_of},
    registry::{KeyFilter, KeyInfo},
};

#[tokio::main]
async fn main() -> ExitCode {
    common::main("halfred", server).await
}

async fn server(options: Options) -> Result<Server, BoxError> {
    let keys = options.storage.open(KeyFormat::prefixed("halfred", 28)?.without_checksum()).await?;
    let demo = if options.demo { demo(&keys).await? } else { json!({}) };
    let Keys { scheme, store, registry, upkeep, sharing, .. } = keys;

    let keys = ApiKeyLayer::new(scheme, store).bearer().disclose(Disclosure::All);
    let stack = AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::openai().catalogue(catalogue()).adopt_foreign_errors())
        .limit(common::sharing::of_keys(&sharing.failures(common::failures(60, ClientIp::peer()))))
        .auth(keys)
        .limit(sharing.plans(common::plans()?))
        .build()?;
    let project = Router::new()
        .route("/v1/projects/{project}/key", get(show))
        .route("/v1/projects/{project}/key/replace", post(replace))
        .route_layer(RequireLayer::new(member_of(OrgSource::axum_param("project"))))
        .with_state(registry);
    let private =
        Router::new().route("/v1/models", get(models)).route("/v1/chat/completions", post(complete)).merge(project);
    Ok(Server { app: common::app(private, &stack), demo, upkeep })
}

/// The first sign-in creates a project, with its key. Each start with a database is the first sign-in of another project: if two
/// processes start at the same moment, each project has one key.
async fn demo(keys: &Keys) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let records = [
        ("revoked", ids.reader("revoked").organizations(["proj_old"]).state(KeyState::Revoked)),
        ("limited", ids.limited()?.organizations(["proj_limited"])),
    ];
    let mut demo = keys.adopt(records).await?;
    let project = ids.unique("proj_default");
    let first = NewKey::named("Default project")
        .id(ids.key("default"))
        .account(ACCOUNT)
        .organizations([&project])
        .plan("standard");
    let first = keys.registry.create(&setup(), first).await?;
    demo.insert("key".to_owned(), first.secret.expose().into());
    demo.insert("project".to_owned(), project.into());
    Ok(demo.into())
}

/// The texts of this document.
fn catalogue() -> Catalogue {
    use RejectionKind as Kind;
    let words = |code: &'static str, message: &'static str| {
        CatalogueEntry::new(code).message(message).error_type("authentication_error")
    };
    Catalogue::default()
        .with(Kind::MissingCredential, words("INVALID_API_KEY", "Authentication failed"))
        .with(Kind::InvalidKey, words("INVALID_API_KEY", "Invalid API key"))
        .with(Kind::RevokedKey, words("API_KEY_NOT_FOUND", "API key not found"))
}

async fn models() -> Json<Value> {
    let model = |id: &str| json!({ "id": id, "object": "model", "created": 0, "owned_by": "halfred" });
    Json(json!({ "object": "list", "data": [model("lite"), model("standard"), model("deepthink")] }))
}

/// The fields that clients of this kind send. A field that this server does not use may have any value.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the type declares which fields are allowed")]
struct Chat {
    model: String,
    messages: Vec<Message>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    n: Option<u32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    seed: Option<i64>,
    stop: Option<Value>,
    stream: Option<bool>,
    stream_options: Option<Value>,
    response_format: Option<Value>,
    tools: Option<Value>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    logprobs: Option<bool>,
    top_logprobs: Option<u32>,
    logit_bias: Option<Value>,
    metadata: Option<Value>,
    user: Option<String>,
    audio: Option<Value>,
    function_call: Option<Value>,
    functions: Option<Value>,
    modalities: Option<Value>,
    moderation: Option<Value>,
    prediction: Option<Value>,
    prompt_cache_key: Option<String>,
    prompt_cache_options: Option<Value>,
    prompt_cache_retention: Option<String>,
    reasoning_effort: Option<String>,
    safety_identifier: Option<String>,
    service_tier: Option<String>,
    store: Option<bool>,
    verbosity: Option<String>,
    web_search_options: Option<Value>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Message {
    role: String,
    content: Option<Value>,
    name: Option<String>,
    tool_calls: Option<Value>,
    tool_call_id: Option<String>,
    refusal: Option<String>,
    audio: Option<Value>,
    function_call: Option<Value>,
    annotations: Option<Value>,
}

async fn complete(StrictJson(chat): StrictJson<Chat>) -> Result<Json<Value>, Rejection> {
    if chat.stream == Some(true) {
        // A client that waits for events cannot read a single JSON answer.
        return Err(Rejection::invalid_fields([FieldViolation::new("/stream", "is not supported here")]));
    }
    let message = json!({ "role": "assistant", "content": "Hello! How can I help you today?" });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    Ok(Json(json!({
        "id": "chatcmpl_demo", "object": "chat.completion", "created": 0, "model": chat.model, "choices": [choice],
        "usage": { "prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18 },
    })))
}

/// Finds the active key of the project. Those that it has replaced are in the list too.
async fn active(keys: &KeyRegistry, caller: &Caller, project: String) -> Result<KeyInfo, Rejection> {
    let mut filter = KeyFilter::organization(project);
    loop {
        let page = keys.list(caller, &filter).await?;
        if let Some(key) = page.items.into_iter().find(KeyInfo::is_active) {
            return Ok(key);
        }
        filter = filter.after(page.next.ok_or_else(Rejection::not_found)?);
    }
}

async fn show(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, Rejection> {
    let key = active(&keys, &caller, project).await?;
    Ok(Json(json!({ "id": key.id(), "project": key.organization(), "key": key.hint() })))
}

/// "Revoke Key & Get New One": in one step, the old key is revoked, permanently, and a new one is issued.
async fn replace(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<impl IntoResponse, Rejection> {
    let old = active(&keys, &caller, project).await?;
    let new = keys.replace(&caller, old.id()).await?;
    let answer = json!({ "id": new.key.id(), "project": new.key.organization(), "key": new.secret.expose() });
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(answer)))
}
