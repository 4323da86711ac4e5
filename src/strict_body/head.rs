//! Decides by the head of a request how to treat its body, before a byte of the body is read.

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};
use http_body::Body;

use super::media::{Media, coding, no_json};
use crate::{Rejection, RejectionKind};

/// Which requests need a body, and which bodies are checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Governed {
    /// A body is optional for every method.
    pub(super) optional: bool,
    /// Bodies of other media types than JSON pass unread.
    pub(super) json_only: bool,
}

/// How to treat a body.
pub(super) enum Plan {
    /// Pass the body on unread.
    Pass,
    /// The HTTP server reports that there is no body, and none is required.
    Absent,
    Read(Empty),
    Refuse(Rejection),
}

/// How to treat a body that turns out to be empty only when it is read.
pub(super) enum Empty {
    /// An empty body is refused as invalid JSON.
    Required,
    /// An empty body passes.
    Passes,
    /// An empty body passes, any other body is refused for this reason.
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
            // A missing body takes precedence over a missing `Content-Type`.
            Media::Missing if empty => None,
            Media::Missing => Some(no_json("there may be a body, and there is no Content-Type")),
            Media::Other => Some(no_json("the Content-Type is not JSON")),
        };
        // A client that sends `Expect` has a body.
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

/// The methods that usually have no body (RFC 9110, section 9.3).
const fn is_bodyless(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE | Method::CONNECT)
}

/// Returns the declared length. The HTTP server ensures that there is only one, and that it is a number.
pub(super) fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// 413.
pub(super) fn too_large(most: usize) -> Rejection {
    Rejection::new(RejectionKind::PayloadTooLarge).detail("limit", u64::try_from(most).unwrap_or(u64::MAX))
}

/// Completes a refusal of a request that was not read to its end: an HTTP/1 connection cannot be reused then.
pub(crate) fn unread(rejection: Rejection, version: Version) -> Rejection {
    const CLOSE: HeaderValue = HeaderValue::from_static("close");
    if version < Version::HTTP_2 { rejection.header(header::CONNECTION, CLOSE) } else { rejection }
}
