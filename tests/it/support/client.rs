//! A client that shows everything of an answer, trailers too.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use super::server::PATIENCE;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Sends a request on a connection of its own.
pub(crate) async fn ask<B>(version: Version, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    tokio::time::timeout(PATIENCE, unhurried(version, request)).await.expect("an answer comes")
}

async fn unhurried<B>(version: Version, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let client = Client::builder(TokioExecutor::new()).http2_only(version == Version::HTTP_2).build_http();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.version(), version);
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    Answer { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers }
}

impl Answer {
    /// The values of all lines of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Status and, of an envelope, the code.
    pub(crate) fn told(&self) -> (u16, String) {
        let code = match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) => json["error"]["code"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.text().to_owned(),
        };
        (self.status.as_u16(), code)
    }

    /// The gRPC status, wherever it stands.
    pub(crate) fn grpc_status(&self) -> &str {
        let trailers = self.trailers.as_ref().unwrap_or(&self.headers);
        trailers.get("grpc-status").or(self.headers.get("grpc-status")).map_or("none", |value| value.to_str().unwrap())
    }
}
