//! One test a pitfall of published systems. p01 stands in `readiness`, p02 and p03 in `auto_traits`, p04 in
//! `allocations`, p10 in `props`. Those of tokens, limits and strict bodies come with their layers; p70 and on, found on this
//! crate itself, stand in the files here.

mod credentials;
mod first_use;
mod limits;
mod log;
mod rules;
mod shape;
mod time_limits;
mod tokens;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, Disclosure, ErrorEnvelopeLayer, KeyDigests, KeyRecord, KeyScheme, KeyState,
    KeyStore, Rejection, RequestHead, RequireLayer, StoreFuture,
    permission::{OrgSource, Verdict, authenticated, from_fn, member_of},
};
use tower_http::cors::CorsLayer;

use crate::{
    no_leak::Logs,
    support::{Body, KEY, Strict, get, json, ok, store, strict, text},
};

const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").organizations(["acme"])
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(record());
    ApiKeyLayer::new(scheme, store)
}

fn stack() -> AuthStack {
    AuthStack::builder().auth(keys()).build().unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(path, headers);
    *request.method_mut() = method;
    request
}

/// What a service that stands in this layer, and answers 200, makes of a request.
async fn ask<L, B>(layer: &L, request: Request<Body>) -> Response<B>
where
    L: Layer<Strict<fn(Request<Body>) -> Response<Body>>>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let inner: fn(Request<Body>) -> Response<Body> = |_| Response::new(Body::default());
    layer.layer(strict(inner)).oneshot(request).await.unwrap()
}

/// What an envelope makes of a handler's answer.
async fn enveloped(
    request: Request<Body>,
    answer: impl Fn() -> Response<Body> + Clone + Send + 'static,
) -> Response<impl http_body::Body<Data = bytes::Bytes, Error = Infallible>> {
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    layer.layer(strict(move |_| answer())).oneshot(request).await.unwrap()
}

fn plain(status: u16, body: &'static str) -> Response<Body> {
    Response::builder().status(status).header("content-type", "text/plain; charset=utf-8").body(body.into()).unwrap()
}

/// A store that is asked and does not answer.
struct Down;

impl KeyStore for Down {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::boxed(async { Err("connection refused (10.0.0.7:5432, password hunter2)".into()) })
    }
}

/// A store that notes what it is asked for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<KeyDigests>>>);

impl KeyStore for Asked {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.0.lock().unwrap().push(key.clone());
        StoreFuture::ready(Ok(Some(record())))
    }
}

#[tokio::test]
async fn p05_a_guard_without_authentication_is_a_mounting_error() {
    let logs = Logs::capture();
    let response = ask(&RequireLayer::new(authenticated()), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let lines = logs.text();
    assert!(lines.contains("ERROR") && lines.contains("ApiKeyLayer"), "the log names what to mount: {lines}");
}

#[tokio::test]
async fn p06_paths_are_compared_by_whole_segments() {
    let members = RequireLayer::new(member_of(OrgSource::path_after("organizations")));
    let stack = |path: &'static str| {
        let layer = keys().layer(members.layer(ok()));
        async move { layer.oneshot(get(path, &[("x-api-key", KEY)])).await.unwrap().status().as_u16() }
    };
    assert_eq!(stack("/organizations/acme").await, 200);
    assert_eq!(stack("/organizations/acme-admin").await, 403);
    assert_eq!(stack("/organizations/acm").await, 403);
    assert_eq!(stack("/organizations-admin/acme").await, 500);
    assert_eq!(stack("/my-organizations/acme").await, 500);
}

#[tokio::test]
async fn p07_only_a_real_preflight_passes_and_only_where_declared() {
    let origin = ("origin", "https://app.example");
    let asks = ("access-control-request-method", "DELETE");
    let preflight = || request(Method::OPTIONS, "/", &[origin, asks]);
    let passing = AuthStack::builder().auth(AuthLayer::from(keys()).allow_preflight()).require(authenticated());
    let passing = passing.build().unwrap();
    assert_eq!(ask(&passing, preflight()).await.status(), 200);
    for no_preflight in [
        request(Method::OPTIONS, "/", &[]),
        request(Method::OPTIONS, "/", &[origin]),
        request(Method::OPTIONS, "/", &[asks]),
        request(Method::GET, "/", &[origin, asks]),
    ] {
        assert_eq!(ask(&passing, no_preflight).await.status(), 401);
    }
    assert_eq!(ask(&stack(), preflight()).await.status(), 401);
}

#[tokio::test]
async fn p08_a_cors_layer_outside_completes_refusals() {
    let request = get("/", &[("origin", "https://app.example")]);
    let refused = CorsLayer::permissive().layer(stack().layer(ok())).oneshot(request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert!(refused.headers().contains_key(header::WWW_AUTHENTICATE));
}

/// No slow hash stands between a key and its store: the one question is the SHA-256 itself.
#[tokio::test]
async fn p11_a_key_costs_one_fast_hash() {
    let asked = Asked::default();
    let layer = ApiKeyLayer::new(KeyScheme::sha256(crate::support::ak()), asked.clone());
    assert_eq!(ask(&layer, get("/", &[("x-api-key", KEY)])).await.status(), 200);
    let questions = asked.0.lock().unwrap();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].as_slices(), [&Sha256::digest(KEY)[..]]);
}

#[tokio::test]
async fn p14_a_store_that_is_down_is_never_the_keys_fault() {
    let down = || ApiKeyLayer::new(KeyScheme::ephemeral(crate::support::ak()), Down);
    for layer in [AuthLayer::from(down()), down().optional(), AuthLayer::first(down()).then(keys())] {
        let stack = AuthStack::builder().auth(layer).build().unwrap();
        let response = ask(&stack, get("/", &[("x-api-key", KEY)])).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
    }
    let undecided = from_fn(|_, _| Verdict::Undecided("the policy service does not answer".into()));
    let behind = AuthStack::builder().auth(keys()).require(undecided).build().unwrap();
    assert_eq!(ask(&behind, get("/", &[("x-api-key", KEY)])).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn p15_a_key_with_a_character_of_many_bytes_anywhere_is_refused() {
    for foreign in ["é", "€", "𝄞", "%C3%A9", "%", "\u{202e}"] {
        for place in 0..=KEY.len() {
            let key = format!("{}{foreign}{}", &KEY[..place], &KEY[place..]);
            let mut request = get("/?api_key=%FF%00%zz", &[]);
            request.headers_mut().insert("x-api-key", http::HeaderValue::from_bytes(key.as_bytes()).unwrap());
            assert_eq!(ask(&stack(), request).await.status(), StatusCode::UNAUTHORIZED, "{key}");
            assert!(crate::support::ak().hint(&key).starts_with("ak_…"));
        }
    }
}

#[tokio::test]
async fn p16_strangers_leave_nothing_behind_and_lock_nobody_out() {
    let (scheme, store) = store(record());
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme.clone(), store.clone())).build().unwrap();
    let before = format!("{store:?} {stack:?}");
    for _ in 0..500 {
        let stranger = scheme.generate().unwrap();
        for key in [stranger.expose(), STRANGER] {
            assert_eq!(ask(&stack, get("/", &[("x-api-key", key)])).await.status(), StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(format!("{store:?} {stack:?}"), before);
    assert!(before.contains("keys: 1"));
    assert_eq!(ask(&stack, get("/", &[("x-api-key", KEY)])).await.status(), StatusCode::OK);
}

/// All that a client sees, but what differs between any two requests.
async fn seen(stack: &AuthStack, key: &str) -> (StatusCode, HeaderMap, String) {
    let (mut parts, body) = ask(stack, get("/", &[("x-api-key", key)])).await.into_parts();
    parts.headers.remove("x-request-id").unwrap();
    let mut body = json(Response::new(body)).await;
    let error = body["error"].as_object_mut().unwrap();
    assert!(error.remove("trace_id").is_some() && error.remove("timestamp").is_some());
    (parts.status, parts.headers, body.to_string())
}

#[tokio::test]
async fn p19_unknown_revoked_and_malformed_keys_look_alike() {
    for disclosure in [Disclosure::Nothing, Disclosure::State] {
        let (scheme, store) = store(record().state(KeyState::Revoked));
        let young = KeyRecord::new("key_2", "acme").not_before(std::time::SystemTime::now() + YEAR);
        let young_key = store.create(&scheme, young).unwrap();
        let layer = ApiKeyLayer::new(scheme, store).disclose(disclosure);
        let stack = AuthStack::builder().auth(layer).build().unwrap();
        let unknown = seen(&stack, STRANGER).await;
        assert_eq!(unknown.0, StatusCode::UNAUTHORIZED);
        for other in [KEY, young_key.expose(), "ak_short", "no key at all"] {
            let other_seen = seen(&stack, other).await;
            assert_eq!(other_seen, unknown);
            assert!(!format!("{other_seen:?}").contains(other), "the key is sent back");
        }
    }
}

const YEAR: std::time::Duration = std::time::Duration::from_secs(31_536_000);

#[tokio::test]
async fn p64_plain_text_errors_of_other_layers_are_put_into_the_envelope() {
    for (status, body, code) in [
        (413, "length limit exceeded", "PAYLOAD_TOO_LARGE"),
        (415, "Expected request with `Content-Type: application/json`", "UNSUPPORTED_MEDIA_TYPE"),
        (408, "", "REQUEST_TIMEOUT"),
        (404, "", "NOT_FOUND"),
        (500, "Service panicked", "INTERNAL_ERROR"),
        (503, "upstream connect error", "SERVICE_UNAVAILABLE"),
    ] {
        let response = enveloped(get("/", &[]), move || plain(status, body)).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        let shown = json(response).await;
        assert_eq!((&shown["error"]["code"], &shown["error"]["status"]), (&Value::from(code), &Value::from(status)));
        assert!(body.is_empty() || !shown.to_string().contains(body));
    }
}

#[tokio::test]
async fn p65_an_internal_error_is_no_success_and_not_empty() {
    let broken = |_: &_, _: &RequestHead<'_>| Verdict::Misconfigured("the policy has no table".into());
    let stack = AuthStack::builder().auth(keys()).require(from_fn(broken)).build().unwrap();
    let response = ask(&stack, get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(json(response).await["error"]["code"], "INTERNAL_ERROR");
    // Every refusal has its own gRPC status: not all of them are INTERNAL.
    let refused = ask(&stack, get("/", &[])).await;
    assert_eq!(Rejection::of(&refused).unwrap().kind().grpc_code(), 16);
    assert_eq!(Rejection::unavailable("down").kind().grpc_code(), 14);
}

#[tokio::test]
async fn p66_headers_stay_and_those_of_the_old_body_go() {
    let response = enveloped(get("/", &[]), || {
        let mut response = plain(405, "Method Not Allowed");
        for (name, value) in [
            ("allow", "GET, HEAD"),
            ("www-authenticate", "Basic realm=\"x\""),
            ("retry-after", "7"),
            ("x-own", "kept"),
            ("content-length", "18"),
            ("content-encoding", "identity"),
            ("etag", "\"1\""),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await;
    let headers = response.headers().clone();
    let body = text(response).await;
    for (name, value) in
        [("allow", "GET, HEAD"), ("www-authenticate", "Basic realm=\"x\""), ("retry-after", "7"), ("x-own", "kept")]
    {
        assert_eq!(headers[name], value);
    }
    assert_eq!(headers["content-length"], body.len().to_string());
    assert_eq!(headers.get_all("content-type").iter().count(), 1);
    assert!(!headers.contains_key("content-encoding") && !headers.contains_key("etag"));
}

#[tokio::test]
async fn p66_an_envelope_is_not_put_into_an_envelope() {
    let inner = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let outer = inner.clone().without_system_message();
    let response = outer.layer(inner.layer(stack().layer(ok()))).oneshot(get("/", &[])).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    let body = text(response).await;
    assert_eq!((body.matches("\"success\"").count(), body.len().to_string()), (1, length));
    let shown: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&shown["error"]["code"], &shown["error"]["trace_id"]), (&"AUTHENTICATION_REQUIRED".into(), &id.into()));
    assert!(shown["error"]["system_message"].is_string(), "the innermost envelope is the one that is shown");

    // Nor is an error in somebody else's JSON, or in HTML.
    for media in ["application/json", "application/problem+json", "text/html"] {
        let foreign = enveloped(get("/", &[]), move || {
            let mut response = plain(500, "their own");
            response.headers_mut().insert("content-type", media.parse().unwrap());
            response
        });
        assert_eq!(text(foreign.await).await, "their own", "{media}");
    }
}

#[tokio::test]
async fn p66_a_head_request_gets_no_body() {
    let of_get = ask(&stack(), get("/", &[])).await;
    let of_head = ask(&stack(), request(Method::HEAD, "/", &[])).await;
    assert_eq!(of_head.headers()["content-length"], of_get.headers()["content-length"]);
    assert_eq!(text(of_head).await, "");
    let adopted = enveloped(request(Method::HEAD, "/", &[]), || plain(404, "")).await;
    assert_eq!((adopted.status().as_u16(), text(adopted).await.as_str()), (404, ""));
}

#[tokio::test]
async fn p67_the_text_of_an_internal_error_goes_to_the_log_alone() {
    let logs = Logs::capture();
    let down = ApiKeyLayer::new(KeyScheme::ephemeral(crate::support::ak()), Down);
    let down = AuthStack::builder().auth(down).build().unwrap();
    let refused = ask(&down, get("/", &[("x-api-key", KEY)])).await;
    assert!(Rejection::of(&refused).unwrap().private_cause().unwrap().to_string().contains("hunter2"));
    let told = format!("{:?}", refused.headers()) + &text(refused).await;
    assert!(!told.contains("hunter2") && !told.contains("10.0.0.7"), "{told}");

    let handler = || Rejection::internal("disk /dev/sdb1 is full").message("Please try again.").into_response::<Body>();
    let failed = text(enveloped(get("/", &[]), handler).await).await;
    assert!(!failed.contains("sdb1") && failed.contains("Please try again."), "{failed}");

    let lines = logs.text();
    assert!(lines.contains("hunter2") && lines.contains("sdb1"), "{lines}");
}
