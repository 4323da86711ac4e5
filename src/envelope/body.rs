use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::tail::Tail;

pin_project! {
    /// The body of a response that passed an envelope: the body of the inner service, or a rendered refusal.
    ///
    /// ```
    /// use http_body::Body;
    /// use http_body_util::Full;
    /// use tower_auth::envelope::EnvelopeBody;
    ///
    /// let empty = EnvelopeBody::<Full<bytes::Bytes>>::default();
    /// assert!(empty.is_end_stream());
    /// ```
    #[derive(Debug)]
    pub struct EnvelopeBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<B> {
        Inner { #[pin] body: B },
        Watched { #[pin] body: B, tail: Tail },
        Rendered { bytes: Bytes },
    }
}

impl<B> EnvelopeBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        Self { state: State::Inner { body } }
    }

    /// Returns the body of a response whose stream may end in a refusal.
    pub(super) const fn watched(body: B, tail: Tail) -> Self {
        Self { state: State::Watched { body, tail } }
    }

    pub(crate) const fn rendered(bytes: Bytes) -> Self {
        Self { state: State::Rendered { bytes } }
    }
}

/// Returns an empty body, so that a guard can be mounted outside an envelope.
impl<B> Default for EnvelopeBody<B> {
    fn default() -> Self {
        Self::rendered(Bytes::new())
    }
}

impl<B> Body for EnvelopeBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Inner { body } => body.poll_frame(cx),
            StateProj::Watched { body, tail } => tail.poll_frame(body, cx),
            StateProj::Rendered { bytes } if bytes.has_remaining() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes).into()))))
            }
            StateProj::Rendered { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } | State::Watched { body, .. } => body.is_end_stream(),
            State::Rendered { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } | State::Watched { body, .. } => body.size_hint(),
            State::Rendered { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
