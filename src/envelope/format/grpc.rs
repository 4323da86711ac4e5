//! A refusal as a gRPC status, which every gRPC client can decode.

use std::{fmt::Write as _, sync::LazyLock, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, StatusCode};

use super::{protobuf::Message, view::ErrorView};
use crate::{Detail, Rejection, RejectionKind, envelope::catalogue::Catalogue};

/// The default domain of error details.
pub(in crate::envelope) const DOMAIN: &str = "api";

/// Returns code, message and details for a `tonic::Status`, before an envelope sets the texts of its service.
pub(crate) fn plain(rejection: &Rejection) -> (u8, String, Vec<u8>) {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::default);
    let refusal = ErrorView::new(rejection, &CATALOGUE, SystemTime::UNIX_EPOCH);
    (code(&refusal), message(&refusal).to_owned(), details(&refusal, DOMAIN))
}

/// Whether these trailers are those of a status that was made from this rejection and not changed since.
pub(in crate::envelope) fn is_plain(trailers: &HeaderMap, rejection: &Rejection) -> bool {
    let (code, _, details) = plain(rejection);
    let has = |name: &str, value: String| trailers.get(name).is_some_and(|field| field.as_bytes() == value.as_bytes());
    has(STATUS, code.to_string()) && has(DETAILS, STANDARD_NO_PAD.encode(details))
}

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";

/// Returns the gRPC status code of a refusal.
fn code(refusal: &ErrorView<'_>) -> u8 {
    if refusal.kind() == RejectionKind::Custom { code_of_status(refusal.status()) } else { refusal.kind().grpc_code() }
}

/// The maximum lengths in header fields. Clients close a connection if a header block is too large, and lose the
/// refusal.
const LONGEST_MESSAGE: usize = 512;
const LONGEST_DETAILS: usize = 3 * 1024;

/// Returns the message for the client's user, cut to the maximum length.
fn message<'a>(refusal: &ErrorView<'a>) -> &'a str {
    let message = refusal.message();
    let end = message.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_MESSAGE).last();
    message.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Returns the `google.rpc.Status` of `grpc-status-details-bin`. If it would be too long, it omits the metadata of
/// `ErrorInfo` and `BadRequest`.
fn details(refusal: &ErrorView<'_>, domain: &str) -> Vec<u8> {
    let all = status(refusal, domain, true);
    if all.len() > LONGEST_DETAILS { status(refusal, domain, false) } else { all }
}

fn status(refusal: &ErrorView<'_>, domain: &str, everything: bool) -> Vec<u8> {
    let status = Message::default().number(1, u64::from(code(refusal))).text(2, message(refusal));
    let mut status = status.any(3, "ErrorInfo", &error_info(refusal, domain, everything));
    if let Some(seconds) = refusal.retry_after() {
        // google.rpc.RetryInfo { retry_delay: Duration { seconds } }
        let delay = Message::default().number(1, seconds);
        status = status.any(3, "RetryInfo", &Message::default().message(1, &delay));
    }
    if matches!(refusal.kind(), RejectionKind::RateLimited | RejectionKind::TooCostly) {
        // google.rpc.QuotaFailure { violations: [{ subject, description }] }
        let violation = Message::default().text(1, refusal.code()).text(2, message(refusal));
        status = status.any(3, "QuotaFailure", &Message::default().message(1, &violation));
    }
    if let Some(violations) = bad_request(refusal).filter(|_| everything) {
        status = status.any(3, "BadRequest", &violations);
    }
    if let Some(id) = refusal.request_id() {
        status = status.any(3, "RequestInfo", &Message::default().text(1, &id.to_string()));
    }
    status.into_bytes()
}

/// Returns the names and values of the fields of a trailers-only response.
pub(in crate::envelope) fn trailers(refusal: &ErrorView<'_>, domain: &str) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        (STATUS, code(refusal).to_string()),
        ("grpc-message", percent_encoded(message(refusal))),
        (DETAILS, STANDARD_NO_PAD.encode(details(refusal, domain))),
    ];
    if let Some(seconds) = refusal.retry_after() {
        fields.push(("grpc-retry-pushback-ms", seconds.saturating_mul(1000).to_string()));
    }
    fields
}

/// Returns `google.rpc.ErrorInfo { reason, domain, metadata }`.
fn error_info(refusal: &ErrorView<'_>, domain: &str, metadata: bool) -> Message {
    let info = Message::default().text(1, &reason(refusal.code())).text(2, domain);
    refusal.details().filter(|_| metadata).fold(info, |info, (name, value)| {
        let value = match value {
            Detail::Text(text) => text.as_ref().to_owned(),
            Detail::Number(number) => number.to_string(),
            Detail::List(list) => list.join(","),
            // The fields are in `BadRequest`, one violation for each.
            Detail::Fields(_) => return info,
        };
        info.message(3, &Message::default().text(1, &camel_case(name)).text(2, &value))
    })
}

/// Returns `google.rpc.BadRequest`, if the request itself is invalid.
fn bad_request(refusal: &ErrorView<'_>) -> Option<Message> {
    use RejectionKind::{InvalidFields, InvalidJson, MalformedRequest};
    if !matches!(refusal.kind(), MalformedRequest | InvalidJson | InvalidFields) {
        return None;
    }
    let description = message(refusal);
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for (name, value) in refusal.details() {
        match (name, value) {
            ("header", Detail::Text(header)) => fields.push((header, description)),
            ("path", _) => fields.push(("path", description)),
            (_, Detail::Fields(list)) => fields.extend(list.iter().map(|field| (field.pointer(), field.reason()))),
            ("fields", Detail::List(list)) => fields.extend(list.iter().map(|field| (field.as_str(), description))),
            _ => {}
        }
    }
    if fields.is_empty() {
        fields.push(("body", description));
    }
    let violation = |(field, why): (&str, &str)| Message::default().text(1, field).text(2, why);
    Some(fields.into_iter().fold(Message::default(), |all, field| all.message(1, &violation(field))))
}

/// Converts any code to at most 63 characters of `[A-Z][A-Z0-9_]+[A-Z0-9]`.
fn reason(code: &str) -> String {
    let upper = code.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let upper: String = upper.skip_while(|c| !c.is_ascii_uppercase()).take(63).collect();
    let trimmed = upper.trim_end_matches('_');
    if trimmed.len() < 3 { "REQUEST_REFUSED".to_owned() } else { trimmed.to_owned() }
}

/// Converts any name of a detail to at most 64 characters of `[a-z][a-zA-Z0-9]+`: `required_role` to `requiredRole`.
fn camel_case(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let key = words.fold(String::new(), |key, word| {
        let (first, rest) = word.split_at(1);
        let first = if key.is_empty() { first.to_ascii_lowercase() } else { first.to_ascii_uppercase() };
        let shouted = word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
        key + &first + &if shouted { rest.to_ascii_lowercase() } else { rest.to_owned() }
    });
    let proper = key.len() > 1 && key.starts_with(|c: char| c.is_ascii_lowercase());
    let key = if proper { key } else { format!("detail{key}") };
    key.chars().take(64).collect()
}

/// Percent-encodes `%` and every byte that is not visible ASCII or a space (gRPC over HTTP/2, "Status-Message").
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Returns the gRPC code for the status of a custom refusal, by the canonical mapping of `google.rpc.Code`.
fn code_of_status(status: StatusCode) -> u8 {
    match status.as_u16() {
        499 => 1,
        400 | 406 | 411 | 414 | 415 | 422 | 431 => 3,
        408 | 504 => 4,
        404 | 410 => 5,
        403 | 451 => 7,
        413 | 429 | 507 => 8,
        409 => 10,
        416 => 11,
        405 | 501 | 505 => 12,
        425 | 502 | 503 => 14,
        401 | 407 => 16,
        500..=599 => 13,
        _ => 9,
    }
}
