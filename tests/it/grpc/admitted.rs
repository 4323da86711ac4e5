//! Rules 167 and 172: which requests are gRPC, and what is added to an admitted answer: nothing that a client would
//! see as metadata.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Rejection, Rules, permission::authenticated};

use super::{call, keys, refused, status};
use crate::support::{Body, KEY, get, strict};

fn stack() -> AuthStack {
    AuthStack::builder().auth(keys(KeyRecord::new("k1", "acme"))).build().unwrap()
}

/// An answer of a gRPC service.
fn own(_: Request<Body>) -> Response<Body> {
    let own = Response::builder().header("content-type", "application/grpc").header("own", "kept");
    own.body(Body::from("\0\0\0\0\0")).unwrap()
}

/// A method that reads the key from `x-api-key` tells shared caches so, where there are any; gRPC has none.
#[tokio::test]
async fn r167_nothing_is_added_to_an_admitted_answer_but_the_request_id() {
    let stack = stack();
    let key = [("x-api-key", KEY)];
    for media in [
        "application/grpc",
        "application/grpc+proto",
        "APPLICATION/GRPC",
        "application/grpc-web",
        "application/grpc-web-text",
    ] {
        let media = [key[0], ("content-type", media)];
        let whole = stack.layer(strict(own)).oneshot(call("/a.B/C", &media)).await.unwrap().map(|_| ());
        let halves = stack.envelope().layer(stack.guards().layer(strict(own)));
        let halves = halves.oneshot(call("/a.B/C", &media)).await.unwrap().map(|_| ());
        let alone = keys(KeyRecord::new("k1", "acme")).layer(strict(own));
        let alone = alone.oneshot(call("/a.B/C", &media)).await.unwrap().map(|_| ());
        for (response, names) in [
            (whole, &["content-type", "own", "x-request-id"][..]),
            (halves, &["content-type", "own", "x-request-id"]),
            (alone, &["content-type", "own"]),
        ] {
            let mut seen: Vec<&str> = response.headers().keys().map(http::HeaderName::as_str).collect();
            seen.sort_unstable();
            assert_eq!((response.status(), seen.as_slice()), (StatusCode::OK, names), "{media:?}");
        }
    }
    // Behind the same stack, an answer over HTTP does say it.
    let http = stack.layer(strict(own)).oneshot(get("/", &key)).await.unwrap();
    assert_eq!([&http.headers()["vary"], &http.headers()["cache-control"]], ["x-api-key", "private"]);
}

/// Headers of the service itself are its own business.
#[tokio::test]
async fn r167_what_the_service_itself_says_stays() {
    let handler = strict(|_| {
        let mut response = own(Request::default());
        response.headers_mut().insert("vary", "origin".parse().unwrap());
        response.headers_mut().insert("cache-control", "no-cache".parse().unwrap());
        response
    });
    let response = stack().layer(handler).oneshot(call("/a.B/C", &[("x-api-key", KEY)])).await.unwrap();
    assert_eq!([&response.headers()["vary"], &response.headers()["cache-control"]], ["origin", "no-cache"]);
    assert_eq!(response.headers().get_all("vary").iter().count(), 1);
}

#[tokio::test]
async fn r167_which_media_types_are_grpc() {
    let layer = ErrorEnvelopeLayer::detailed();
    for (media, answer) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc+json", "application/grpc"),
        ("Application/gRPC+Proto", "application/grpc"),
        ("APPLICATION/GRPC", "application/grpc"),
        ("application/grpc;charset=utf-8", "application/grpc"),
        ("application/grpc ; charset=utf-8", "application/grpc"),
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("APPLICATION/GRPC-WEB;charset=utf-8", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
        ("application/grpc-web-text+proto", "application/grpc-web-text+proto"),
        ("application/grpcfoo", "application/json"),
        ("application/grpc-webby", "application/json"),
        ("application/grpc-web-texty", "application/json"),
        ("application/grp", "application/json"),
        ("application/json", "application/json"),
        ("text/plain; application/grpc", "application/json"),
        ("xapplication/grpc", "application/json"),
        ("", "application/json"),
    ] {
        let response = refused(&layer, &[("content-type", media)], &Rejection::not_found()).await;
        assert_eq!(response.headers()["content-type"], answer, "{media}");
        let code = if answer == "application/json" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(response.status(), code, "{media}");
        assert_eq!(response.headers().contains_key("grpc-status"), answer == "application/grpc", "{media}");
    }
    // Without a media type it is HTTP, and so is what is no POST: a gRPC call always is one.
    let handler = || strict(|_| Rejection::not_found().into_response::<Body>());
    let mut request = call("/a.B/C", &[]);
    request.headers_mut().remove("content-type");
    assert_eq!(layer.layer(handler()).oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    for method in ["GET", "HEAD", "PUT", "OPTIONS", "post"] {
        let mut request = call("/a.B/C", &[]);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(layer.layer(handler()).oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND, "{method}");
    }
}

/// A message that must not be asked for.
#[derive(Debug)]
struct Untouched;

impl http_body::Body for Untouched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read before the caller was known")
    }
}

#[tokio::test]
async fn r172_the_head_alone_decides() {
    let service = stack().layer(service_fn(async |request: Request<Untouched>| {
        let _ = request;
        Ok::<_, Infallible>(Response::new(Body::default()))
    }));
    for (headers, admitted) in [(&[][..], false), (&[("x-api-key", "ak_wrong")], false), (&[("x-api-key", KEY)], true)]
    {
        let request = call("/a.B/C", headers).map(|_| Untouched);
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().contains_key("grpc-status"), !admitted, "{headers:?}");
    }
}

#[tokio::test]
async fn r172_p06_health_and_reflection_are_open_by_declaration_alone() {
    let open = Rules::new()
        .public("/grpc.health.v1.Health/*")
        .public("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        .otherwise(authenticated());
    let closed = Rules::new().otherwise(authenticated());
    for (rules, is_open) in [(open, true), (closed, false)] {
        let keys: ApiKeyLayer = keys(KeyRecord::new("k1", "acme"));
        let stack = AuthStack::builder().auth(keys).rules(rules).build().unwrap();
        for (path, declared) in [
            ("/grpc.health.v1.Health/Check", true),
            ("/grpc.health.v1.Health/Watch", true),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true),
            ("/grpc.reflection.v1.ServerReflection/Other", false),
            ("/grpc.health.v1.HealthAdmin/Check", false),
            ("/grpc.health.v1.Health", false),
            ("/grpc.health.v1.Health/", false),
            ("/grpc.health.v1.Health/Check/x", false),
            ("/grpc.health.v1.health/Check", false),
            ("/x/grpc.health.v1.Health/Check", false),
        ] {
            let response = stack.layer(strict(own)).oneshot(call(path, &[])).await.unwrap();
            let admitted = !response.headers().contains_key("grpc-status");
            assert_eq!(admitted, is_open && declared, "{path}");
            if !admitted {
                assert_eq!(status(response.headers()).code(), tonic::Code::Unauthenticated, "{path}");
            }
        }
    }
}
