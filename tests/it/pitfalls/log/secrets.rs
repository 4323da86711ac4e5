//! No key in a log: not in the events of this crate, and not in a `TraceLayer` outside that logs headers.

use std::{convert::Infallible, future::ready};

use http::{Request, Response};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ClientIp, ErrorEnvelopeLayer, PeerAddr, Quota, RateLimitLayer, Rejection,
    Secret, envelope::EnvelopeBody,
};
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use super::{keys, lacks, says};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store},
};

type Traced = TraceLayer<tower_http::classify::SharedClassifier<tower_http::classify::ServerErrorsAsFailures>>;

/// Logs the headers of every request.
fn traced() -> Traced {
    TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::ERROR).include_headers(true))
        .on_request(DefaultOnRequest::new().level(Level::ERROR))
        .on_response(DefaultOnResponse::new().level(Level::ERROR).include_headers(true))
}

fn stacks() -> Vec<AuthStack> {
    let (scheme, store) = store(super::record());
    let own = || ApiKeyLayer::new(scheme.clone(), store.clone()).header("x-my-key").bearer();
    let fixed = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).unwrap();
    let limit = RateLimitLayer::failures(Quota::per_minute(100), ClientIp::peer());
    vec![
        AuthStack::builder().auth(keys(false)).build().unwrap(),
        AuthStack::builder().auth(keys(true)).limit(limit).build().unwrap(),
        AuthStack::builder().auth(own()).build().unwrap(),
        AuthStack::builder().auth(AuthLayer::first(fixed).then(own()).strip_credentials()).build().unwrap(),
    ]
}

fn requests() -> Vec<Request<Body>> {
    let bearer = format!("Bearer {KEY}");
    let basic = format!("Basic {KEY}");
    let cookie = format!("session={KEY}");
    let mut all = Vec::new();
    for (name, value) in [
        ("x-api-key", KEY),
        ("x-my-key", KEY),
        ("authorization", &bearer),
        ("authorization", &basic),
        ("proxy-authorization", &basic),
        ("cookie", &cookie),
    ] {
        for lines in 1..=2 {
            all.push(get("/v1/files", &vec![(name, value); lines]));
        }
    }
    all
}

#[tokio::test]
async fn p84_a_trace_layer_outside_shows_no_key_in_the_documented_order() {
    for stack in stacks() {
        let names = stack.sensitive_headers();
        let service = ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new(stack.sensitive_headers()))
            .layer(traced())
            .layer(stack)
            .service(ok());
        for request in requests() {
            let marked = request.headers().keys().all(|name| names.contains(name));
            if !marked {
                continue; // Another stack's header.
            }
            let mut request = request;
            request.extensions_mut().insert(PeerAddr([192, 0, 2, 7].into()));
            let logs = Logs::capture();
            service.clone().oneshot(request).await.unwrap();
            let text = logs.text();
            says(&text, &["headers=", "Sensitive"]);
            lacks(&text, &[KEY, &KEY[3..20]]);
        }
    }
}

/// The list has the headers of all methods, each once, and those that are credentials of somebody else's.
#[test]
fn p84_the_list_of_sensitive_headers_is_whole() {
    let named: Vec<Vec<String>> =
        stacks().iter().map(|stack| stack.sensitive_headers().iter().map(ToString::to_string).collect()).collect();
    let well_known = ["authorization", "cookie", "proxy-authorization"];
    for (names, own) in
        named.iter().zip([&["x-api-key"][..], &["x-api-key"], &["x-my-key"], &["x-api-key", "x-my-key"]])
    {
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let mut expected: Vec<_> = own.iter().chain(&well_known).map(ToString::to_string).collect();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
    }
}

/// The test above finds what it is there to find.
#[tokio::test]
async fn p84_without_the_marks_a_trace_layer_outside_shows_the_key() {
    let logs = Logs::capture();
    let service = traced().layer(stacks().remove(0).layer(ok()));
    service.oneshot(get("/", &[("x-api-key", KEY)])).await.unwrap();
    says(&logs.text(), &[KEY]);
}

/// A key where no key belongs: in the query of any request, and in headers that nobody reads.
#[tokio::test]
async fn p84_a_key_in_the_query_or_a_foreign_header_is_in_no_event() {
    let targets = [
        format!("/v1/files?api_key={KEY}"),
        format!("/?{KEY}"),
        format!("/a?x=1&key={KEY}?again={KEY}"),
        format!("https://api.example.com/v1?k={KEY}"),
        format!("/%3f?{KEY}"),
    ];
    for stack in stacks() {
        for target in &targets {
            for header in ["x-other", "x-request-id", "referer", "x-forwarded-for", "user-agent"] {
                let logs = Logs::capture();
                let request = || {
                    let mut request =
                        get(target, &[(header, KEY), ("x-api-key", "ak_wrong"), ("x-my-key", "ak_wrong")]);
                    request.extensions_mut().insert(PeerAddr([192, 0, 2, 7].into()));
                    request
                };
                let refused = stack.layer(ok()).oneshot(request()).await.unwrap();
                // The future holds what is kept of the request.
                let fails = service_fn(|_| ready(Ok::<_, Infallible>(Rejection::internal("down").into_response())));
                let future = ErrorEnvelopeLayer::detailed().layer(fails).call(request());
                let kept = format!("{future:?}");
                let failed: Response<EnvelopeBody<Body>> = future.await.unwrap();
                let shown = format!("{kept} {:?} {:?}", refused.headers(), failed.headers());
                let log = logs.text();
                says(&log, &["INFO tower_auth: request refused", "ERROR tower_auth: request refused by a fault"]);
                lacks(&(shown + &log), &[KEY, &KEY[3..20]]);
            }
        }
    }
}
