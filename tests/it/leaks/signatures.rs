//! Only what GitHub has signed is read.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use http_body::Frame;
use sha2::{Digest as _, Sha256};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    BodyLimits, BoxError, ErrorEnvelopeLayer, MaybeReady, Rejection, RejectionKind,
    leaks::{GitHubKeys, ReportKeys},
    token::{Algorithm, VerifyingKey},
};

use super::{Desk, IDENTIFIER, ask, der, github, labels, post, published, report, signature, signed, status};
use crate::{
    support::{json, text},
    tokens::mint,
};

/// The examples of GitHub's documentation, of several years, with the keys that GitHub has published.
const DOCUMENTED: [(&str, &str, &str, &str); 3] = [
    (
        "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\nHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==",
        "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=",
        r#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]"#,
    ),
    (
        "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==",
        "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=",
        r#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#,
    ),
    // Its S has 31 bytes.
    (
        "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
        "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
        r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
    ),
];

#[tokio::test]
async fn the_examples_of_githubs_documentation_are_genuine() {
    let pem = |key: &str| format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    let pems = DOCUMENTED.map(|(id, key, ..)| (id, pem(key)));
    let keys = pems.each_ref().map(|(id, pem)| (*id, &**pem, true));
    let desk = Desk::signed_by(GitHubKeys::from_json(&published(&keys)).unwrap());
    let hash = Sha256::digest("some_token").iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    for (id, _, signature, body) in DOCUMENTED {
        let answer = json(ask(&desk.reports, post(id, signature, body)).await).await;
        let expected =
            serde_json::json!([{ "token_hash": hash, "token_type": "some_type", "label": "false_positive" }]);
        assert_eq!(answer, expected);
        let other = body.replace("some_token", "some_tokem");
        assert_eq!(status(&desk.reports, post(id, signature, other)).await, 401);
    }
}

/// The status, and why it is what it is.
async fn refusal(desk: &Desk, request: Request<super::Body>) -> (u16, String) {
    let response = ask(&desk.reports, request).await;
    let Some(refusal) = Rejection::of(&response) else { return (response.status().as_u16(), String::new()) };
    let cause = refusal.private_cause().map(ToString::to_string).unwrap_or_default();
    (response.status().as_u16(), cause)
}

#[tokio::test]
async fn what_github_has_not_signed_is_refused() {
    let desk = Desk::new();
    let key = desk.create().await;
    let body = serde_json::json!([super::entry(key.secret.expose())]).to_string();
    let good = signature(mint::key("es256"), body.as_bytes());
    let raw = mint::key("es256").sign(body.as_bytes());
    let whole = STANDARD.decode(&good).unwrap();
    let wrong = "the signature of the report is wrong";
    for (identifier, signature, why) in [
        (IDENTIFIER, signature(&mint::attackers()[1], body.as_bytes()), wrong),
        (IDENTIFIER, signature(mint::key("es256"), format!("{body} ").as_bytes()), wrong),
        (IDENTIFIER, signature(mint::key("es256"), b""), wrong),
        (IDENTIFIER, STANDARD.encode(&raw), wrong),
        (IDENTIFIER, STANDARD.encode(&whole[1..]), wrong),
        (IDENTIFIER, STANDARD.encode([&whole[..], &[0]].concat()), wrong),
        (IDENTIFIER, STANDARD.encode([0x30, 6, 2, 1, 0, 2, 1, 0]), wrong),
        (IDENTIFIER, STANDARD.encode([0x30]), wrong),
        ("a2", good.clone(), "no key has the identifier of the report"),
        ("A1", good.clone(), "no key has the identifier of the report"),
    ] {
        let (status, cause) = refusal(&desk, post(identifier, &signature, body.clone())).await;
        assert_eq!((status, &*cause), (401, why), "{identifier} {signature}");
    }
    assert!(!desk.is_revoked(&key).await && desk.told().is_empty());
    assert_eq!(labels(&desk.reports, post(IDENTIFIER, &good, body)).await, [true]);
}

/// An unknown key, a wrong signature, and one under which there is no JSON.
#[tokio::test]
async fn a_refusal_does_not_say_what_is_wrong_with_the_signature() {
    let reports = ErrorEnvelopeLayer::compact().layer(Desk::new().reports);
    let good = signature(mint::key("es256"), b"[]");
    let mut seen = Vec::new();
    for request in [post("a2", &good, "[]"), post(IDENTIFIER, &good, "[ ]"), post(IDENTIFIER, &good, "not JSON")] {
        let response = reports.clone().oneshot(request).await.unwrap();
        let challenge = response.headers()["www-authenticate"].clone();
        seen.push((response.status().as_u16(), challenge, text(response).await));
    }
    assert_eq!((seen[0].0, seen[0].2.contains("INVALID_SIGNATURE")), (401, true));
    assert_eq!((&seen[0], &seen[1]), (&seen[1], &seen[2]));
}

#[tokio::test]
async fn malformed_headers_are_refused_before_the_body_is_read() {
    let desk = Desk::new();
    let good = signature(mint::key("es256"), b"[]");
    for (identifier, signature, expected) in [
        ("", &*good, 400),
        (IDENTIFIER, "", 400),
        ("a b", &good, 400),
        (&"a".repeat(257), &good, 400),
        (&"a".repeat(256), &good, 401),
        (IDENTIFIER, "%%%", 400),
        (IDENTIFIER, &good[1..], 400),
        (IDENTIFIER, &"A".repeat(260), 400),
        (IDENTIFIER, &good.replace('=', ""), if good.contains('=') { 400 } else { 200 }),
        (IDENTIFIER, &good, 200),
    ] {
        assert_eq!(
            status(&desk.reports, post(identifier, signature, "[]")).await,
            expected,
            "{identifier:?} {signature:?}"
        );
    }
    for name in ["github-public-key-identifier", "github-public-key-signature"] {
        let mut request = signed("[]");
        request.headers_mut().remove(name);
        let response = ask(&desk.reports, request).await;
        assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::MissingCredential);
        let mut request = signed("[]");
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        assert_eq!(status(&desk.reports, request).await, 400);
    }
}

#[tokio::test]
async fn reports_are_posted_as_json() {
    let desk = Desk::new();
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS] {
        let mut request = signed("[]");
        *request.method_mut() = method;
        let response = ask(&desk.reports, request).await;
        assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
    }
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        let mut request = signed("[]");
        request.headers_mut().insert("content-type", media.parse().unwrap());
        assert_eq!(status(&desk.reports, request).await, 415, "{media}");
    }
    let mut request = signed("[]");
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(status(&desk.reports, request).await, 415);
}

#[tokio::test]
async fn a_report_has_a_size() {
    let desk = Desk::new();
    let body = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
    assert_eq!(status(&desk.reports, signed(&body(1 << 20))).await, 200);
    assert_eq!(status(&desk.reports, signed(&body((1 << 20) + 1))).await, 413);
    let small = desk.reports.clone().limits(BodyLimits::new().max_bytes(100));
    assert_eq!((status(&small, signed(&body(100))).await, status(&small, signed(&body(101))).await), (200, 413));
}

/// Sends its first bytes, and no more.
struct Stalled(Option<Bytes>);

impl http_body::Body for Stalled {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_has_a_time_to_arrive() {
    let desk = Desk::new();
    let reports = desk.reports.limits(BodyLimits::new().read_timeout(Duration::from_secs(3)));
    let (head, _) = signed("[]").into_parts();
    let started = tokio::time::Instant::now();
    let request = Request::from_parts(head, Stalled(Some(Bytes::from_static(b"["))));
    let response = reports.oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), started.elapsed().as_secs()), (408, 3));
}

#[tokio::test]
async fn what_is_signed_and_no_report_is_refused() {
    let desk = Desk::new();
    let key = desk.create().await;
    let token = key.secret.expose();
    for body in [
        "",
        "{}",
        "null",
        "[1]",
        "[[]]",
        r#"[{"type":"a"}]"#,
        r#"[{"token":1}]"#,
        r#"[{"token":null}]"#,
        &format!(r#"[{{"token":"{token}","url":1}}]"#),
        &format!(r#"[{{"token":"{token}"}},{{}}]"#),
        &format!(r#"[{{"token":"{token}"}}"#),
    ] {
        assert_eq!(status(&desk.reports, signed(body)).await, 400, "{body}");
    }
    assert!(!desk.is_revoked(&key).await, "a report is read as a whole or not at all");
    let lenient = format!(r#"[{{"token":"{token}","type":null,"new":{{"a":[1]}}}}]"#);
    assert_eq!(labels(&desk.reports, signed(&lenient)).await, [true]);
}

/// Has a key of another algorithm.
struct Other(VerifyingKey);

impl ReportKeys for Other {
    fn find(&self, _: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
        MaybeReady::ready(Ok(Some(self.0.clone())))
    }
}

#[tokio::test]
async fn a_key_of_another_algorithm_is_a_fault_of_the_service() {
    let key = VerifyingKey::from_pem(Algorithm::Es384, mint::P384).unwrap();
    let desk = Desk::signed_by(Arc::new(Other(key)));
    assert_eq!(status(&desk.reports, signed("[]")).await, 500);
}

#[tokio::test]
async fn a_key_that_is_not_current_signs_nothing() {
    let old = published(&[(IDENTIFIER, mint::P256, false), ("a2", mint::P256, true)]);
    let desk = Desk::signed_by(GitHubKeys::from_json(&old).unwrap());
    assert_eq!(status(&desk.reports, report([])).await, 401);
    let error = GitHubKeys::from_json(b"{}").unwrap_err().to_string();
    assert!(error.contains("no list `public_keys`") && error.contains(GitHubKeys::URL), "{error}");
    assert!(format!("{:?}", github()).starts_with("GitHubKeys"));
}

#[test]
fn the_encoder_of_the_tests_is_right() {
    assert_eq!(der(&[&[0x80; 32][..], &[0; 31], &[1]].concat())[..5], [0x30, 38, 2, 33, 0]);
}
