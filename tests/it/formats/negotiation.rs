//! Rule 158: which format a client gets, by what it says in `Accept`.

use http::{Method, Request, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ErrorEnvelopeLayer, Rejection};

use super::{answered, shown};
use crate::support::{Body, json, strict, text};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

async fn media(layer: &ErrorEnvelopeLayer, accept: &[&str]) -> String {
    let lines: Vec<(&str, &str)> = accept.iter().map(|line| ("accept", *line)).collect();
    let response = shown(layer, &lines, &Rejection::not_found()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND, "never 406: {accept:?}");
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = json(response).await;
    assert_eq!(media == PROBLEM, body.get("title").is_some(), "the media type is that of the body: {body}");
    media
}

#[tokio::test]
async fn r158_problem_details_go_to_whoever_names_them() {
    let layer = ErrorEnvelopeLayer::detailed().or_problem_json();
    for accept in [
        &[PROBLEM][..],
        &["Application/Problem+JSON"],
        &["text/html, application/problem+json;q=0.9, */*;q=0.1"],
        &["application/problem+json;q=0.001"],
        &["application/problem+json; charset=utf-8"],
        &["application/problem+json;q=1.000"],
        &[" application/problem+json ,*/*"],
        &["text/html", PROBLEM],
        &["*/*;q=0", PROBLEM],
        &[",, application/problem+json,"],
    ] {
        assert_eq!(media(&layer, accept).await, PROBLEM, "{accept:?}");
    }
    for accept in [
        &[][..],
        &[""],
        &[JSON],
        &["*/*"],
        &["application/*"],
        &["application/problem+xml"],
        &["application/problem+jsonx"],
        &["x-application/problem+json"],
        &["application/problem"],
        &["text/html;x=application/problem+json"],
        &["text/html", "image/*"],
        &["application/problem+json;q=0"],
        &["application/problem+json; q=0"],
        &["application/problem+json ;Q=0.0, */*"],
        &["application/problem+json;q=0.000"],
        &["application/problem+json;charset=utf-8;q=0.00"],
    ] {
        assert_eq!(media(&layer, accept).await, JSON, "{accept:?}");
    }
}

/// `qvalue = ( "0" [ "." *3("0") ] )` (RFC 9110, section 12.4.2): a point without a digit behind it is a zero too.
#[tokio::test]
async fn r158_a_zero_with_a_bare_point_is_a_zero() {
    let layer = ErrorEnvelopeLayer::detailed().or_problem_json();
    assert_eq!(media(&layer, &["application/problem+json;q=0."]).await, JSON);
}

#[tokio::test]
async fn r158_no_accept_is_ever_answered_406_or_changes_the_status() {
    for (layer, by_default) in [
        (ErrorEnvelopeLayer::detailed(), JSON),
        (ErrorEnvelopeLayer::compact(), JSON),
        (ErrorEnvelopeLayer::openai(), JSON),
        (ErrorEnvelopeLayer::problem_json(), PROBLEM),
        (ErrorEnvelopeLayer::problem_types("/problems/"), PROBLEM),
    ] {
        for accept in [
            "text/html",
            "application/json;q=0, application/problem+json;q=0, */*;q=0",
            "*/*;q=0",
            "image/png",
            "nonsense",
            "application/problem+json",
            "application/json",
            "é, \t",
        ] {
            assert_eq!(media(&layer, &[accept]).await, by_default, "{accept}");
        }
        // Where it is offered, it is given, and every other wish gets the default of the service.
        let offered = layer.or_problem_json();
        assert_eq!(media(&offered, &[PROBLEM]).await, PROBLEM);
        assert_eq!(media(&offered, &["text/html;q=1, */*;q=0"]).await, by_default);
    }
}

#[tokio::test]
async fn r158_a_head_request_negotiates_as_its_get_does() {
    let layer = ErrorEnvelopeLayer::detailed().or_problem_json();
    let ask = |method: Method| {
        let request = Request::builder().method(method).header("accept", PROBLEM).body(Body::default()).unwrap();
        layer.layer(strict(|_| Rejection::not_found().into_response::<Body>())).oneshot(request)
    };
    let (got, headed) = (ask(Method::GET).await.unwrap(), ask(Method::HEAD).await.unwrap());
    for name in ["content-type", "content-length"] {
        assert_eq!(got.headers()[name], headed.headers()[name]);
    }
    assert_eq!(headed.headers()["content-type"], PROBLEM);
    assert_eq!(text(headed).await, "");
}

/// A cache that keeps an adopted error must know that another client gets another body (RFC 9110, section 12.5.5).
#[tokio::test]
async fn r158_a_cacheable_error_says_that_it_was_negotiated() {
    let layer = ErrorEnvelopeLayer::detailed().or_problem_json().adopt_foreign_errors();
    for accept in [PROBLEM, JSON] {
        let handler = strict(|_| {
            let gone = http::Response::builder().status(410).header("cache-control", "public, max-age=3600");
            gone.body(Body::default()).unwrap()
        });
        let response = answered(&layer, &[("accept", accept)], handler).await;
        assert_eq!(response.headers()["cache-control"], "public, max-age=3600");
        let vary = response.headers().get("vary").map(|vary| vary.to_str().unwrap().to_ascii_lowercase());
        assert!(vary.as_deref().is_some_and(|vary| vary.contains("accept")), "{accept}: vary is {vary:?}");
    }
}

/// A gRPC client gets a gRPC status, whatever it accepts.
#[tokio::test]
async fn r158_a_grpc_client_is_not_asked_for_its_taste() {
    let layer = ErrorEnvelopeLayer::problem_json().or_problem_json();
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("accept", PROBLEM)];
    let response = shown(&layer, &headers, &Rejection::not_found()).await;
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "12");
}
