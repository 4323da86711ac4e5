//! What several test modules share.

pub(crate) mod client;
pub(crate) mod folder;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod runs;
pub(crate) mod server;
pub(crate) mod sockets;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::Service;
use tower_auth::{KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, testing::AssertReady};

pub(crate) type Body = Full<Bytes>;

/// A key that every format of this module accepts.
pub(crate) const KEY: &str = "ak_1234567890abcdef1234567890abcdef12345678";

/// `ak_` and 39 or 40 letters and digits.
pub(crate) fn ak() -> KeyFormat {
    KeyFormat::prefixed("ak", 40).unwrap().without_checksum().accept_lengths(39..=40).unwrap()
}

/// `halfred_` and 28 letters and digits.
pub(crate) fn halfred() -> KeyFormat {
    KeyFormat::prefixed("halfred", 28).unwrap().without_checksum()
}

/// A scheme, and a store that knows [`KEY`] as this record.
pub(crate) fn store(record: KeyRecord) -> (KeyScheme, MemoryKeyStore) {
    let scheme = KeyScheme::ephemeral(ak());
    let store = MemoryKeyStore::new().with(&scheme, KEY, record).unwrap();
    (scheme, store)
}

/// A GET with these headers, one line each.
pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| request.header(*name, *value))
        .body(Body::default())
        .unwrap()
}

/// The whole body as text.
pub(crate) async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The whole body as JSON, members in their order.
pub(crate) async fn json<B>(response: Response<B>) -> serde_json::Value
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    serde_json::from_str(&text(response).await).unwrap()
}

/// A service from a closure, under every layer of the tests, in a probe that panics when it is called without having
/// been polled ready itself: a clone has not.
pub(crate) type Strict<F> = AssertReady<Handler<F>>;

#[derive(Clone, Debug)]
pub(crate) struct Handler<F>(F);

pub(crate) fn strict<F>(handler: F) -> Strict<F> {
    AssertReady::new(Handler(handler))
}

/// A strict service that answers 200 with an empty body.
pub(crate) fn ok() -> Strict<impl Fn(Request<Body>) -> Response<Body> + Clone> {
    strict(|_| Response::new(Body::default()))
}

impl<F> Service<Request<Body>> for Handler<F>
where
    F: Fn(Request<Body>) -> Response<Body>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = (self.0)(request);
        Box::pin(async move { Ok(response) })
    }
}

/// Calls a clone of its inner service, which was never polled ready: the mistake that the probe is there to find.
#[derive(Clone)]
pub(crate) struct Careless<S>(pub(crate) S);

impl<S: Service<Request<Body>> + Clone> Service<Request<Body>> for Careless<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.0.clone().call(request)
    }
}
