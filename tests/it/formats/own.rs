//! A format of a user's own: all that it receives, and all that it decides.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::json;
use tower_auth::{
    ErrorEnvelopeLayer, Rejection, RejectionKind,
    envelope::{Catalogue, CatalogueEntry, ErrorFormat, ErrorView},
};

use super::{NOW, TRACE_ID, shown};
use crate::support::text;

/// Writes everything that it receives, one line each.
struct Lines;

impl ErrorFormat for Lines {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/vnd.lines; charset=utf-8")
    }

    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
        let details: Vec<String> = refusal.details().map(|(name, value)| format!("{name}={}", json!(value))).collect();
        let text = format!(
            "{:?}\n{}\n{}\n{}\n{:?}\n{}\n{}\n{:?}\n{}\n{}",
            refusal.kind(),
            refusal.status(),
            refusal.code(),
            refusal.message(),
            refusal.system_message(),
            refusal.error_type(),
            details.join("&"),
            refusal.retry_after(),
            refusal.request_id().unwrap(),
            refusal.timestamp(),
        );
        out.extend_from_slice(text.as_bytes());
    }
}

#[tokio::test]
async fn an_own_format_is_told_everything_but_the_private_cause() {
    let refusal = Rejection::new(RejectionKind::RateLimited)
        .detail("limit", 100_u64)
        .detail("window", "minute")
        .detail("of", vec!["a".to_owned(), "b".to_owned()])
        .retry_after(Duration::from_millis(1500))
        .cause("PLANTED");
    let response = shown(&ErrorEnvelopeLayer::new(Lines), &[], &refusal).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["content-type"], "application/vnd.lines; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    let body = text(response).await;
    let expected = format!(
        "RateLimited\n429 Too Many Requests\nRATE_LIMIT_EXCEEDED\nYou have sent too many requests. Please try again \
         later.\nSome(\"Rate limit exceeded\")\nrate_limit_error\nlimit=100&window=\"minute\"&of=[\"a\",\"b\"]\n\
         Some(2)\n{TRACE_ID}\n{NOW}"
    );
    assert_eq!((body.as_str(), length), (expected.as_str(), body.len().to_string()));
}

#[tokio::test]
async fn an_own_format_takes_the_words_of_the_catalogue_and_of_the_handler() {
    let words =
        CatalogueEntry::new("GONE_FISHING").message("Nobody is here.").system_message("s").error_type("own_error");
    let layer = ErrorEnvelopeLayer::new(Lines)
        .catalogue(Catalogue::default().with(RejectionKind::NotFound, words))
        .without_system_message();
    let body = text(shown(&layer, &[], &Rejection::not_found()).await).await;
    let of_catalogue = "NotFound\n404 Not Found\nGONE_FISHING\nNobody is here.\nNone\nown_error\n\nNone\n";
    assert!(body.starts_with(of_catalogue), "{body}");
    let own = Rejection::custom(StatusCode::GONE, "SOLD").message("It is sold.").system_message("PLANTED");
    let body = text(shown(&layer, &[], &own).await).await;
    assert!(body.starts_with("Custom\n410 Gone\nSOLD\nIt is sold.\nNone\nclient_error\n\nNone\n"), "{body}");
}

/// It may write nothing, and it may be asked for problem details beside it.
#[tokio::test]
async fn an_own_format_may_be_empty_and_may_be_negotiated() {
    struct Nothing;
    impl ErrorFormat for Nothing {
        fn content_type(&self) -> HeaderValue {
            HeaderValue::from_static("text/plain")
        }

        fn render(&self, _: &ErrorView<'_>, _: &mut Vec<u8>) {}
    }
    let layer = ErrorEnvelopeLayer::new(Nothing).or_problem_json();
    let response = shown(&layer, &[], &Rejection::not_found()).await;
    assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (404, &HeaderValue::from(0)));
    assert_eq!(text(response).await, "");
    let response = shown(&layer, &[("accept", "application/problem+json")], &Rejection::not_found()).await;
    assert!(text(response).await.starts_with(r#"{"type":"about:blank","title":"Not Found","status":404,"#));
}
