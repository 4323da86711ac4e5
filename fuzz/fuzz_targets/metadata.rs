//! Reads the input as the metadata of an issuer, and checks which key set is then fetched, against a second reader.
#![no_main]

use std::{
    cell::RefCell,
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{Empty, Full};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_auth::{jwks::JwksClient, token::KeySource as _};

const ISSUER: &str = "https://id.test/a";
const METADATA: &str = "https://id.test/a/.well-known/openid-configuration";
/// The other host whose key sets are allowed.
const OTHER: &str = "keys.test";
const SET: &str = r#"{"keys":[]}"#;

thread_local! {
    static DOCUMENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ASKED: RefCell<Vec<Uri>> = const { RefCell::new(Vec::new()) };
}

/// It is built once, because it reads the system's root certificates.
static CLIENT: LazyLock<JwksClient> =
    LazyLock::new(|| JwksClient::discover(ISSUER).jwks_host(OTHER).with_service(tower::service_fn(answer)));

/// Answers the first request with the input, and the second with a key set.
fn answer(request: Request<Empty<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let first = ASKED.with_borrow_mut(|asked| {
        asked.push(request.uri().clone());
        asked.len() == 1
    });
    let body = if first { DOCUMENT.with_borrow(Clone::clone) } else { SET.into() };
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    ready(Ok(response))
}

/// Returns the output of a future that must be ready.
fn wait<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the future is pending, although it has nothing to wait for"),
    }
}

/// Returns the key set that the metadata name, if it may be fetched.
fn named(document: &[u8]) -> Option<Uri> {
    let document: Value = serde_json::from_slice(document).ok()?;
    if document.get("issuer")?.as_str()? != ISSUER {
        return None;
    }
    let uri: Uri = document.get("jwks_uri")?.as_str()?.parse().ok()?;
    let port = uri.authority()?.as_str().rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    let is_allowed = uri.scheme_str() == Some("https") && [Some("id.test"), Some(OTHER)].contains(&uri.host());
    (is_allowed && port.is_none_or(|port| port.is_ok())).then_some(uri)
}

fuzz_target!(|bytes: &[u8]| {
    DOCUMENT.with_borrow_mut(|document| bytes.clone_into(document));
    ASKED.with_borrow_mut(Vec::clear);
    let fetched = wait(CLIENT.fetch());
    let asked = ASKED.with_borrow(Clone::clone);
    assert_eq!(asked.first().map(ToString::to_string).as_deref(), Some(METADATA));
    match (asked.as_slice(), named(bytes)) {
        ([_], None) => {
            let told = fetched.expect_err("metadata without a key set are an error").to_string();
            assert!(told.len() < 1000, "{told}");
        }
        ([_, key_set], Some(expected)) => {
            assert_eq!(*key_set, expected);
            assert_eq!(fetched.expect("the key set is fetched"), SET.as_bytes());
        }
        // A user and a password are not sent anywhere, whatever is read of them.
        ([_], Some(expected)) => {
            assert!(expected.authority().is_some_and(|authority| authority.as_str().contains('@')))
        }
        (asked, expected) => panic!("asked for {asked:?}, and the second reader names {expected:?}"),
    }
});
