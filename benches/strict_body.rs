//! The cost of strict bodies: reading JSON into a type compared with `serde_json` alone, and services compared with axum's
//! `Json`.
//!
//! `cargo bench --bench strict_body` takes half a minute, `cargo bench --bench strict_body -- --quick` a few seconds. It
//! reports times and asserts none: only ratios within one run are meaningful, and on a busy machine only those of the
//! quietest run. `benches/peers` measures other parsers in the same way.

#[path = "support/harness.rs"]
mod harness;
#[path = "support/orders/mod.rs"]
mod orders;
#[path = "support/services.rs"]
mod services;

use std::{convert::Infallible, fmt::Debug, future::ready, hint::black_box};

use axum::{
    Json,
    body::Body,
    extract::FromRequest,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::{Layer, Service, service_fn};
use tower_auth::{
    ErrorEnvelopeLayer, StrictBodyLayer, StrictJson,
    json::{self, JsonLimits},
    strict_body::{ReplayBody, ValidBody},
};

use self::{
    harness::{Bench, Effort, Report, Row, target},
    orders::{Bodies, Document, Kinds},
    services::Template,
};

fn main() {
    let mut bench = Bench::default();
    let kinds = Kinds::new();
    let Kinds { small, large, shuffled, text } = &kinds;

    let typed = [read(&mut bench, small), read(&mut bench, large), read(&mut bench, shuffled), read(&mut bench, text)];
    read_refused(&mut bench, small);
    read_refused(&mut bench, large);
    let bare = Bare::new(&mut bench, small);
    served(&mut bench, &bare, small);
    served(&mut bench, &bare, large);
    served(&mut bench, &bare, text);

    let Some(effort) = Effort::from_args() else { return };
    kinds.print();
    println!();
    let report = bench.report(effort);
    for typed in typed {
        typed.target(&report);
    }
}

/// The rows that have a target.
struct Typed {
    name: String,
    floor: Row,
    ours: Row,
}

impl Typed {
    fn target(&self, report: &Report) {
        target(&self.name, report.ratio(self.ours, self.floor), 1.15, "x floor");
    }
}

/// The rows that read bytes into a type.
fn read<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) -> Typed {
    bodies.agree(|text| json::from_slice(text, &JsonLimits::new()));
    let floor = bodies.floor(bench);
    bodies.accepted(bench, "str::from_utf8, serde_json::from_str", |text| {
        serde_json::from_str::<T>(str::from_utf8(text).expect("the text is UTF-8"))
    });
    bodies.accepted(bench, "serde_json, deny_unknown_fields", |text| serde_json::from_slice::<T::Denying>(text));
    bodies.accepted(bench, "serde_json::Value, names walked", walked::<T>);
    bodies.accepted(bench, "serde_json::Value, names walked, from_value", |text| {
        serde_json::from_value::<T>(walked::<T>(text).expect("the names are documented"))
    });
    bodies.accepted(bench, "json::check", |text| json::check(text, &JsonLimits::new()));
    let ours = bodies.accepted(bench, "json::from_slice", |text| json::from_slice::<T>(text, &JsonLimits::new()));
    Typed { name: bodies.row("read into the type"), floor, ours }
}

/// The check written by hand.
fn walked<T: Document>(text: &[u8]) -> Result<Value, &'static str> {
    let value = serde_json::from_slice(text).map_err(|_| "no JSON")?;
    if T::NAMES.cover(&value) { Ok(value) } else { Err("a name is unknown") }
}

/// The same rows with an undocumented name.
fn read_refused<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) {
    let bodies = bodies.with_unknown_name();
    bodies.refused_floor(bench);
    bodies.refused(bench, "unknown name: serde_json::Value, names walked", walked::<T>);
    bodies.refused(bench, "unknown name: json::from_slice", |text| json::from_slice::<T>(text, &JsonLimits::new()));
}

/// The rows of services that ignore the body, one for each type of body.
struct Bare {
    full: Row,
    axum: Row,
}

impl Bare {
    fn new<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) -> Self {
        let ok = StatusCode::OK;
        bench.without_floor();
        let full = bench.row("bare service, Full", &post(bodies, Full::new), ok, service_fn(|_| ready(Ok(empty()))));
        let axum = bench.row("bare service, axum", &post(bodies, Body::from), ok, service_fn(|_| ready(Ok(empty()))));
        Self { full, axum }
    }
}

/// The rows from a request with a body to a response.
fn served<T: Document>(bench: &mut Bench, bare: &Bare, bodies: &Bodies<T>) {
    let (ok, no) = (StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY);
    let layer = || StrictBodyLayer::<T>::new().expect("the type declares its fields");

    let request = post(bodies, Full::new);
    bench.over(bare.full);
    floor(bench, bodies, &request, "Full");
    bench.row(&bodies.row("Full: StrictBodyLayer"), &request, ok, layer().layer(service_fn(taken::<T, Full<Bytes>>)));

    let request = post(bodies, Body::from);
    bench.over(bare.axum);
    floor(bench, bodies, &request, "axum");
    bench.row(&bodies.row("axum: Json"), &request, ok, extracted::<Json<T>>());
    bench.row(&bodies.row("axum: StrictJson"), &request, ok, extracted::<StrictJson<T>>());
    bench.row(&bodies.row("axum: StrictBodyLayer"), &request, ok, layer().layer(service_fn(taken::<T, Body>)));

    let bodies = bodies.with_unknown_name();
    let request = post(&bodies, Body::from);
    let name = |what| bodies.row(&format!("axum, unknown name: {what}"));
    bench.without_floor();
    let floor = bench.row(&name("Json, deny_unknown_fields"), &request, no, extracted::<Json<T::Denying>>());
    bench.against(floor);
    bench.row(&name("StrictJson"), &request, no, extracted::<StrictJson<T>>());
    bench.row(&name("StrictBodyLayer"), &request, no, layer().layer(service_fn(taken::<T, Body>)));
    let told = ErrorEnvelopeLayer::detailed().layer(layer().layer(service_fn(taken::<T, Body>)));
    bench.row(&name("StrictBodyLayer, JSON"), &request, no, told);
}

fn post<T: Document, B>(bodies: &Bodies<T>, body: impl Fn(Bytes) -> B + 'static) -> Template<B> {
    let headers = [
        ("host", "api.example.com"),
        ("user-agent", "curl/8.9.1"),
        ("accept", "*/*"),
        ("content-type", "application/json"),
    ];
    let bodies = bodies.clone();
    Template::new(Method::POST, "/v1/orders", &headers, move || body(bodies.next().clone()))
}

/// A service that reads the body without checking it.
fn floor<T, B>(bench: &mut Bench, bodies: &Bodies<T>, request: &Template<B>, kind: &str)
where
    T: Document,
    B: http_body::Body<Error: Debug> + 'static,
{
    let collected = service_fn(|request: Request<B>| async {
        let body = request.into_body().collect().await.expect("the body is in memory").to_bytes();
        black_box(serde_json::from_slice::<T>(&body).expect("the body is as documented"));
        Ok(empty())
    });
    let name = bodies.row(&format!("{kind}: floor, collect, serde_json::from_slice"));
    bench.without_floor();
    let floor = bench.row(&name, request, StatusCode::OK, collected);
    bench.against(floor);
}

/// A handler with one extractor.
fn extracted<E>() -> impl Service<Request<Body>, Response = Response, Error = Infallible>
where
    E: FromRequest<()>,
{
    service_fn(|request| async {
        Ok(match E::from_request(request, &()).await {
            Ok(value) => {
                black_box(value);
                empty()
            }
            Err(rejection) => rejection.into_response(),
        })
    })
}

/// The service behind the layer. It takes the value.
async fn taken<T: Document, B>(request: Request<ReplayBody<B>>) -> Result<Response, Infallible> {
    let value = request.extensions().get::<ValidBody<T>>().and_then(ValidBody::take);
    black_box(value.expect("the layer stored the value"));
    Ok(empty())
}

fn empty() -> Response {
    Response::new(Body::empty())
}
