//! gRPC on every host: refusals are trailers-only, and tonic's own client understands all of them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Version};
use http_body::Frame;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;
use tower_auth::{
    ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyScheme, MemoryKeyStore, Rejection, RejectionKind,
    envelope::{Catalogue, CatalogueEntry},
};

use super::{
    Auth, Case, READER, UNKNOWN, WRITER,
    client::{Answer, ask},
    everywhere,
    pb::{Reserve, stock_client::StockClient},
    serve::Mount,
};

const LOOK: &str = "/inventory.v1.Stock/Look";
const RESERVE: &str = "/inventory.v1.Stock/Reserve";

/// Checks that a refusal is what gRPC calls "trailers-only", with nothing of HTTP's own in it.
fn assert_trailers_only(case: &Case<'_>, answer: &Answer, status: &str) {
    assert_eq!(answer.status, 200, "{case}");
    assert_eq!(answer.header("content-type"), ["application/grpc"], "{case}");
    assert_eq!(answer.header("grpc-status"), [status], "{case}");
    assert!(answer.body.is_empty() && answer.trailers.is_none(), "{case} {answer:?}");
    assert_eq!(answer.header("grpc-status-details-bin").len(), 1, "{case}");
    let message = answer.header("grpc-message")[0];
    assert!(!message.is_empty() && message.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{case} {message}");
    for name in ["www-authenticate", "retry-after", "cache-control", "vary", "allow", "content-encoding"] {
        assert!(answer.header(name).is_empty(), "{case} {name}");
    }
    assert_eq!(answer.header("x-request-id").len(), 1, "{case}");
}

#[tokio::test]
async fn r167_r168_r169_p65_refusals_are_trailers_only_with_their_own_status() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let key = |key| [("x-api-key", key)];
        for (method, headers, status) in [
            (LOOK, &[][..], "16"),
            (LOOK, &key(UNKNOWN), "16"),
            (LOOK, &key("short"), "16"),
            (RESERVE, &key(READER), "7"),
            (LOOK, &[key(READER)[0], key(READER)[0]], "3"),
            (LOOK, &[("authorization", "Bearer")], "16"),
            ("/inventory.v1.Gold/Look", &[], "16"),
            ("/inventory.v1.Gold/Look", &key(WRITER), "12"),
            ("/inventory.v1.Stock//Look", &key(WRITER), "3"),
            ("/inventory.v1.Stock/%4cook", &key(WRITER), "3"),
        ] {
            assert_trailers_only(case, &case.call(method, headers).await, status);
        }
        case.auth.store.fail();
        let answer = case.call(LOOK, &key(READER)).await;
        case.auth.store.recover();
        assert_trailers_only(case, &answer, "14");
        assert_eq!(answer.header("grpc-retry-pushback-ms"), ["1000"], "{case}");
    })
    .await;
}

#[tokio::test]
async fn r167_the_media_type_decides() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for (media, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("Application/GRPC; charset=utf-8", true),
            ("application/grpcx", false),
            ("application/json", false),
            ("text/plain; application/grpc", false),
        ] {
            // Over HTTP/1.1, a client that reads trailers says so; the one that does not is plain HTTP.
            for te in [&[("te", "trailers")][..], &[]] {
                let grpc = grpc && (case.version == Version::HTTP_2 || !te.is_empty());
                let answer = case.ask(Method::POST, LOOK, &[&[("content-type", media)], te].concat()).await;
                assert_eq!(answer.grpc_status(), if grpc { "16" } else { "none" }, "{case} {media}");
                assert_eq!(answer.status, if grpc { 200 } else { 401 }, "{case} {media}");
            }
        }
    })
    .await;
}

/// A body of which nothing ever comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn r172_a_stranger_is_refused_before_the_first_message() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        let request = case.request(Method::POST, LOOK, &headers).body(Never).unwrap();
        assert_trailers_only(case, &ask(case.version, request).await, "16");
    })
    .await;
}

async fn connect(case: &Case<'_>) -> Channel {
    Channel::from_shared(format!("http://{}", case.address)).unwrap().connect().await.unwrap()
}

/// A message about this organisation, with these keys.
fn message(keys: &[&str], org: &str) -> tonic::Request<Reserve> {
    let mut request = tonic::Request::new(Reserve { org: org.to_owned(), item: String::new() });
    for key in keys {
        request.metadata_mut().append("x-api-key", key.parse().unwrap());
    }
    request
}

fn assert_refused(case: &Case<'_>, refused: &Status, code: Code, reason: &str) {
    let info = refused.get_details_error_info().unwrap();
    let told = (refused.code(), &*info.reason, &*info.domain);
    assert_eq!(told, (code, reason, "hosts.test"), "{case} {refused:?}");
    let id = refused.metadata().get("x-request-id").unwrap().to_str().unwrap();
    assert_eq!(refused.get_details_request_info().unwrap().request_id, id, "{case}");
    assert_eq!(case.auth.decisions().last().unwrap().trace_id.as_deref(), Some(id), "{case}");
    for header in ["www-authenticate", "retry-after", "cache-control", "vary"] {
        assert!(!refused.metadata().contains_key(header), "{case} {header}");
    }
}

#[tokio::test]
async fn r169_r170_r171_tonics_client_decodes_refusals() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        if case.version == Version::HTTP_11 {
            return;
        }
        let mut stock = StockClient::new(connect(case).await);
        let refused = stock.look(message(&[], "")).await.unwrap_err();
        assert_refused(case, &refused, Code::Unauthenticated, "AUTHENTICATION_REQUIRED");
        assert_eq!(refused.message(), "Please sign in to continue.", "{case}");
        let refused = stock.look(message(&[UNKNOWN], "")).await.unwrap_err();
        assert_refused(case, &refused, Code::Unauthenticated, "INVALID_API_KEY");

        let refused = stock.reserve(message(&[READER], "acme")).await.unwrap_err();
        assert_refused(case, &refused, Code::PermissionDenied, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(refused.message(), "You don't have permission to perform this action.", "{case}");
        let metadata = refused.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["requiredPermissions"], "write", "{case}");

        let refused = stock.look(message(&[READER, READER], "")).await.unwrap_err();
        assert_refused(case, &refused, Code::InvalidArgument, "INVALID_REQUEST");
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "x-api-key", "{case}");

        case.auth.store.fail();
        let refused = stock.look(message(&[READER], "")).await.unwrap_err();
        case.auth.store.recover();
        assert_refused(case, &refused, Code::Unavailable, "SERVICE_UNAVAILABLE");
        let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert_eq!(wait.as_secs(), 1, "{case}");
        assert!(!format!("{refused:?}").contains("set to fail"), "{case}");
    })
    .await;
}

#[tokio::test]
async fn r172_health_is_open_by_declaration_and_good_keys_reach_the_service() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        if case.version == Version::HTTP_11 {
            return;
        }
        let channel = connect(case).await;
        let asked = case.auth.store.asked();
        let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!((health.into_inner().status, case.auth.store.asked()), (1, asked), "{case}");
        let mut stock = StockClient::new(channel);
        let seen = stock.look(message(&[READER], "")).await.unwrap();
        assert_eq!(seen.metadata().get("x-request-id").unwrap().len(), 36, "{case}");
        assert_eq!(seen.into_inner().note, "seen by ann", "{case}");
        let reserved = stock.reserve(message(&[WRITER], "acme")).await.unwrap().into_inner();
        assert_eq!(reserved.note, "reserved for bob", "{case}");
    })
    .await;
}

#[tokio::test]
async fn r170_a_handlers_own_refusal_is_a_status() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        if case.version == Version::HTTP_11 {
            return;
        }
        let mut stock = StockClient::new(connect(case).await);
        let refused = stock.reserve(message(&[WRITER], "globex")).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, "100 % not yours: ü"), "{case}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "WRONG_ORG", "{case}");
    })
    .await;
}

/// A handler refuses with the same words as a guard: clients sort reasons by domain, and support finds requests by
/// their id.
#[tokio::test]
async fn r170_a_handlers_own_refusal_has_domain_and_id_of_the_envelope() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        if case.version == Version::HTTP_11 {
            return;
        }
        let mut stock = StockClient::new(connect(case).await);
        let refused = stock.reserve(message(&[WRITER], "globex")).await.unwrap_err();
        assert_refused(case, &refused, Code::PermissionDenied, "WRONG_ORG");
    })
    .await;
}

#[tokio::test]
async fn a_handlers_own_refusal_is_told_to_the_observer() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        if case.version == Version::HTTP_11 {
            return;
        }
        let mut stock = StockClient::new(connect(case).await);
        stock.reserve(message(&[WRITER], "globex")).await.unwrap_err();
        let seen = case.auth.decisions();
        let refusal = seen.last().unwrap();
        assert_eq!((refusal.kind, refusal.layer), (Some(RejectionKind::Custom), "handler"), "{case} {seen:?}");
        assert_eq!(refusal.subject.as_deref(), Some("bob"), "{case}");
    })
    .await;
}

/// A message may have what cannot stand in a header as it is.
#[tokio::test]
async fn r171_a_message_in_any_language_arrives() {
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let words = CatalogueEntry::new("WER_DA").message("Schlüssel fehlt: 100 %\nnoch einmal");
    let catalogue = Catalogue::default().with(RejectionKind::MissingCredential, words);
    let envelope = ErrorEnvelopeLayer::detailed().catalogue(catalogue);
    let stack = AuthStack::builder().envelope(envelope).auth(ApiKeyLayer::new(scheme, store)).build().unwrap();
    let auth = Auth::new();
    everywhere(&auth, &Mount::new(stack), async |case| {
        let raw = case.call(LOOK, &[]).await;
        assert_eq!(raw.header("grpc-message"), ["Schl%C3%BCssel fehlt: 100 %25%0Anoch einmal"], "{case}");
        if case.version == Version::HTTP_11 {
            return;
        }
        let refused = StockClient::new(connect(case).await).look(message(&[], "")).await.unwrap_err();
        assert_eq!(refused.message(), "Schlüssel fehlt: 100 %\nnoch einmal", "{case}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "WER_DA", "{case}");
    })
    .await;
}

#[test]
fn a_refusal_as_a_status_says_what_the_envelope_says() {
    for kind in RejectionKind::ALL.iter().copied() {
        let status = Status::from(Rejection::new(kind));
        assert_eq!(status.code(), Code::from_i32(kind.grpc_code().into()), "{kind:?}");
        assert!(status.get_details_error_info().is_some(), "{kind:?}");
    }
}
