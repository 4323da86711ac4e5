//! gRPC-Web on every host: a browser reads trailers at the end of the body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{Auth, READER, UNKNOWN, client::Answer, everywhere};

const LOOK: &str = "/inventory.v1.Stock/Look";
const RESERVE: &str = "/inventory.v1.Stock/Reserve";

/// The fields of the one frame of which a refusal consists.
fn frame(body: &[u8]) -> Vec<(String, String)> {
    assert_eq!(body[0], 0x80, "no frame of trailers");
    let length = u32::from_be_bytes(body[1..5].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), body.len() - 5);
    let text = str::from_utf8(&body[5..]).unwrap().strip_suffix("\r\n").unwrap();
    let fields = text.split("\r\n").map(|line| line.split_once(": ").unwrap());
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    let values: Vec<_> = fields.iter().filter(|(n, _)| n == name).map(|(_, value)| &**value).collect();
    let [value] = values[..] else { panic!("{name} in {fields:?}") };
    value
}

fn assert_web(answer: &Answer, media: &str, exposed: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), [media]);
    assert_eq!(answer.header("content-length"), [answer.body.len().to_string()]);
    assert_eq!(answer.header("access-control-expose-headers"), [exposed]);
    assert!(answer.trailers.is_none() && answer.header("grpc-status").is_empty());
    for name in ["www-authenticate", "retry-after", "cache-control"] {
        assert!(answer.header(name).is_empty(), "{name}");
    }
}

const EXPOSED: &str = "grpc-status,grpc-message,grpc-status-details-bin";

#[tokio::test]
async fn r173_refusals_are_a_frame_of_trailers_in_the_body() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for (method, key, status) in [(LOOK, UNKNOWN, "16"), (LOOK, "", "16"), (RESERVE, READER, "7")] {
            for media in ["application/grpc-web", "application/grpc-web+proto"] {
                let answer = case.ask(Method::POST, method, &[("content-type", media), ("x-api-key", key)]).await;
                assert_web(&answer, "application/grpc-web+proto", EXPOSED);
                let fields = frame(&answer.body);
                assert_eq!(field(&fields, "grpc-status"), status, "{case}");
                assert!(!field(&fields, "grpc-message").is_empty(), "{case}");
                assert!(!field(&fields, "grpc-status-details-bin").is_empty(), "{case}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r173_the_text_variant_is_base64() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for media in ["application/grpc-web-text", "application/grpc-web-text+proto"] {
            let answer = case.ask(Method::POST, LOOK, &[("content-type", media)]).await;
            assert_web(&answer, "application/grpc-web-text+proto", EXPOSED);
            let fields = frame(&STANDARD.decode(&answer.body).unwrap());
            assert_eq!(field(&fields, "grpc-status"), "16", "{case}");
        }
    })
    .await;
}

#[tokio::test]
async fn r173_a_dead_store_says_when_to_come_back() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        case.auth.store.fail();
        let headers = [("content-type", "application/grpc-web"), ("x-api-key", READER)];
        let answer = case.ask(Method::POST, LOOK, &headers).await;
        case.auth.store.recover();
        let fields = frame(&answer.body);
        assert_eq!(field(&fields, "grpc-status"), "14", "{case}");
        assert_eq!(field(&fields, "grpc-retry-pushback-ms"), "1000", "{case}");
    })
    .await;
}

#[tokio::test]
async fn r173_a_browser_may_read_the_refusal() {
    let auth = Auth::new();
    let mut mount = auth.mount();
    let origin = "https://app.test";
    mount.cors_outside =
        Some(CorsLayer::new().allow_origin(AllowOrigin::list([HeaderValue::from_static("https://app.test")])));
    everywhere(&auth, &mount, async |case| {
        let headers = [("content-type", "application/grpc-web"), ("origin", origin)];
        let answer = case.ask(Method::POST, LOOK, &headers).await;
        assert_web(&answer, "application/grpc-web+proto", EXPOSED);
        assert_eq!(answer.header("access-control-allow-origin"), [origin], "{case}");
    })
    .await;
}
