//! The id of a request, as the client sees it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

use crate::TraceId;

/// The id of one request, as shown in `x-request-id` and in the body of a refusal: the [`TraceId`], or the
/// `x-request-id` of the request if the envelope [keeps it](crate::ErrorEnvelopeLayer::keep_request_ids).
///
/// A kept id has 1 to 128 characters of `A-Z a-z 0-9 . _ : + / = @ -`. The client may have chosen it: never use it as a
/// key of a cache or a limit.
///
/// ```
/// use tower_auth::{RequestExt, RequestId};
///
/// fn id_for_the_log<B>(request: &http::Request<B>) -> String {
///     request.request_id().as_ref().map(RequestId::to_string).unwrap_or_default()
/// }
/// ```
#[derive(Clone)]
pub struct RequestId {
    trace_id: TraceId,
    kept: Option<Arc<str>>,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of a kept id.
const LONGEST: usize = 128;

impl RequestId {
    /// Reads the `x-request-id` of the request: exactly one line, with allowed characters only. The trace id is the
    /// given one; else that of the text, if it is a UUID or 32 hexadecimal digits; else a new one.
    pub(crate) fn from_headers(headers: &HeaderMap, trace_id: Option<TraceId>) -> Option<Self> {
        let mut lines = headers.get_all(&X_REQUEST_ID).iter();
        let text = lines.next()?.to_str().ok()?;
        let harmless = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'+' | b'/' | b'=' | b'@' | b'-')
        };
        let whole = lines.next().is_none() && (1..=LONGEST).contains(&text.len()) && text.bytes().all(harmless);
        let trace_id = || trace_id.or_else(|| TraceId::from_uuid(text)).unwrap_or_else(TraceId::random);
        whole.then(|| Self { trace_id: trace_id(), kept: Some(text.into()) })
    }

    /// Returns the trace id of the same request.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the text, with one allocation.
    #[inline]
    pub(crate) fn to_bytes(&self) -> Bytes {
        match &self.kept {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None => Bytes::copy_from_slice(&self.trace_id.hyphenated()),
        }
    }
}

impl From<TraceId> for RequestId {
    fn from(trace_id: TraceId) -> Self {
        Self { trace_id, kept: None }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kept {
            Some(text) => f.write_str(text),
            None => self.trace_id.fmt(f),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// Serializes as a string.
impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kept {
            Some(text) => serializer.serialize_str(text),
            None => self.trace_id.serialize(serializer),
        }
    }
}
