//! Requests that no good client sends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tower_auth::{BodyLimits, RejectionKind};

use super::{Desk, FORM, JSON, ask, bare, error, form, post};

#[tokio::test]
async fn media_types_that_are_neither_json_nor_a_form() {
    let desk = Desk::new();
    let of_form = form(&[("grant_type", "client_credentials")]);
    for media in [
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=\"utf-16\"",
        "application/x-www-form-urlencoded; charset=utf-8; charset=utf-8",
    ] {
        for path in ["/token", "/revoke", "/introspect"] {
            let told = ask(&desk.endpoints, post(path, media, &desk.key(), of_form.clone())).await;
            assert_eq!(told.error(), error(415, "invalid_request"), "{path} {media}");
            assert_eq!(told.header("accept"), Some(FORM));
        }
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencoded, application/json",
        "application/x-www-form-urlencoded x",
        "application/json; charset=latin1",
        "multipart/form-data; boundary=x",
        "application",
        "",
    ] {
        let told = ask(&desk.endpoints, post("/token", media, &desk.key(), of_form.clone())).await;
        assert_eq!(told.kind(), (415, RejectionKind::UnsupportedMediaType), "{media}");
        assert_eq!(told.header("accept"), Some(JSON));
    }
    let two = [("content-type", FORM), desk.key()[0]];
    let mut twice = bare("/token", &two).map(|_| crate::support::Body::from(of_form.clone()));
    twice.headers_mut().append("content-type", FORM.parse().unwrap());
    assert_eq!(ask(&desk.endpoints, twice).await.kind(), (415, RejectionKind::UnsupportedMediaType));
    for media in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "APPLICATION/X-WWW-FORM-URLENCODED;charset=\"utf-8\"",
        "application/x-www-form-urlencoded;",
        "application/x-www-form-urlencoded; x=y",
    ] {
        let told = ask(&desk.endpoints, post("/token", media, &desk.key(), of_form.clone())).await;
        assert_eq!(told.status, 200, "{media}: {told:?}");
    }
}

#[tokio::test]
async fn codings_are_not_decoded() {
    let desk = Desk::new();
    for (name, value) in [("content-encoding", "gzip"), ("transfer-encoding", "gzip, chunked")] {
        let headers = [(name, value), desk.key()[0]];
        let told = ask(&desk.endpoints, post("/token", FORM, &headers, "grant_type=client_credentials")).await;
        assert_eq!(told.error(), error(415, "invalid_request"), "{name}");
        let told = ask(&desk.endpoints, post("/token", JSON, &headers, "{}")).await;
        assert_eq!(told.kind(), (415, RejectionKind::UnsupportedMediaType), "{name}");
    }
}

#[tokio::test]
async fn forms_that_two_parsers_could_read_differently() {
    let desk = Desk::new();
    for body in [
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&grant%5Ftype=refresh_token",
        "grant_type=client_credentials&scope=read&scope=read",
        "grant_type=client_credentials&scope=read%00",
        "grant_type=client_credentials&scope=read%0Awrite",
        "grant_type=client_credentials&scope=read%7F",
        "grant_type=client_credentials&scope=r%C3%A9ad",
        "grant_type=client_credentials&scope=%ED%A0%80",
        "grant_type=client_credentials&scope=%FF",
        "grant_type=client_credentials&client_id=key_1&client_id=key_2",
        "grant_type=client_credentials%00",
        "grant_type",
        "grant_type=",
        "grant_type&scope=read",
        "&&&&",
        "=client_credentials",
        "{\"grant_type\":\"client_credentials\"}",
    ] {
        let told = ask(&desk.endpoints, post("/token", FORM, &desk.key(), body)).await;
        assert_eq!(told.error(), error(400, "invalid_request"), "{body}");
    }
    // A plus sign is a space, and what has no value counts as absent (RFC 6749, section 3.2).
    for (body, scope) in [
        ("grant_type=client_credentials&scope=read+write", "read write"),
        ("grant_type=client_credentials&scope=read%20write&audience=&refresh_token=", "read write"),
        ("&grant_type=client_credentials&&scope=", "read write inspect"),
        ("grant_type=client_credentials&x=%00%FF&x=1", "read write inspect"),
    ] {
        let told = ask(&desk.endpoints, post("/token", FORM, &desk.key(), body)).await;
        assert_eq!(told.text("scope"), scope, "{body}");
    }
}

#[tokio::test]
async fn huge_bodies_are_refused_before_they_are_read() {
    let desk = Desk::new();
    let huge = "x".repeat((64 << 10) + 1);
    for (path, media) in [("/token", JSON), ("/refresh", JSON), ("/logout", JSON)] {
        let told = ask(&desk.endpoints, post(path, media, &desk.key(), huge.clone())).await;
        assert_eq!(told.kind(), (413, RejectionKind::PayloadTooLarge), "{path}");
        assert_eq!(told.header("connection"), Some("close"));
    }
    for path in ["/token", "/revoke", "/introspect"] {
        let told = ask(&desk.endpoints, post(path, FORM, &desk.key(), huge.clone())).await;
        assert_eq!(told.error(), error(413, "invalid_request"), "{path}");
        assert_eq!(told.header("connection"), Some("close"));
        let declared = [("content-length", "99999999999"), desk.key()[0]];
        let told = ask(&desk.endpoints, post(path, FORM, &declared, "token=x")).await;
        assert_eq!(told.error(), error(413, "invalid_request"), "{path}");
    }
    let many = "a=1&".repeat(16_000);
    let told = ask(&desk.endpoints, post("/token", FORM, &desk.key(), many + "grant_type=client_credentials")).await;
    assert_eq!(told.status, 200);
    let small = desk.endpoints.clone().limits(BodyLimits::new().max_bytes(10));
    assert_eq!(ask(&small, post("/token", JSON, &desk.key(), "{\"scope\":\"\"}")).await.status, 413);
}

/// A body of which a first piece comes, and then nothing or an error.
struct Begun(Option<Bytes>, bool);

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.0.take(), self.1) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, true) => Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into()))),
            (None, false) => Poll::Pending,
        }
    }
}

fn begun(path: &str, media: &str, breaks: bool) -> Request<Begun> {
    let piece = if media == FORM { "token=x&grant_type=" } else { "{\"refresh_token\":" };
    post(path, media, &[], "").map(|_| Begun(Some(Bytes::from_static(piece.as_bytes())), breaks))
}

#[tokio::test(start_paused = true)]
async fn slow_and_broken_bodies() {
    let desk = Desk::new();
    for (path, media) in [("/refresh", JSON), ("/logout", JSON)] {
        assert_eq!(ask(&desk.endpoints, begun(path, media, false)).await.kind(), (408, RejectionKind::RequestTimeout));
        let broken = ask(&desk.endpoints, begun(path, media, true)).await;
        assert_eq!(broken.kind(), (400, RejectionKind::MalformedRequest));
    }
    let begin = tokio::time::Instant::now();
    for path in ["/token", "/revoke", "/introspect"] {
        let told = ask(&desk.endpoints, begun(path, FORM, false)).await;
        assert_eq!(told.error(), error(408, "invalid_request"), "{path}");
        assert_eq!(
            ask(&desk.endpoints, begun(path, FORM, true)).await.error(),
            error(400, "invalid_request"),
            "{path}"
        );
    }
    assert_eq!(begin.elapsed().as_secs(), 30);
    let quick = desk.endpoints.clone().limits(BodyLimits::new().read_timeout(Duration::from_secs(1)));
    ask(&quick, begun("/revoke", FORM, false)).await;
    assert_eq!(begin.elapsed().as_secs(), 31);
}

/// The caller is refused before a body is waited for.
#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let desk = Desk::new();
    let told = ask(&desk.endpoints, begun("/token", JSON, false)).await;
    assert_eq!(told.kind(), (401, RejectionKind::MissingCredential));
    assert_eq!(told.header("connection"), Some("close"));
}
