//! Rule 122: over gRPC limits are sent in initial metadata, read here by tonic's own client on a connection.

use http::{HeaderMap, Request, Version};
use tonic::{
    Code, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};
use tonic_types::StatusExt as _;
use tower::Layer as _;
use tower_auth::{AuthStack, ClientIp, Quota, RateLimitLayer};

use super::{Claimed, ask, by_plan, hand, stack};
use crate::support::{
    Body,
    client::{self, Answer},
    sockets::Running,
    strict,
};

/// tonic's own server in this stack.
fn serve(stack: AuthStack) -> Running {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = Server::builder().layer(stack).add_service(health_reporter().1);
    Running::new(address, tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() }))
}

async fn client(server: &Running) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    HealthClient::new(channel)
}

fn check() -> tonic::Request<HealthCheckRequest> {
    let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
    request.metadata_mut().insert("who", "alice".parse().unwrap());
    request
}

fn limits() -> RateLimitLayer {
    by_plan([Quota::per_minute(2), Quota::per_day(100)]).ietf_headers().x_retry_after()
}

#[tokio::test]
async fn r122_tonics_client_reads_how_the_limit_stands_and_why_it_was_refused() {
    let server = serve(stack(&hand(), [limits()]));
    let mut client = client(&server).await;
    for left in ["1", "0"] {
        let answer = client.check(check()).await.unwrap();
        let metadata = answer.metadata();
        assert_eq!(metadata.get("x-ratelimit-remaining").unwrap(), left);
        assert!(
            metadata.get("ratelimit").unwrap().to_str().unwrap().starts_with(&format!("\"minute\";r={left};t=30, "))
        );
        assert_eq!(metadata.get("ratelimit-policy").unwrap(), r#""minute";q=2;w=60, "day";q=100;w=86400"#);
    }
    let refused = client.check(check()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["limit"].as_str()), ("RATE_LIMIT_EXCEEDED", "2"));
    assert_eq!(info.metadata["retryAfter"], "30");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait.as_secs(), 30);
    let violations = refused.get_details_quota_failure().unwrap().violations;
    assert_eq!(violations.len(), 1);
    assert!(!violations[0].subject.is_empty() && !violations[0].description.is_empty());
    let metadata = refused.metadata();
    assert_eq!(metadata.get("x-ratelimit-remaining").unwrap(), "0");
    assert_eq!(metadata.get("grpc-retry-pushback-ms").unwrap(), "30000");
    for name in ["retry-after", "cache-control"] {
        assert!(metadata.get(name).is_none(), "{name} is HTTP's");
    }
}

/// The call by hand: what stands in front of the message, and what behind it.
async fn raw(server: &Running) -> Answer {
    let request = Request::post(format!("http://{}/grpc.health.v1.Health/Check", server.address));
    let request = request.header("content-type", "application/grpc").header("te", "trailers").header("who", "alice");
    client::ask(Version::HTTP_2, request.body(Body::from(&b"\0\0\0\0\0"[..])).unwrap()).await
}

fn of_limits(headers: &HeaderMap) -> usize {
    headers.keys().filter(|name| name.as_str().contains("ratelimit")).count()
}

#[tokio::test]
async fn r122_it_stands_in_headers_and_never_in_trailers() {
    let server = serve(stack(&hand(), [limits()]));
    for left in ["1", "0"] {
        let answer = raw(&server).await;
        assert_eq!((answer.grpc_status(), answer.header("x-ratelimit-remaining")), ("0", vec![left]));
        let trailers = answer.trailers.as_ref().unwrap();
        assert!(trailers.contains_key("grpc-status"), "they are the end of a whole answer");
        assert_eq!((of_limits(&answer.headers), of_limits(trailers)), (6, 0));
    }
    let refused = raw(&server).await;
    assert_eq!((refused.grpc_status(), refused.header("x-ratelimit-retry-after")), ("8", vec!["30"]));
    assert!(refused.trailers.is_none() && refused.body.is_empty(), "one block of headers: {refused:?}");
    assert_eq!(of_limits(&refused.headers), 6);
}

/// gRPC-Web writes the trailers of a refusal into the body: limits stand in the headers there too.
#[tokio::test]
async fn r122_nor_in_the_trailers_that_grpc_web_writes_into_the_body() {
    let service = stack(&hand(), [limits()]).layer(crate::support::ok());
    let call = || {
        let request = Request::post("/a.B/C").header("content-type", "application/grpc-web").header("who", "alice");
        request.body(Body::default()).unwrap()
    };
    for _ in 0..2 {
        ask(&service, call()).await;
    }
    let told = ask(&service, call()).await;
    assert_eq!((told.status, told.remaining()), (200, Some(0)));
    assert!(told.body.contains("grpc-status: 8") && !told.body.contains("ratelimit"), "{:?}", told.body);
}

/// An address of tonic's own connection, and the budget of failed attempts.
#[tokio::test]
async fn r122_a_budget_of_failures_is_exhausted_over_grpc_too() {
    let budget = RateLimitLayer::failures(Quota::per_minute(3), ClientIp::peer());
    let server = serve(AuthStack::builder().auth(Claimed).limit(budget).clock(&hand()).build().unwrap());
    let mut client = client(&server).await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        let mut bad = check();
        bad.metadata_mut().insert("who", "bad".parse().unwrap());
        codes.push(client.check(bad).await.unwrap_err().code());
    }
    let (no, spent) = (Code::Unauthenticated, Code::ResourceExhausted);
    assert_eq!(codes, [no, no, no, spent, spent]);
    assert!(client.check(check()).await.is_ok(), "a valid credential that needs no wait");
}

/// A stream is one call.
#[tokio::test]
async fn r139_a_stream_of_messages_is_charged_once() {
    let server = serve(stack(&hand(), [by_plan(Quota::per_minute(3))]));
    let mut client = client(&server).await;
    let mut watch = client.watch(check()).await.unwrap();
    assert_eq!(watch.metadata().get("x-ratelimit-remaining").unwrap(), "2");
    assert!(watch.get_mut().message().await.unwrap().is_some(), "a message of a stream that does not end");
    assert_eq!(client.check(check()).await.unwrap().metadata().get("x-ratelimit-remaining").unwrap(), "1");
}

/// A call that a handler refuses with this crate's words, as a tonic handler writes them.
fn refusing(
    refusal: tower_auth::RejectionKind,
) -> impl Fn(Request<Body>) -> http::Response<Body> + Clone + Send + Sync {
    move |_| Status::from(tower_auth::Rejection::new(refusal)).into_http()
}

fn call() -> Request<Body> {
    let request = Request::post("/a.B/C").header("content-type", "application/grpc").header("te", "trailers");
    let request = request.header("who", "alice");
    super::from("192.0.2.1", request.body(Body::default()).unwrap())
}

/// Its HTTP status is 200: what counts is what it says.
#[tokio::test]
async fn r129_a_permission_that_a_grpc_handler_denies_is_given_back() {
    use tower_auth::RejectionKind::{InsufficientPermissions, Internal, OrganizationDenied};
    for (kind, left) in [(InsufficientPermissions, 5), (OrganizationDenied, 5), (Internal, 2)] {
        let limit = by_plan(Quota::per_minute(5)).cost(|request| u32::from(request.headers().get("probe").is_none()));
        let service = stack(&hand(), [limit]).layer(strict(refusing(kind)));
        for _ in 0..3 {
            ask(&service, call()).await;
        }
        let mut probe = call();
        probe.headers_mut().insert("probe", "1".parse().unwrap());
        assert_eq!(ask(&service, probe).await.remaining(), Some(left), "{kind:?}");
    }
}

#[tokio::test]
async fn r089_a_login_over_grpc_spends_the_budget_too() {
    let budget = RateLimitLayer::failures(Quota::per_minute(3), ClientIp::peer()).clock(&hand());
    let service = budget.layer(strict(refusing(tower_auth::RejectionKind::InvalidCredentials)));
    let service = tower_auth::ErrorEnvelopeLayer::detailed().layer(service);
    let mut codes = Vec::new();
    for _ in 0..5 {
        let told = ask(&service, call()).await;
        codes.push(told.header("grpc-status").unwrap().to_owned());
    }
    assert_eq!(codes, ["16", "16", "16", "8", "8"]);
}
