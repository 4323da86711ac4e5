//! Rules 140, 141 and 151: what the client sees in every format, and what nobody sees.

use std::{error::Error as _, fmt::Write as _};

use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    Detail, ErrorEnvelopeLayer, Rejection, RejectionKind,
    envelope::EnvelopeBody,
    json::{FieldViolation, JsonError},
};

use super::{fault, read, violations};
use crate::support::{Body, json, strict, text};

#[derive(Debug, PartialEq, Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(default)]
    tries: u8,
}

const TYPO: &str = r#"{"email_adress":"a@b.c","x/y":1,"password":7}"#;

fn refusal(text: &str) -> Rejection {
    read::<Login>(text).unwrap_err().into()
}

async fn enveloped(
    layer: ErrorEnvelopeLayer,
    headers: &[(&str, &str)],
    refusal: &Rejection,
) -> Response<EnvelopeBody<Body>> {
    let refusal = refusal.clone();
    let handler = strict(move |_| refusal.clone().into_response());
    let request = headers.iter().fold(Request::post("/"), |request, (name, value)| request.header(*name, *value));
    layer.layer(handler).oneshot(request.body(Body::default()).unwrap()).await.unwrap()
}

/// What a gRPC client sees.
async fn grpc(refusal: &Rejection) -> (Status, ErrorDetails) {
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let response = enveloped(ErrorEnvelopeLayer::detailed(), &headers, refusal).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    let details = status.check_error_details().unwrap();
    (status, details)
}

#[tokio::test]
async fn r141_what_is_no_json_is_400_with_line_and_column() {
    for (text, line, column) in [("{\n\"email\":\"é\",}", 2, 13), ("", 1, 1), (r#"{"email":"","email":""}"#, 1, 13)] {
        let error = fault(text);
        let refusal = refusal(text);
        assert_eq!((refusal.status(), refusal.kind()), (StatusCode::BAD_REQUEST, RejectionKind::InvalidJson));
        let details: Vec<(&str, &Detail)> = refusal.details().collect();
        assert_eq!(
            details,
            [
                ("line", &Detail::Number(line)),
                ("column", &Detail::Number(column)),
                ("reason", &Detail::Text(error.reason().into())),
            ]
        );
        let shown = [
            enveloped(ErrorEnvelopeLayer::detailed(), &[], &refusal).await,
            enveloped(ErrorEnvelopeLayer::problem_json(), &[], &refusal).await,
        ];
        for response in shown {
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            let body = json(response).await;
            let error_object = if body["error"].is_object() { &body["error"] } else { &body };
            let expected = json!({"line": line, "column": column, "reason": error.reason()});
            assert_eq!(error_object["details"].to_string(), expected.to_string());
            assert_eq!(error_object["code"], "INVALID_JSON");
        }
        let (status, details) = grpc(&refusal).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!((metadata["line"].clone(), metadata["column"].clone()), (line.to_string(), column.to_string()));
        assert_eq!(metadata["reason"], error.reason());
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "body");
    }
}

#[test]
fn r140_another_shape_is_422_with_the_fields() {
    let fields = violations::<Login>(TYPO);
    assert_eq!(fields.len(), 3);
    let expected = Detail::Fields(fields.clone());
    for refusal in [refusal(TYPO), JsonError::Fields(fields.clone()).into(), Rejection::invalid_fields(fields)] {
        assert_eq!(refusal.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refusal.kind(), RejectionKind::InvalidFields);
        assert_eq!(refusal.details().collect::<Vec<_>>(), [("fields", &expected)]);
        assert!(refusal.private_cause().is_none() && refusal.code().is_none());
    }
}

/// As it stands in a body, members in their order.
const FIELDS: &str = concat!(
    r#"{"fields":[{"pointer":"/email_adress","reason":"unknown field","suggestion":"email"},"#,
    r#"{"pointer":"/x~1y","reason":"unknown field","suggestion":null},"#,
    r#"{"pointer":"/password","reason":"expected a string, found an integer","suggestion":null}]}"#
);

#[tokio::test]
async fn r140_the_fields_stand_in_the_details_of_every_json_format() {
    let detailed = enveloped(ErrorEnvelopeLayer::detailed(), &[], &refusal(TYPO)).await;
    assert_eq!(detailed.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let detailed = text(detailed).await;
    assert!(detailed.contains(&format!(r#""details":{FIELDS},"#)), "{detailed}");
    let error = &serde_json::from_str::<Value>(&detailed).unwrap()["error"];
    assert_eq!((&error["code"], &error["type"]), (&json!("VALIDATION_ERROR"), &json!("validation_error")));

    let problem = enveloped(ErrorEnvelopeLayer::problem_json(), &[], &refusal(TYPO)).await;
    assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem.headers()["content-type"], "application/problem+json");
    let problem = text(problem).await;
    assert!(problem.contains(&format!(r#""details":{FIELDS},"#)), "{problem}");

    let compact = text(enveloped(ErrorEnvelopeLayer::compact(), &[], &refusal(TYPO)).await).await;
    assert!(compact.contains(&format!(r#""details":{FIELDS}"#)), "{compact}");
}

#[tokio::test]
async fn r140_each_field_is_a_violation_of_a_bad_request_in_grpc() {
    let (status, details) = grpc(&refusal(TYPO)).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = details.bad_request().unwrap().field_violations.iter();
    let told: Vec<(&str, &str)> = violations.map(|one| (one.field.as_str(), one.description.as_str())).collect();
    assert_eq!(
        told,
        [
            ("/email_adress", "unknown field"),
            ("/x~1y", "unknown field"),
            ("/password", "expected a string, found an integer"),
        ]
    );
    // They stand there alone.
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), &info.metadata), ("VALIDATION_ERROR", &std::collections::HashMap::new()));
    // A field of a handler's own goes the same way; one of another name stays what it is.
    let own = Rejection::invalid_fields([FieldViolation::new("/größe", "must be at most 10").suggest("/size")])
        .detail("hint", "see the manual");
    let (_, details) = grpc(&own).await;
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!((violations.len(), violations[0].field.as_str()), (1, "/größe"));
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!((metadata.len(), metadata["hint"].as_str()), (1, "see the manual"));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Loose {
    #[serde(flatten)]
    login: Login,
}

/// A type that cannot be read strictly is a fault of the service, and no client can correct it.
#[tokio::test]
async fn r140_a_type_that_cannot_be_read_is_500_and_nothing_is_told_of_it() {
    for text in [r#"{"email":"a@b.c","password":"x"}"#, TYPO, "[]", "{"] {
        let error = read::<Loose>(text).unwrap_err();
        assert!(matches!(error, JsonError::Type(_)), "{text}: {error}");
        assert_eq!(error.to_string(), "the type cannot be read strictly: it has #[serde(flatten)]");
        let refusal = Rejection::from(error.clone());
        assert_eq!((refusal.status(), refusal.kind()), (StatusCode::INTERNAL_SERVER_ERROR, RejectionKind::Internal));
        assert_eq!(refusal.details().count(), 0);
        // It is there for the reader of the log.
        assert_eq!(refusal.private_cause().unwrap().to_string(), error.to_string());
        for layer in [ErrorEnvelopeLayer::detailed(), ErrorEnvelopeLayer::problem_json(), ErrorEnvelopeLayer::compact()]
        {
            let response = enveloped(layer, &[], &refusal).await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let sent = crate::support::text(response).await;
            assert!(["serde", "flatten", "strict", "Loose", "email"].iter().all(|word| !sent.contains(word)), "{sent}");
        }
        let (status, details) = grpc(&refusal).await;
        assert_eq!(status.code(), Code::Internal);
        assert!(details.bad_request().is_none() && !format!("{status:?} {details:?}").contains("flatten"));
    }
}

/// However many there are, the answer can be sent.
#[tokio::test]
async fn r151_the_longest_list_fits_into_every_answer() {
    let name = "\u{202e}".repeat(1000);
    let members: Vec<String> = (0..100).map(|place| format!("\"{place}{name}\":1")).collect();
    let refusal = refusal(&format!("{{{}}}", members.join(",")));
    let Some((_, Detail::Fields(fields))) = refusal.details().next() else { panic!("{refusal:?}") };
    assert_eq!(fields.len(), 34);
    assert_eq!(fields.iter().filter(|field| field.reason() == "missing field").count(), 1);
    for layer in [ErrorEnvelopeLayer::detailed(), ErrorEnvelopeLayer::problem_json(), ErrorEnvelopeLayer::compact()] {
        let sent = text(enveloped(layer, &[], &refusal).await).await;
        assert!(sent.len() < 40 * 1024 && !sent.contains('\u{202e}'), "{}", sent.len());
        serde_json::from_str::<Value>(&sent).unwrap();
    }
    let (status, details) = grpc(&refusal).await;
    assert!(status.details().len() <= 3 * 1024, "{}", status.details().len());
    assert_eq!(details.error_info().unwrap().reason, "VALIDATION_ERROR");
}

/// Every text that somebody may log or send.
fn shown(error: &JsonError) -> String {
    let refusal = Rejection::from(error.clone());
    let source = error.source().map(|source| format!("{source} {source:?}"));
    format!("{error} {error:?} {error:#?} {source:?} {refusal} {refusal:?} {refusal:#?}")
}

#[derive(Debug, PartialEq, Deserialize)]
enum Role {
    Admin,
    User(u8),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Account {
    password: u8,
    role: Role,
    pin: [u8; 4],
    letter: char,
    active: bool,
    address: std::net::IpAddr,
    unit: (),
    list: Vec<String>,
}

/// What a client sends as a value comes out nowhere, whatever is wrong with it. Words of a type's own are its own.
#[tokio::test]
async fn r151_a_value_is_in_no_text() {
    const SECRET: &str = "hunter2-Zq7Xw9Vk3";
    const NUMBER: &str = "8675309867";
    let values = [
        format!("\"{SECRET}\""),
        NUMBER.to_owned(),
        format!("-{NUMBER}"),
        format!("{NUMBER}.5"),
        format!("[\"{SECRET}\"]"),
        format!("[{NUMBER}]"),
        format!("{{\"x\":\"{SECRET}\"}}"),
        format!("{{\"User\":\"{SECRET}\"}}"),
        format!("{{\"User\":{NUMBER}}}"),
    ];
    let fields = ["password", "role", "pin", "letter", "active", "address", "unit", "unknown", "passwort"];
    let mut texts = Vec::new();
    for value in &values {
        texts.extend(fields.map(|field| format!("{{\"{field}\":{value}}}")));
        texts.push(format!("{{\"list\":[{value},7]}}"));
        texts.push(value.clone());
        // No JSON, at the value and behind it.
        texts.extend(fields.map(|field| format!("{{\"{field}\":{value},}}")));
        texts.extend(fields.map(|field| format!("{{\"{field}\":{value}{value}}}")));
        texts.push(format!("{{\"password\":{value},\"password\":{value}}}"));
        texts.push(format!("{{\"password\":\"{SECRET}\n{value}\"}}"));
        texts.push(format!("{{\"password\":\"{SECRET}\\ud800{value}\"}}"));
        texts.push(format!("{{\"password\":{NUMBER}e999,\"role\":{value}}}"));
    }
    for text in texts {
        let error = read::<Account>(&text).expect_err(&text);
        let mut out = shown(&error);
        let refusal = Rejection::from(error);
        for layer in [ErrorEnvelopeLayer::detailed(), ErrorEnvelopeLayer::problem_json()] {
            let response = enveloped(layer, &[], &refusal).await;
            write!(out, "{:?}", response.headers()).unwrap();
            out += &crate::support::text(response).await;
        }
        let (status, details) = grpc(&refusal).await;
        write!(out, "{status:?} {details:?}").unwrap();
        for secret in [SECRET, NUMBER] {
            assert!(!out.contains(&secret[..7]), "{text}: {out}");
        }
    }
}

#[test]
fn field_violations_are_written_in_one_line() {
    let plain = FieldViolation::new("/a/0", "unknown field");
    assert_eq!(plain.to_string(), r#""/a/0": unknown field"#);
    assert_eq!((plain.pointer(), plain.reason(), plain.suggestion()), ("/a/0", "unknown field", None));
    let meant = plain.clone().suggest("b");
    assert_eq!(meant.to_string(), r#""/a/0": unknown field (did you mean "b"?)"#);
    assert_eq!(meant.suggestion(), Some("b"));
    assert_eq!(
        JsonError::Fields(vec![plain, meant]).to_string(),
        concat!(
            r#"the JSON does not have the documented shape; "/a/0": unknown field; "#,
            r#""/a/0": unknown field (did you mean "b"?)"#
        )
    );
}
