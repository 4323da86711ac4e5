//! p74: who is answered in gRPC, and that a header alone does not turn a refusal into a success.

use http::{Request, Response, Version, header};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Rejection};

use crate::support::{Body, KEY, Strict, json, ok, store, strict};

const WEB: &str = "application/grpc-web+proto";

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    ApiKeyLayer::new(scheme, store)
}

fn stack(envelope: ErrorEnvelopeLayer) -> AuthStack {
    AuthStack::builder().auth(keys()).envelope(envelope).build().unwrap()
}

fn call(version: Version, media: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::post("/a.B/C").version(version).header("content-type", media);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from("\0\0\0\0\0")).unwrap()
}

/// gRPC is HTTP/2; on HTTP/1.1 it is what a client reads trailers of.
#[tokio::test]
async fn p74_grpc_over_http_1_without_trailers_is_plain_http() {
    use Version as V;
    const GRPC: &str = "application/grpc";
    for (version, media, te, in_grpc) in [
        (V::HTTP_11, GRPC, &[][..], false),
        (V::HTTP_11, "application/grpc+proto", &["deflate"], false),
        (V::HTTP_11, GRPC, &["trailers;q=0"], false),
        (V::HTTP_11, GRPC, &["xtrailers", "trailersx", ""], false),
        (V::HTTP_11, GRPC, &["trailers"], true),
        (V::HTTP_11, "Application/GRPC; charset=utf-8", &["TRAILERS"], true),
        (V::HTTP_11, GRPC, &["deflate;q=0.5 ,\ttrailers"], true),
        (V::HTTP_11, GRPC, &["deflate", "trailers, gzip"], true),
        (V::HTTP_10, GRPC, &[], false),
        (V::HTTP_10, GRPC, &["trailers"], false),
        (V::HTTP_09, GRPC, &["trailers"], false),
        (V::HTTP_2, GRPC, &[], true),
        (V::HTTP_2, GRPC, &["trailers"], true),
        (V::HTTP_3, GRPC, &[], true),
        (V::HTTP_11, "application/grpc-web", &[], true),
        (V::HTTP_11, "application/grpc-web-text+proto", &[], true),
        (V::HTTP_10, WEB, &[], true),
        (V::HTTP_2, WEB, &[], true),
        (V::HTTP_2, "application/json", &["trailers"], false),
    ] {
        let te: Vec<_> = te.iter().map(|te| ("te", *te)).collect();
        let whole = stack(ErrorEnvelopeLayer::detailed());
        let halves = whole.envelope().layer(whole.guards().layer(ok()));
        for response in [
            whole.layer(ok()).oneshot(call(version, media, &te)).await.unwrap(),
            halves.oneshot(call(version, media, &te)).await.unwrap(),
        ] {
            assert_eq!(response.status().as_u16(), if in_grpc { 200 } else { 401 }, "{version:?} {media} {te:?}");
            assert_eq!(Rejection::of(&response).unwrap().status(), 401);
            if in_grpc {
                assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/grpc"));
                continue;
            }
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(response.headers().contains_key("www-authenticate"));
            assert_eq!(json(response).await["error"]["code"], "AUTHENTICATION_REQUIRED");
        }
    }
}

fn plain() -> Strict<impl Fn(Request<Body>) -> Response<Body> + Clone> {
    strict(|_| Response::builder().header("content-type", "application/json").body(Body::from("{}")).unwrap())
}

/// Whatever the request claims, an answer that is not gRPC is kept out of shared caches.
#[tokio::test]
async fn p74_no_header_of_a_request_takes_vary_and_private_away() {
    for (version, media, headers) in [
        (Version::HTTP_11, "application/grpc", &[][..]),
        (Version::HTTP_11, "application/grpc", &[("te", "trailers")]),
        (Version::HTTP_11, WEB, &[]),
        (Version::HTTP_2, "application/grpc", &[("te", "trailers")]),
        (Version::HTTP_2, "application/grpc-web-text", &[]),
        (Version::HTTP_2, "application/json", &[]),
    ] {
        let with_key = [&[("x-api-key", KEY)], headers].concat();
        let whole = stack(ErrorEnvelopeLayer::detailed());
        let halves = whole.envelope().layer(whole.guards().layer(plain()));
        for headers in [
            whole.layer(plain()).oneshot(call(version, media, &with_key)).await.unwrap().headers(),
            halves.oneshot(call(version, media, &with_key)).await.unwrap().headers(),
            keys().layer(plain()).oneshot(call(version, media, &with_key)).await.unwrap().headers(),
        ] {
            assert_eq!([&headers["vary"], &headers["cache-control"]], ["x-api-key", "private"], "{version:?} {media}");
        }
    }
    // A service that does answer in gRPC sends no metadata that it did not make.
    let speaking = strict(|_| Response::builder().header("content-type", WEB).body(Body::default()).unwrap());
    let speaking = keys().layer(speaking).oneshot(call(Version::HTTP_11, WEB, &[("x-api-key", KEY)])).await.unwrap();
    assert!(!speaking.headers().contains_key(header::VARY) && !speaking.headers().contains_key(header::CACHE_CONTROL));
}

/// A service that speaks no gRPC is asked in vain.
#[tokio::test]
async fn p74_a_service_without_grpc_answers_in_http() {
    for (version, media) in [
        (Version::HTTP_2, "application/grpc"),
        (Version::HTTP_2, "application/grpc-web"),
        (Version::HTTP_11, "application/grpc"),
        (Version::HTTP_11, "application/grpc-web-text"),
        (Version::HTTP_3, "application/grpc+proto"),
    ] {
        let te = [("te", "trailers")];
        let whole = stack(ErrorEnvelopeLayer::detailed().without_grpc());
        let refusing = strict(|_| Rejection::not_found().into_response::<Body>());
        let adopting = ErrorEnvelopeLayer::detailed().without_grpc().adopt_foreign_errors();
        let foreign = strict(|_| Response::builder().status(404).body(Body::default()).unwrap());
        for (response, status) in [
            (whole.layer(ok()).oneshot(call(version, media, &te)).await.unwrap(), 401),
            (whole.envelope().layer(refusing).oneshot(call(version, media, &te)).await.unwrap(), 404),
            (adopting.layer(foreign).oneshot(call(version, media, &te)).await.unwrap(), 404),
        ] {
            assert_eq!(response.status().as_u16(), status, "{version:?} {media}");
            assert!(!response.headers().contains_key("grpc-status"));
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(json(response).await["error"]["status"], status);
        }
    }
}

/// `tonic-web` makes of a gRPC-Web request a gRPC one over HTTP/1.1 that takes trailers.
#[tokio::test]
async fn p74_behind_tonic_web_a_refusal_is_grpc() {
    let rewritten = call(Version::HTTP_11, "application/grpc", &[("te", "trailers"), ("accept-encoding", "identity")]);
    let response = stack(ErrorEnvelopeLayer::detailed()).layer(ok()).oneshot(rewritten).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &"16".parse().unwrap()));
}
