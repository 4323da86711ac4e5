//! Every fault leaves one line, whichever layers stand around the handler.

use std::convert::Infallible;

use axum::{Router, routing::any};
use http::{Request, Response, StatusCode, header};
use tower::{Layer, Service, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_auth::{
    AuthStack, ClientIp, ErrorEnvelopeLayer, PeerAddr, Quota, RateLimitLayer, Rejection, RequireLayer, Rules,
    StrictBodyLayer, permission::authenticated,
};

use super::{keyed, keys, lacks, lines, says};
use crate::{
    no_leak::Logs,
    support::{Body, strict, text},
};

type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The service, with a body that can be put into another layer.
fn boxed<S, B>(service: S) -> Boxed
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let service = service.clone();
        async move {
            let (parts, body) = service.oneshot(request).await?.into_parts();
            Ok(Response::from_parts(parts, Body::from(text(Response::new(body)).await)))
        }
    }))
}

/// Layers around a handler.
type Around = Box<dyn Fn(Boxed) -> Boxed>;

/// How a handler fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    /// At once, before its future is there.
    AtOnce,
    /// In its future, after a wait.
    Later,
    /// By axum's conversion.
    Axum,
    /// As a tonic status.
    Tonic,
}

const ALL: [Fails; 4] = [Fails::AtOnce, Fails::Later, Fails::Axum, Fails::Tonic];

fn fault() -> Rejection {
    Rejection::internal("disk /dev/sdb1 is full")
}

fn failing(how: Fails) -> Boxed {
    match how {
        Fails::AtOnce => boxed(strict(|_| fault().into_response())),
        Fails::Later => boxed(service_fn(|_| async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(fault().into_response::<Body>())
        })),
        Fails::Axum => {
            let router = Router::new().fallback(any(|| async {
                tokio::task::yield_now().await;
                Err::<(), _>(fault())
            }));
            boxed(service_fn(move |request: Request<Body>| {
                let router = router.clone();
                async move { router.oneshot(request.map(axum::body::Body::new)).await }
            }))
        }
        Fails::Tonic => boxed(service_fn(|_| async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(tonic::Status::from(fault()).into_http::<Body>())
        })),
    }
}

/// All that may stand around a handler, with what the line then says of the caller and the request.
fn stacks(slow: bool) -> Vec<(&'static str, Around, &'static [&'static str])> {
    const NOTHING: &[&str] = &[];
    const REQUEST: &[&str] = &["method=\"GET\"", "path=\"/v1/files\""];
    const CALLER: &[&str] = &["method=\"GET\"", "path=\"/v1/files\"", "subject=\"acme\"", "key_id=\"key_1\""];
    const TRACED: &[&str] = &["method=\"GET\"", "path=\"/v1/files\"", "trace_id="];
    const ALL: &[&str] = &["method=\"GET\"", "path=\"/v1/files\"", "subject=\"acme\"", "key_id=\"key_1\"", "trace_id="];
    let envelope = || ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let plain = ErrorEnvelopeLayer::detailed;
    let stack = move || AuthStack::builder().auth(keys(slow)).envelope(envelope());
    let limit = || RateLimitLayer::by_address(Quota::per_minute(100), ClientIp::peer());
    let budget = || RateLimitLayer::failures(Quota::per_minute(100), ClientIp::peer());
    vec![
        ("nothing", Box::new(|inner| inner) as Around, NOTHING),
        (
            "a strict body",
            Box::new(|inner| {
                let layer = StrictBodyLayer::<Vec<u8>>::new().unwrap().optional();
                boxed(layer.layer(service_fn(move |request: Request<tower_auth::strict_body::ReplayBody<Body>>| {
                    inner.clone().oneshot(request.map(|_| Body::default()))
                })))
            }),
            NOTHING,
        ),
        ("keys", Box::new(move |inner| boxed(keys(slow).layer(inner))), CALLER),
        (
            "keys, permission",
            Box::new(move |inner| boxed(keys(slow).layer(RequireLayer::new(authenticated()).layer(inner)))),
            CALLER,
        ),
        ("a limit", Box::new(move |inner| boxed(limit().layer(inner))), REQUEST),
        ("a budget", Box::new(move |inner| boxed(budget().layer(inner))), REQUEST),
        ("an envelope", Box::new(move |inner| boxed(plain().layer(inner))), TRACED),
        ("two envelopes", Box::new(move |inner| boxed(plain().layer(envelope().layer(inner)))), TRACED),
        ("envelope, keys", Box::new(move |inner| boxed(plain().layer(keys(slow).layer(inner)))), ALL),
        ("keys, envelope", Box::new(move |inner| boxed(keys(slow).layer(plain().layer(inner)))), ALL),
        ("a stack", Box::new(move |inner| boxed(stack().build().unwrap().layer(inner))), ALL),
        (
            "an observed stack with rules",
            Box::new(move |inner| {
                let stack = stack().rules(Rules::new().require("/v1/**", authenticated())).on_decision(|_| {});
                boxed(stack.build().unwrap().layer(inner))
            }),
            ALL,
        ),
        (
            "halves of a stack",
            Box::new(move |inner| {
                let stack = stack().build().unwrap();
                boxed(stack.envelope().layer(stack.guards().layer(inner)))
            }),
            ALL,
        ),
        ("guards alone", Box::new(move |inner| boxed(stack().build().unwrap().guards().layer(inner))), CALLER),
        ("stack, envelope", Box::new(move |inner| boxed(stack().build().unwrap().layer(envelope().layer(inner)))), ALL),
        (
            "stack, stack",
            Box::new(move |inner| boxed(stack().build().unwrap().layer(stack().build().unwrap().layer(inner)))),
            ALL,
        ),
        (
            "stack, limit, permission",
            Box::new(move |inner| {
                boxed(stack().build().unwrap().layer(limit().layer(RequireLayer::new(authenticated()).layer(inner))))
            }),
            ALL,
        ),
    ]
}

fn request() -> Request<Body> {
    let mut request = keyed("GET", "/v1/files?k=hunter2");
    request.extensions_mut().insert(PeerAddr([192, 0, 2, 7].into()));
    request
}

#[tokio::test]
async fn p84_every_fault_leaves_one_error_line_whatever_stands_around_it() {
    for slow in [false, true] {
        for (name, around, known) in stacks(slow) {
            for how in ALL {
                let (_, lines) = lines(around(failing(how)), request()).await;
                assert_eq!(lines.len(), 1, "{name}, {how:?}: {lines:?}");
                says(&lines[0], &["ERROR", "status=500", "layer=\"handler\"", "cause=disk /dev/sdb1 is full"]);
                // An axum router inside has its own view of the path, which is the same here.
                says(&lines[0], known);
                lacks(&lines[0], &["hunter2"]);
            }
        }
    }
}

/// One line for one request, also of a handler that is called many times, and again after one that panicked.
#[tokio::test]
async fn p84_each_request_has_its_own_line() {
    let one = fault();
    let handler = strict(move |_| one.clone().into_response());
    let logs = Logs::capture();
    for _ in 0..3 {
        handler.clone().oneshot(request()).await.unwrap();
    }
    assert_eq!(logs.text().matches("sdb1").count(), 3);
    drop(logs);

    let logs = Logs::capture();
    let panics = ErrorEnvelopeLayer::detailed()
        .layer(service_fn(|_: Request<Body>| async { panic!("on purpose") as Result<Response<Body>, Infallible> }));
    let caught = tokio::spawn(panics.oneshot(request())).await;
    assert!(caught.is_err());
    let _ = fault().into_response::<Body>();
    assert_eq!(logs.text().matches("sdb1").count(), 1, "a panic leaves nobody believing that a layer looks on");
}

/// A fault that nobody answers with is no refusal, and what a client did is none of ours.
#[tokio::test]
async fn p84_what_is_not_answered_is_not_logged() {
    let logs = Logs::capture();
    drop(fault());
    let _ = Rejection::not_found().cause("cause of 404").into_response::<Body>();
    let _ = format!("{:?}", fault());
    assert!(!logs.text().contains("sdb1") && !logs.text().contains("cause of 404"), "{}", logs.text());
    // Converted back and forth, it is still one.
    let response = fault().into_response::<Body>();
    let again = Rejection::of(&response).unwrap().clone().into_response::<Body>();
    let _ = tonic::Status::from(Rejection::of(&again).unwrap().clone());
    assert_eq!(logs.text().matches("sdb1").count(), 1, "{}", logs.text());
}

fn foreign(status: u16) -> Boxed {
    boxed(strict(move |_| {
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain");
        response.body(Body::from("upstream connect error")).unwrap()
    }))
}

/// What a router or another layer answers in its own words, and an envelope adopts.
#[tokio::test]
async fn p84_an_adopted_fault_says_who_was_calling() {
    let envelope = || ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    for slow in [false, true] {
        for status in [500, 502, 503, 599] {
            let stack = AuthStack::builder().auth(keys(slow)).envelope(envelope()).build().unwrap();
            let require = RequireLayer::new(authenticated());
            for (name, service) in [
                ("a stack", boxed(stack.layer(foreign(status)))),
                ("halves", boxed(stack.envelope().layer(stack.guards().layer(foreign(status))))),
                ("lone layers", boxed(envelope().layer(keys(slow).layer(require.layer(foreign(status)))))),
                ("keys, envelope", boxed(keys(slow).layer(envelope().layer(foreign(status))))),
                ("two envelopes", boxed(envelope().layer(stack.layer(envelope().layer(foreign(status)))))),
            ] {
                let (answered, lines) = lines(service, request()).await;
                assert_eq!((answered, lines.len()), (status, 1), "{name}: {lines:?}");
                let status = format!("status={status}");
                says(&lines[0], &["ERROR", &status, "method=\"GET\"", "path=\"/v1/files\"", "peer=192.0.2.7"]);
                says(&lines[0], &["subject=\"acme\"", "key_id=\"key_1\"", "trace_id="]);
                lacks(&lines[0], &["hunter2", "upstream"]);
            }
            // Where nobody asks who is calling, the request is named.
            let (_, lines) = lines(envelope().layer(foreign(status)), request()).await;
            says(&lines.concat(), &["method=\"GET\"", "path=\"/v1/files\"", "trace_id="]);
        }
        // A panic that another layer caught.
        let stack = AuthStack::builder().auth(keys(slow)).envelope(envelope()).build().unwrap();
        let panics = tower_http::catch_panic::CatchPanicLayer::new()
            .layer(service_fn(|_: Request<Body>| async { panic!("on purpose") as Result<Response<Body>, Infallible> }));
        let (status, lines) = lines(stack.layer(panics), request()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        says(&lines.concat(), &["ERROR", "path=\"/v1/files\"", "subject=\"acme\""]);
        assert_eq!(lines.len(), 1);
    }
}
