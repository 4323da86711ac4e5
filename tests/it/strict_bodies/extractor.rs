//! `StrictJson<T>` in a handler, alone and behind the layer; and what the layer refuses to be built for.

use std::{cell::Cell, collections::HashMap, convert::Infallible, time::Duration};

use axum::{Extension, Router, extract, middleware, routing};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::runtime;
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_auth::{
    BodyLimits, Rejection, StrictBodyLayer, StrictJson,
    json::{FieldViolation, JsonLimits},
    strict_body::ValidBody,
};

use super::{
    GOOD, JSON, Order, TYPO, envelope, layer, post, raw, raw_post,
    script::{Script, Step},
};
use crate::{
    no_leak::Logs,
    support::{
        self,
        sockets::{self, Wire},
    },
};

/// Status, and the answer's JSON.
async fn told(app: &Router, request: Request<Script>) -> (u16, Value) {
    let response = app.clone().layer(envelope()).oneshot(request.map(axum::body::Body::new)).await.unwrap();
    (response.status().as_u16(), support::json(response).await)
}

/// The status of a good answer with the name in it, or the code of a refusal.
async fn code(app: &Router, request: Request<Script>) -> (u16, String) {
    let (status, answer) = told(app, request).await;
    let said = if status == 200 { &answer["name"] } else { &answer["error"]["code"] };
    (status, said.as_str().unwrap_or("null").to_owned())
}

fn is(status: u16, said: &str) -> (u16, String) {
    (status, said.to_owned())
}

async fn name(StrictJson(order): StrictJson<Order>) -> axum::Json<Value> {
    axum::Json(json!({ "name": order.name }))
}

async fn maybe(order: Option<StrictJson<Order>>) -> axum::Json<Value> {
    axum::Json(json!({ "name": order.map(|StrictJson(order)| order.name) }))
}

fn app() -> Router {
    Router::new().route("/", routing::any(name)).route("/maybe", routing::any(maybe))
}

fn to(path: &'static str, method: &str, media: Option<&str>, body: Script) -> Request<Script> {
    let request = Request::builder().method(method).uri(path);
    media.into_iter().fold(request, |request, media| request.header("content-type", media)).body(body).unwrap()
}

const MEDIA: Option<&str> = Some("application/json");

#[tokio::test]
async fn an_extractor_alone_does_the_whole_check() {
    for path in ["/", "/maybe"] {
        for (media, body, expected) in [
            (MEDIA, Script::whole(GOOD), is(200, "a")),
            (MEDIA, Script::of([Step::Wait, Step::Data(GOOD.into())]), is(200, "a")),
            (MEDIA, Script::whole(TYPO), is(422, "VALIDATION_ERROR")),
            (MEDIA, Script::whole("{"), is(400, "INVALID_JSON")),
            (MEDIA, Script::of([Step::Fail]), is(400, "INVALID_REQUEST")),
            (Some("text/plain"), Script::whole(GOOD), is(415, "UNSUPPORTED_MEDIA_TYPE")),
            (None, Script::whole(GOOD), is(415, "UNSUPPORTED_MEDIA_TYPE")),
            (
                MEDIA,
                Script::unread().hint(http_body::SizeHint::with_exact((1 << 20) + 1)),
                is(413, "PAYLOAD_TOO_LARGE"),
            ),
        ] {
            assert_eq!(code(&app(), to(path, "POST", media, body)).await, expected, "{path}");
        }
        let mut coded = to(path, "POST", MEDIA, Script::whole(GOOD));
        coded.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        assert_eq!(code(&app(), coded).await, is(415, "UNSUPPORTED_MEDIA_TYPE"));
    }
    // Where a body is required, one that has no type is not read to see whether there is any of it.
    assert_eq!(code(&app(), to("/", "POST", None, Script::unread())).await, is(415, "UNSUPPORTED_MEDIA_TYPE"));
    let (_, answer) = told(&app(), to("/", "POST", MEDIA, Script::whole(TYPO))).await;
    let field = json!({ "pointer": "/cuont", "reason": "unknown field", "suggestion": "count" });
    assert_eq!(answer["error"]["details"]["fields"], json!([field]));
}

#[tokio::test]
async fn r150_a_handler_that_asks_for_a_body_is_not_called_without_one() {
    for method in ["GET", "DELETE", "OPTIONS", "POST", "PUT"] {
        for (media, body) in
            [(None, Script::none()), (MEDIA, Script::none()), (MEDIA, Script::of([])), (MEDIA, Script::pieces([""]))]
        {
            let (status, answer) = told(&app(), to("/", method, media, body)).await;
            let error = &answer["error"];
            assert_eq!((status, &error["code"]), (400, &"INVALID_JSON".into()), "{method} {media:?}");
            assert_eq!((&error["details"]["line"], &error["details"]["column"]), (&1.into(), &1.into()));
        }
        for body in [Script::none(), Script::of([]), Script::pieces([""])] {
            assert_eq!(code(&app(), to("/maybe", method, None, body)).await, is(200, "null"), "{method}");
        }
    }
}

thread_local! {
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// Counts how often it is read, on this thread.
#[derive(Clone, Debug, PartialEq)]
struct Counted(String);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READ.set(READ.get() + 1);
        String::deserialize(deserializer).map(Self)
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    name: Counted,
}

/// How often the name was read for one request. What is read to look at the type itself comes before.
async fn reads(app: &Router) -> usize {
    assert_eq!(code(app, post(Script::whole(GOOD))).await, is(200, "a"));
    READ.set(0);
    assert_eq!(code(app, post(Script::whole(GOOD))).await, is(200, "a"));
    READ.get()
}

#[tokio::test]
async fn the_value_of_the_layer_is_taken_and_nothing_is_read_again() {
    let handler = async |StrictJson(named): StrictJson<Named>| axum::Json(json!({ "name": named.name.0 }));
    let optional = async |named: Option<StrictJson<Named>>| axum::Json(json!({ "name": named.unwrap().0.name.0 }));
    let counted = || StrictBodyLayer::<Named>::new().unwrap();
    let alone = Router::new().route("/", routing::post(handler));
    assert_eq!(reads(&alone).await, 1);
    assert_eq!(reads(&Router::new().route("/", routing::post(handler).layer(counted()))).await, 1);
    assert_eq!(reads(&Router::new().route("/", routing::post(optional).layer(counted().optional()))).await, 1);
    // A value that somebody else has taken is gone, and the bytes are there.
    let takes = middleware::map_request(async |request: extract::Request| {
        let value: &ValidBody<Named> = request.extensions().get().unwrap();
        let shared = value.clone();
        assert_eq!(shared.take().unwrap().name, Counted("a".to_owned()));
        assert!(shared.take().is_none() && value.take().is_none());
        request
    });
    assert_eq!(
        reads(&Router::new().route("/", routing::post(handler).layer::<_, Infallible>(takes).layer(counted()))).await,
        2
    );
    // A value of another type is none of the handler's.
    assert_eq!(reads(&Router::new().route("/", routing::post(handler).layer(layer()))).await, 1);
    assert_eq!(reads(&Router::new().route("/", routing::post(name).layer(counted()))).await, 1);
}

#[tokio::test]
async fn behind_an_optional_layer_there_may_be_nothing() {
    let app = app().layer(layer().optional());
    for (path, body, expected) in [
        ("/maybe", Script::none(), is(200, "null")),
        ("/maybe", Script::of([]), is(200, "null")),
        ("/maybe", Script::whole(GOOD), is(200, "a")),
        ("/maybe", Script::whole(TYPO), is(422, "VALIDATION_ERROR")),
        ("/", Script::none(), is(400, "INVALID_JSON")),
    ] {
        assert_eq!(code(&app, to(path, "POST", MEDIA, body)).await, expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_stand_in_the_extensions() {
    let limits =
        || BodyLimits::new().max_bytes(40).read_timeout(Duration::from_secs(3)).json(JsonLimits::new().max_depth(2));
    let app = app().layer(Extension(limits()));
    let spaces = |count| " ".repeat(count);
    let deep = r#"{"name":"a","items":[{"sku":""}]}"#;
    for (body, expected) in [
        (Script::whole(GOOD.to_owned() + &spaces(28)), is(200, "a")),
        (Script::whole(GOOD.to_owned() + &spaces(29)), is(413, "PAYLOAD_TOO_LARGE")),
        (Script::whole(deep), is(400, "INVALID_JSON")),
        (Script::of([Step::Stall]), is(408, "REQUEST_TIMEOUT")),
    ] {
        let before = tokio::time::Instant::now();
        assert_eq!(code(&app, post(body)).await, expected);
        assert_eq!(before.elapsed().as_secs(), if expected.0 == 408 { 3 } else { 0 });
    }
    assert_eq!(code(&self::app(), post(Script::whole(deep))).await, is(200, "a"));
    let before = tokio::time::Instant::now();
    assert_eq!(code(&self::app(), post(Script::of([Step::Stall]))).await, is(408, "REQUEST_TIMEOUT"));
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn r152_layers_and_extractors_share_the_bytes_under_way() {
    let limits = BodyLimits::new().max_in_flight_bytes(15);
    let app = app().layer(Extension(limits.clone()));
    let behind = Router::new().route("/", routing::post(name).layer(layer().limits(limits)));
    for [first, second] in [[&app, &behind], [&behind, &app], [&app, &app]] {
        let stalled = post(Script::of([Step::Data("0123456789".into()), Step::Stall])).map(axum::body::Body::new);
        let mut held = Box::pin(first.clone().into_service().call(stalled));
        assert!(held.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
        assert_eq!(code(second, post(Script::whole(GOOD))).await, is(503, "SERVICE_UNAVAILABLE"));
        drop(held);
        assert_eq!(code(second, post(Script::whole(GOOD))).await, is(200, "a"));
    }
}

#[tokio::test]
async fn a_handler_refuses_in_the_same_shape() {
    let at_most_ten = async |StrictJson(order): StrictJson<Order>| {
        let wrong = FieldViolation::new("/count", "must be at most 10");
        if order.count > Some(10) {
            Err(Rejection::invalid_fields([wrong]))
        } else {
            Ok(axum::Json(json!({ "name": "" })))
        }
    };
    let app = Router::new().route("/", routing::post(at_most_ten));
    let (status, answer) = told(&app, post(Script::whole(r#"{"name":"a","count":11}"#))).await;
    let field = json!({ "pointer": "/count", "reason": "must be at most 10", "suggestion": null });
    assert_eq!((status, &answer["error"]["details"]["fields"]), (422, &json!([field])));
    assert_eq!(code(&app, post(Script::whole(r#"{"name":"a","count":10}"#))).await, is(200, ""));
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never read")]
struct Loose {
    name: String,
    inner: Flattened,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never read")]
struct Flattened {
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is never read")]
enum Untagged {
    One { one: String },
    Two { two: String },
}

#[tokio::test]
async fn a_type_that_cannot_be_strict_is_a_fault_that_the_log_explains() {
    async fn loose(_: StrictJson<Loose>) {}
    async fn untagged(_: Option<StrictJson<Vec<Untagged>>>) {}
    let app = Router::new().route("/loose", routing::post(loose)).route("/untagged", routing::post(untagged));
    for (path, place, what) in [("/loose", "/inner", "flatten"), ("/untagged", "/0", "untagged")] {
        for _ in 0..2 {
            let logs = Logs::capture();
            let (status, answer) = told(&app, to(path, "POST", MEDIA, Script::whole("{}"))).await;
            assert_eq!((status, &answer["error"]["code"]), (500, &"INTERNAL_ERROR".into()), "{path}");
            assert!(!answer.to_string().contains(what) && answer["error"]["details"] == json!({}), "{answer}");
            let logs = logs.text();
            let line = logs.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("{logs}"));
            assert!(line.contains(what) && line.contains(place), "{line}");
        }
    }
}

#[test]
fn a_layer_is_not_built_for_a_type_that_cannot_be_strict() {
    let said = [
        StrictBodyLayer::<Loose>::new().unwrap_err().to_string(),
        StrictBodyLayer::<Option<Flattened>>::new().unwrap_err().to_string(),
        StrictBodyLayer::<Vec<Untagged>>::new().unwrap_err().to_string(),
    ];
    assert!(said[0].contains("/inner") && said[0].contains("flatten") && said[0].contains("Loose"), "{}", said[0]);
    assert!(said[1].contains("flatten"), "{}", said[1]);
    assert!(said[2].contains("/0") && said[2].contains("untagged"), "{}", said[2]);
    assert!(StrictBodyLayer::<HashMap<String, Value>>::new().is_ok());
}

#[test]
fn an_extractor_over_a_socket_keeps_or_closes_the_connection_as_the_layer_does() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let app = app().layer(Extension(BodyLimits::new().max_bytes(50))).layer(envelope());
    let running = runtime.block_on(sockets::axum(app));
    let mut wire = Wire::connect(running.address);
    wire.send([raw_post(TYPO), raw_post(GOOD), raw_post("{]"), raw_post(GOOD)].concat());
    assert_eq!([(); 4].map(|()| wire.reply().status), [422, 200, 400, 200]);
    let expect = "expect: 100-continue";
    for (lines, status) in [
        ([expect, "content-type: text/plain", "content-length: 12"], 415),
        ([expect, "content-type: application/json", "content-length: 51"], 413),
        (["accept: */*", "content-type: text/plain", "content-length: 12"], 415),
        (["accept: */*", "content-type: application/json", "content-length: 51"], 413),
    ] {
        let mut wire = Wire::connect(running.address);
        wire.send(raw("POST /", &lines, ""));
        let reply = wire.reply();
        assert_eq!((reply.status, reply.header("connection")), (status, vec!["close"]), "{lines:?}");
        wire.assert_closed();
    }
    wire.send(raw("POST /", &[expect, JSON, "content-length: 12"], ""));
    assert_eq!(wire.reply().status, 100);
    wire.send(GOOD);
    assert_eq!(wire.reply().json()["name"], "a");
}

#[tokio::test]
async fn bytes_and_value_are_both_there_behind_the_layer() {
    let both = async |request: extract::Request| {
        let order: Order = request.extensions().get().and_then(ValidBody::take).unwrap();
        let bytes: Bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        axum::Json(json!({ "name": format!("{} in {} bytes", order.name, bytes.len()) }))
    };
    let app = Router::new().route("/", routing::post(both).layer(layer()));
    assert_eq!(code(&app, post(Script::whole(GOOD))).await, is(200, "a in 12 bytes"));
    let response = layer().layer(app.into_service()).oneshot(post(Script::whole(TYPO))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
}
