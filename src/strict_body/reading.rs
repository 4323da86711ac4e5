//! Reading a body to its end, within its limits.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use http_body_util::LengthLimitError;
use pin_project_lite::pin_project;

use super::{
    budget::Share,
    head::{Empty, too_large},
    limits::BodyLimits,
};
use crate::{BoxError, Rejection, RejectionKind, base::timer::Sleep};

pin_project! {
    /// A body that is being read.
    pub(super) struct Reading<B> {
        #[pin]
        body: B,
        empty: Option<Empty>,
        // A body in one piece is that piece; of several, this is the first until the second is there.
        first: Bytes,
        bytes: Vec<u8>,
        trailers: Option<HeaderMap>,
        most: usize,
        // What it will have in all, where that is known.
        length: Option<usize>,
        share: Share,
        deadline: Duration,
        // Most bodies are there when they are asked for, and need no timer.
        timer: Option<Sleep>,
    }
}

/// A body that is there.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    /// There is no byte in it, and it may be so.
    pub(super) absent: bool,
}

/// So many pieces are taken at a time; then others have their turn.
const AT_A_TIME: usize = 64;

impl<B: Body> Reading<B> {
    pub(super) fn new(body: B, empty: Empty, limits: &BodyLimits) -> Self {
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        Self {
            body,
            empty: Some(empty),
            first: Bytes::new(),
            bytes: Vec::new(),
            trailers: None,
            most: limits.bytes,
            length,
            share: limits.share(),
            deadline: limits.deadline,
            timer: None,
        }
    }
}

impl<B> Future for Reading<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Whole, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..AT_A_TIME {
            let Poll::Ready(frame) = self.as_mut().project().body.poll_frame(cx) else {
                return self.wait(cx).map(Err);
            };
            match frame {
                None => return Poll::Ready(Ok(self.whole())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.as_mut().take(data)?,
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            *self.as_mut().project().trailers = Some(trailers);
                        }
                    }
                },
            }
        }
        // A host that always has another piece does not keep its thread for this body alone, nor go past its time.
        if let Poll::Ready(late) = self.wait(cx) {
            return Poll::Ready(Err(late));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<B: Body> Reading<B> {
    /// Waits for the deadline, and is ready with the refusal when it has passed.
    fn wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rejection> {
        let this = self.project();
        let timer = this.timer.get_or_insert_with(|| Sleep::new(*this.deadline));
        ready!(Pin::new(timer).poll(cx));
        let seconds = this.deadline.as_secs().saturating_add(u64::from(this.deadline.subsec_nanos() > 0));
        Poll::Ready(Rejection::new(RejectionKind::RequestTimeout).detail("limit", seconds))
    }

    /// Adds a piece.
    fn take<D: Buf>(self: Pin<&mut Self>, mut piece: D) -> Result<(), Rejection> {
        let this = self.project();
        let held = this.first.len() + this.bytes.len();
        let length = held.saturating_add(piece.remaining());
        if length == held {
            return Ok(());
        }
        if let Some(Empty::OnlyPasses(refusal)) = this.empty.take_if(|empty| matches!(empty, Empty::OnlyPasses(_))) {
            return Err(refusal);
        }
        if length > *this.most {
            return Err(too_large(*this.most));
        }
        if held == 0 {
            *this.first = piece.copy_to_bytes(length);
            return if this.share.hold(length) { Ok(()) } else { Err(no_room()) };
        }
        if length > this.bytes.capacity() {
            // Doubled, so that bytes move seldom, and never beyond what can still come.
            let limit = this.length.unwrap_or(*this.most).max(length);
            let ahead = length.max(this.bytes.capacity().saturating_mul(2)).min(limit);
            let capacity =
                [ahead, length].into_iter().find(|capacity| this.share.hold(*capacity)).ok_or_else(no_room)?;
            this.bytes.reserve_exact(capacity - this.bytes.len());
        }
        this.bytes.extend_from_slice(&std::mem::take(this.first));
        while piece.has_remaining() {
            let chunk = piece.chunk();
            this.bytes.extend_from_slice(chunk);
            piece.advance(chunk.len());
        }
        Ok(())
    }

    fn whole(self: Pin<&mut Self>) -> Whole {
        let this = self.project();
        let bytes = std::mem::take(this.bytes);
        let bytes = if bytes.is_empty() { std::mem::take(this.first) } else { bytes.into() };
        this.share.hold(0);
        let absent = bytes.is_empty() && !matches!(this.empty, Some(Empty::Required));
        Whole { bytes, trailers: this.trailers.take(), absent }
    }
}

/// 503: others have to be done first.
fn no_room() -> Rejection {
    Rejection::unavailable(
        "the bodies that are arriving hold all the bytes that BodyLimits::max_in_flight_bytes allows them",
    )
}

/// The body broke off, or a layer further out has cut it.
fn broken(error: BoxError) -> Rejection {
    let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(cause) = next {
        if cause.is::<LengthLimitError>() {
            // That layer's limit is not known here; it is not above ours, or ours would have been met first.
            return Rejection::new(RejectionKind::PayloadTooLarge).cause("a layer further out limits bodies more");
        }
        next = cause.source();
    }
    Rejection::new(RejectionKind::MalformedRequest).cause(error)
}
