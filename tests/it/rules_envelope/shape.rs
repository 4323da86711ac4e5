//! The detailed format: members, their order and their types, and what is never in them.

use http::StatusCode;
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{ErrorEnvelopeLayer, Rejection, RejectionKind, testing::ManualClock};

use super::{answer, enveloped};
use crate::{
    no_leak::Logs,
    support::{get, json, strict, text},
};

fn detailed() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed()
}

fn members(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

const MEMBERS: [&str; 8] = ["code", "message", "system_message", "type", "status", "details", "trace_id", "timestamp"];

#[tokio::test]
async fn r153_status_and_members_of_every_kind() {
    for kind in RejectionKind::ALL.iter().copied() {
        let response = enveloped(detailed(), Rejection::new(kind)).await;
        let status = response.status();
        assert_eq!(status, kind.status());
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = json(response).await;
        assert_eq!(members(&body), ["success", "error"]);
        assert_eq!(body["success"], false);
        let error = &body["error"];
        assert_eq!(members(error), MEMBERS, "{kind:?}");
        assert_eq!(error["status"], status.as_u16(), "{kind:?}");
        assert_eq!(error["details"], json!({}), "{kind:?}");
        let names = [
            "authentication_error",
            "authorization_error",
            "validation_error",
            "rate_limit_error",
            "client_error",
            "server_error",
        ];
        assert!(names.contains(&error["type"].as_str().unwrap()), "{kind:?}");
        assert!(MEMBERS[..3].iter().all(|name| !error[name].as_str().unwrap().is_empty()), "{kind:?}");
    }
}

#[tokio::test]
async fn r153_a_status_of_ones_own_is_told_as_it_is() {
    for (status, kind) in [
        (400, "client_error"),
        (401, "authentication_error"),
        (403, "authorization_error"),
        (409, "client_error"),
        (418, "client_error"),
        (422, "validation_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (599, "server_error"),
        (799, "client_error"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let response = enveloped(detailed(), Rejection::custom(status, "OWN")).await;
        assert_eq!(response.status(), status);
        let error = &json(response).await["error"];
        assert_eq!((&error["status"], &error["code"]), (&json!(status.as_u16()), &json!("OWN")));
        assert_eq!(error["type"], kind);
    }
}

#[tokio::test]
async fn r155_the_message_of_a_kind_is_constant_whatever_the_cause() {
    for kind in RejectionKind::ALL.iter().copied() {
        let plain = json(enveloped(detailed(), Rejection::new(kind)).await).await;
        let caused = Rejection::new(kind).cause("PLANTED cause").detail("field", "value");
        let caused = json(enveloped(detailed(), caused).await).await;
        for member in &MEMBERS[..4] {
            assert_eq!(plain["error"][member], caused["error"][member], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn r156_a_handlers_own_words_and_details() {
    let refusal = Rejection::custom(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND")
        .message("There is no such model.")
        .system_message("Unknown model id")
        .detail("model", "gpt-9")
        .detail("known", vec!["a".to_owned(), "b".to_owned()])
        .detail("count", 2_u64)
        .detail("model", "gpt-10".to_owned());
    let layer = detailed().clock(&ManualClock::at("2025-01-15T10:30:00.999Z"));
    let response = enveloped(layer, refusal).await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let expected = concat!(
        r#"{"success":false,"error":{"code":"MODEL_NOT_FOUND","message":"There is no such model.","#,
        r#""system_message":"Unknown model id","type":"client_error","status":404,"#,
        r#""details":{"model":"gpt-10","known":["a","b"],"count":2},"trace_id":"ID","timestamp":"2025-01-15T10:30:00Z"}}"#
    );
    assert_eq!(text(response).await, expected.replace("ID", &id));
}

/// A kind with a message of the handler's own keeps its code and type.
#[tokio::test]
async fn r156_words_can_be_replaced_one_by_one() {
    let body = json(enveloped(detailed(), Rejection::not_found().message("No such invoice.")).await).await;
    assert_eq!(body["error"]["code"], "NOT_FOUND");
    assert_eq!(body["error"]["message"], "No such invoice.");
    assert_eq!(body["error"]["system_message"], "Resource not found");
    let body = json(enveloped(detailed(), Rejection::custom(StatusCode::GONE, "GONE")).await).await;
    assert_eq!(body["error"]["message"], "Your request was refused.");
}

#[tokio::test]
async fn r157_member_names_are_plain() {
    let body = json(enveloped(detailed(), Rejection::not_found()).await).await;
    for name in members(&body).into_iter().chain(members(&body["error"])) {
        assert!(name.len() >= 3 && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
    }
}

#[tokio::test]
async fn r158_an_error_is_json_whatever_the_client_accepts() {
    for accept in ["text/html", "application/xml;q=1, */*;q=0", "nonsense", "", "image/*"] {
        let service = detailed().layer(strict(|_| Rejection::not_found().into_response()));
        let response = answer(service, get("/", &[("accept", accept)])).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{accept}");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}

#[tokio::test]
async fn r159_the_private_cause_is_logged_under_the_trace_id_and_never_sent() {
    for kind in RejectionKind::ALL.iter().copied() {
        let logs = Logs::capture();
        let refusal = Rejection::new(kind).cause("PLANTED: password=hunter2");
        let response = enveloped(detailed(), refusal).await;
        let headers = format!("{:?}", response.headers());
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let sent = headers + &text(response).await;
        assert!(!sent.contains("PLANTED") && !sent.contains("hunter2"), "{sent}");
        let log = logs.text();
        let line = log.lines().find(|line| line.contains("PLANTED")).unwrap_or_else(|| panic!("{kind:?}: {log:?}"));
        assert!(line.contains(&id), "{line}");
    }
}

#[tokio::test]
async fn r159_system_message_can_be_left_out() {
    let layer = detailed().without_system_message();
    let own = Rejection::custom(StatusCode::CONFLICT, "TAKEN").system_message("PLANTED");
    for refusal in [Rejection::not_found(), own] {
        let body = text(enveloped(layer.clone(), refusal).await).await;
        assert!(!body.contains("system_message") && !body.contains("PLANTED"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let left: Vec<&str> = MEMBERS.into_iter().filter(|name| *name != "system_message").collect();
        assert_eq!(members(&body["error"]), left);
    }
}

/// Whatever stands in a detail, the answer is one JSON text that reads back as what was put in.
#[tokio::test]
async fn r156_hostile_details_stay_details() {
    let controls: String = (0..0x20).map(|byte| char::from_u32(byte).unwrap()).collect();
    let hostile = [
        r#"","code":"OK","x":""#,
        "\\\"}}",
        "</script><script>alert(1)</script>",
        "line\r\nbreak\u{2028}\u{2029}",
        "nul\0del\x7f",
        "\u{feff}é🔑\u{10ffff}\u{d7ff}",
        &controls,
        "",
    ];
    for text in hostile {
        let refusal = Rejection::custom(StatusCode::BAD_REQUEST, text.to_owned())
            .message(text.to_owned())
            .system_message(text.to_owned())
            .detail(text.to_owned(), text.to_owned())
            .detail("list", vec![text.to_owned(), text.to_owned()]);
        let response = enveloped(detailed(), refusal).await;
        let sent = crate::support::text(response).await;
        assert!(sent.bytes().all(|byte| byte >= 0x20), "a control stands bare in {sent:?}");
        let body: Value = serde_json::from_str(&sent).unwrap();
        let error = &body["error"];
        assert_eq!(members(error), MEMBERS);
        assert_eq!([&error["code"], &error["message"], &error["system_message"]], [text; 3]);
        assert_eq!(error["details"][text], text);
        assert_eq!(error["details"]["list"], json!([text, text]));
    }
}
