//! Rules 167 to 169 and 171: the status of every kind, and what stands beside it.

use std::time::Duration;

use axum::{Router, routing};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use tonic::Code;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Rejection, RejectionKind, Rules,
    permission::{Verdict, from_fn, scope},
    testing::FlakyKeyStore,
};

use super::{answered, call, details, message, refused, status};
use crate::support::{Body, KEY, Strict, get, ok, store, strict, text};

/// The gRPC status of every kind, written out once more.
const TABLE: [(RejectionKind, Code); 29] = [
    (RejectionKind::MissingCredential, Code::Unauthenticated),
    (RejectionKind::MalformedRequest, Code::InvalidArgument),
    (RejectionKind::InvalidKey, Code::Unauthenticated),
    (RejectionKind::ExpiredKey, Code::Unauthenticated),
    (RejectionKind::PausedKey, Code::Unauthenticated),
    (RejectionKind::DeactivatedKey, Code::Unauthenticated),
    (RejectionKind::RevokedKey, Code::Unauthenticated),
    (RejectionKind::Suspended, Code::Unauthenticated),
    (RejectionKind::InvalidToken, Code::Unauthenticated),
    (RejectionKind::ExpiredToken, Code::Unauthenticated),
    (RejectionKind::InvalidCredentials, Code::Unauthenticated),
    (RejectionKind::InsufficientAuthentication, Code::Unauthenticated),
    (RejectionKind::InsufficientPermissions, Code::PermissionDenied),
    (RejectionKind::OrganizationDenied, Code::PermissionDenied),
    (RejectionKind::Restricted, Code::PermissionDenied),
    (RejectionKind::InvalidJson, Code::InvalidArgument),
    (RejectionKind::InvalidFields, Code::InvalidArgument),
    (RejectionKind::UnsupportedMediaType, Code::InvalidArgument),
    (RejectionKind::PayloadTooLarge, Code::ResourceExhausted),
    (RejectionKind::RequestTimeout, Code::DeadlineExceeded),
    (RejectionKind::RateLimited, Code::ResourceExhausted),
    (RejectionKind::TooCostly, Code::InvalidArgument),
    (RejectionKind::NotFound, Code::Unimplemented),
    (RejectionKind::MethodNotAllowed, Code::Unimplemented),
    (RejectionKind::NotImplemented, Code::Unimplemented),
    (RejectionKind::BadGateway, Code::Unavailable),
    (RejectionKind::Unavailable, Code::Unavailable),
    (RejectionKind::GatewayTimeout, Code::DeadlineExceeded),
    (RejectionKind::Internal, Code::Internal),
];

/// All that a refusal may add to a response: the rest is HTTP's and would be shown as metadata.
fn assert_only_grpc(headers: &HeaderMap) {
    const MAY: [&str; 6] = [
        "content-type",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "grpc-retry-pushback-ms",
        "x-request-id",
    ];
    for name in headers.keys() {
        assert!(MAY.contains(&name.as_str()), "{name} in {headers:?}");
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    for name in [&MAY[..4], &MAY[5..]].concat() {
        assert!(headers.contains_key(name), "{name} is not in {headers:?}");
    }
}

#[tokio::test]
async fn r167_every_kind_is_http_200_without_a_body_in_whatever_format() {
    let formats = [
        ErrorEnvelopeLayer::detailed(),
        ErrorEnvelopeLayer::compact(),
        ErrorEnvelopeLayer::openai(),
        ErrorEnvelopeLayer::problem_json().or_problem_json(),
    ];
    for layer in formats {
        for kind in RejectionKind::ALL.iter().copied() {
            let response = refused(&layer, &[], &Rejection::new(kind)).await;
            assert_eq!(response.status(), StatusCode::OK, "{kind:?}");
            assert_eq!(response.headers()["content-type"], "application/grpc");
            assert_only_grpc(response.headers());
            assert!(response.body().is_end_stream());
            // Who reads the value and not the bytes still finds the refusal as it was.
            assert_eq!(Rejection::of(&response).unwrap().status(), kind.status());
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn r169_every_kind_has_the_status_of_the_design() {
    let layer = ErrorEnvelopeLayer::detailed();
    assert_eq!(TABLE.len() + 1, RejectionKind::ALL.len(), "a kind is missing here");
    for (kind, code) in TABLE {
        let response = refused(&layer, &[], &Rejection::new(kind)).await;
        let seen = status(response.headers());
        assert_eq!(seen.code(), code, "{kind:?}");
        assert_eq!(response.headers()["grpc-status"], (code as i32).to_string());
        assert!(!seen.message().is_empty());
        assert_eq!(
            (message(response.headers()).code, message(response.headers()).message.as_str()),
            (code as i32, seen.message())
        );
    }
}

/// The table from HTTP to gRPC is for clients: a server that used it would say UNAVAILABLE and INTERNAL here.
#[tokio::test]
async fn r168_p65_the_clients_table_is_not_used() {
    let layer = ErrorEnvelopeLayer::detailed();
    for (kind, not) in [
        (RejectionKind::RateLimited, Code::Unavailable),
        (RejectionKind::MalformedRequest, Code::Internal),
        (RejectionKind::InvalidFields, Code::Unknown),
        (RejectionKind::RequestTimeout, Code::Unknown),
    ] {
        let seen = status(refused(&layer, &[], &Rejection::new(kind)).await.headers());
        assert!(seen.code() != not && seen.code() != Code::Internal && seen.code() != Code::Unknown, "{kind:?}");
    }
}

#[tokio::test]
async fn r169_a_handlers_own_refusal_has_the_code_of_its_status() {
    for (http, code) in [
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::NotFound),
        (409, Code::Aborted),
        (422, Code::InvalidArgument),
        (429, Code::ResourceExhausted),
        (500, Code::Internal),
        (501, Code::Unimplemented),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::DeadlineExceeded),
        (415, Code::InvalidArgument),
        (416, Code::OutOfRange),
        (418, Code::FailedPrecondition),
    ] {
        let refusal = Rejection::custom(StatusCode::from_u16(http).unwrap(), "OWN").message("Own words.");
        let response = refused(&ErrorEnvelopeLayer::detailed(), &[], &refusal).await;
        assert_eq!(response.status(), StatusCode::OK, "{http}");
        let seen = status(response.headers());
        assert_eq!((seen.code(), seen.message()), (code, "Own words."), "{http}");
    }
}

#[tokio::test]
async fn r171_the_message_is_percent_encoded_and_comes_back_whole() {
    for (own, sent) in [
        ("There is no such model.", "There is no such model."),
        ("100% of it", "100%25 of it"),
        ("%41", "%2541"),
        ("Größe: 3 €", "Gr%C3%B6%C3%9Fe: 3 %E2%82%AC"),
        ("two\r\nlines\tand\0more\x7f", "two%0D%0Alines%09and%00more%7F"),
        ("x\r\ngrpc-status: 0", "x%0D%0Agrpc-status: 0"),
        ("🔑", "%F0%9F%94%91"),
        ("~ !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}", "~ !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}"),
        (" a space at each end ", " a space at each end "),
    ] {
        let refusal = Rejection::custom(StatusCode::CONFLICT, "OWN").message(own);
        let response = refused(&ErrorEnvelopeLayer::detailed(), &[], &refusal).await;
        assert_eq!(response.headers()["grpc-message"], sent);
        assert_eq!(response.headers()["grpc-status"], "10");
        assert_eq!(status(response.headers()).message(), own);
        assert_eq!(message(response.headers()).message, own);
    }
}

#[tokio::test]
async fn r171_no_private_cause_and_no_system_message_of_ones_own_is_sent() {
    for kind in RejectionKind::ALL.iter().copied() {
        let refusal = Rejection::new(kind).cause("PLANTED: password=hunter2");
        let response = refused(&ErrorEnvelopeLayer::detailed(), &[], &refusal).await;
        let seen = format!("{:?} {:?}", response.headers(), status(response.headers()));
        let bytes = String::from_utf8_lossy(status(response.headers()).details()).into_owned();
        assert!(!(seen + &bytes).contains("PLANTED"), "{kind:?}");
    }
}

/// The wait is stated in gRPC's own form, and `retry-after` stays at home.
#[tokio::test]
async fn r171_the_wait_is_told_as_a_pushback() {
    for (wait, told) in
        [(Duration::from_secs(30), "30000"), (Duration::from_millis(1), "1000"), (Duration::ZERO, "1000")]
    {
        let refusal = Rejection::new(RejectionKind::RateLimited).retry_after(wait);
        let response = refused(&ErrorEnvelopeLayer::detailed(), &[], &refusal).await;
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], told);
        assert_only_grpc(response.headers());
    }
    let forever = Rejection::new(RejectionKind::RateLimited).retry_after(Duration::MAX);
    assert_only_grpc(refused(&ErrorEnvelopeLayer::detailed(), &[], &forever).await.headers());
    let none = refused(&ErrorEnvelopeLayer::detailed(), &[], &Rejection::new(RejectionKind::RateLimited)).await;
    assert!(!none.headers().contains_key("grpc-retry-pushback-ms"));
}

/// Every guard of a stack, as a gRPC client meets it.
#[tokio::test]
async fn r169_a_whole_stack_refuses_in_grpc() {
    let (scheme, memory) = store(KeyRecord::new("k1", "acme").scopes(["read"]));
    let store = FlakyKeyStore::new(memory);
    let rules = Rules::new()
        .require("/orders.v1.Orders/List", scope("read"))
        .require("/orders.v1.Orders/Delete", scope("write"))
        .require("/orders.v1.Orders/Lost", from_fn(|_, _| Verdict::Misconfigured("PLANTED".into())))
        .require("/orders.v1.Orders/Slow", from_fn(|_, _| Verdict::Undecided("PLANTED".into())));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store.clone())).rules(rules).build().unwrap();
    // Mounted whole, and in halves around a gate that makes an HTTP response of a refusal first.
    for halves in [false, true] {
        let ask = async |path: &str, headers: &[(&str, &str)]| {
            let request = call(path, headers);
            let response = if halves {
                stack.envelope().layer(stack.guards().layer(ok())).oneshot(request).await.unwrap()
            } else {
                stack.layer(ok()).oneshot(request).await.unwrap()
            };
            assert_eq!(response.status(), StatusCode::OK);
            assert_only_grpc(response.headers());
            let reason = details(response.headers()).error_info().unwrap().reason.clone();
            let code = status(response.headers()).code();
            assert_eq!(text(response).await, "");
            (code, reason)
        };
        let key = [("x-api-key", KEY)];
        let list = "/orders.v1.Orders/List";
        for (path, headers, code, reason) in [
            (list, &[][..], Code::Unauthenticated, "AUTHENTICATION_REQUIRED"),
            (list, &[("x-api-key", "ak_wrong")], Code::Unauthenticated, "INVALID_API_KEY"),
            (list, &[key[0], key[0]], Code::InvalidArgument, "INVALID_REQUEST"),
            ("/orders.v1.Orders/Delete", &key, Code::PermissionDenied, "INSUFFICIENT_PERMISSIONS"),
            ("/orders.v1.Orders/Lost", &key, Code::Internal, "INTERNAL_ERROR"),
            ("/orders.v1.Orders/Slow", &key, Code::Unavailable, "SERVICE_UNAVAILABLE"),
            ("/orders.v1.Orders/Unknown", &key, Code::Unimplemented, "NOT_FOUND"),
            ("/orders.v1.Orders/Unknown", &[], Code::Unauthenticated, "AUTHENTICATION_REQUIRED"),
        ] {
            assert_eq!(ask(path, headers).await, (code, reason.to_owned()), "{path} {headers:?}, halves: {halves}");
        }
        store.fail();
        assert_eq!(ask(list, &key).await, (Code::Unavailable, "SERVICE_UNAVAILABLE".to_owned()));
        store.recover();
    }
    // The same stack speaks HTTP to everybody else.
    let http = stack.layer(ok()).oneshot(get("/orders.v1.Orders/List", &[])).await.unwrap();
    assert_eq!(http.status(), StatusCode::UNAUTHORIZED);
    assert!(http.headers().contains_key("www-authenticate") && http.headers().contains_key("cache-control"));
}

const ADOPTING: fn() -> ErrorEnvelopeLayer = || ErrorEnvelopeLayer::detailed().adopt_foreign_errors();

#[tokio::test]
async fn r167_a_foreign_404_is_unimplemented() {
    // Around the router: what stands in `Router::layer` is in front of axum's own `Allow`, which is added behind it.
    let app = ADOPTING().layer(Router::new().route("/known", routing::get(|| async { "ok" })));
    for path in ["/orders.v1.Orders/Unknown", "/known"] {
        let response = app.clone().oneshot(call(path, &[])).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(status(response.headers()).code(), Code::Unimplemented, "{path}");
        assert_only_grpc(response.headers());
        assert_eq!(text(response).await, "");
    }
    let left = Router::<()>::new().layer(ErrorEnvelopeLayer::detailed()).oneshot(call("/a/b", &[])).await.unwrap();
    assert_eq!(left.status(), StatusCode::NOT_FOUND, "not without being asked");
}

/// A foreign error with every header that HTTP has for it.
fn foreign(status: u16) -> Strict<impl Fn(http::Request<Body>) -> Response<Body> + Clone> {
    strict(move |_| {
        let fields = [
            ("www-authenticate", "Basic realm=\"a\""),
            ("retry-after", "17"),
            ("cache-control", "no-cache"),
            ("vary", "origin"),
            ("allow", "GET"),
            ("content-length", "7"),
            ("content-type", "text/plain"),
        ];
        let response = Response::builder().status(status);
        let response = fields.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        response.body(Body::from("PLANTED")).unwrap()
    })
}

#[tokio::test]
async fn r169_foreign_errors_have_the_status_of_their_kind_and_leak_no_header() {
    for (http, code) in [
        (404, Code::Unimplemented),
        (405, Code::Unimplemented),
        (408, Code::DeadlineExceeded),
        (413, Code::ResourceExhausted),
        (415, Code::InvalidArgument),
        (500, Code::Internal),
        (501, Code::Unimplemented),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::DeadlineExceeded),
        (507, Code::ResourceExhausted),
    ] {
        let response = answered(&ADOPTING(), &[], foreign(http)).await;
        assert_eq!(status(response.headers()).code(), code, "{http}");
        assert_only_grpc(response.headers());
        assert_eq!(text(response).await, "");
    }
}

/// `retry-after` of a response that is adopted must not be lost: gRPC has words for it (rules 166 and 170).
#[tokio::test]
async fn r170_the_wait_of_an_adopted_error_is_told_as_retry_info() {
    let response = answered(&ADOPTING(), &[], foreign(503)).await;
    let wait = details(response.headers()).retry_info().and_then(|info| info.retry_delay);
    assert_eq!(wait, Some(Duration::from_secs(17)));
}

/// Errors that a gRPC service made itself are its own, whatever their HTTP status.
#[tokio::test]
async fn r167_a_status_of_the_service_itself_is_left_alone() {
    for http in [200, 500] {
        let handler = strict(move |_| {
            let own = Response::builder().status(http).header("content-type", "application/grpc");
            own.header("grpc-status", "5").header("grpc-message", "own").body(Body::default()).unwrap()
        });
        let response = answered(&ADOPTING(), &[], handler).await;
        assert_eq!((response.status().as_u16(), status(response.headers()).code()), (http, Code::NotFound));
        assert_eq!(response.headers()["grpc-message"], "own");
    }
}
