use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue, Request, header};

use super::{
    catalogue::Catalogue,
    format::{ErrorFormat, Problem},
};
use crate::{Clock, ConfigError, RequestId, TraceId, base::protocol::Protocol};

/// The configuration of an envelope, shared by all requests.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(super) format: Arc<dyn ErrorFormat>,
    /// Problem details, for clients that ask for them.
    pub(super) negotiated: Option<Problem>,
    pub(super) catalogue: Catalogue,
    pub(super) with_system_message: bool,
    pub(super) adopt_foreign: bool,
    /// Also adopts 4xx errors with plain text.
    pub(super) adopt_text: bool,
    /// Answers no request in gRPC.
    pub(super) without_grpc: bool,
    pub(super) trust_traceparent: bool,
    pub(super) keep_request_ids: bool,
    pub(super) grpc_domain: Cow<'static, str>,
    /// The challenge of a 401 without a challenge of its own.
    pub(super) challenge: HeaderValue,
    pub(super) clock: Option<Clock>,
    pub(super) fault: Option<ConfigError>,
}

impl Settings {
    pub(super) fn now(&self) -> SystemTime {
        self.clock.as_ref().map_or_else(SystemTime::now, Clock::now)
    }

    #[inline]
    pub(super) fn protocol<B>(&self, request: &Request<B>) -> Protocol {
        if self.without_grpc {
            return Protocol::Http;
        }
        Protocol::of(request.method(), request.version(), request.headers())
    }

    /// Returns the id of the request if it is trusted, else a new one.
    #[inline]
    pub(super) fn give_id(&self, headers: &HeaderMap) -> RequestId {
        let given = if self.trust_traceparent { TraceId::from_headers(headers) } else { None };
        let kept = if self.keep_request_ids { RequestId::from_headers(headers, given) } else { None };
        kept.unwrap_or_else(|| given.unwrap_or_else(TraceId::random).into())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("content_type", &self.format.content_type())
            .field("adopt_foreign", &self.adopt_foreign)
            .field("adopt_text", &self.adopt_text)
            .field("without_grpc", &self.without_grpc)
            .field("trust_traceparent", &self.trust_traceparent)
            .field("keep_request_ids", &self.keep_request_ids)
            .finish_non_exhaustive()
    }
}

/// Whether `Accept` lists problem details by name. With a wildcard, the client gets the format of the service.
pub(super) fn wants_problem(headers: &HeaderMap) -> bool {
    let media = headers.get_all(header::ACCEPT).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    media.into_iter().any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/problem+json"));
        named && !parts.any(|param| is_zero_weight(&param.to_ascii_lowercase()))
    })
}

/// `q=0`, `q=0.`, `q=0.000`: "not acceptable" (RFC 9110, section 12.4.2).
fn is_zero_weight(param: &[u8]) -> bool {
    let digits = param.strip_prefix(b"q=").map(|weight| weight.strip_prefix(b"0.").or(weight.strip_prefix(b"0")));
    matches!(digits, Some(Some(rest)) if rest.iter().all(|digit| *digit == b'0'))
}
