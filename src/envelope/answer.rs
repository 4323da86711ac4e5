//! A refusal as a response: over HTTP, gRPC and gRPC-Web.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Response, StatusCode, header, response::Parts};

use super::{
    body::EnvelopeBody,
    format::{ErrorFormat, ErrorView, grpc},
    render::{REQUEST_ID, Render, web_trailers},
};
use crate::{
    Rejection,
    base::{challenge, protocol::Protocol, vary},
    context::answered::BodyWritten,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Render {
    /// Renders a refusal, and keeps the headers of the response.
    pub(super) fn render<B>(&self, rejection: &Rejection, response: Response<()>) -> Response<EnvelopeBody<B>> {
        let (mut parts, ()) = response.into_parts();
        parts.headers.insert(REQUEST_ID, self.request_id());
        if parts.status == StatusCode::UNAUTHORIZED {
            // A handler's refusal has only the fallback challenge. The envelope has that of the service.
            challenge::complete(&mut parts.headers, !rejection.has_challenge(), &self.settings.challenge);
        }
        parts.extensions.insert(BodyWritten);
        let refusal = self.refusal(rejection);
        let body = match self.protocol {
            Protocol::Http => self.http(&refusal, &mut parts),
            Protocol::Grpc | Protocol::GrpcWeb | Protocol::GrpcWebText => self.grpc(&refusal, &mut parts),
        };
        Response::from_parts(parts, body)
    }

    fn http<B>(&self, refusal: &ErrorView<'_>, parts: &mut Parts) -> EnvelopeBody<B> {
        // The gate sets `private` for responses to authenticated callers. A refusal must not be stored at all.
        if parts.headers.get(header::CACHE_CONTROL).is_none_or(|value| value == "private") {
            parts.headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
        if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) || parts.status.is_informational()
        {
            return EnvelopeBody::default();
        }
        let format: &dyn ErrorFormat = match &self.settings.negotiated {
            Some(problem) if self.wants_problem => problem,
            _ => &*self.settings.format,
        };
        if self.settings.negotiated.is_some() {
            vary::add(&mut parts.headers, &header::ACCEPT);
        }
        let mut body = Vec::with_capacity(512);
        format.render(refusal, &mut body);
        parts.headers.insert(header::CONTENT_TYPE, format.content_type());
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        if self.head { EnvelopeBody::default() } else { EnvelopeBody::rendered(body.into()) }
    }

    /// Renders a refusal as "trailers-only" (gRPC over HTTP/2): HTTP status 200, the gRPC status in header fields, and
    /// no message. For gRPC-Web, the trailers are in the body.
    fn grpc<B>(&self, refusal: &ErrorView<'_>, parts: &mut Parts) -> EnvelopeBody<B> {
        const OF_HTTP: [HeaderName; 5] =
            [header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::CACHE_CONTROL, header::VARY, header::ALLOW];
        for name in OF_HTTP {
            parts.headers.remove(name);
        }
        parts.status = StatusCode::OK;
        let trailers = grpc::trailers(refusal, &self.settings.grpc_domain);
        if self.protocol == Protocol::Grpc {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            for (name, value) in trailers {
                // All values are ASCII by construction.
                if let Ok(value) = HeaderValue::try_from(value) {
                    parts.headers.insert(HeaderName::from_static(name), value);
                }
            }
            return EnvelopeBody::default();
        }
        let frame = web_trailers(trailers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let (media, body) = match self.protocol {
            Protocol::GrpcWebText => ("application/grpc-web-text+proto", STANDARD.encode(frame).into_bytes()),
            _ => ("application/grpc-web+proto", frame),
        };
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        let exposed = HeaderValue::from_static("grpc-status,grpc-message,grpc-status-details-bin");
        parts.headers.entry(header::ACCESS_CONTROL_EXPOSE_HEADERS).or_insert(exposed);
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        EnvelopeBody::rendered(body.into())
    }
}
