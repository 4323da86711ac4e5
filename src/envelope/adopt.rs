//! Errors that a router, another layer or a handler made without this crate's words.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body;

use crate::{Rejection, RejectionKind};

/// The refusal to show instead of a foreign error, if this is one.
///
/// Adopted are 404, 405, 408, 413, 415 and all of 500 and above where the body is plain text or none, and every other
/// error with no body at all. What has a media type of its own was meant for the client and stays.
pub(super) fn adopt<B: Body>(response: &Response<B>) -> Option<Rejection> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let replaceable = match plainness(response) {
        Plainness::Empty => true,
        Plainness::Text => status.is_server_error() || matches!(status.as_u16(), 404 | 405 | 408 | 413 | 415),
        Plainness::Meant => false,
    };
    // In seconds; a date is left to the header alone.
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let told = |rejection: Rejection| match wait {
        Some(seconds) => rejection.retry_after(Duration::from_secs(seconds)),
        None => rejection,
    };
    replaceable.then(|| told(rejection(status)))
}

enum Plainness {
    Empty,
    Text,
    Meant,
}

fn plainness<B: Body>(response: &Response<B>) -> Plainness {
    // The body of a response to HEAD is gone already; its length still tells what GET would have.
    let length = response.headers().get(header::CONTENT_LENGTH);
    let empty = response.body().size_hint().exact() == Some(0) && length.is_none_or(|length| length == "0");
    match response.headers().get(header::CONTENT_TYPE) {
        Some(media) if !is_text(media) => Plainness::Meant,
        Some(_) | None if empty => Plainness::Empty,
        Some(_) | None => Plainness::Text,
    }
}

fn is_text(media: &HeaderValue) -> bool {
    let media = media.as_bytes();
    let end = media.iter().position(|byte| *byte == b';').unwrap_or(media.len());
    media[..end].trim_ascii().eq_ignore_ascii_case(b"text/plain")
}

fn rejection(status: StatusCode) -> Rejection {
    use RejectionKind as K;
    let kind = match status.as_u16() {
        400 => K::MalformedRequest,
        401 => K::MissingCredential,
        403 => K::InsufficientPermissions,
        404 => K::NotFound,
        405 => K::MethodNotAllowed,
        408 => K::RequestTimeout,
        413 => K::PayloadTooLarge,
        415 => K::UnsupportedMediaType,
        422 => K::InvalidFields,
        429 => K::RateLimited,
        503 => K::Unavailable,
        500..=599 => K::Internal,
        _ => return Rejection::custom(status, code(status)).message(status.canonical_reason().unwrap_or("Error")),
    };
    Rejection::new(kind).status_code(status)
}

/// `I'm a teapot` becomes `IM_A_TEAPOT`.
fn code(status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or("Error").split([' ', '-']);
    let upper = |word: &str| word.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    words.map(upper).collect::<Vec<_>>().join("_")
}

/// Takes away what described the body that is replaced.
pub(super) fn remove_description(headers: &mut HeaderMap) {
    const DESCRIPTION: [HeaderName; 16] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
        header::CONTENT_DISPOSITION,
        header::CONTENT_LOCATION,
        header::ACCEPT_RANGES,
        header::ETAG,
        header::LAST_MODIFIED,
        header::TRAILER,
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("repr-digest"),
        header::TRANSFER_ENCODING,
    ];
    if DESCRIPTION.iter().any(|name| headers.contains_key(name)) {
        // `remove` would change the order of what stays, by which a response that was masked could be told from this
        // one.
        let mut current = None;
        for (name, value) in std::mem::take(headers) {
            current = name.or(current);
            if let Some(name) = current.as_ref().filter(|name| !DESCRIPTION.contains(name)) {
                headers.append(name, value);
            }
        }
    }
}
