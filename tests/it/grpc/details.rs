//! Rule 170: `grpc-status-details-bin`, byte for byte as `prost` writes it.

use std::{collections::HashMap, time::Duration};

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, QuotaFailure, RequestInfo, RetryInfo, StatusExt as _};
use tower_auth::{ErrorEnvelopeLayer, Rejection, RejectionKind};

use super::{TRACE_ID, details, kinds, refused, status};

fn layer() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed()
}

async fn headers(refusal: &Rejection) -> http::HeaderMap {
    refused(&layer(), &[], refusal).await.headers().clone()
}

async fn reason(code: &str) -> String {
    let headers = headers(&Rejection::custom(StatusCode::CONFLICT, code.to_owned())).await;
    details(&headers).error_info().unwrap().reason.clone()
}

#[tokio::test]
async fn r170_every_kind_names_its_reason_its_domain_and_its_request() {
    for kind in RejectionKind::ALL.iter().copied() {
        let headers = headers(&Rejection::new(kind)).await;
        let details = details(&headers);
        let info = details.error_info().unwrap();
        assert!(!info.domain.is_empty() && info.metadata.is_empty(), "{info:?}");
        assert_is_reason(&info.reason);
        assert_eq!(details.request_info().unwrap().request_id, TRACE_ID);
        assert_eq!(headers["x-request-id"], TRACE_ID);
        let mut expected = vec!["ErrorInfo"];
        match kind {
            RejectionKind::RateLimited | RejectionKind::TooCostly => expected.push("QuotaFailure"),
            RejectionKind::MalformedRequest | RejectionKind::InvalidJson | RejectionKind::InvalidFields => {
                expected.push("BadRequest");
            }
            _ => {}
        }
        expected.push("RequestInfo");
        assert_eq!(kinds(&headers), expected, "{kind:?}");
    }
    let own = layer().grpc_domain("orders.example.com");
    let response = refused(&own, &[], &Rejection::new(RejectionKind::InvalidKey)).await;
    let info = details(response.headers()).error_info().unwrap().clone();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INVALID_API_KEY", "orders.example.com"));
}

/// `[A-Z][A-Z0-9_]+[A-Z0-9]`, 63 characters at most.
fn assert_is_reason(reason: &str) {
    let end = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    assert!((3..=63).contains(&reason.len()), "{reason}");
    assert!(reason.starts_with(|c: char| c.is_ascii_uppercase()) && reason.ends_with(end), "{reason}");
    assert!(reason.chars().all(|c| end(c) || c == '_'), "{reason}");
}

#[tokio::test]
async fn r170_a_reason_has_its_form_whatever_a_handler_calls_its_refusal() {
    for (code, expected) in [
        ("MODEL_NOT_FOUND", "MODEL_NOT_FOUND"),
        ("model_not_found", "MODEL_NOT_FOUND"),
        ("model-not found", "MODEL_NOT_FOUND"),
        ("_1_model_", "MODEL"),
    ] {
        assert_eq!(reason(code).await, expected);
    }
    let long = "A".repeat(62) + "__B";
    for code in
        ["", "A", "ab", "A_", "1234", "___", "é", "größe", "\r\n", "ABC_", &"A".repeat(64), &"a_".repeat(99), &long]
    {
        assert_is_reason(&reason(code).await);
    }
}

#[tokio::test]
async fn r170_details_are_metadata_in_camel_case() {
    let refusal = Rejection::new(RejectionKind::InsufficientPermissions)
        .detail("required_role", "admin")
        .detail("required_permissions", vec!["write".to_owned(), "admin".to_owned()])
        .detail("retry_after_ms", 30_u64)
        .detail("plain", "größe\n");
    let info = details(&headers(&refusal).await).error_info().unwrap().clone();
    let expected = [
        ("requiredRole", "admin"),
        ("requiredPermissions", "write,admin"),
        ("retryAfterMs", "30"),
        ("plain", "größe\n"),
    ];
    assert_eq!(info.metadata, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

/// "Keys must match `[a-z][a-zA-Z0-9-_]+` … limited to 64 characters" (`google/rpc/error_details.proto`).
#[tokio::test]
async fn r170_a_metadata_key_has_its_form_whatever_a_handler_calls_its_detail() {
    let long = "a".repeat(80);
    for name in ["Model", "MODEL_ID", "model id", "größe", "_private", "1st", "a.b", "x\r\ny", &long] {
        let refusal = Rejection::custom(StatusCode::CONFLICT, "OWN").detail(name.to_owned(), "value");
        let info = details(&headers(&refusal).await).error_info().unwrap().clone();
        let (key, value) = info.metadata.iter().next().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(plain), "{name:?} became {key:?}");
        assert!((2..=64).contains(&key.len()), "{name:?} became {key:?}");
        assert_eq!(value, "value");
    }
}

#[tokio::test]
async fn r170_a_wait_is_retry_info() {
    for (wait, told) in [(Duration::from_secs(30), 30), (Duration::from_millis(29_001), 30), (Duration::ZERO, 1)] {
        let refusal = Rejection::new(RejectionKind::RateLimited).retry_after(wait);
        let info = details(&headers(&refusal).await).retry_info().unwrap().clone();
        assert_eq!(info.retry_delay, Some(Duration::from_secs(told)));
    }
    let down = headers(&Rejection::unavailable("down")).await;
    assert_eq!(details(&down).retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    assert!(details(&headers(&Rejection::not_found()).await).retry_info().is_none());
}

#[tokio::test]
async fn r170_a_limit_is_a_quota_failure_and_a_wrong_request_names_its_field() {
    let limited = details(&headers(&Rejection::new(RejectionKind::RateLimited).message("Too much.")).await);
    let violations = &limited.quota_failure().unwrap().violations;
    assert_eq!(violations.len(), 1);
    assert!(!violations[0].subject.is_empty());
    assert_eq!(violations[0].description, "Too much.");
    for (refusal, field) in [
        (Rejection::new(RejectionKind::MalformedRequest).detail("header", "x-api-key"), "x-api-key"),
        (Rejection::new(RejectionKind::InvalidJson).detail("line", 3_u64), "body"),
        (Rejection::new(RejectionKind::InvalidFields), "body"),
    ] {
        let details = details(&headers(&refusal).await);
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!((violations.len(), violations[0].field.as_str()), (1, field), "{refusal:?}");
        assert!(!violations[0].description.is_empty());
    }
}

/// What `Rules` say of a path with two readings: the field is the path, not what is wrong with it.
#[tokio::test]
async fn r170_a_wrong_path_is_named_as_the_field() {
    let refusal = Rejection::new(RejectionKind::MalformedRequest).detail("path", "a dot segment");
    let details = details(&headers(&refusal).await);
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "path");
}

/// Each documented field that was wrong is a violation of its own.
#[tokio::test]
async fn r170_every_wrong_field_is_a_violation() {
    let refusal =
        Rejection::new(RejectionKind::InvalidFields).detail("fields", vec!["/email".to_owned(), "/age".to_owned()]);
    let details = details(&headers(&refusal).await);
    let fields: Vec<&str> =
        details.bad_request().unwrap().field_violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["/email", "/age"]);
}

/// The same messages, written by `prost`.
#[tokio::test]
async fn r170_the_bytes_are_those_of_prost() {
    let text = |refusal: &Rejection, status: &Status| (refusal.clone(), status.message().to_owned());
    let one = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
    let long = "ö".repeat(300);
    let cases: [(Rejection, Code, ErrorInfo, Vec<ErrorDetail>); 5] = [
        (
            Rejection::new(RejectionKind::RateLimited).detail("limit", u64::MAX).retry_after(Duration::from_secs(300)),
            Code::ResourceExhausted,
            ErrorInfo::new("RATE_LIMIT_EXCEEDED", "api", one("limit", "18446744073709551615")),
            vec![
                RetryInfo::new(Some(Duration::from_secs(300))).into(),
                QuotaFailure::with_violation("RATE_LIMIT_EXCEEDED", "MESSAGE").into(),
            ],
        ),
        (
            Rejection::new(RejectionKind::MalformedRequest).detail("header", "x-api-key"),
            Code::InvalidArgument,
            ErrorInfo::new("INVALID_REQUEST", "api", one("header", "x-api-key")),
            vec![BadRequest::with_violation("x-api-key", "MESSAGE").into()],
        ),
        (
            Rejection::not_found(),
            Code::Unimplemented,
            ErrorInfo::new("NOT_FOUND", "api", HashMap::<String, String>::new()),
            vec![],
        ),
        (
            Rejection::custom(StatusCode::CONFLICT, "OWN").message(long.clone()).detail("long", long.clone()),
            Code::Aborted,
            ErrorInfo::new("OWN", "api", one("long", &long)),
            vec![],
        ),
        (
            Rejection::unavailable("down"),
            Code::Unavailable,
            ErrorInfo::new("SERVICE_UNAVAILABLE", "api", HashMap::<String, String>::new()),
            vec![RetryInfo::new(Some(Duration::from_secs(1))).into()],
        ),
    ];
    for (refusal, code, info, more) in cases {
        let seen = status(&headers(&refusal).await);
        let (refusal, message) = text(&refusal, &seen);
        let more = more.into_iter().map(|detail| match detail {
            ErrorDetail::QuotaFailure(mut quota) => {
                quota.violations[0].description.clone_from(&message);
                quota.into()
            }
            ErrorDetail::BadRequest(mut bad) => {
                bad.field_violations[0].description.clone_from(&message);
                bad.into()
            }
            other => other,
        });
        let all: Vec<ErrorDetail> =
            [info.into()].into_iter().chain(more).chain([RequestInfo::new(TRACE_ID, "").into()]).collect();
        let theirs = Status::with_error_details_vec(code, &message, all);
        assert_eq!(seen.code(), code, "{refusal:?}");
        assert_eq!(seen.details(), theirs.details(), "{refusal:?}");
    }
}
