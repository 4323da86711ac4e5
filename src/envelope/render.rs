use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    format::{ErrorView, grpc},
    settings::Settings,
};
use crate::{Rejection, RequestId, base::protocol::Protocol};

/// Renders a refusal for the client of one request.
#[derive(Clone, Debug)]
pub(super) struct Render {
    pub(super) settings: Arc<Settings>,
    pub(super) request_id: RequestId,
    pub(super) protocol: Protocol,
    pub(super) head: bool,
    pub(super) wants_problem: bool,
}

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Render {
    pub(super) fn refusal<'a>(&'a self, rejection: &'a Rejection) -> ErrorView<'a> {
        let settings = &*self.settings;
        ErrorView::new(rejection, &settings.catalogue, settings.now())
            .traced(&self.request_id)
            .with_system_message(settings.with_system_message)
    }

    /// Returns the gRPC trailers of a refusal, with the texts of this service.
    pub(super) fn grpc_trailers(&self, rejection: &Rejection) -> Vec<(&'static str, String)> {
        grpc::trailers(&self.refusal(rejection), &self.settings.grpc_domain)
    }

    /// Adds the id to every response, and a challenge to every 401. Headers that a handler has set are kept.
    #[inline]
    pub(super) fn complete(&self, status: StatusCode, headers: &mut HeaderMap) {
        headers.entry(REQUEST_ID).or_insert_with(|| self.request_id());
        if status == StatusCode::UNAUTHORIZED {
            headers.entry(header::WWW_AUTHENTICATE).or_insert_with(|| self.settings.challenge.clone());
        }
    }

    pub(super) fn request_id(&self) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.request_id.to_bytes()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Returns a frame of trailers: the byte 0x80, the length, and the fields in the syntax of HTTP/1 (gRPC-Web protocol).
pub(super) fn web_trailers<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let text: Vec<u8> =
        fields.flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"]).flatten().copied().collect();
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&[0x80][..], &length.to_be_bytes(), &text].concat()
}
