//! Rule 173: gRPC-Web reads trailers at the end of the body.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tower_auth::{ErrorEnvelopeLayer, Rejection, RejectionKind, envelope::EnvelopeBody};

use super::{answered, refused};
use crate::support::{Body, strict};

const WEB: (&str, &str) = ("content-type", "application/grpc-web+proto");
const TEXT: (&str, &str) = ("content-type", "application/grpc-web-text");

async fn bytes(response: Response<EnvelopeBody<Body>>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The frame that the trailers of the same refusal make: what plain gRPC sends as headers, in their order.
async fn frame(layer: &ErrorEnvelopeLayer, refusal: &Rejection) -> Vec<u8> {
    let plain = refused(layer, &[], refusal).await;
    let names = ["grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-retry-pushback-ms"];
    let fields = names.into_iter().filter_map(|name| Some((name, plain.headers().get(name)?.to_str().unwrap())));
    let block: String = fields.flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    [&[0x80][..], &u32::try_from(block.len()).unwrap().to_be_bytes(), block.as_bytes()].concat()
}

#[tokio::test]
async fn r173_trailers_are_one_frame_of_the_body() {
    let layer = ErrorEnvelopeLayer::detailed();
    let own = Rejection::custom(StatusCode::CONFLICT, "OWN").message("größe\r\ngrpc-status: 0");
    let limited = Rejection::new(RejectionKind::RateLimited).retry_after(Duration::from_secs(3));
    for refusal in RejectionKind::ALL.iter().copied().map(Rejection::new).chain([own, limited]) {
        let expected = frame(&layer, &refusal).await;
        for (headers, media, expected) in [
            (WEB, "application/grpc-web+proto", expected.clone()),
            (TEXT, "application/grpc-web-text+proto", STANDARD.encode(&expected).into_bytes()),
        ] {
            let response = refused(&layer, &[headers], &refusal).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["content-type"], media);
            assert_eq!(response.headers()["content-length"], expected.len().to_string());
            for name in
                ["grpc-status", "grpc-message", "www-authenticate", "retry-after", "cache-control", "vary", "allow"]
            {
                assert!(!response.headers().contains_key(name), "{name}: {:?}", response.headers());
            }
            assert_eq!(bytes(response).await, expected, "{refusal:?}");
        }
    }
}

/// One frame, written out: a first byte of 0x80, four of length, lines that end with CR LF.
#[tokio::test]
async fn r173_the_frame_byte_for_byte() {
    let refusal = Rejection::custom(StatusCode::NOT_FOUND, "OWN").message("é");
    let body = bytes(refused(&ErrorEnvelopeLayer::detailed(), &[WEB], &refusal).await).await;
    assert_eq!(
        body[..5],
        [0x80, 0, 0, u8::try_from((body.len() - 5) >> 8).unwrap(), (body.len() - 5).to_le_bytes()[0]]
    );
    let lines: Vec<&str> = str::from_utf8(&body[5..]).unwrap().split("\r\n").collect();
    assert_eq!(lines[..2], ["grpc-status: 5", "grpc-message: %C3%A9"]);
    let details = lines[2].strip_prefix("grpc-status-details-bin: ").unwrap();
    let details = base64::engine::general_purpose::STANDARD_NO_PAD.decode(details).unwrap();
    assert_eq!(details[..6], [0x08, 5, 0x12, 2, 0xc3, 0xa9], "code and message of google.rpc.Status");
    assert_eq!(lines[3..], [""], "and nothing behind it");
}

#[tokio::test]
async fn r173_a_browser_may_read_the_fields_unless_a_cors_layer_says_otherwise() {
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let response = refused(&layer, &[WEB], &Rejection::not_found()).await;
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_owned();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{exposed}");
    }
    let handler = strict(|_| {
        let own = Response::builder().status(404).header("access-control-expose-headers", "own");
        own.header("access-control-allow-origin", "https://a.example").body(Body::default()).unwrap()
    });
    let response = answered(&layer, &[WEB], handler).await;
    assert_eq!(response.headers().get_all("access-control-expose-headers").iter().count(), 1);
    assert_eq!(response.headers()["access-control-expose-headers"], "own");
    assert_eq!(response.headers()["access-control-allow-origin"], "https://a.example");
    let plain = refused(&layer, &[], &Rejection::not_found()).await;
    assert!(!plain.headers().contains_key("access-control-expose-headers"));
}
