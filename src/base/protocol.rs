//! The protocol of a request: HTTP, gRPC or gRPC-Web, on which the form of a response depends; and whether it opens a WebSocket.

use http::{HeaderMap, Method, Uri, Version, header};

/// The form of response that the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    GrpcWeb,
    /// gRPC-Web with a base64 body.
    GrpcWebText,
}

impl Protocol {
    /// Detects the protocol by the media type of a POST: `application/grpc`, `application/grpc-web` or
    /// `application/grpc-web-text`, each with or without a suffix such as `+proto` or `+json`. Every gRPC call is a
    /// POST.
    ///
    /// gRPC needs trailers. HTTP/2 and later always have them. On HTTP/1.1, `TE: trailers` says that the client reads
    /// trailers; `tonic-web` sends it when it rewrites a gRPC-Web request. A request over HTTP/1 without `TE: trailers`
    /// is plain HTTP.
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

    /// Returns whether a response is gRPC or gRPC-Web by its `Content-Type`. The service sets it; a client cannot
    /// change it.
    pub(crate) fn is_grpc_answer(headers: &HeaderMap) -> bool {
        headers.get(header::CONTENT_TYPE).is_some_and(|media| Self::of_media(media.as_bytes()) != Self::Http)
    }
}

/// Returns whether the request has `TE: trailers` (RFC 9110, section 10.1.4). HTTP/1.0 does not have this field.
fn takes_trailers(version: Version, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::TE).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    version == Version::HTTP_11 && codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Returns whether the request is a CORS preflight (Fetch standard, section 4.8). Any other OPTIONS request is treated
/// as an ordinary request.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns whether the request opens a WebSocket: a GET over HTTP/1.1 with `Upgrade: websocket` (RFC 6455, section 4.1), or a
/// CONNECT with a path over HTTP/2 or later (RFC 8441).
pub(crate) fn is_websocket(method: &Method, version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    if version >= Version::HTTP_2 {
        return *method == Method::CONNECT && uri.path().starts_with('/');
    }
    let lines = headers.get_all(header::UPGRADE).iter();
    let mut protocols = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    *method == Method::GET && protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}
