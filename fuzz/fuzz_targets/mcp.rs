//! Sends arbitrary bytes as the body of an MCP request, and compares the answer with that of a second reader.
//!
//! The first byte says which scopes the caller has, and whether the line behind it is the header `Mcp-Name`.
#![no_main]

use std::{convert::Infallible, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{
    AuthLayer, Principal,
    json::{self, JsonLimits},
    mcp::{McpScopes, McpScopesLayer},
    strict_body::ReplayBody,
    testing::FakeAuth,
};

static LAYER: LazyLock<McpScopesLayer> = LazyLock::new(|| {
    let scopes = McpScopes::new().tool("read", ["r"]).tool("write", ["r", "w"]).tool("whoami", []);
    scopes.build().expect("the table is right")
});

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

const READ: u8 = 1;
const WRITE: u8 = 2;
const ALL: u8 = READ | WRITE;
const NAMED: u8 = 4;

const OPEN: [&str; 8] = [
    "initialize",
    "ping",
    "server/discover",
    "logging/setLevel",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];
const MEMBERS: [&str; 6] = ["method", "params", "name", "uri", "result", "error"];

/// Whether an object has a name that differs from a member of a message in case only.
fn has_alike(object: &Map<String, Value>) -> bool {
    let is_alike =
        |name: &String| MEMBERS.iter().any(|member| *member != name && member.to_uppercase() == name.to_uppercase());
    object.keys().any(is_alike)
}

/// What a message needs, by the manual page of `mcp`.
fn need(message: &Value) -> u8 {
    let Value::Object(object) = message else { return ALL };
    let params = object.get("params").and_then(Value::as_object);
    if has_alike(object) || params.is_some_and(has_alike) {
        return ALL;
    }
    let answer = object.contains_key("result") || object.contains_key("error");
    let method = match object.get("method") {
        None => return if answer { 0 } else { ALL },
        Some(Value::String(method)) if !answer => &**method,
        Some(_) => return ALL,
    };
    match method {
        "tools/call" => match params.and_then(|params| params.get("name")).and_then(Value::as_str) {
            Some("read") => READ,
            Some("whoami") => 0,
            _ => ALL,
        },
        open if OPEN.contains(&open) => 0,
        note if note.starts_with("notifications/") => 0,
        _ => ALL,
    }
}

fn of_body(body: &Value) -> u8 {
    match body {
        Value::Array(all) if all.is_empty() || all.len() > 256 => ALL,
        Value::Array(all) => all.iter().map(need).fold(0, |all, one| all | one),
        one => need(one),
    }
}

fn answered(held: u8, name: Option<HeaderValue>, body: &[u8]) -> StatusCode {
    let scopes = [(READ, "r"), (WRITE, "w")].into_iter().filter(|(bit, _)| held & bit != 0).map(|(_, scope)| scope);
    let auth = AuthLayer::from(FakeAuth::always(Principal::builder("alice").scopes(scopes).build()));
    let sent = Bytes::copy_from_slice(body);
    let server = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| {
        let sent = sent.clone();
        async move {
            let passed = request.into_body().collect().await.expect("a body in memory").to_bytes();
            assert_eq!(passed, sent, "the bytes that were judged");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    let request = request.body(Full::from(Bytes::copy_from_slice(body))).expect("a request");
    let app = auth.layer(LAYER.layer(server));
    RUNTIME.with(|runtime| runtime.block_on(app.oneshot(request)).expect("a response").status())
}

fuzz_target!(|data: &[u8]| {
    let Some((flags, mut body)) = data.split_first() else { return };
    let held = flags & ALL;
    let mut name = None;
    if flags & NAMED != 0 {
        let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
        let (line, rest) = body.split_at(end);
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        (name, body) = (Some(value), rest.get(1..).unwrap_or_default());
    }
    let status = answered(held, name.clone(), body);
    // A name that `serde_json` uses internally is refused for its shape.
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        let has = |wanted: &[u8]| body.windows(wanted.len()).any(|part| part == wanted);
        return assert!(has(b"::private") || has(b"\\u"), "refused for its shape");
    }
    // Strings and depth have the limits of the layer.
    let read = json::check(body, &JsonLimits::new().max_string_len(4 << 20));
    let value = serde_json::from_slice::<Value>(body);
    let expected = match (&read, &value) {
        (Err(_), _) => StatusCode::BAD_REQUEST,
        (Ok(()), Ok(value)) if of_body(value) & !held == 0 => StatusCode::OK,
        (Ok(()), Ok(_)) => StatusCode::FORBIDDEN,
        (Ok(()), Err(error)) => panic!("serde_json does not read it: {error}"),
    };
    match name {
        // A header changes an answer only into a refusal.
        Some(_) if status != expected => assert_eq!(status, StatusCode::BAD_REQUEST),
        _ => assert_eq!(status, expected),
    }
});
