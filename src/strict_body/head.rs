//! What the head of a request says of its body, before a byte of it is read.

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};
use http_body::Body;

use super::media::{Media, coding, no_json};
use crate::{Rejection, RejectionKind};

/// Which bodies are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Governed {
    /// A request may come without a body, whatever its method.
    pub(super) optional: bool,
    /// Media types that are not JSON are somebody else's business.
    pub(super) json_only: bool,
}

/// What is to be done with a body.
pub(super) enum Plan {
    /// It is none of ours.
    Pass,
    /// There is none, by the host's word, and there may be none.
    Absent,
    Read(Empty),
    Refuse(Rejection),
}

/// What is to be done with a body of which only its end tells that it is empty.
pub(super) enum Empty {
    /// It is read as any other, and no JSON.
    Required,
    /// It passes.
    Passes,
    /// It passes, and another is refused for this reason.
    OnlyPasses(Rejection),
}

impl Governed {
    pub(super) fn plan<B: Body>(self, request: &Parts, body: &B, most: usize) -> Plan {
        let media = Media::of(&request.headers);
        let may_be_empty = self.optional || is_bodyless(&request.method);
        let hint = body.size_hint();
        let empty = body.is_end_stream() || hint.exact() == Some(0);
        if empty && may_be_empty {
            return Plan::Absent;
        }
        if media == Media::Other && self.json_only {
            return Plan::Pass;
        }
        if let Some(refusal) = coding(request) {
            return Plan::Refuse(refusal);
        }
        let refusal = match media {
            Media::Unclear => {
                return Plan::Refuse(no_json("there are two Content-Types, or none that can be read as JSON in UTF-8"));
            }
            Media::Json => None,
            // That there is no body is told first, where one is required.
            Media::Missing if empty => None,
            Media::Missing => Some(no_json("there may be a body, and there is no Content-Type")),
            Media::Other => Some(no_json("the Content-Type is not JSON")),
        };
        // Whoever asks whether to send a body has one.
        let unknown = !empty && hint.lower() == 0 && !request.headers.contains_key(header::EXPECT);
        let length = declared(&request.headers).unwrap_or(0).max(hint.lower());
        match refusal {
            Some(refusal) if may_be_empty && unknown => Plan::Read(Empty::OnlyPasses(refusal)),
            Some(refusal) => Plan::Refuse(refusal),
            None if length > most as u64 => Plan::Refuse(too_large(most)),
            None if may_be_empty && unknown => Plan::Read(Empty::Passes),
            None => Plan::Read(Empty::Required),
        }
    }
}

/// The methods whose requests usually have none (RFC 9110, section 9.3).
const fn is_bodyless(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE | Method::CONNECT)
}

/// The host has made sure that there is one length; what is no number is its business.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// 413.
pub(super) fn too_large(most: usize) -> Rejection {
    Rejection::new(RejectionKind::PayloadTooLarge).detail("limit", u64::try_from(most).unwrap_or(u64::MAX))
}

/// A refusal of a request that was not read to its end: on HTTP/1 nothing can follow on its connection.
pub(super) fn unread(rejection: Rejection, version: Version) -> Rejection {
    const CLOSE: HeaderValue = HeaderValue::from_static("close");
    if version < Version::HTTP_2 { rejection.header(header::CONNECTION, CLOSE) } else { rejection }
}
