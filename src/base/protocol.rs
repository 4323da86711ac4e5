//! Which protocol a request speaks, as far as answers differ.

use http::{HeaderMap, Method, Version, header};

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
    ///
    /// gRPC needs trailers: HTTP/2 and later have them, and on HTTP/1.1 `TE: trailers` says that the client reads
    /// them, as `tonic-web` does when it rewrites a gRPC-Web request. Without it, a request over HTTP/1 is plain HTTP.
    #[inline]
    pub(crate) fn of(method: &Method, version: Version, headers: &HeaderMap) -> Self {
        if *method != Method::POST {
            return Self::Http;
        }
        match headers.get(header::CONTENT_TYPE).map(|media| Self::of_media(media.as_bytes())) {
            Some(Self::Grpc) if version < Version::HTTP_2 && !takes_trailers(version, headers) => Self::Http,
            Some(protocol) => protocol,
            None => Self::Http,
        }
    }

    #[inline]
    fn of_media(media: &[u8]) -> Self {
        const PREFIX: &[u8] = b"application/grpc";
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

    /// Whether the service has answered in gRPC or gRPC-Web: its word, which no client can change.
    pub(crate) fn is_grpc_answer(headers: &HeaderMap) -> bool {
        headers.get(header::CONTENT_TYPE).is_some_and(|media| Self::of_media(media.as_bytes()) != Self::Http)
    }
}

/// `TE: trailers` (RFC 9110, section 10.1.4), which HTTP/1.0 does not have.
fn takes_trailers(version: Version, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::TE).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    version == Version::HTTP_11 && codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// A CORS preflight as browsers send it (Fetch standard, section 4.8): every other OPTIONS is a request like any.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
