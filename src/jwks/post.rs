//! Posts one form over HTTP.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::runtime::Handle;
use tower_service::Service;

use super::{
    connect::Tcp,
    get::{At, place, read},
    https::connector,
};
use crate::{BoxError, ConfigError};

/// The answer to a form: the document, or `Denied` if the server does not accept who has posted it.
pub(super) enum Answer {
    Document(Bytes),
    Denied(StatusCode),
}

type Answering = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

/// Posts a form. This trait erases the type of the HTTP client.
pub(super) trait Post: Send + Sync {
    fn post(&self, uri: Uri, headers: HeaderMap, form: Bytes) -> Answering;
}

/// Any HTTP service. It is cloned for each call, so the lock is not held during a call.
pub(super) struct Through<S>(Mutex<S>);

impl<S> Through<S> {
    pub(super) const fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }
}

impl<S, B> Post for Through<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn post(&self, uri: Uri, headers: HeaderMap, form: Bytes) -> Answering {
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let place = place(&uri);
            let asked = async {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
                let mut request = Request::post(uri).body(Full::new(form))?;
                *request.headers_mut() = headers;
                let response = service.call(request).await.map_err(Into::into)?;
                if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    return Ok(Answer::Denied(response.status()));
                }
                read(response, false).await.map(Answer::Document)
            };
            asked.await.map_err(|error: BoxError| At(place, error).into())
        })
    }
}

/// The built-in client: HTTP/1.1 over TLS. It keeps connections open, because questions come often.
pub(super) struct BuiltIn(Through<Client<HttpsConnector<Tcp>, Full<Bytes>>>);

const IDLE: Duration = Duration::from_secs(20);
const MOST_IDLE: usize = 16;

impl BuiltIn {
    pub(super) fn new() -> Result<Self, ConfigError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(connector()?);
        Ok(Self(Through::new(client)))
    }
}

impl Post for BuiltIn {
    fn post(&self, uri: Uri, headers: HeaderMap, form: Bytes) -> Answering {
        if Handle::try_current().is_err() {
            let why = "the built-in client needs a tokio runtime, and this question is asked outside of one";
            return Box::pin(std::future::ready(Err(why.into())));
        }
        self.0.post(uri, headers, form)
    }
}
