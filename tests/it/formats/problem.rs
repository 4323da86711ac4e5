//! RFC 9457: rules 153 to 157.

use std::collections::HashMap;

use http::{StatusCode, Uri};
use serde_json::Value;
use tower_auth::{ErrorEnvelopeLayer, Rejection, RejectionKind};

use super::{NOW, TRACE_ID, TYPES, answered, shown};
use crate::support::{Body, json, strict};

fn both() -> [ErrorEnvelopeLayer; 2] {
    [ErrorEnvelopeLayer::problem_json(), ErrorEnvelopeLayer::problem_types(TYPES)]
}

async fn problem(layer: &ErrorEnvelopeLayer, refusal: &Rejection) -> Value {
    let response = shown(layer, &[], refusal).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    json(response).await
}

fn statuses() -> impl Iterator<Item = StatusCode> {
    [400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 429, 451, 500, 501, 502, 503, 504, 599, 799]
        .into_iter()
        .map(|status| StatusCode::from_u16(status).unwrap())
}

#[tokio::test]
async fn r153_the_status_member_is_the_status_line() {
    for layer in both() {
        let kinds = RejectionKind::ALL.iter().copied().map(Rejection::new);
        for refusal in kinds.chain(statuses().map(|status| Rejection::custom(status, "OWN"))) {
            let response = shown(&layer, &[], &refusal).await;
            let status = response.status();
            assert_eq!(status, refusal.status());
            assert_eq!(json(response).await["status"], status.as_u16());
        }
        // What was adopted keeps its own status, also where its kind has another.
        for status in statuses() {
            let handler = strict(move |_| http::Response::builder().status(status).body(Body::default()).unwrap());
            let response = answered(&layer.clone().adopt_foreign_errors(), &[], handler).await;
            if status.is_client_error() || status.is_server_error() {
                assert_eq!(response.status(), status);
                assert_eq!(json(response).await["status"], status.as_u16());
            }
        }
    }
}

#[tokio::test]
async fn r154_about_blank_has_the_phrase_of_the_status_as_its_title() {
    let kinds = RejectionKind::ALL.iter().copied().map(Rejection::new);
    for refusal in kinds.chain(statuses().map(|status| Rejection::custom(status, "OWN").message("Own words."))) {
        let shown = problem(&ErrorEnvelopeLayer::problem_json(), &refusal).await;
        assert_eq!(shown["type"], "about:blank");
        let title = shown["title"].as_str().unwrap();
        match refusal.status().canonical_reason() {
            Some(phrase) => assert_eq!(title, phrase),
            None => assert!(!title.is_empty()),
        }
    }
}

#[tokio::test]
async fn r154_a_type_is_a_uri_that_names_the_code() {
    let layer = ErrorEnvelopeLayer::problem_types(TYPES);
    let mut types = HashMap::new();
    for kind in RejectionKind::ALL.iter().copied() {
        let shown = problem(&layer, &Rejection::new(kind)).await;
        let uri: Uri = shown["type"].as_str().unwrap().parse().unwrap();
        let code = shown["code"].as_str().unwrap();
        assert_eq!(uri.to_string(), format!("{TYPES}{}", code.to_lowercase().replace('_', "-")));
        assert_eq!(types.insert(uri.to_string(), kind), None, "two kinds have one type");
    }
    // Whatever a handler calls its refusal, the type stays below the base, in characters that a URI may have.
    for hostile in ["../../elsewhere?x=1#y", "https://evil.example/", "a b\"<>", "größe", "a%2Fb", "\r\nset-cookie: a"]
    {
        let shown = problem(&layer, &Rejection::custom(StatusCode::CONFLICT, hostile)).await;
        let slug = shown["type"].as_str().unwrap().strip_prefix(TYPES).unwrap();
        assert!(slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{slug}");
        assert_eq!(shown["code"], hostile);
    }
}

/// `title` depends on the type and on nothing else; what is particular stands in `detail` and `details`.
#[tokio::test]
async fn r155_the_title_is_the_same_for_every_problem_of_a_type() {
    for layer in both() {
        for kind in RejectionKind::ALL.iter().copied() {
            let plain = Rejection::new(kind);
            let particular = plain.clone().message("The third one.").system_message("3").detail("n", 3_u64).cause("3");
            let (plain, particular) = (problem(&layer, &plain).await, problem(&layer, &particular).await);
            assert_eq!((&plain["type"], &plain["title"]), (&particular["type"], &particular["title"]));
            assert_eq!(particular["detail"], "The third one.");
            assert_ne!(plain["detail"], particular["detail"]);
        }
    }
    let layer = ErrorEnvelopeLayer::problem_types(TYPES);
    let mut titles = HashMap::new();
    for code in ["NAME_TAKEN", "name_taken", "name-taken", "NAME TAKEN", "OTHER"] {
        for status in statuses() {
            let shown = problem(&layer, &Rejection::custom(status, code)).await;
            let title = shown["title"].as_str().unwrap().to_owned();
            let first = titles.entry(shown["type"].as_str().unwrap().to_owned()).or_insert_with(|| title.clone());
            assert_eq!(title, *first, "{shown}");
        }
    }
    assert_eq!(titles.len(), 2);
    let shown = problem(&layer, &Rejection::new(RejectionKind::InvalidKey)).await;
    assert_eq!(shown["title"], "Invalid api key");
}

#[tokio::test]
async fn r156_every_member_has_its_json_type_and_details_is_not_detail() {
    for layer in both() {
        for kind in RejectionKind::ALL.iter().copied() {
            let refusal = Rejection::new(kind).detail("detail", "a text").detail("status", 1_u64);
            let shown = problem(&layer, &refusal).await;
            for member in ["type", "title", "detail", "code", "system_message", "trace_id", "timestamp"] {
                assert!(shown[member].is_string(), "{member}: {shown}");
            }
            assert!(shown["status"].is_u64() && shown["details"].is_object(), "{shown}");
            // A detail of a reserved name stays a detail.
            assert_eq!(shown["details"].to_string(), r#"{"detail":"a text","status":1}"#);
            assert_eq!(shown["status"], kind.status().as_u16());
            assert_eq!([&shown["trace_id"], &shown["timestamp"]], [TRACE_ID, NOW]);
        }
    }
}

#[tokio::test]
async fn r157_extension_names_are_plain_and_what_may_be_left_out_is() {
    const MEMBERS: [&str; 9] =
        ["type", "title", "status", "detail", "code", "system_message", "details", "trace_id", "timestamp"];
    for layer in both() {
        let shown = problem(&layer, &Rejection::not_found()).await;
        let names: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, MEMBERS);
        for name in &MEMBERS[4..] {
            assert!(name.len() >= 3 && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
        }
        let own = Rejection::not_found().system_message("PLANTED");
        let short = problem(&layer.without_system_message(), &own).await;
        assert!(short.get("system_message").is_none() && !short.to_string().contains("PLANTED"), "{short}");
        assert_eq!(short.as_object().unwrap().len(), MEMBERS.len() - 1);
    }
}
