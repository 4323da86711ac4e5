//! Which protocol a request speaks, as far as answers differ.

use http::{HeaderMap, Method, header};

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    GrpcWeb,
    /// gRPC-Web whose body is base64.
    GrpcWebText,
}

impl Protocol {
    /// By the media type of a POST, which every gRPC call is: `application/grpc`, `application/grpc-web`,
    /// `application/grpc-web-text`, each with or without a `+proto`, `+json` or the like behind it.
    #[inline]
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        const PREFIX: &[u8] = b"application/grpc";
        if *method != Method::POST {
            return Self::Http;
        }
        let Some(media) = headers.get(header::CONTENT_TYPE) else { return Self::Http };
        let media = media.as_bytes();
        if !media.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
            return Self::Http;
        }
        let rest = &media[PREFIX.len()..];
        let end = rest.iter().position(|byte| matches!(byte, b'+' | b';' | b' ' | b'\t')).unwrap_or(rest.len());
        match rest[..end].to_ascii_lowercase().as_slice() {
            b"" => Self::Grpc,
            b"-web" => Self::GrpcWeb,
            b"-web-text" => Self::GrpcWebText,
            _ => Self::Http,
        }
    }
}

/// A CORS preflight as browsers send it (Fetch standard, section 4.8): every other OPTIONS is a request like any.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
