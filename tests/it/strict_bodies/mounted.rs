//! Who may, by a field of the body; and what the log and the observer learn of bodies that are refused.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt::Write as _,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{
    ApiKeyLayer, AuthStack, KeyRecord, RejectionKind, RequireLayer, StrictBodyLayer,
    permission::{MemberOf, OrgSource, member_of},
    strict_body::{ReplayBody, ValidBody},
};

use super::{
    JSON, post, raw,
    script::{Script, Step},
};
use crate::{
    no_leak::Logs,
    support::{
        Body, KEY,
        sockets::{self, Wire},
        store, strict, text,
    },
};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the type says what may stand there")]
struct Prompt {
    organization_id: Option<String>,
    prompt: String,
}

/// What the observer received: the kind, the layer, and whether it takes back an admission.
type Told = Arc<Mutex<Vec<(Option<RejectionKind>, &'static str, bool)>>>;

fn stack(told: &Told) -> AuthStack {
    let (scheme, keys) = store(KeyRecord::new("key_1", "ann").organizations(["acme"]).scopes(["read"]));
    let told = Arc::clone(told);
    AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, keys))
        .on_decision(move |decision| {
            told.lock().unwrap().push((decision.kind(), decision.layer(), decision.supersedes_admission()));
        })
        .build()
        .unwrap()
}

fn members() -> RequireLayer {
    let source: MemberOf = member_of(OrgSource::body_field("organization_id"));
    RequireLayer::new(source)
}

fn keyed(mut request: Request<Script>) -> Request<Script> {
    request.headers_mut().insert("x-api-key", KEY.parse().unwrap());
    request
}

/// Status and body of an answer, from a handler that answers with the bytes that it got.
async fn ask<T: DeserializeOwned + Send + 'static>(
    layer: StrictBodyLayer<T>,
    request: Request<Script>,
) -> (u16, String) {
    let echo = service_fn(async |request: Request<ReplayBody<Script>>| {
        let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::new(body)))
    });
    let layers = ServiceBuilder::new().layer(stack(&Told::default())).layer(layer).layer(members());
    let response = layers.service(echo).oneshot(keyed(request)).await.unwrap();
    (response.status().as_u16(), text(response).await)
}

fn prompts() -> StrictBodyLayer<Prompt> {
    StrictBodyLayer::new().unwrap()
}

fn anything() -> StrictBodyLayer<Value> {
    StrictBodyLayer::new().unwrap()
}

fn organization(shown: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(shown).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["error"]["code"]), text(&answer["error"]["details"]["organization_id"]))
}

#[tokio::test]
async fn r091_a_member_passes_and_a_stranger_is_told_which_organisation() {
    for body in [
        r#"{"organization_id":"acme","prompt":""}"#,
        r#" { "prompt" : "{\"organization_id\":\"other\"}" , "organization_id" : "acme" } "#,
        r#"{"organization\u005fid":"acme","prompt":""}"#,
        r#"{"\u006frganization_id":"\u0061c\u006de","prompt":""}"#,
    ] {
        assert_eq!(ask(prompts(), post(Script::whole(body))).await, (200, body.to_owned()));
        let bytes = body.bytes().map(|byte| Step::Data(vec![byte].into()));
        assert_eq!(ask(prompts(), post(Script::of(bytes))).await, (200, body.to_owned()));
    }
    for (body, named) in [
        (r#"{"organization_id":"other","prompt":"acme"}"#, "other"),
        (r#"{"organization\u005fid":"oth\u0065r","prompt":""}"#, "other"),
        (r#"{"organization_id":"ACME","prompt":""}"#, "ACME"),
        (r#"{"organization_id":"acme ","prompt":""}"#, "acme "),
        (r#"{"organization_id":"acme\u0000","prompt":""}"#, "acme\0"),
        (r#"{"organization_id":"","prompt":""}"#, ""),
        (r#"{"organization_id":null,"prompt":""}"#, ""),
        (r#"{"prompt":""}"#, ""),
    ] {
        let (status, shown) = ask(prompts(), post(Script::whole(body))).await;
        let denied = ("ORGANIZATION_ACCESS_DENIED".to_owned(), named.to_owned());
        assert_eq!((status, organization(&shown)), (403, denied), "{body}");
    }
    let long = format!("{{\"organization_id\":\"{}\",\"prompt\":\"\"}}", "o".repeat(1000));
    let (_, shown) = ask(prompts(), post(Script::whole(long))).await;
    assert_eq!(organization(&shown).1, "o".repeat(128), "no more of it is shown");
}

#[tokio::test]
async fn r091_only_a_text_directly_in_the_object_names_an_organisation() {
    let (status, shown) = ask(prompts(), post(Script::whole(r#"{"organization_id":1,"prompt":""}"#))).await;
    assert!(status == 422 && shown.contains("/organization_id"), "{shown}");
    for body in [
        r#"{"organization_id":1}"#,
        r#"{"organization_id":["acme"]}"#,
        r#"{"organization_id":{"organization_id":"acme"}}"#,
        r#"{"a":{"organization_id":"acme"}}"#,
        r#"[{"organization_id":"acme"}]"#,
        r#"["organization_id","acme"]"#,
        r#""acme""#,
        r#"{"Organization_id":"acme"}"#,
        "null",
    ] {
        let (status, shown) = ask(anything(), post(Script::whole(body))).await;
        assert_eq!((status, organization(&shown).1), (403, String::new()), "{body}");
    }
    let twice = r#"{"organization_id":"acme","organization\u005fid":"other"}"#;
    assert_eq!(ask(anything(), post(Script::whole(twice))).await.0, 400);
    assert_eq!(ask(anything(), post(Script::whole(r#"{"organization_id":"acme"}"#))).await.0, 200);
}

#[tokio::test]
async fn r091_a_request_without_a_body_names_no_organisation() {
    let get = || Request::get("/").body(Script::none()).unwrap();
    let form = || Request::post("/").header("content-type", "text/plain").body(Script::whole("a")).unwrap();
    for (layer, request) in [
        (prompts(), get()),
        (prompts().optional(), post(Script::none())),
        (prompts().optional(), post(Script::of([]))),
        (prompts().allow_other_media_types(), form()),
    ] {
        let (status, shown) = ask(layer, request).await;
        assert_eq!((status, organization(&shown).1), (403, String::new()), "{shown}");
    }
}

#[tokio::test]
async fn p05_without_the_layer_in_front_it_is_a_mounting_error_that_names_the_field() {
    let body = r#"{"organization_id":"acme","prompt":""}"#;
    let logs = Logs::capture();
    let alone = ServiceBuilder::new().layer(stack(&Told::default())).layer(members());
    let ok = strict(|_: Request<Body>| Response::new(Body::default()));
    let request = keyed(post(Script::none())).map(|_| Body::from(body));
    assert_eq!(alone.service(ok).oneshot(request).await.unwrap().status(), 500);
    let behind = ServiceBuilder::new().layer(stack(&Told::default())).layer(members()).layer(prompts());
    let ok = service_fn(async |_: Request<ReplayBody<Script>>| Ok::<_, Infallible>(Response::new(Body::default())));
    assert_eq!(behind.service(ok).oneshot(keyed(post(Script::whole(body)))).await.unwrap().status(), 500);
    let logs = logs.text();
    let errors: Vec<&str> = logs.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(
        errors.len() == 2 && errors.iter().all(|line| line.contains("the field \"organization_id\" of the body")),
        "{logs}"
    );
}

#[test]
fn r011_who_may_not_call_is_not_asked_for_a_body() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handler = service_fn(async |request: Request<ReplayBody<Incoming>>| {
        let read = request.extensions().get::<ValidBody<Prompt>>().is_some();
        Ok::<_, Infallible>(Response::new(Body::from(format!("read: {read}"))))
    });
    let write = RequireLayer::scope("write");
    let open = ServiceBuilder::new().layer(stack(&Told::default())).layer(prompts()).service(handler);
    let closed = ServiceBuilder::new().layer(stack(&Told::default())).layer(write).layer(prompts()).service(handler);
    let open = runtime.block_on(sockets::hyper(move |_| open.clone()));
    let closed = runtime.block_on(sockets::hyper(move |_| closed.clone()));
    let key = format!("x-api-key: {KEY}");
    let expect = ["expect: 100-continue", JSON, "content-length: 13"];
    for (server, lines, status) in
        [(&open, &expect[..], 401), (&closed, &expect, 401), (&closed, &[&expect[..], &[&*key]].concat(), 403)]
    {
        let mut wire = Wire::connect(server.address);
        wire.send(raw("POST /", lines, ""));
        assert_eq!(wire.reply().status, status);
    }
    let mut wire = Wire::connect(open.address);
    wire.send(raw("POST /", &[&expect[..], &[&*key]].concat(), ""));
    assert_eq!(wire.reply().status, 100);
    wire.send(r#"{"prompt":""}"#);
    assert_eq!(wire.reply().body, "read: true");
}

const SECRET: &str = "Zq7Xw9Vk3Jp5Gy8Qj2Wz";

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the type says what may stand there")]
struct Account {
    email: String,
    password: Option<String>,
    plan: Option<Plan>,
    seats: Option<u8>,
    initial: Option<char>,
    address: Option<IpAddr>,
    pair: Option<(String, u8)>,
    more: Option<HashMap<String, u8>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the type says what may stand there")]
enum Plan {
    Free,
    Paid(u8),
}

/// Bodies with a secret in them that are all refused.
fn refused() -> Vec<(String, u16)> {
    let cases = [
        (r#"{"email":"a","password":["SECRET"]}"#, 422),
        (r#"{"email":"a","password":{"SECRET":1}}"#, 422),
        (r#"{"email":"a","pasword":"SECRET"}"#, 422),
        (r#"{"password":"SECRET"}"#, 422),
        (r#"{"email":"a","plan":"SECRET"}"#, 422),
        (r#"{"email":"a","plan":{"Paid":"SECRET"}}"#, 422),
        (r#"{"email":"a","seats":"SECRET"}"#, 422),
        (r#"{"email":"a","initial":"SECRET"}"#, 422),
        (r#"{"email":"a","address":"SECRET"}"#, 422),
        (r#"{"email":"a","pair":["SECRET"]}"#, 422),
        (r#"{"email":"a","pair":["SECRET","SECRET"]}"#, 422),
        (r#"{"email":"a","more":{"a":"SECRET"}}"#, 422),
        (r#""SECRET""#, 422),
        (r#"["SECRET"]"#, 422),
        (r#"{"email":"a","password":"SECRET""#, 400),
        (r#"{"email":"a","password":"SECRET}"#, 400),
        (r#"{"email":"a","password":SECRET}"#, 400),
        (r#"{"password":"SECRET","password":"SECRET"}"#, 400),
        ("email=a&password=SECRET", 400),
    ];
    cases.map(|(body, status)| (body.replace("SECRET", SECRET), status)).into()
}

/// No five letters in a row of the secret came out.
fn assert_clean(out: &str) {
    for at in 0..=SECRET.len() - 5 {
        let part = &SECRET[at..at + 5];
        if let Some(line) = out.lines().find(|line| line.contains(part)) {
            panic!("{part:?} came out: {line}");
        }
    }
}

#[tokio::test]
async fn r151_a_value_of_a_body_is_in_no_answer_and_in_no_log() {
    let mut seen = String::new();
    for (body, expected) in refused() {
        let logs = Logs::capture();
        let told = Told::default();
        let layer = StrictBodyLayer::<Account>::new().unwrap();
        let nobody = service_fn(async |_: Request<ReplayBody<Script>>| -> Result<Response<Body>, Infallible> {
            panic!("the handler was called")
        });
        let mut service = ServiceBuilder::new().layer(stack(&told)).layer(layer).service(nobody);
        let request = keyed(post(Script::of([Step::Wait, Step::Data(body.clone().into())])));
        let future = service.ready().await.unwrap().call(request);
        write!(seen, "{future:?}").unwrap();
        let response = future.await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{body}");
        write!(seen, "{:?} {:?}", response.headers(), response.extensions()).unwrap();
        seen += &text(response).await;
        let logs = logs.text();
        assert!(logs.contains("layer=\"strict_body\"") && logs.contains("trace_id="), "{logs}");
        seen += &logs;
        let kind = if expected == 422 { RejectionKind::InvalidFields } else { RejectionKind::InvalidJson };
        assert_eq!(*told.lock().unwrap(), [(None, "gate", false), (Some(kind), "strict_body", true)], "{body}");
    }
    let layer = StrictBodyLayer::<Account>::new().unwrap();
    let handler = service_fn(async |request: Request<ReplayBody<Script>>| {
        let value = request.extensions().get::<ValidBody<Account>>().unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(format!("{value:?} {:?}", request.extensions()))))
    });
    let good = format!("{{\"email\":\"a\",\"password\":\"{SECRET}\"}}");
    let logs = Logs::capture();
    let service = layer.layer(handler);
    write!(seen, "{layer:?} {service:?}").unwrap();
    seen += &text(service.oneshot(post(Script::whole(good))).await.unwrap()).await;
    seen += &logs.text();
    assert!(seen.contains("ValidBody(..)") && seen.contains("/password") && seen.contains("StrictBodyLayer"), "{seen}");
    assert_clean(&seen);
}

/// The search finds what it is there to find.
#[test]
#[should_panic(expected = "came out")]
fn r151_the_search_finds_five_letters_of_a_secret() {
    assert_clean(&format!("a log line with {} in it", &SECRET[7..12]));
}
