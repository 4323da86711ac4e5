//! The client is put together before it is used, and asks whatever service it is given.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Service, service_fn};
use tower_auth::{
    BoxError, Clock, ConfigError, TokenVerifier,
    jwks::JwksClient,
    testing::AssertReady,
    token::{Claims, TokenError},
};

use super::{AUDIENCE, FETCH, Fate, ISSUER, OLD, key_set, noon, reason, verdict};

const URL: &str = "https://id.example.com/jwks.json";

fn built(client: JwksClient) -> Result<TokenVerifier, ConfigError> {
    TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build()
}

async fn outcome(client: JwksClient) -> Result<Claims, TokenError> {
    verdict(built(client).unwrap().verify(&OLD.token(), &Clock::from(&noon()))).await
}

fn answer() -> Response<Full<Bytes>> {
    Response::builder().header("content-type", "application/json").body(key_set(&[&OLD]).into()).unwrap()
}

#[test]
fn r049_an_address_that_is_not_https_is_refused_when_it_is_built() {
    let mut taken = Vec::new();
    for url in [
        "http://id.example.com/jwks.json",
        "HTTP://id.example.com/jwks.json",
        "ftp://id.example.com/jwks.json",
        "ws://id.example.com/jwks.json",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "data:application/json,{}",
        "/jwks.json",
        "jwks.json",
        "id.example.com",
        "id.example.com/jwks.json",
        "//id.example.com/jwks.json",
        "https:",
        "https://",
        "https:///jwks.json",
        "https://:443/jwks.json",
        "https://id example.com/jwks.json",
        "https://id.example.com:port/jwks.json",
        "https://id.example.com:65536/jwks.json",
        " https://id.example.com/jwks.json",
        "",
        "\0",
        "¿dónde?",
    ] {
        for (kind, client) in [("keys", JwksClient::new(url)), ("issuer", JwksClient::discover(url))] {
            match built(client) {
                Ok(_) => taken.push((kind, url)),
                Err(error) => assert!(error.to_string().contains(URL), "it says how help: {error}"),
            }
        }
        if TokenVerifier::jwks(ISSUER, url).audience(AUDIENCE).build().is_ok() {
            taken.push(("jwks", url));
        }
        if TokenVerifier::discover(url).audience(AUDIENCE).build().is_ok() {
            taken.push(("discover", url));
        }
        // Plain HTTP is all that the other name opens.
        let plain = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
        if built(JwksClient::new(url).insecure_http()).is_ok() != plain {
            taken.push(("insecure", url));
        }
    }
    assert_eq!(taken, []);
}

#[test]
fn an_address_with_https_is_taken_and_nothing_is_asked_outside_of_a_runtime() {
    for url in [URL, "HTTPS://ID.EXAMPLE.COM", "https://127.0.0.1:8443/a?b=c", "https://[::1]/jwks.json"] {
        assert!(built(JwksClient::new(url)).is_ok(), "{url}");
        assert!(TokenVerifier::jwks(ISSUER, url).audience(AUDIENCE).build().is_ok(), "{url}");
    }
    assert!(TokenVerifier::discover(ISSUER).audience(AUDIENCE).build().is_ok());
}

#[tokio::test]
async fn any_service_can_be_asked_instead() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Empty<Bytes>>| {
        told.lock().unwrap().push((request.method().clone(), request.uri().to_string()));
        ready(Ok::<_, Infallible>(answer()))
    });
    assert!(outcome(JwksClient::new(URL).with_service(service)).await.is_ok());
    assert_eq!(*asked.lock().unwrap(), [(Method::GET, URL.to_owned())]);
}

#[tokio::test]
async fn a_service_is_polled_ready_before_it_is_called() {
    let service = service_fn(|_: Request<Empty<Bytes>>| ready(Ok::<_, Infallible>(answer())));
    let client = JwksClient::new(URL).with_service(AssertReady::new(service));
    assert!(outcome(client.clone()).await.is_ok());
    assert!(outcome(client).await.is_ok());
}

#[tokio::test]
async fn r049_a_service_of_ones_own_is_asked_no_other_addresses() {
    let service = service_fn(|_: Request<Empty<Bytes>>| ready(Ok::<_, Infallible>(answer())));
    assert!(built(JwksClient::new("http://id.example.com/jwks.json").with_service(service)).is_err());
    let client = JwksClient::new("http://id.example.com/jwks.json").insecure_http().with_service(service);
    assert!(outcome(client).await.is_ok());
}

/// A service that is never ready, or says why it is not.
#[derive(Clone)]
struct Unready(Option<&'static str>);

impl Service<Request<Empty<Bytes>>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.map_or(Poll::Pending, |why| Poll::Ready(Err(why.into())))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        panic!("it is not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn p26_a_service_that_is_not_ready_is_a_failure() {
    let reason = async |service| {
        let tokens = built(JwksClient::new(URL).with_service(service)).unwrap();
        reason(tokens.verify(&OLD.token(), &Clock::from(&noon()))).await
    };
    assert_eq!(reason(Unready(Some("no room"))).await, format!("{URL}: no room"));
    assert_eq!(reason(Unready(None)).await, format!("{URL}: no answer within {FETCH:?}"));
}

#[tokio::test]
async fn a_service_that_fails_is_a_failure() {
    let service = service_fn(|_: Request<Empty<Bytes>>| ready(Err::<Response<Full<Bytes>>, BoxError>("gone".into())));
    assert_eq!(Fate::from(&outcome(JwksClient::new(URL).with_service(service)).await), Fate::Unavailable);
}
