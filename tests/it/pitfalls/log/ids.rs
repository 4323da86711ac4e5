//! An `x-request-id` that a request brings is kept where the envelope is set to keep it, and nowhere else.

use std::sync::{Arc, Mutex};

use http::{HeaderValue, Request, Response, Version};
use tonic_types::StatusExt as _;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, ErrorEnvelopeLayer, Rejection, RequestExt as _, RequestId, TraceId};

use super::{Seen, keys, says};
use crate::{
    no_leak::Logs,
    support::{Body, get, json, strict},
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PARENTS: &str = "0af76519-16cd-43dd-8448-eb211c80319c";
const UUID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";

/// What everybody is shown of a refused request: the client, the handler, the observer and the log agree on the id.
struct Shown {
    id: String,
    trace: String,
}

async fn ask(layer: ErrorEnvelopeLayer, headers: &[(&str, &str)]) -> Shown {
    let seen = Seen::default();
    let handlers: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let stack = AuthStack::builder().auth(keys(false).optional()).envelope(layer).on_decision(seen.observer());
    let inner = Arc::clone(&handlers);
    let handler = strict(move |request: Request<Body>| {
        let trace = request.trace_id().unwrap().to_string();
        *inner.lock().unwrap() = Some((request.request_id().unwrap().to_string(), trace));
        Rejection::not_found().into_response()
    });
    let logs = Logs::capture();
    let mut request = get("/v1", &[]);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let response = stack.build().unwrap().layer(handler).oneshot(request).await.unwrap();
    let ids: Vec<_> = response.headers().get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let id = ids[0].to_str().unwrap().to_owned();
    assert_eq!(json(response).await["error"]["trace_id"], id.as_str());
    let (handlers, trace) = handlers.lock().unwrap().take().unwrap();
    assert_eq!(handlers, id);
    says(&seen.take()[0], &[&format!("id={id}")]);
    says(&logs.text(), &[&format!("trace_id={id}\n")]);
    Shown { id, trace }
}

fn keeping() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed().keep_request_ids()
}

#[tokio::test]
async fn p84_a_harmless_request_id_is_kept_as_it_came() {
    let long = "x".repeat(128);
    for id in ["1", "req_7Hq2-9:a+b/c=d@e.f", "0", UUID, &UUID.to_ascii_uppercase(), &UUID.replace('-', ""), &long] {
        let shown = ask(keeping(), &[("x-request-id", id)]).await;
        assert_eq!(shown.id, id);
        // Without the option, it is not read.
        assert_ne!(ask(ErrorEnvelopeLayer::detailed(), &[("x-request-id", id)]).await.id, id);
    }
    for id in [UUID, &UUID.to_ascii_uppercase(), &UUID.replace('-', "")] {
        assert_eq!(ask(keeping(), &[("x-request-id", id)]).await.trace, UUID);
    }
}

#[tokio::test]
async fn p84_any_other_request_id_is_replaced() {
    let long = "x".repeat(129);
    let huge = "x".repeat(100_000);
    for lines in [
        &[][..],
        &[""],
        &[" "],
        &["a b"],
        &["a\tb"],
        &["a\"b"],
        &["a'b"],
        &["a\\b"],
        &["a,b"],
        &["a;b"],
        &["a%0ab"],
        &["<script>"],
        &["${jndi:ldap://x}"],
        &["{}"],
        &["é"],
        &["\u{202e}"],
        &["a\u{85}"],
        &[&long],
        &[&huge],
        &["one", "two"],
        &["one", "one"],
        &["one", ""],
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("x-request-id", *line)).collect();
        let shown = ask(keeping(), &headers).await;
        assert!(shown.id == shown.trace && shown.id.len() == 36, "{lines:?}: {}", shown.id);
        assert!(!lines.contains(&shown.id.as_str()));
    }
}

/// The table on the page of `keep_request_ids`.
#[tokio::test]
async fn p84_a_kept_id_and_a_traceparent_live_side_by_side() {
    let (id, parent) = (("x-request-id", "req-1"), ("traceparent", PARENT));
    let both = ask(keeping(), &[id, parent]).await;
    assert_eq!((both.id.as_str(), both.trace.as_str()), ("req-1", PARENTS));
    let parents = ask(keeping(), &[parent]).await;
    assert_eq!((parents.id.as_str(), parents.trace.as_str()), (PARENTS, PARENTS));
    let alone = ask(keeping(), &[id]).await;
    assert!(alone.id == "req-1" && alone.trace.len() == 36 && alone.trace != PARENTS);
    let of_both = ask(keeping(), &[("x-request-id", UUID), parent]).await;
    assert_eq!((of_both.id.as_str(), of_both.trace.as_str()), (UUID, PARENTS));
    for layer in [keeping().restart_traces(), ErrorEnvelopeLayer::detailed().restart_traces().keep_request_ids()] {
        let restarted = ask(layer.clone(), &[id, parent]).await;
        assert!(restarted.id == "req-1" && restarted.trace != PARENTS);
        let new = ask(layer, &[parent]).await;
        assert!(new.id == new.trace && new.id != PARENTS);
    }
    let other = ask(ErrorEnvelopeLayer::detailed(), &[id, parent]).await;
    assert_eq!((other.id.as_str(), other.trace.as_str()), (PARENTS, PARENTS));
}

/// Admitted requests, gRPC, other formats, and envelopes in envelopes.
#[tokio::test]
async fn p84_a_kept_id_is_shown_in_every_shape() {
    let headers = [("x-request-id", "req-1")];
    let served = keeping().layer(crate::support::ok()).oneshot(get("/", &headers)).await.unwrap();
    assert_eq!(served.headers()["x-request-id"], "req-1");
    let refused = || strict(|_| Rejection::not_found().into_response());
    let problem = ErrorEnvelopeLayer::problem_json().keep_request_ids();
    let response = problem.layer(refused()).oneshot(get("/", &headers)).await.unwrap();
    assert_eq!(json(response).await["trace_id"], "req-1");
    // The outermost decides.
    for (outer, inner, kept) in
        [(keeping(), ErrorEnvelopeLayer::compact(), true), (ErrorEnvelopeLayer::compact(), keeping(), false)]
    {
        let response = outer.layer(inner.layer(refused())).oneshot(get("/", &headers)).await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == "req-1", kept);
        assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    }
    let mut request = get("/a.B/C", &[("x-request-id", "req-1"), ("content-type", "application/grpc")]);
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = Version::HTTP_2;
    let response = keeping().layer(refused()).oneshot(request).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.get_details_request_info().unwrap().request_id, "req-1");
    assert_eq!(response.headers()["x-request-id"], "req-1");
    // A handler's own stays where nothing is refused.
    let own = strict(|_| Response::builder().header("x-request-id", "own").body(Body::default()).unwrap());
    let response = keeping().layer(own).oneshot(get("/", &headers)).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "own");
}

#[test]
fn p84_an_id_is_a_text() {
    let trace = TraceId::random();
    let id = RequestId::from(trace);
    assert_eq!(id.to_string(), trace.to_string());
    assert_eq!(serde_json::to_value(&id).unwrap(), trace.to_string());
    assert_eq!(format!("{id:?}"), format!("RequestId({trace})"));
    assert_eq!(id.trace_id(), trace);
}
