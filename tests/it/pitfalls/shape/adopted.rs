//! p64 to p66: errors that extractors and proxies made as text.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Json, Router,
    extract::{Path, Query},
    routing,
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde::Deserialize;
use serde_json::Value;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{ErrorEnvelopeLayer, Rejection, RejectionKind};

use crate::{
    no_leak::Logs,
    support::{Body, get, json, strict, text},
};

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

fn adopting() -> ErrorEnvelopeLayer {
    ErrorEnvelopeLayer::detailed().adopt_text_errors()
}

fn foreign(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(body.into()).unwrap()
}

async fn around(
    layer: &ErrorEnvelopeLayer,
    response: Response<Body>,
) -> Response<impl http_body::Body<Data = Bytes, Error = Infallible> + use<>> {
    layer.layer(strict(move |_| response.clone())).oneshot(get("/", &[])).await.unwrap()
}

#[tokio::test]
async fn p64_every_text_error_of_a_client_is_adopted_with_its_text() {
    for (status, code) in [
        (400, "INVALID_REQUEST"),
        (401, "AUTHENTICATION_REQUIRED"),
        (402, "PAYMENT_REQUIRED"),
        (403, "INSUFFICIENT_PERMISSIONS"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (406, "NOT_ACCEPTABLE"),
        (408, "REQUEST_TIMEOUT"),
        (409, "CONFLICT"),
        (410, "GONE"),
        (411, "LENGTH_REQUIRED"),
        (412, "PRECONDITION_FAILED"),
        (413, "PAYLOAD_TOO_LARGE"),
        (414, "URI_TOO_LONG"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (417, "EXPECTATION_FAILED"),
        (422, "VALIDATION_ERROR"),
        (426, "UPGRADE_REQUIRED"),
        (428, "PRECONDITION_REQUIRED"),
        (429, "RATE_LIMIT_EXCEEDED"),
        (431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
        (451, "UNAVAILABLE_FOR_LEGAL_REASONS"),
        (499, "REQUEST_REFUSED"),
    ] {
        for headers in [&[TEXT][..], &[("content-type", "TEXT/Plain")], &[], &[TEXT, ("content-length", "16")]] {
            let response = around(&adopting(), foreign(status, headers, "a b\"c: the text")).await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(Rejection::of(&response).unwrap().status().as_u16(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            let length = response.headers()["content-length"].to_str().unwrap().to_owned();
            let sent = text(response).await;
            assert_eq!(length, sent.len().to_string(), "{status}");
            let error: Value = serde_json::from_str::<Value>(&sent).unwrap()["error"].take();
            assert_eq!((&error["code"], &error["status"]), (&code.into(), &status.into()), "{headers:?}");
            assert_eq!(error["system_message"], "a b\"c: the text", "{status} {headers:?}");
        }
    }
}

#[derive(Deserialize)]
struct Page {
    #[expect(dead_code)]
    limit: u32,
}

/// What axum's own extractors answer.
#[tokio::test]
async fn p64_errors_of_axums_extractors_come_in_the_same_shape() {
    let app = Router::new()
        .route("/todos/{id}", routing::get(async |Path(id): Path<u64>| id.to_string()))
        .route("/todos", routing::get(async |Query(_): Query<Page>| "page"))
        .route(
            "/todos",
            routing::post(async |Json(_): Json<Page>| "new").layer(axum::extract::DefaultBodyLimit::max(20)),
        );
    let post = |media: &str, body: &'static str| {
        Request::post("/todos").header("content-type", media).body(axum::body::Body::from(body)).unwrap()
    };
    let read = |path: &str| Request::get(path).body(axum::body::Body::empty()).unwrap();
    let json_media = "application/json";
    for (request, status, code, told) in [
        (read("/todos/abc"), 400, "INVALID_REQUEST", "Cannot parse"),
        (read("/todos/%ff"), 400, "INVALID_REQUEST", "UTF-8"),
        (read("/todos?limit=x"), 400, "INVALID_REQUEST", "query string"),
        (read("/todos"), 400, "INVALID_REQUEST", "missing field"),
        (post(json_media, "{"), 400, "INVALID_REQUEST", "parse the request body"),
        (post(json_media, "{}"), 422, "VALIDATION_ERROR", "missing field"),
        (post("text/plain", "{}"), 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type"),
        (post(json_media, r#"{"limit": 12, "long": 1}"#), 413, "PAYLOAD_TOO_LARGE", "length limit"),
    ] {
        check(app.clone(), request, status, code, told).await;
    }
    // Without the switch they are axum's own.
    let response = app.layer(ErrorEnvelopeLayer::detailed().adopt_foreign_errors()).oneshot(read("/todos/abc")).await;
    assert!(Rejection::of(&response.unwrap()).is_none());
}

async fn check(app: Router, request: Request<axum::body::Body>, status: u16, code: &str, told: &str) {
    let response = app.layer(adopting()).oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), status, "{code}");
    let error = json(response).await["error"].take();
    assert_eq!(error["code"], code);
    assert!(error["system_message"].as_str().unwrap().contains(told), "{error}");
}

/// A text that was written for a client is left out where the service leaves such sentences out, and is in no format
/// that has no place for it.
#[tokio::test]
async fn p64_the_text_stands_in_the_system_message_or_nowhere() {
    for (layer, shown) in [
        (adopting(), true),
        (ErrorEnvelopeLayer::problem_json().adopt_text_errors(), true),
        (adopting().without_system_message(), false),
        (ErrorEnvelopeLayer::compact().adopt_text_errors(), false),
        (ErrorEnvelopeLayer::openai().adopt_text_errors(), false),
    ] {
        let sent = text(around(&layer, foreign(400, &[TEXT], " THE TEXT\n")).await).await;
        assert_eq!(sent.contains("THE TEXT"), shown, "{sent}");
        assert!(!sent.contains(" THE TEXT"), "trimmed: {sent}");
    }
    // A fault of the service shows nothing to the client.
    for status in [500, 501, 502, 503, 504, 507, 520] {
        let sent = text(around(&adopting(), foreign(status, &[TEXT], "PLANTED")).await).await;
        assert!(sent.starts_with(r#"{"success":false"#) && !sent.contains("PLANTED"), "{sent}");
    }
    // What cannot be read as a text is dropped, and the error is adopted all the same.
    for headers in [&[TEXT, ("content-encoding", "gzip")][..], &[("content-type", "text/plain;charset=latin1")]] {
        let body = Bytes::from_static(if headers.len() == 2 { b"zipped" } else { b"Gr\xfc\xdfe" });
        let error = json(around(&adopting(), foreign(409, headers, body)).await).await["error"].take();
        assert_eq!((&error["code"], &error["system_message"]), (&"CONFLICT".into(), &"Request refused".into()));
    }
}

/// A body that says of its length what it likes.
struct Odd {
    pieces: Vec<Option<&'static str>>,
    hint: SizeHint,
}

impl http_body::Body for Odd {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        let Some(piece) = self.pieces.remove(0) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

#[tokio::test]
async fn p64_what_is_no_short_text_is_left_alone() {
    let long: &'static str = "a".repeat(8 * 1024 + 1).leak();
    for (status, media, body) in [
        (400, "application/json", r#"{"mine":1}"#),
        (422, "application/problem+json", r#"{"mine":1}"#),
        (400, "application/vnd.api+json; charset=utf-8", "{}"),
        (404, "text/html", "<h1>lost</h1>"),
        (409, "text/csv", "a,b"),
        (400, "application/grpc", ""),
        (400, "application/octet-stream", "text"),
        (400, "text/plain", long),
        (200, "text/plain", "fine"),
        (303, "text/plain", "there"),
    ] {
        let response = around(&adopting(), foreign(status, &[("content-type", media), ("etag", "\"1\"")], body)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &media.parse().unwrap())
        );
        assert_eq!(response.headers()["etag"], "\"1\"");
        assert!(Rejection::of(&response).is_none(), "{media}");
        assert_eq!(text(response).await, body);
    }
    // A stream whose length nobody knows.
    let odd = |pieces: &[Option<&'static str>], hint: SizeHint| {
        let pieces = pieces.to_vec();
        let service = service_fn(move |_: Request<Body>| {
            let (pieces, hint) = (pieces.clone(), hint);
            let response = Response::builder().status(400).header(TEXT.0, TEXT.1);
            async move { Ok::<_, Infallible>(response.body(Odd { pieces, hint }).unwrap()) }
        });
        adopting().layer(service).oneshot(get("/", &[]))
    };
    let pieces = [Some("one "), None, Some("two")];
    let response = odd(&pieces, SizeHint::default()).await.unwrap();
    assert!(Rejection::of(&response).is_none());
    assert_eq!(text(response).await, "one two");
    // Its length is known: it is adopted, and a text that is not there yet is not waited for.
    let response = odd(&pieces, SizeHint::with_exact(7)).await.unwrap();
    let told = json(response).await["error"]["system_message"].take();
    assert_eq!(told, "Request is malformed or ambiguous");
    let response = odd(&[Some("one "), Some(""), Some("two")], SizeHint::with_exact(7)).await.unwrap();
    assert_eq!(json(response).await["error"]["system_message"], "one two");
    // A body that lies about its length, or never ends, holds nobody up.
    let endless = vec![Some(""); 1 << 16];
    assert_eq!(json(odd(&endless, SizeHint::with_exact(7)).await.unwrap()).await["error"]["code"], "INVALID_REQUEST");
    let response = odd(&[Some(long), Some("more")], SizeHint::with_exact(7)).await.unwrap();
    assert!(!text(response).await.contains("aaaa"));
}

#[tokio::test]
async fn p66_an_adopted_text_keeps_what_tells_the_client_what_to_do() {
    for (status, name, value) in [
        (401, "www-authenticate", "Basic realm=\"x\""),
        (405, "allow", "GET, HEAD"),
        (426, "upgrade", "websocket"),
        (426, "connection", "upgrade"),
        (429, "retry-after", "7"),
        (400, "sec-websocket-version", "13"),
        (403, "set-cookie", "a=b"),
        (400, "vary", "origin"),
    ] {
        let headers = [TEXT, (name, value), ("etag", "\"1\""), ("content-language", "en")];
        let response = around(&adopting(), foreign(status, &headers, "text")).await;
        assert_eq!(response.headers()[name], value, "{status}");
        assert!(!response.headers().contains_key("etag") && !response.headers().contains_key("content-language"));
        assert_eq!(json(response).await["error"]["status"], status);
    }
}

/// HEAD has no body: the length of what GET gets is not known without its text.
#[tokio::test]
async fn p66_head_of_an_adopted_text_has_no_body_and_no_wrong_length() {
    let ask = async |method, layer: ErrorEnvelopeLayer| {
        let app = Router::new().route("/todos/{id}", routing::get(async |Path(id): Path<u64>| id.to_string()));
        let request = Request::builder().method(method).uri("/todos/abc").body(axum::body::Body::empty()).unwrap();
        app.layer(layer).oneshot(request).await.unwrap()
    };
    let got = ask(Method::GET, adopting()).await;
    let headed = ask(Method::HEAD, adopting()).await;
    assert_eq!((headed.status(), got.status()), (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST));
    assert_eq!(headed.headers()["content-type"], "application/json");
    assert_eq!(headed.headers()["content-length"], got.headers()["content-length"]);
    assert_eq!(text(headed).await, "");
    // Where the text is gone already, as behind a layer that strips it, the length of the envelope is not known.
    let handler = strict(|_| foreign(400, &[TEXT, ("content-length", "16")], ""));
    let mut request = get("/", &[]);
    *request.method_mut() = Method::HEAD;
    let headed = adopting().layer(handler).oneshot(request).await.unwrap();
    assert_eq!(headed.headers()["content-type"], "application/json");
    assert!(!headed.headers().contains_key("content-length"));
    assert_eq!(text(headed).await, "");
}

/// A text of ours is no foreign text.
#[tokio::test]
async fn p64_a_refusal_in_the_words_of_the_crate_is_not_adopted_again() {
    let layer = adopting();
    let handler = strict(|_| {
        let refusal = Rejection::custom(StatusCode::CONFLICT, "TAKEN").message("Reservation.").into_response::<Body>();
        refusal.map(|_| Body::from("own text"))
    });
    let error = json(layer.layer(handler).oneshot(get("/", &[])).await.unwrap()).await["error"].take();
    assert_eq!((&error["code"], &error["message"]), (&"TAKEN".into(), &"Reservation.".into()));
    assert_eq!(error["system_message"], "Request refused");
}

/// Every status that another layer or a proxy can send is reported as what it is.
#[tokio::test]
async fn p65_every_foreign_status_has_words_of_its_own() {
    let logs = Logs::capture();
    let mut seen = std::collections::HashMap::new();
    for status in (400..=451).chain([499]).chain(500..=599) {
        let status = StatusCode::from_u16(status).unwrap();
        let response = around(&adopting(), foreign(status.as_u16(), &[], "")).await;
        assert_eq!(response.status(), status);
        let error = json(response).await["error"].take();
        let of_server = status.is_server_error();
        assert_eq!(error["type"] == "server_error", of_server, "{error}");
        let code = error["code"].as_str().unwrap().to_owned();
        match (status.canonical_reason(), of_server) {
            (None, true) => assert_eq!(code, "INTERNAL_ERROR", "{status}"),
            (None, false) => assert_eq!(code, "REQUEST_REFUSED", "{status}"),
            (Some(_), _) => assert_eq!(seen.insert(code, status), None, "two statuses of one code"),
        }
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    for (status, code) in [
        (500, "INTERNAL_ERROR"),
        (501, "NOT_IMPLEMENTED"),
        (502, "BAD_GATEWAY"),
        (503, "SERVICE_UNAVAILABLE"),
        (504, "GATEWAY_TIMEOUT"),
    ] {
        assert_eq!(seen[code].as_u16(), status);
    }
    let lines = logs.text();
    assert!(lines.contains("kind=GatewayTimeout status=504") && lines.contains("kind=BadGateway status=502"));
}

#[tokio::test(start_paused = true)]
async fn p65_a_timeout_of_a_layer_is_told_as_one() {
    for (status, code) in [(504, "GATEWAY_TIMEOUT"), (408, "REQUEST_TIMEOUT"), (503, "SERVICE_UNAVAILABLE")] {
        let timeout = tower_http::timeout::TimeoutLayer::with_status_code(
            StatusCode::from_u16(status).unwrap(),
            std::time::Duration::from_secs(1),
        );
        let hanging = ServiceBuilder::new()
            .layer(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
            .layer(timeout)
            .service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
                std::future::pending().await
            });
        let response = hanging.oneshot(get("/", &[])).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(json(response).await["error"]["code"], code);
    }
}

#[test]
fn p65_the_new_kinds_have_their_codes() {
    for (kind, status, grpc) in [
        (RejectionKind::NotImplemented, 501, 12),
        (RejectionKind::BadGateway, 502, 14),
        (RejectionKind::GatewayTimeout, 504, 4),
    ] {
        assert_eq!((kind.status().as_u16(), kind.grpc_code()), (status, grpc));
    }
}
