//! Errors of a router, another layer or a handler that were made without a [`Rejection`].

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Buf as _;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body;

use crate::{Rejection, RejectionKind};

/// The maximum length of an error message. A longer text is sent unchanged.
const LONGEST_TEXT: u64 = 8 * 1024;

/// Returns the refusal to send instead of a foreign error; `None` if the response is not adopted.
///
/// It adopts 404, 405, 408, 413, 415 and all 5xx if the body is empty or plain text, every other error with an empty
/// body, and with `texts` every other 4xx if the body is a short plain text. A body with another media type was written
/// for the client, and is kept.
pub(super) fn adopt<B: Body>(response: &Response<B>, texts: bool) -> Option<Rejection> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let replaceable = match plainness(response) {
        Plainness::Empty => true,
        Plainness::Text if status.is_server_error() || matches!(status.as_u16(), 404 | 405 | 408 | 413 | 415) => true,
        Plainness::Text => texts && length(response).is_some_and(|length| length <= LONGEST_TEXT),
        Plainness::Meant => false,
    };
    // Seconds are copied to the refusal. A date stays in the header only.
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let told = |rejection: Rejection| match wait {
        Some(seconds) => rejection.retry_after(Duration::from_secs(seconds)),
        None => rejection,
    };
    replaceable.then(|| told(rejection(status)).adopted())
}

/// The text of an adopted error.
pub(super) enum Text {
    Read(String),
    /// There is a text, but it is not sent.
    Unread,
    Absent,
}

/// Reads the text of a body that is ready at once, as the texts of extractors are. A body that is not ready is dropped.
pub(super) fn text_of<B: Body>(headers: &HeaderMap, body: B) -> Text {
    let coded = headers.contains_key(header::CONTENT_ENCODING);
    let text = if coded { None } else { bytes_of(body).and_then(|bytes| String::from_utf8(bytes).ok()) };
    match text.map(|text| text.trim().to_owned()) {
        Some(text) if !text.is_empty() => Text::Read(text),
        Some(_) if !headers.contains_key(header::CONTENT_LENGTH) => Text::Absent,
        _ => Text::Unread,
    }
}

fn bytes_of<B: Body>(body: B) -> Option<Vec<u8>> {
    const MOST_FRAMES: usize = 16;
    let most = usize::try_from(LONGEST_TEXT).unwrap_or(usize::MAX);
    let mut body = pin!(body);
    let mut context = Context::from_waker(Waker::noop());
    let mut bytes = Vec::new();
    for _ in 0..MOST_FRAMES {
        let frame = match body.as_mut().poll_frame(&mut context) {
            Poll::Ready(None) => return Some(bytes),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(_))) | Poll::Pending => return None,
        };
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > most - bytes.len() {
            return None;
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            bytes.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    None
}

/// Returns the length of the body, if it is known; for HEAD, the length of the body that GET would return.
fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    let declared = response.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    response.body().size_hint().exact().max(declared)
}

enum Plainness {
    Empty,
    Text,
    Meant,
}

fn plainness<B: Body>(response: &Response<B>) -> Plainness {
    // A response to HEAD has no body; `Content-Length` shows whether GET would return one.
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
        500 => K::Internal,
        501 => K::NotImplemented,
        502 => K::BadGateway,
        503 => K::Unavailable,
        504 => K::GatewayTimeout,
        _ => match status.canonical_reason() {
            Some(reason) => return Rejection::custom(status, code(reason)).message(reason),
            None if status.is_server_error() => K::Internal,
            None => K::Custom,
        },
    };
    Rejection::new(kind).status_code(status)
}

/// Converts `I'm a teapot` to `IM_A_TEAPOT`.
fn code(reason: &str) -> String {
    let upper = |word: &str| word.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    reason.split([' ', '-']).map(upper).collect::<Vec<_>>().join("_")
}

/// Removes the headers that describe the replaced body.
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
        // `HeaderMap::remove` would change the order of the other headers, and a client could distinguish a masked
        // response from this one by that order.
        let mut current = None;
        for (name, value) in std::mem::take(headers) {
            current = name.or(current);
            if let Some(name) = current.as_ref().filter(|name| !DESCRIPTION.contains(name)) {
                headers.append(name, value);
            }
        }
    }
}
