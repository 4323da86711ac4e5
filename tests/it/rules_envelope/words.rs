//! Catalogues: every text is replaceable, and a second documented API speaks its own words.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Rejection, RejectionKind,
    envelope::{Catalogue, CatalogueEntry},
    permission::from_fn,
    testing::ManualClock,
};

use super::{answer, enveloped};
use crate::support::{KEY, get, json, ok, store};

#[tokio::test]
async fn r154_no_two_kinds_share_a_code_or_a_text() {
    for member in ["code", "message", "system_message"] {
        let mut seen = HashSet::new();
        for kind in RejectionKind::ALL.iter().copied() {
            let mut body = json(enveloped(ErrorEnvelopeLayer::detailed(), Rejection::new(kind)).await).await;
            assert!(seen.insert(body["error"][member].take().to_string()), "{kind:?}: {member}");
        }
    }
}

#[test]
fn r154_codes_are_upper_case_words() {
    let _ = Catalogue::default().map(|kind, words| {
        let shown = format!("{words:?}");
        let code = shown.split('"').nth(1).unwrap();
        assert!(!code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{kind:?}: {code}");
        words
    });
}

#[tokio::test]
async fn r154_every_text_of_every_kind_can_be_replaced() {
    let own = |kind: RejectionKind| {
        let text = |member: &str| format!("{member} of {kind:?}");
        CatalogueEntry::new(text("code"))
            .message(text("message"))
            .system_message(text("system"))
            .error_type(text("type"))
    };
    let one_by_one =
        RejectionKind::ALL.iter().copied().fold(Catalogue::default(), |all, kind| all.with(kind, own(kind)));
    let at_once = Catalogue::default().map(|kind, _| own(kind));
    assert_eq!(one_by_one, at_once);
    for kind in RejectionKind::ALL.iter().copied() {
        let body =
            json(enveloped(ErrorEnvelopeLayer::detailed().catalogue(at_once.clone()), Rejection::new(kind)).await)
                .await;
        for (member, text) in [("code", "code"), ("message", "message"), ("system_message", "system"), ("type", "type")]
        {
            assert_eq!(body["error"][member], format!("{text} of {kind:?}"));
        }
        // Replacing one leaves all others.
        let changed = Catalogue::default().with(kind, own(kind));
        for other in RejectionKind::ALL.iter().copied().filter(|other| *other != kind) {
            let refusal = Rejection::new(other);
            let body = json(enveloped(ErrorEnvelopeLayer::detailed().catalogue(changed.clone()), refusal).await).await;
            assert!(!body.to_string().contains(&format!(" of {kind:?}")), "{other:?} changed with {kind:?}: {body}");
        }
    }
}

/// The words of document 002 of the seeds.
fn second_catalogue() -> Catalogue {
    let invalid = || {
        CatalogueEntry::new("INVALID_API_KEY")
            .message("The API key provided is invalid or has expired.")
            .system_message("API key validation failed")
    };
    let denied = CatalogueEntry::new("INSUFFICIENT_PERMISSIONS")
        .message("You don't have permission to access this resource.")
        .system_message("Insufficient permissions for this operation");
    let catalogue = Catalogue::default().map(|_, words| words.error_type("client_error"));
    [RejectionKind::InvalidKey, RejectionKind::MissingCredential, RejectionKind::ExpiredKey]
        .into_iter()
        .fold(catalogue, |catalogue, kind| catalogue.with(kind, invalid()))
        .with(RejectionKind::InsufficientPermissions, denied)
}

/// Its two examples, as they stand there.
const INVALID: &str = r#"{
"success": false,
"error": {
"code": "INVALID_API_KEY",
"message": "The API key provided is invalid or has expired.",
"system_message": "API key validation failed",
"type": "client_error",
"status": 401,
"details": {},
"trace_id": "abc-123-def",
"timestamp": "2025-12-22T15:30:00Z"
}
}"#;
const DENIED: &str = r#"{
"success": false,
"error": {
"code": "INSUFFICIENT_PERMISSIONS",
"message": "You don't have permission to access this resource.",
"system_message": "Insufficient permissions for this operation",
"type": "client_error",
"status": 403,
"details": {},
"trace_id": "abc-123-def",
"timestamp": "2025-12-22T15:30:00Z"
}
}"#;

#[tokio::test]
async fn r159_document_002_is_spoken_word_for_word() {
    let (scheme, store) = store(KeyRecord::new("k1", "acme"));
    let stack = AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme, store))
        .require(from_fn(|_, request| request.uri().path() != "/restricted"))
        .envelope(ErrorEnvelopeLayer::detailed().catalogue(second_catalogue()))
        .clock(&ManualClock::at("2025-12-22T15:30:00Z"))
        .build()
        .unwrap();
    for (path, key, example, status) in [
        ("/", "", INVALID, StatusCode::UNAUTHORIZED),
        ("/", "ak_malformed", INVALID, StatusCode::UNAUTHORIZED),
        ("/", &KEY.replace('1', "2"), INVALID, StatusCode::UNAUTHORIZED),
        ("/restricted", KEY, DENIED, StatusCode::FORBIDDEN),
    ] {
        let response = answer(stack.layer(ok()), get(path, &[("x-api-key", key)])).await;
        assert_eq!(response.status(), status);
        let mut expected: Value = serde_json::from_str(example).unwrap();
        // The example's id is no UUID; by rule 160 ours is, and by rule 165 it is the request's.
        expected["error"]["trace_id"] = response.headers()["x-request-id"].to_str().unwrap().into();
        // As texts, so that the order of the members counts.
        assert_eq!(json(response).await.to_string(), expected.to_string());
    }
    assert_eq!(answer(stack.layer(ok()), get("/", &[("x-api-key", KEY)])).await.status(), StatusCode::OK);
}
