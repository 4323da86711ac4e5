//! p74: a refusal that a gRPC stream yields after its head was sent.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::{Code, Status, codegen::tokio_stream::Stream};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_auth::{
    AuthStack, ErrorEnvelopeLayer, Principal, Rejection, RejectionKind,
    envelope::{Catalogue, CatalogueEntry},
    json::FieldViolation,
    testing::FakeAuth,
};

use crate::{no_leak::Logs, support::Body};

const TRACE_ID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
const DOMAIN: &str = "orders.example.com";

type Item = Result<HealthCheckResponse, Status>;

/// What a handler yields: an item, or a wait. It makes each status when it is asked for it, or before.
struct Items(VecDeque<Step>);

enum Step {
    Wait,
    Yield(Box<dyn FnOnce() -> Item + Send>),
}

impl Stream for Items {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Yield(item)) => Poll::Ready(Some(item())),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

fn good() -> Step {
    Step::Yield(Box::new(|| Ok(HealthCheckResponse::default())))
}

fn bad(status: impl FnOnce() -> Status + Send + 'static) -> Step {
    Step::Yield(Box::new(|| Err(status())))
}

type Answer = Response<tonic::body::Body>;

/// What tonic makes of a method that answers with these items.
async fn answer(items: Vec<Step>, request: Request<Body>) -> Answer {
    let items = Arc::new(Mutex::new(Some(Items(items.into()))));
    let method = service_fn(move |_: tonic::Request<HealthCheckRequest>| {
        let items = items.lock().unwrap().take().unwrap();
        async move { Ok::<_, Status>(tonic::Response::new(items)) }
    });
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default());
    grpc.server_streaming(method, request).await
}

fn method(
    items: impl Fn() -> Vec<Step> + Clone + Send + 'static,
) -> impl Service<Request<Body>, Response = Answer, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request| {
        let items = items();
        async move { Ok(answer(items, request).await) }
    })
}

fn call(media: &str) -> Request<Body> {
    Request::post("/orders.v1.Orders/List")
        .version(http::Version::HTTP_2)
        .header("content-type", media)
        .header("te", "trailers")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(Body::from("\0\0\0\0\0"))
        .unwrap()
}

fn envelope() -> ErrorEnvelopeLayer {
    let words = CatalogueEntry::new("OUT_OF_STOCK_OR_SO").message("Nothing is left.");
    ErrorEnvelopeLayer::detailed()
        .grpc_domain(DOMAIN)
        .catalogue(Catalogue::default().with(RejectionKind::NotFound, words))
}

/// The messages and the trailers of a whole answer.
async fn read<B>(response: Response<B>) -> (usize, HeaderMap)
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let whole = response.into_body().collect().await.unwrap();
    let trailers = whole.trailers().cloned().unwrap();
    (whole.to_bytes().len() / 5, trailers)
}

/// Checks that trailers are those of this service, and that the log has one line of it.
fn assert_own(trailers: &HeaderMap, code: Code, reason: &str, logs: &Logs, cause: &str) {
    let status = Status::from_header_map(trailers).unwrap();
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((status.code(), info.reason.as_str(), info.domain.as_str()), (code, reason, DOMAIN));
    assert_eq!(details.request_info().unwrap().request_id, TRACE_ID);
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert_eq!(trailers.get_all(name).iter().count(), 1);
    }
    let log = logs.text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(TRACE_ID) && lines[0].contains("layer=\"handler\"") && lines[0].contains(cause), "{log}");
    assert!(!format!("{trailers:?} {status:?}").contains("sdb1"));
}

fn broken() -> Rejection {
    Rejection::internal("disk /dev/sdb1 is full")
}

#[tokio::test]
async fn p74_a_refusal_as_a_stream_item_has_the_services_domain_and_a_line() {
    let roads: [fn() -> Vec<Step>; 4] = [
        || vec![bad(|| broken().into())],
        || vec![Step::Wait, bad(|| broken().into())],
        || vec![good(), good(), bad(|| broken().into())],
        || vec![good(), Step::Wait, good(), Step::Wait, bad(|| broken().into())],
    ];
    let stack = AuthStack::builder().auth(FakeAuth::always(Principal::builder("alice").build())).envelope(envelope());
    let stack = stack.build().unwrap();
    for (items, messages) in roads.into_iter().zip([0, 0, 2, 2]) {
        let logs = Logs::capture();
        let response = stack.layer(method(items)).oneshot(call("application/grpc")).await.unwrap();
        let (seen, trailers) = read(response).await;
        assert_eq!(seen, messages);
        assert_own(&trailers, Code::Internal, "INTERNAL_ERROR", &logs, "sdb1");
        drop(logs);
        let logs = Logs::capture();
        let response = envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap();
        assert_own(&read(response).await.1, Code::Internal, "INTERNAL_ERROR", &logs, "sdb1");
    }
}

/// Words, details and waits are those of any other refusal.
#[tokio::test]
async fn p74_a_stream_item_is_told_in_the_words_of_the_catalogue() {
    let logs = Logs::capture();
    let items = || vec![good(), bad(|| Rejection::not_found().detail("sku", "a-1").into())];
    let (_, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_own(&trailers, Code::Unimplemented, "OUT_OF_STOCK_OR_SO", &logs, "kind=NotFound");
    assert_eq!(trailers["grpc-message"], "Nothing is left.");
    let details = Status::from_header_map(&trailers).unwrap().get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["sku"], "a-1");

    let limited =
        || vec![bad(|| Rejection::new(RejectionKind::RateLimited).retry_after(Duration::from_secs(3)).into())];
    let (_, trailers) = read(envelope().layer(method(limited)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!(trailers["grpc-retry-pushback-ms"], "3000");
    let fields = || vec![bad(|| Rejection::invalid_fields([FieldViolation::new("/count", "too many")]).into())];
    let (_, trailers) = read(envelope().layer(method(fields)).oneshot(call("application/grpc")).await.unwrap()).await;
    let details = Status::from_header_map(&trailers).unwrap().get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "/count");
}

/// Whatever is no refusal of the crate is the service's own, and its own trailers stay.
#[tokio::test]
async fn p74_other_ends_of_a_stream_are_left_alone() {
    let logs = Logs::capture();
    let items = || vec![good(), bad(|| Status::already_exists("own"))];
    let (_, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    let status = Status::from_header_map(&trailers).unwrap();
    assert_eq!((status.code(), status.message(), status.details()), (Code::AlreadyExists, "own", &[][..]));
    let items = || vec![good(), good()];
    let (_, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!(trailers["grpc-status"], "0");
    // A refusal that the handler drops, and something else that it answers.
    let items = || {
        vec![bad(|| {
            drop(Status::from(broken()));
            Status::aborted("own")
        })]
    };
    let (_, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!(Status::from_header_map(&trailers).unwrap().code(), Code::Aborted);
    let items = || {
        vec![
            Step::Yield(Box::new(|| {
                drop(Status::from(broken()));
                Ok(HealthCheckResponse::default())
            })),
            good(),
        ]
    };
    let (seen, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!((seen, &trailers["grpc-status"]), (2, &"0".parse().unwrap()));
    assert!(!logs.text().contains("request refused"), "{}", logs.text());
    // Its own metadata beside a refusal.
    let items = || {
        vec![bad(|| {
            let mut status = Status::from(Rejection::not_found());
            status.metadata_mut().insert("own", "kept".parse().unwrap());
            status
        })]
    };
    let (_, trailers) = read(envelope().layer(method(items)).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!((&trailers["own"], &trailers["grpc-status"]), (&"kept".parse().unwrap(), &"12".parse().unwrap()));
    assert_eq!(Status::from_header_map(&trailers).unwrap().get_error_details().error_info().unwrap().domain, DOMAIN);
}

/// The innermost envelope speaks, once.
#[tokio::test]
async fn p74_two_envelopes_tell_a_stream_item_once() {
    let logs = Logs::capture();
    let outer = ErrorEnvelopeLayer::detailed().grpc_domain("outer.example.com");
    let items = || vec![good(), bad(|| broken().into())];
    let response = outer.layer(envelope().layer(method(items))).oneshot(call("application/grpc")).await.unwrap();
    assert_own(&read(response).await.1, Code::Internal, "INTERNAL_ERROR", &logs, "sdb1");
}

/// Before the head is sent, nothing changes: the refusal is trailers-only.
#[tokio::test]
async fn p74_a_refusal_before_the_stream_is_told_once() {
    let logs = Logs::capture();
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Status::from(broken()).into_http::<Body>()));
    let response = envelope().layer(service).oneshot(call("application/grpc")).await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::Internal);
    drop(response);
    assert_own(&headers, Code::Internal, "INTERNAL_ERROR", &logs, "sdb1");
}

/// The body as `tonic-web` makes it: trailers are a frame of the data.
struct Web<B> {
    inner: B,
    text: bool,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Web<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let text = self.text;
        Pin::new(&mut self.inner).poll_frame(cx).map_ok(|frame| {
            let bytes = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let lines: Vec<u8> = trailers
                        .iter()
                        .flat_map(|(name, value)| [name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat())
                        .collect();
                    [&[0x80][..], &u32::try_from(lines.len()).unwrap().to_be_bytes(), &lines].concat().into()
                }
            };
            Frame::data(if text { STANDARD.encode(bytes).into() } else { bytes })
        })
    }
}

#[tokio::test]
async fn p74_a_stream_item_in_grpc_web_too() {
    for (media, text) in [("application/grpc-web", false), ("application/grpc-web-text", true)] {
        let logs = Logs::capture();
        let items = || {
            vec![
                good(),
                bad(|| {
                    let mut status = Status::from(broken());
                    status.metadata_mut().insert("own", "kept".parse().unwrap());
                    status
                }),
            ]
        };
        let web = method(items).map_response(move |response| response.map(|inner| Web { inner, text }));
        let response = envelope().layer(web).oneshot(call(media)).await.unwrap();
        let mut frames = Vec::new();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
        }
        let end = frames.last().unwrap();
        let end: Bytes = if text { STANDARD.decode(end).unwrap().into() } else { end.clone() };
        assert_eq!((frames.len(), end[0]), (2, 0x80));
        assert_eq!(u32::from_be_bytes(end[1..5].try_into().unwrap()), u32::try_from(end.len() - 5).unwrap());
        let mut trailers = HeaderMap::new();
        for line in str::from_utf8(&end[5..]).unwrap().strip_suffix("\r\n").unwrap().split("\r\n") {
            let (name, value) = line.split_once(':').unwrap();
            trailers.append(http::HeaderName::try_from(name).unwrap(), value.trim().parse().unwrap());
        }
        assert_eq!(trailers["own"], "kept");
        assert_own(&trailers, Code::Internal, "INTERNAL_ERROR", &logs, "sdb1");
    }
}
