//! Rules 167 to 173: refusals as gRPC clients read them. Decoded with `tonic` and `prost`, which know nothing of this
//! crate.

mod admitted;
mod details;
mod host;
mod refusals;
mod web;

use std::fmt::Write as _;

use http::{HeaderMap, Request, Response};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ApiKeyLayer, ErrorEnvelopeLayer, KeyRecord, Rejection, envelope::EnvelopeBody};

use crate::support::{Body, Strict, store, strict};

const TRACEPARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
const TRACE_ID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";

/// A gRPC call as `tonic` sends it, with these headers in front of its own.
fn call(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let own = [("content-type", "application/grpc"), ("te", "trailers"), TRACEPARENT];
    let own = own.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    let request = headers.iter().chain(own).fold(Request::post(path), |call, (name, value)| call.header(*name, *value));
    request.body(Body::default()).unwrap()
}

fn keys(record: KeyRecord) -> ApiKeyLayer {
    let (scheme, store) = store(record);
    ApiKeyLayer::new(scheme, store)
}

/// What an envelope makes of a handler's refusal.
async fn refused(
    layer: &ErrorEnvelopeLayer,
    headers: &[(&str, &str)],
    refusal: &Rejection,
) -> Response<EnvelopeBody<Body>> {
    let refusal = refusal.clone();
    answered(layer, headers, strict(move |_| refusal.clone().into_response())).await
}

async fn answered<F>(
    layer: &ErrorEnvelopeLayer,
    headers: &[(&str, &str)],
    handler: Strict<F>,
) -> Response<EnvelopeBody<Body>>
where
    F: Fn(Request<Body>) -> Response<Body> + Clone,
{
    layer.layer(handler).oneshot(call("/orders.v1.Orders/List", headers)).await.unwrap()
}

/// As tonic's client reads it.
fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers).unwrap_or_else(|| panic!("no grpc-status in {headers:?}"))
}

fn details(headers: &HeaderMap) -> ErrorDetails {
    status(headers).check_error_details().unwrap()
}

/// `google.rpc.Status`, with details of every type.
fn message(headers: &HeaderMap) -> tonic_types::pb::Status {
    tonic_types::pb::Status::decode(status(headers).details()).unwrap()
}

/// The names of the details, in their order.
fn kinds(headers: &HeaderMap) -> Vec<String> {
    let details = message(headers).details.into_iter();
    details.map(|any| any.type_url.strip_prefix("type.googleapis.com/google.rpc.").unwrap().to_owned()).collect()
}

/// The trailers in a text that is always the same for the same refusal: for the snapshot of all formats.
pub(crate) fn decoded(headers: &HeaderMap) -> String {
    let (status, details) = (status(headers), details(headers));
    let mut text = format!("decoded: {} ({:?}) {:?}\n", status.code() as i32, status.code(), status.message());
    for kind in kinds(headers) {
        let shown = match kind.as_str() {
            "ErrorInfo" => {
                let info = details.error_info().unwrap();
                let mut metadata: Vec<_> = info.metadata.iter().collect();
                metadata.sort();
                format!("reason {} domain {} metadata {metadata:?}", info.reason, info.domain)
            }
            "RetryInfo" => format!("{:?}", details.retry_info().unwrap().retry_delay.unwrap()),
            "QuotaFailure" => {
                let all = &details.quota_failure().unwrap().violations;
                format!("{:?}", all.iter().map(|one| (&one.subject, &one.description)).collect::<Vec<_>>())
            }
            "BadRequest" => {
                let all = &details.bad_request().unwrap().field_violations;
                format!("{:?}", all.iter().map(|one| (&one.field, &one.description)).collect::<Vec<_>>())
            }
            "RequestInfo" => details.request_info().unwrap().request_id.clone(),
            other => panic!("{other} is not in the design"),
        };
        writeln!(text, "  {kind}: {shown}").unwrap();
    }
    assert_eq!((message(headers).code, message(headers).message.as_str()), (status.code() as i32, status.message()));
    assert_ne!(status.code(), Code::Ok);
    text
}
