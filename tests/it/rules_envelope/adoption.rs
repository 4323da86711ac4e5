//! Rules 165 and 166: errors that others made, and responses that are left alone.

use std::{convert::Infallible, time::Duration};

use axum::{Router, routing};
use http::{Method, Request, Response, StatusCode};
use tower::{Layer as _, ServiceBuilder};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthOutcome, AuthStack, Authenticator, ErrorEnvelopeLayer, KeyRecord, Rejection,
    RejectionKind, RequestHead, RequireLayer,
    permission::{Verdict, from_fn},
};

use super::{answer, around};
use crate::support::{Body, KEY, get, json, ok, store, strict, text};

fn adopting() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed().adopt_foreign_errors()
}

type Headers = &'static [(&'static str, &'static str)];
const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

fn foreign(status: u16, headers: Headers) -> http::response::Builder {
    headers.iter().fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value))
}

#[tokio::test]
async fn r165_foreign_errors_come_in_the_same_shape() {
    const ALLOW: (&str, &str) = ("allow", "GET,HEAD");
    const RETRY: (&str, &str) = ("retry-after", "17");
    const LOGIN: (&str, &str) = ("www-authenticate", "Negotiate");
    let cases: [(u16, Headers, &str, Option<&str>); 34] = [
        (404, &[], "", Some("NOT_FOUND")),
        (404, &[TEXT], "no such page", Some("NOT_FOUND")),
        (404, &[("content-type", "TEXT/PLAIN")], "no such page", Some("NOT_FOUND")),
        (404, &[], "no media type", Some("NOT_FOUND")),
        (405, &[ALLOW], "", Some("METHOD_NOT_ALLOWED")),
        (405, &[ALLOW, TEXT], "not that way", Some("METHOD_NOT_ALLOWED")),
        (408, &[], "", Some("REQUEST_TIMEOUT")),
        (408, &[TEXT], "too slow", Some("REQUEST_TIMEOUT")),
        (413, &[TEXT], "length limit exceeded", Some("PAYLOAD_TOO_LARGE")),
        (415, &[TEXT], "Expected request with `Content-Type: application/json`", Some("UNSUPPORTED_MEDIA_TYPE")),
        (500, &[TEXT], "PLANTED: no such table", Some("INTERNAL_ERROR")),
        (500, &[], "", Some("INTERNAL_ERROR")),
        (501, &[], "", Some("NOT_IMPLEMENTED")),
        (502, &[TEXT], "PLANTED upstream", Some("BAD_GATEWAY")),
        (503, &[RETRY, TEXT], "PLANTED", Some("SERVICE_UNAVAILABLE")),
        (504, &[TEXT], "PLANTED", Some("GATEWAY_TIMEOUT")),
        (401, &[LOGIN], "", Some("AUTHENTICATION_REQUIRED")),
        (403, &[], "", Some("INSUFFICIENT_PERMISSIONS")),
        (422, &[], "", Some("VALIDATION_ERROR")),
        (429, &[RETRY], "", Some("RATE_LIMIT_EXCEEDED")),
        (409, &[], "", Some("CONFLICT")),
        (418, &[], "", Some("IM_A_TEAPOT")),
        (500, &[("content-type", "text/plain"), ("content-encoding", "gzip")], "zipped", Some("INTERNAL_ERROR")),
        // What was meant for the client is left alone.
        (400, &[TEXT], "the name is missing", None),
        (401, &[TEXT, LOGIN], "sign in", None),
        (409, &[TEXT], "taken", None),
        (422, &[TEXT], "the name is too long", None),
        (404, &[("content-type", "application/json")], r#"{"mine":1}"#, None),
        (500, &[("content-type", "application/problem+json")], r#"{"mine":1}"#, None),
        (404, &[("content-type", "text/html")], "<h1>lost</h1>", None),
        (500, &[("content-type", "application/grpc")], "", None),
        (200, &[TEXT], "fine", None),
        (304, &[("etag", "\"a\"")], "", None),
        (302, &[("location", "/there")], "", None),
    ];
    for (status, headers, body, code) in cases {
        let response = around(&adopting(), foreign(status, headers), body).await;
        assert_eq!(response.status().as_u16(), status);
        for (name, value) in headers.iter().filter(|(name, _)| code.is_none() || !name.starts_with("content-")) {
            assert_eq!(response.headers()[*name], *value, "{status} {body}");
        }
        assert!(response.headers().contains_key("x-request-id"));
        let adopted = Rejection::of(&response).map(Rejection::status);
        assert_eq!(adopted.map(|status| status.as_u16()), code.map(|_| status), "{status} {body}");
        let Some(code) = code else {
            assert_eq!(text(response).await, body, "{status}");
            continue;
        };
        assert!(!response.headers().contains_key("content-encoding"));
        assert_eq!(response.headers()["content-type"], "application/json");
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        let sent = text(response).await;
        assert_eq!(length, sent.len().to_string());
        assert!(!sent.contains("PLANTED"), "{sent}");
        let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
        assert_eq!((&sent["error"]["code"], &sent["error"]["status"]), (&code.into(), &status.into()), "{body}");
    }
}

/// The words of a malformed credential would be wrong for a handler that says no more than 400.
#[tokio::test]
async fn r165_an_empty_400_of_a_handler_says_nothing_of_authentication() {
    let body = json(around(&adopting(), foreign(400, &[]), "").await).await;
    assert_eq!(body["error"]["status"], 400);
    assert!(!body.to_string().to_lowercase().contains("authentication"), "{body}");
}

/// axum gives an empty `String` a media type; it is no body all the same.
#[tokio::test]
async fn r165_an_error_with_an_empty_text_has_no_body() {
    let app = Router::new().route("/", routing::get(|| async { (StatusCode::CONFLICT, "") })).layer(adopting());
    assert_eq!(json(answer(app, get("/", &[])).await).await["error"]["code"], "CONFLICT");
}

#[tokio::test]
async fn r165_without_adoption_a_foreign_error_is_left_alone() {
    for (status, headers, body) in [(404, &[][..], ""), (405, &[("allow", "GET")], ""), (500, &[TEXT], "broken")] {
        let response = around(&ErrorEnvelopeLayer::detailed(), foreign(status, headers), body).await;
        assert_eq!(response.status().as_u16(), status);
        assert!(Rejection::of(&response).is_none());
        assert_eq!(text(response).await, body);
    }
}

#[tokio::test]
async fn r165_what_protects_a_response_is_kept_and_what_described_its_body_goes() {
    let protecting: Headers = &[
        ("strict-transport-security", "max-age=63072000"),
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("access-control-allow-origin", "https://a.example"),
        ("set-cookie", "a=b"),
        ("vary", "origin"),
        ("cache-control", "private, max-age=0"),
        ("referrer-policy", "no-referrer"),
        ("connection", "close"),
    ];
    let describing: Headers = &[
        ("content-type", "text/plain"),
        ("content-length", "9"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "attachment"),
        ("content-range", "bytes 0-8/9"),
        ("etag", "\"a\""),
        ("last-modified", "Wed, 15 Jan 2025 10:30:00 GMT"),
        ("accept-ranges", "bytes"),
    ];
    let response =
        describing.iter().fold(foreign(404, protecting), |response, (name, value)| response.header(*name, *value));
    let response = around(&adopting(), response, "not found").await;
    for (name, value) in protecting {
        assert_eq!(response.headers()[*name], *value);
    }
    for (name, _) in &describing[2..] {
        assert!(!response.headers().contains_key(*name), "{name}");
    }
    assert_eq!(response.headers()["content-type"], "application/json");
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(text(response).await.len(), length);
}

#[tokio::test]
async fn r166_every_line_that_tells_the_client_what_to_do_is_kept() {
    let challenges: Headers = &[("www-authenticate", "Negotiate"), ("www-authenticate", r#"Basic realm="a""#)];
    let response = around(&adopting(), foreign(401, challenges), "").await;
    let kept: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(kept, ["Negotiate", r#"Basic realm="a""#]);
    for (status, name, value) in [(405, "allow", "GET, POST"), (429, "retry-after", "60"), (503, "retry-after", "1")] {
        let response = around(&adopting(), Response::builder().status(status).header(name, value), "").await;
        assert_eq!(response.headers()[name], value);
        assert!(text(response).await.starts_with(r#"{"success":false"#));
    }
    let wait = Duration::from_millis(1500);
    let refusal = Rejection::new(RejectionKind::RateLimited).retry_after(wait);
    let response = super::enveloped(ErrorEnvelopeLayer::detailed(), refusal).await;
    assert_eq!(response.headers()["retry-after"], "2", "rounded up");
    let refusal = Rejection::new(RejectionKind::RateLimited).retry_after(Duration::ZERO);
    let response = super::enveloped(ErrorEnvelopeLayer::detailed(), refusal).await;
    assert_eq!(response.headers()["retry-after"], "1", "never 0");
}

#[tokio::test]
async fn r165_the_routers_404_and_405_and_the_extractors_415_and_413() {
    async fn echo(axum::Json(body): axum::Json<serde_json::Value>) -> axum::Json<serde_json::Value> {
        axum::Json(body)
    }
    let app = Router::new()
        .route("/echo", routing::post(echo).layer(axum::extract::DefaultBodyLimit::max(8)))
        .layer(adopting());
    let post = |media: &str, body: &'static str| {
        Request::post("/echo").header("content-type", media).body(Body::from(body)).unwrap()
    };
    for (request, status, code) in [
        (get("/unknown", &[]), 404, "NOT_FOUND"),
        (get("/echo", &[]), 405, "METHOD_NOT_ALLOWED"),
        (post("text/plain", "{}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (post("application/json", r#"{"a":"long enough"}"#), 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let response = answer(app.clone(), request).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().contains_key("allow"), status == 405);
        assert_eq!(json(response).await["error"]["code"], code);
    }
    assert_eq!(text(answer(app, post("application/json", "[1]")).await).await, "[1]");
}

#[tokio::test]
async fn r165_panics_and_timeouts_come_in_the_same_shape() {
    async fn hang(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        std::future::pending().await
    }
    let panicking = ServiceBuilder::new()
        .layer(adopting())
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> { panic!("PLANTED in a panic") });
    let response = answer(panicking, get("/", &[])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = text(response).await;
    assert!(body.contains("INTERNAL_ERROR") && !body.contains("PLANTED") && !body.contains("panick"), "{body}");
    let timeout = tower_http::timeout::TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::ZERO);
    let hanging = ServiceBuilder::new().layer(adopting()).layer(timeout).service_fn(hang);
    let response = answer(hanging, get("/", &[])).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(json(response).await["error"]["code"], "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn r165_an_envelope_stands_in_no_envelope() {
    let inner = ErrorEnvelopeLayer::detailed().restart_traces();
    let outer = adopting().restart_traces().without_system_message();
    let handlers = [
        strict((|_| Rejection::not_found().into_response()) as fn(Request<Body>) -> Response<Body>),
        strict(|_| Response::builder().status(404).body(Body::default()).unwrap()),
    ];
    for (handler, by_inner) in handlers.into_iter().zip([true, false]) {
        let response = answer(outer.layer(inner.layer(handler)), get("/", &[])).await;
        let lines: Vec<_> = response.headers().get_all("x-request-id").iter().cloned().collect();
        assert_eq!(lines.len(), 1);
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        let sent = text(response).await;
        assert_eq!((length, sent.matches("success").count()), (sent.len().to_string(), 1), "{sent}");
        assert_eq!(sent.contains("system_message"), by_inner, "the inner envelope wins where it has spoken");
        assert!(sent.contains(lines[0].to_str().unwrap()), "{sent}");
    }
}

#[tokio::test]
async fn r165_stacks_in_stacks_answer_once() {
    let (scheme, store) = store(KeyRecord::new("k1", "acme"));
    let stack = || AuthStack::builder().auth(ApiKeyLayer::new(scheme.clone(), store.clone())).envelope(adopting());
    let denying = stack().require(from_fn(|_, _| Verdict::from(false))).build().unwrap();
    let service = stack().build().unwrap().layer(denying.layer(ok()));
    let response = answer(service, get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    assert_eq!(text(response).await.matches("success").count(), 1);
    // A guard outside of an envelope, whose body it can leave empty.
    let guarded = RequireLayer::scope("read").layer(adopting().layer(ok()));
    let response = answer(guarded, get("/", &[])).await;
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn r165_head_204_and_304_stay_empty() {
    let layer = adopting();
    for refusal in [Rejection::not_found(), Rejection::custom(StatusCode::CONFLICT, "TAKEN")] {
        let handler = strict(move |_| refusal.clone().into_response());
        let got = answer(layer.layer(handler.clone()), get("/", &[])).await;
        let mut request = get("/", &[]);
        *request.method_mut() = Method::HEAD;
        let headed = answer(layer.layer(handler), request).await;
        assert_eq!(headed.headers()["content-length"], got.headers()["content-length"]);
        assert_eq!(headed.headers()["content-type"], "application/json");
        assert_eq!(text(headed).await, "");
    }
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let refused = super::enveloped(adopting(), Rejection::custom(status, "ODD")).await;
        let plain = around(&layer, Response::builder().status(status), "").await;
        for response in [refused, plain] {
            assert_eq!(response.status(), status);
            assert!(!response.headers().contains_key("content-length"), "{:?}", response.headers());
            assert!(!response.headers().contains_key("content-type"));
            assert!(response.headers().contains_key("x-request-id"));
            assert_eq!(text(response).await, "");
        }
    }
}

/// A method of a user's own that refuses with a status that has no body.
struct Odd(StatusCode);

impl Authenticator for Odd {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(AuthOutcome::Rejected(Rejection::custom(self.0, "ODD")))
    }

    fn challenge(&self) -> &'static str {
        "Odd"
    }
}

#[tokio::test]
async fn r165_a_refusal_of_the_stack_itself_stays_empty_where_its_status_has_no_body() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let response = answer(AuthStack::builder().auth(Odd(status)).build().unwrap().layer(ok()), get("/", &[])).await;
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("content-length"), "{:?}", response.headers());
        assert_eq!(text(response).await, "");
    }
}
