//! The end of a gRPC response: a refusal that a handler's stream yields after the head was sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};

use super::{
    format::grpc,
    render::{Render, web_trailers},
};
use crate::{
    Decision, Rejection,
    base::protocol::Protocol,
    context::{decision::Kept, faults::watched},
};

/// Watches the body of a gRPC response. tonic turns a `Status` that was made from a rejection into trailers with the
/// default texts and domain. They are replaced by those of the service with the trace id, and the refusal is logged.
#[derive(Debug)]
pub(super) struct Tail {
    render: Render,
    /// The facts of the request for the log.
    kept: Option<Kept>,
    /// A rejection; its trailers come in this poll or a later one.
    dropped: Option<Box<Rejection>>,
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl Tail {
    pub(super) const fn new(render: Render, kept: Option<Kept>) -> Self {
        Self { render, kept, dropped: None }
    }

    pub(super) fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> Polled<B>
    where
        B: Body,
        B::Data: From<Bytes>,
    {
        let (polled, dropped) = watched(|| watch(|| body.poll_frame(cx)));
        if let Some(rejection) = dropped {
            self.dropped = Some(Box::new(rejection));
        }
        match (polled, &self.dropped) {
            (Poll::Ready(Some(Ok(frame))), Some(rejection)) => Poll::Ready(Some(Ok(self.told(frame, rejection)))),
            (polled, _) => polled,
        }
    }

    /// Rewrites the frame with the texts of the service, if it has the trailers of this rejection.
    fn told<D: Buf + From<Bytes>>(&self, frame: Frame<D>, rejection: &Rejection) -> Frame<D> {
        match frame.into_data() {
            Ok(data) if self.render.protocol == Protocol::Grpc => Frame::data(data),
            Ok(mut data) => Frame::data(self.told_in_body(data.copy_to_bytes(data.remaining()), rejection).into()),
            Err(frame) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    self.rewrite(&mut trailers, rejection);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            },
        }
    }

    /// Rewrites the last frame of a gRPC-Web body, which contains the trailers.
    fn told_in_body(&self, data: Bytes, rejection: &Rejection) -> Bytes {
        let text = self.render.protocol == Protocol::GrpcWebText;
        let decoded = if text { STANDARD.decode(&data).ok().map(Bytes::from) } else { Some(data.clone()) };
        let Some(mut trailers) = decoded.and_then(|frame| read_web_trailers(&frame)) else { return data };
        if !self.rewrite(&mut trailers, rejection) {
            return data;
        }
        let fields = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let frame = web_trailers(fields);
        if text { STANDARD.encode(frame).into() } else { frame.into() }
    }

    /// Rewrites the trailers and returns true, if they were made from this rejection.
    fn rewrite(&self, trailers: &mut HeaderMap, rejection: &Rejection) -> bool {
        if !grpc::is_plain(trailers, rejection) {
            return false;
        }
        if !rejection.is_logged() {
            Decision::from_further_in(rejection, self.kept.as_ref()).log();
        }
        for (name, value) in self.render.grpc_trailers(rejection) {
            // All values are ASCII by construction.
            if let Ok(value) = HeaderValue::try_from(value) {
                trailers.insert(HeaderName::from_static(name), value);
            }
        }
        true
    }
}

/// Returns the fields of a frame of trailers; `None` if it is another frame.
fn read_web_trailers(frame: &[u8]) -> Option<HeaderMap> {
    let (head, text) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes(head.get(1..)?.try_into().ok()?);
    if head.first() != Some(&0x80) || usize::try_from(length).ok()? != text.len() {
        return None;
    }
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut fields = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        fields.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(fields)
}

#[cfg(feature = "tonic")]
fn watch<T>(poll: impl FnOnce() -> T) -> (T, Option<Rejection>) {
    crate::rejection::Carried::watch(poll)
}

/// Without tonic there is nothing to watch, and no body is watched.
#[cfg(not(feature = "tonic"))]
fn watch<T>(poll: impl FnOnce() -> T) -> (T, Option<Rejection>) {
    (poll(), None)
}
