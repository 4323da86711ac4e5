use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body that the inner service gets: the checked bytes and their trailers, or the original body if the layer
    /// did not read it.
    ///
    /// Use the name only if a type must be written out.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use tower_auth::strict_body::ReplayBody;
    ///
    /// async fn handler(request: http::Request<ReplayBody<Full<Bytes>>>) -> Bytes {
    ///     request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default()
    /// }
    /// ```
    pub struct ReplayBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B> {
        Untouched { #[pin] body: B },
        Checked { bytes: Bytes, trailers: Option<HeaderMap> },
    }
}

impl<B> ReplayBody<B> {
    pub(super) const fn untouched(body: B) -> Self {
        Self { state: State::Untouched { body } }
    }

    pub(crate) const fn checked(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { state: State::Checked { bytes, trailers } }
    }
}

/// An empty body.
impl<B> Default for ReplayBody<B> {
    fn default() -> Self {
        Self::checked(Bytes::new(), None)
    }
}

impl<B: Body> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Untouched { body } => body.poll_frame(cx).map_ok(|frame| {
                // Data that is `Bytes` already is not copied.
                frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
            }),
            StateProj::Checked { bytes, .. } if !bytes.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            StateProj::Checked { trailers, .. } => {
                Poll::Ready(trailers.take().map(|fields| Ok(Frame::trailers(fields))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Untouched { body } => body.is_end_stream(),
            State::Checked { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Untouched { body } => body.size_hint(),
            State::Checked { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Does not show the bytes, which may contain a password.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Untouched { .. } => f.write_str("ReplayBody(untouched)"),
            State::Checked { bytes, .. } => write!(f, "ReplayBody({} bytes)", bytes.len()),
        }
    }
}
