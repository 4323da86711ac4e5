//! A body in process, written down poll by poll.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower_auth::BoxError;

/// What one poll gives.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing yet; the next poll may come at once.
    Wait,
    /// Nothing, for ever.
    Stall,
    /// These bytes, for ever.
    Endless(&'static str),
    /// The connection breaks off.
    Fail,
    /// Nobody may ask.
    Unread,
}

/// A body that panics when it is polled after its end.
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
    polled: Arc<AtomicUsize>,
    over: bool,
}

impl Script {
    /// Of a length that is not known before.
    pub(super) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), hint: SizeHint::default(), polled: Arc::default(), over: false }
    }

    /// One piece, of which the length is known.
    pub(super) fn whole(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let length = text.len() as u64;
        Self::of([Step::Data(text)]).hint(SizeHint::with_exact(length))
    }

    /// Some pieces, of a length that is not known.
    pub(super) fn pieces<T: Into<Bytes>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::of(pieces.into_iter().map(|piece| Step::Data(piece.into())))
    }

    /// No body at all, as a host says it.
    pub(super) fn none() -> Self {
        Self::of([]).hint(SizeHint::with_exact(0))
    }

    /// A body that nobody may ask for.
    pub(super) fn unread() -> Self {
        Self::of([Step::Unread])
    }

    pub(super) fn hint(self, hint: SizeHint) -> Self {
        Self { hint, ..self }
    }

    /// How often it was polled.
    pub(super) fn polled(&self) -> impl Fn() -> usize + use<> {
        let polled = Arc::clone(&self.polled);
        move || polled.load(Ordering::SeqCst)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polled.fetch_add(1, Ordering::SeqCst);
        assert!(!self.over, "the body was polled after its end");
        let Some(step) = self.steps.pop_front() else {
            self.over = true;
            return Poll::Ready(None);
        };
        if matches!(step, Step::Stall | Step::Endless(_)) {
            self.steps.push_front(step.clone());
        }
        match step {
            Step::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Step::Endless(data) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Step::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Step::Wait => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Step::Stall => Poll::Pending,
            Step::Fail => {
                self.over = true;
                Poll::Ready(Some(Err("the connection broke off".into())))
            }
            Step::Unread => panic!("the body was read"),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.hint.exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
