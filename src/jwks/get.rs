//! Fetches one document over HTTP.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Limited};
use tokio::runtime::Handle;
use tower_service::Service;

use crate::{BoxError, token::Shown};

/// The `Accept` value for a key set. It allows any type, so a strict server always has a type to choose.
pub(super) const KEY_SET: HeaderValue =
    HeaderValue::from_static("application/jwk-set+json, application/json;q=0.9, */*;q=0.1");
/// The `Accept` value for one key. Servers send a PEM as any type, so the type of the answer is not checked.
pub(super) const PEM: HeaderValue = HeaderValue::from_static("application/x-pem-file, text/plain;q=0.9, */*;q=0.1");
pub(super) const DESCRIPTION: HeaderValue = HeaderValue::from_static("application/json, */*;q=0.1");

/// The maximum size of a document, in bytes. Key sets and metadata are smaller.
const LARGEST: usize = 256 * 1024;

type Document = Pin<Box<dyn Future<Output = Result<Bytes, BoxError>> + Send>>;

/// Fetches a document. This trait erases the type of the HTTP client.
pub(super) trait Get: Send + Sync {
    fn get(&self, uri: Uri, headers: HeaderMap) -> Document;
}

/// Any HTTP service. It is cloned for each call, so the lock is not held during a call.
pub(super) struct Over<S>(Mutex<S>);

impl<S> Over<S> {
    pub(super) const fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }
}

/// A service that needs a tokio runtime.
pub(super) struct InTokio<T>(pub(super) T);

impl<T: Get> Get for InTokio<T> {
    fn get(&self, uri: Uri, headers: HeaderMap) -> Document {
        if Handle::try_current().is_err() {
            let why = "the built-in client needs a tokio runtime, and this fetch runs outside of one";
            return Box::pin(std::future::ready(Err(why.into())));
        }
        self.0.get(uri, headers)
    }
}

impl<S, B> Get for Over<S>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn get(&self, uri: Uri, headers: HeaderMap) -> Document {
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let place = place(&uri);
            let text = headers.get(header::ACCEPT) == Some(&PEM);
            let asked = async {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
                let mut request = Request::get(uri).body(Empty::new())?;
                *request.headers_mut() = headers;
                read(service.call(request).await.map_err(Into::into)?, text).await
            };
            asked.await.map_err(|error| At(place, error).into())
        })
    }
}

pub(super) async fn read<B>(response: Response<B>, is_text: bool) -> Result<Bytes, BoxError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (status, headers) = (response.status(), response.headers());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let to = text(header::LOCATION).map_or_else(String::new, |to| format!(" to {}", Shown(&without_user(to))));
        return Err(format!("the answer is {status}{to}, and redirects are not followed").into());
    }
    if status != StatusCode::OK {
        return Err(Answered(status).into());
    }
    if !is_text && !is_json(headers) {
        let media = text(header::CONTENT_TYPE).map_or_else(|| "missing".to_owned(), |media| Shown(media).to_string());
        return Err(format!("the answer is not JSON: its Content-Type is {media}").into());
    }
    Ok(Limited::new(response.into_body(), LARGEST).collect().await?.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// An answer without a document.
#[derive(Debug)]
struct Answered(StatusCode);

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the answer is {}", self.0)
    }
}

impl std::error::Error for Answered {}

/// Returns whether the server has answered that there is no such document.
pub(super) fn is_not_found(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<Answered>().is_some_and(|answered| answered.0 == StatusCode::NOT_FOUND))
}

/// Returns whether the server has answered that there is nothing at the URL. Object stores answer 403 for what does not exist.
pub(super) fn is_nothing(error: &(dyn std::error::Error + 'static)) -> bool {
    let nothing = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::GONE];
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<Answered>().is_some_and(|answered| nothing.contains(&answered.0)))
}

/// Returns whether the server has refused what it was asked, and may answer other questions.
pub(super) fn is_of_the_question(error: &(dyn std::error::Error + 'static)) -> bool {
    let refused = [
        StatusCode::BAD_REQUEST,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::URI_TOO_LONG,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    ];
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<Answered>().is_some_and(|answered| refused.contains(&answered.0)))
}

/// An error, and the URL at which it occurred.
#[derive(Debug)]
pub(super) struct At(pub(super) String, pub(super) BoxError);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for At {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.1)
    }
}

/// Returns a URL for logs. The user, the password and the query are removed, because they may be secret.
pub(super) fn place(uri: &Uri) -> String {
    let authority = uri.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    format!("{}://{}{}", uri.scheme_str().unwrap_or_default(), authority.unwrap_or_default(), uri.path())
}

/// Removes the user and the password from a text that may be a URL.
pub(super) fn without_user(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => Cow::Owned(format!("{scheme}://…{}", &rest[user.len()..])),
        None => Cow::Borrowed(text),
    }
}
