//! Reads a body to its end, within the limits.

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
    pub(crate) struct Reading<B> {
        #[pin]
        body: B,
        empty: Option<Empty>,
        // The first piece. It is moved into `bytes` when a second piece arrives.
        first: Bytes,
        bytes: Vec<u8>,
        trailers: Option<HeaderMap>,
        most: usize,
        // The total length, if it is known.
        length: Option<usize>,
        share: Share,
        deadline: Duration,
        // Created on the first wait: most bodies are complete at once and need no timer.
        timer: Option<Sleep>,
    }
}

/// A body that has arrived completely.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// The body is empty, and is allowed to be empty.
    pub(crate) absent: bool,
}

/// The number of pieces that are read in one poll, so that other tasks can run in between.
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
        // A body that always has another piece ready must neither block the thread nor exceed the timeout.
        if let Poll::Ready(late) = self.wait(cx) {
            return Poll::Ready(Err(late));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<B: Body> Reading<B> {
    /// Polls the timer. Returns the refusal once the deadline has passed.
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
            // Doubling keeps copies rare. The capacity never exceeds what can still arrive.
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

/// 503: the bytes of other bodies have to be released first.
fn no_room() -> Rejection {
    Rejection::unavailable("bodies that are still arriving use all the bytes of BodyLimits::max_in_flight_bytes")
}

/// The refusal for a body that ended too early, or that an outer layer has cut off.
fn broken(error: BoxError) -> Rejection {
    let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(cause) = next {
        if cause.is::<LengthLimitError>() {
            // The limit of the outer layer is unknown here. It is not above ours, because ours was not reached.
            return Rejection::new(RejectionKind::PayloadTooLarge).cause("an outer layer has a lower body limit");
        }
        next = cause.source();
    }
    Rejection::new(RejectionKind::MalformedRequest).cause(error)
}
