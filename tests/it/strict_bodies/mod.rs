//! Bodies that are read strictly: the layer and the extractor, in process and over real sockets.

mod extractor;
mod media;
mod mounted;
mod refusals;
mod replay;
mod script;
mod sizes;
mod slow;
mod under_way;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, routing};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version, request::Parts};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_auth::{
    ErrorEnvelopeLayer, Rejection, StrictBodyLayer,
    strict_body::{ReplayBody, ValidBody},
    testing::AssertReady,
};

use crate::support::{
    Body, client,
    server::Reply,
    sockets::{self, Running, Wire},
};
use script::Script;

/// The documented body of most tests.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
struct Order {
    name: String,
    count: Option<i64>,
    price: Option<f64>,
    items: Option<Vec<Item>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Item {
    sku: String,
    size: Option<Size>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Size {
    width: u32,
}

const GOOD: &str = r#"{"name":"a"}"#;
/// JSON with a field that is not documented.
const TYPO: &str = r#"{"name":"a","cuont":1}"#;

fn layer() -> StrictBodyLayer<Order> {
    StrictBodyLayer::new().unwrap()
}

fn envelope() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed().adopt_foreign_errors()
}

/// A POST of JSON.
fn post(body: Script) -> Request<Script> {
    Request::post("/").header("content-type", "application/json").body(body).unwrap()
}

/// What the handler was given.
#[derive(Debug)]
struct Got {
    head: Parts,
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    length: Option<u64>,
    value: Option<Order>,
}

impl Got {
    fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

type Seen = Arc<Mutex<Vec<Got>>>;

/// A handler that reads its body to the end, in a probe that panics when a clone of it is called.
fn handler(
    seen: &Seen,
) -> AssertReady<
    impl Service<Request<ReplayBody<Script>>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<>,
> {
    let seen = Arc::clone(seen);
    AssertReady::new(service_fn(move |mut request: Request<ReplayBody<Script>>| {
        let seen = Arc::clone(&seen);
        async move {
            let value = request.extensions().get::<ValidBody<Order>>().and_then(ValidBody::take);
            let (length, mut pieces, mut trailers) = (request.body().size_hint().exact(), Vec::new(), None);
            while let Some(frame) = request.body_mut().frame().await {
                match frame.unwrap().into_data() {
                    Ok(piece) => pieces.push(piece),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                }
            }
            assert!(request.body().is_end_stream());
            seen.lock().unwrap().push(Got { head: request.into_parts().0, pieces, trailers, length, value });
            Ok(Response::new(Body::default()))
        }
    }))
}

/// An answer, and what the handler was given where it was called.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
    rejection: Option<Rejection>,
    got: Option<Got>,
}

impl Answer {
    /// Status and code.
    fn told(&self) -> (u16, &str) {
        (self.status, self.json["error"]["code"].as_str().unwrap_or_default())
    }

    fn details(&self) -> &Value {
        &self.json["error"]["details"]
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The private cause of the refusal.
    fn cause(&self) -> String {
        self.rejection.as_ref().and_then(Rejection::private_cause).map(ToString::to_string).unwrap_or_default()
    }

    /// The handler was called with these bytes.
    fn assert_passed(&self, bytes: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.got.as_ref().unwrap().bytes(), bytes.as_bytes());
    }

    /// The handler was not called.
    fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.told(), (status, code), "{self:?}");
        assert!(self.got.is_none(), "{self:?}");
    }
}

/// Sends a request through an envelope and the layer.
async fn ask(layer: &StrictBodyLayer<Order>, request: Request<Script>) -> Answer {
    let seen = Seen::default();
    let response = envelope().layer(layer.layer(handler(&seen))).oneshot(request).await.unwrap();
    let rejection = Rejection::of(&response).cloned();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let mut seen = seen.lock().unwrap();
    assert!(seen.len() <= 1, "the handler is called once");
    Answer { status: head.status.as_u16(), headers: head.headers, json, rejection, got: seen.pop() }
}

#[derive(Clone, Copy, Debug)]
enum Host {
    Axum,
    Hyper,
}

/// A host on a socket: the envelope, the layer, and a handler that answers with the bytes that it was given.
struct Served {
    host: Host,
    running: Running,
    calls: Arc<AtomicUsize>,
}

async fn serve(host: Host, layer: &StrictBodyLayer<Order>) -> Served {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    let running = match host {
        Host::Axum => {
            let echo = routing::any(move |request: axum::extract::Request| echo(request, counted));
            sockets::axum(Router::new().route("/", echo.layer(layer.clone())).layer(envelope())).await
        }
        Host::Hyper => {
            let echo = service_fn(move |request: Request<ReplayBody<Incoming>>| {
                let answer = echo(request, Arc::clone(&counted));
                async { Ok::<_, Infallible>(answer.await) }
            });
            let service = envelope().layer(layer.layer(echo));
            sockets::hyper(move |_| service.clone()).await
        }
    };
    Served { host, running, calls }
}

/// The same bytes, with the announced length and the trailer as it saw them.
async fn echo<B>(request: Request<B>, calls: Arc<AtomicUsize>) -> Response<Full<Bytes>>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    calls.fetch_add(1, Ordering::SeqCst);
    let mut response = Response::new(Full::default());
    if let Some(length) = request.headers().get("content-length") {
        response.headers_mut().insert("x-announced", length.clone());
    }
    let body = request.into_body().collect().await.unwrap();
    if let Some(sum) = body.trailers().and_then(|trailers| trailers.get("x-sum")) {
        response.headers_mut().insert("x-sum", sum.clone());
    }
    *response.body_mut() = Full::new(body.to_bytes());
    response
}

impl Served {
    fn wire(&self) -> Wire {
        Wire::connect(self.running.address)
    }

    /// The first response to a request on a connection of its own.
    fn told(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut wire = self.wire();
        wire.send(request);
        wire.reply()
    }

    /// How often the handler was called since this was asked the last time.
    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    /// A POST of JSON in HTTP/2.
    async fn http2<B>(&self, body: B) -> client::Answer
    where
        B: http_body::Body<Data = Bytes, Error: Into<tower_auth::BoxError>> + Send + Unpin + 'static,
    {
        let request = Request::post(format!("http://{}/", self.running.address));
        let request = request.header("content-type", "application/json").body(body).unwrap();
        client::ask(Version::HTTP_2, request).await
    }
}

/// Asks the same of every host, each on a thread of its own.
fn everywhere(layer: &StrictBodyLayer<Order>, test: impl Fn(&Served)) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for host in [Host::Axum, Host::Hyper] {
        test(&runtime.block_on(serve(host, layer)));
    }
}

/// A request by hand, with these header lines.
fn raw(line: &str, headers: &[&str], body: &str) -> String {
    let lines = headers.iter().fold(String::new(), |lines, header| lines + header + "\r\n");
    format!("{line} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n{body}")
}

const JSON: &str = "content-type: application/json";
const CHUNKED: &str = "transfer-encoding: chunked";

/// A POST of JSON by hand, with its length.
fn raw_post(body: &str) -> String {
    raw("POST /", &[JSON, &format!("content-length: {}", body.len())], body)
}

/// The same in chunks of these bytes.
fn raw_chunks(chunks: &[&str]) -> String {
    let chunk = |body: String, chunk: &&str| body + &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    raw("POST /", &[JSON, CHUNKED], &(chunks.iter().fold(String::new(), chunk) + "0\r\n\r\n"))
}
