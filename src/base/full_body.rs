use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};

/// The whole body of a response that a service of this crate writes itself, such as
/// [`LimitStatusService`](crate::rate_limit::LimitStatusService).
///
/// ```
/// use http_body::Body;
/// use tower_auth::FullBody;
///
/// let body = FullBody::from("hello".to_owned());
/// assert_eq!(body.size_hint().exact(), Some(5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FullBody(Bytes);

impl FullBody {
    /// Returns a response with this JSON, which no cache may store.
    pub(crate) fn json(text: String) -> Response<Self> {
        let mut response = Response::new(Self::from(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<String> for FullBody {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Bytes> for FullBody {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Body for FullBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.get_mut().0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
