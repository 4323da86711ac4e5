//! tonic itself: its client reads our refusals, its requests tell who is calling, its `Status` is made of a rejection.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response, StatusCode};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_health::{
    pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    server::health_reporter,
};
use tonic_types::StatusExt as _;
use tower::{Layer, Service, ServiceExt as _, util::BoxCloneSyncService};
use tower_auth::{
    AuthLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Principal, Rejection, RejectionKind, RequestExt as _, Rules,
    permission::scope, testing::FakeAuth,
};

use super::{TRACE_ID, call, details, keys, refused, status};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, strict},
};

fn check() -> HealthCheckRequest {
    HealthCheckRequest { service: String::new() }
}

#[tokio::test]
async fn r167_tonics_own_client_reads_admissions_and_refusals() {
    let rules = Rules::new().require("/grpc.health.v1.Health/Check", scope("read")).otherwise_deny();
    for (scopes, key, expected) in [
        (&["read"][..], Some(KEY), Ok(())),
        (&["read"], None, Err((Code::Unauthenticated, "AUTHENTICATION_REQUIRED"))),
        (&["read"], Some("ak_wrong"), Err((Code::Unauthenticated, "INVALID_API_KEY"))),
        (&[], Some(KEY), Err((Code::PermissionDenied, "INSUFFICIENT_PERMISSIONS"))),
    ] {
        let keys = keys(KeyRecord::new("k1", "acme").scopes(scopes.iter().copied()));
        let stack = AuthStack::builder().auth(keys).rules(rules.clone()).build().unwrap();
        let mut client = HealthClient::new(stack.layer(health_reporter().1));
        let mut request = tonic::Request::new(check());
        if let Some(key) = key {
            request.metadata_mut().insert("x-api-key", key.parse().unwrap());
        }
        let answer = client.check(request).await;
        match (answer, expected) {
            (Ok(answer), Ok(())) => {
                assert_eq!(answer.get_ref().status, ServingStatus::Serving as i32);
                let names: Vec<_> = answer.metadata().as_ref().keys().map(http::HeaderName::as_str).collect();
                assert!(
                    names.iter().all(|name| ["content-type", "grpc-status", "x-request-id"].contains(name)),
                    "{names:?}"
                );
            }
            (Err(status), Err((code, reason))) => {
                assert_eq!(status.code(), code);
                let info = status.get_details_error_info().unwrap();
                assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "api"));
                let id = status.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
                assert_eq!(status.get_details_request_info().unwrap().request_id, id);
                for name in ["www-authenticate", "retry-after", "cache-control", "vary", "allow", "content-length"] {
                    assert!(!status.metadata().contains_key(name), "{name}: {:?}", status.metadata());
                }
            }
            (answer, _) => panic!("{key:?}: {answer:?}"),
        }
    }
}

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What `request.principal()` says inside a tonic service behind this layer, and whether it is known that nobody is
/// calling.
async fn principal<L>(layer: L, headers: &[(&str, &str)]) -> (StatusCode, Option<Result<Principal, Status>>, bool)
where
    L: Layer<Handler>,
    L::Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let seen = Arc::new(Mutex::new((None, false)));
    let inside = Arc::clone(&seen);
    let handler = strict(move |request: Request<Body>| {
        // As tonic's generated servers make theirs.
        let (parts, body) = request.into_parts();
        let request = tonic::Request::from_parts(MetadataMap::from_headers(parts.headers), parts.extensions, body);
        let who = request.principal().cloned().map_err(Status::from);
        *inside.lock().unwrap() = (Some(who), request.anonymous().is_some());
        Response::new(Body::default())
    });
    let service = layer.layer(BoxCloneSyncService::new(handler));
    let response = service.oneshot(call("/a.B/C", headers)).await.unwrap();
    let (who, anonymous) = seen.lock().unwrap().clone();
    (response.status(), who, anonymous)
}

#[tokio::test]
async fn r169_a_tonic_request_tells_who_is_calling() {
    let keys = || keys(KeyRecord::new("k1", "acme").scopes(["read"]));
    let (_, who, anonymous) = principal(keys(), &[("x-api-key", KEY)]).await;
    assert_eq!((who.unwrap().unwrap().subject(), anonymous), ("acme", false));

    // A visitor, whom an optional layer let in.
    let (_, who, anonymous) = principal(keys().optional(), &[]).await;
    let refusal = who.unwrap().unwrap_err();
    assert_eq!((refusal.code(), anonymous), (Code::Unauthenticated, true));
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "AUTHENTICATION_REQUIRED");
    let (_, who, anonymous) = principal(AuthLayer::from(FakeAuth::never()).report_only(), &[]).await;
    assert_eq!((who.unwrap().unwrap_err().code(), anonymous), (Code::Unauthenticated, true));

    // Nobody was asked.
    let (http, who, _) = principal(keys(), &[("x-api-key", "ak_wrong")]).await;
    assert!(who.is_none());
    assert_eq!(http, StatusCode::UNAUTHORIZED, "a gate without an envelope speaks HTTP");
}

#[tokio::test]
async fn p05_a_tonic_request_behind_nothing_is_a_mounting_error() {
    let logs = Logs::capture();
    let (_, who, anonymous) = principal(tower::layer::util::Identity::new(), &[("x-api-key", KEY)]).await;
    let refusal = who.unwrap().unwrap_err();
    assert_eq!((refusal.code(), anonymous), (Code::Internal, false));
    assert!(!refusal.message().contains("AuthStack"), "{}", refusal.message());
    let lines = logs.text();
    assert!(lines.contains("ERROR") && lines.contains("AuthStack"), "the log names what to mount: {lines}");
    // Nor does an extension that a client or a careless layer put there count.
    let mut forged = tonic::Request::new(());
    forged.extensions_mut().insert(Principal::builder("mallory").build());
    assert_eq!(forged.principal().unwrap_err().kind(), RejectionKind::Internal);
}

/// The status that a handler returns is the one that the envelope would have sent, but for the request's id, which it
/// cannot know.
#[tokio::test]
async fn r169_a_rejection_becomes_the_status_that_the_envelope_sends() {
    let own = Rejection::custom(StatusCode::FORBIDDEN, "WRONG_ORG").message("größe\n100%").detail("org_id", "o1");
    let all = RejectionKind::ALL.iter().copied().map(Rejection::new);
    for refusal in all.chain([own, Rejection::unavailable("PLANTED"), Rejection::internal("PLANTED")]) {
        let sent = status(refused(&ErrorEnvelopeLayer::detailed(), &[], &refusal).await.headers());
        let made = Status::from(refusal.clone());
        assert_eq!((made.code(), made.message()), (sent.code(), sent.message()));
        let (mut sent, made) = (sent.check_error_details_vec().unwrap(), made.check_error_details_vec().unwrap());
        assert!(matches!(sent.pop(), Some(tonic_types::ErrorDetail::RequestInfo(_))));
        assert_eq!(format!("{made:?}"), format!("{sent:?}"), "{refusal:?}");
        let shown = format!("{:?}", Status::from(refusal));
        assert!(!shown.contains("PLANTED"), "{shown}");
    }
}

#[test]
fn p65_an_internal_error_is_internal_and_says_nothing_of_it() {
    let status = Status::from(Rejection::internal("disk /dev/sdb1 is full"));
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().is_empty() && !format!("{status:?}").contains("sdb1"), "{status:?}");
    assert_eq!(Status::from(Rejection::not_found()).code(), Code::Unimplemented);
    assert_eq!(Status::from(Rejection::invalid_credentials()).code(), Code::Unauthenticated);
}

/// What a handler makes a status of reaches the log once, under the request's id, and the client reads it in the
/// service's own terms.
#[tokio::test]
async fn r159_r170_a_status_that_was_a_rejection_is_logged_and_named_by_the_envelope() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&told);
    let envelope = ErrorEnvelopeLayer::detailed().grpc_domain("orders.example.com");
    let stack = AuthStack::builder()
        .auth(FakeAuth::always(Principal::builder("alice").build()))
        .envelope(envelope)
        .on_decision(move |decision| observed.lock().unwrap().push((decision.layer(), decision.kind())))
        .build()
        .unwrap();
    let handler = strict(|_| Status::from(Rejection::internal("disk /dev/sdb1 is full")).into_http());
    let logs = Logs::capture();
    let response = stack.layer(handler).oneshot(call("/a.B/C", &[])).await.unwrap();
    let lines = logs.text();
    let causes: Vec<&str> = lines.lines().filter(|line| line.contains("sdb1")).collect();
    assert!(causes.len() == 1 && causes[0].contains("ERROR") && causes[0].contains(TRACE_ID), "{lines}");
    assert_eq!(*told.lock().unwrap(), [("gate", None), ("handler", Some(RejectionKind::Internal))]);
    let details = details(response.headers());
    assert_eq!(details.error_info().unwrap().domain, "orders.example.com");
    assert_eq!(details.request_info().unwrap().request_id, TRACE_ID);
    assert_eq!(response.headers()["x-request-id"], TRACE_ID);
    let seen = status(response.headers());
    assert!(seen.code() == Code::Internal && !format!("{seen:?} {:?}", response.headers()).contains("sdb1"));
}

/// A status that never was a rejection of ours is the service's own.
#[tokio::test]
async fn r167_a_status_of_the_handlers_own_is_left_alone() {
    let handler = strict(|_| Status::already_exists("own").into_http());
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let response = layer.layer(handler).oneshot(call("/a.B/C", &[])).await.unwrap();
    let seen = status(response.headers());
    assert_eq!((seen.code(), seen.message(), seen.details()), (Code::AlreadyExists, "own", &[][..]));
    assert!(Rejection::of(&response).is_none());
}
