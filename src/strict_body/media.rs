//! The media type and the codings of a body.

use http::{HeaderMap, HeaderValue, Version, header, request::Parts};

use crate::{Rejection, RejectionKind, base::challenge::is_token};

/// The media type by `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Missing,
    /// `application/json` or `application/*+json`, in UTF-8.
    Json,
    /// One media type that is not JSON.
    Other,
    /// Two media types, one that cannot be parsed, or JSON in another character set.
    Unclear,
}

impl Media {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::CONTENT_TYPE).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            // The fast path for the usual value.
            (Some(value), None) if value == "application/json" => Self::Json,
            (Some(value), None) => value.to_str().map_or(Self::Unclear, Self::read),
            (Some(_), Some(_)) => Self::Unclear,
        }
    }

    /// RFC 9110, section 8.3.1.
    fn read(value: &str) -> Self {
        let mut parts = split(value);
        let essence = parts.next().unwrap_or_default();
        let Some((kind, subtype)) = essence.split_once('/') else { return Self::Unclear };
        // A token contains no comma, so two media types in one line are refused here.
        if !is_token(kind) || !is_token(subtype) {
            return Self::Unclear;
        }
        let parameters: Option<Vec<_>> = parts.filter(|part| !part.is_empty()).map(parameter).collect();
        let Some(parameters) = parameters else { return Self::Unclear };
        let json = subtype.eq_ignore_ascii_case("json") || ends_with_json(subtype);
        if !(kind.eq_ignore_ascii_case("application") && json) {
            return Self::Other;
        }
        let mut charsets = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
        match (charsets.next(), charsets.next()) {
            (None, _) => Self::Json,
            (Some((_, charset)), None) if charset.eq_ignore_ascii_case("utf-8") => Self::Json,
            _ => Self::Unclear,
        }
    }
}

/// `application/vnd.api+json` (RFC 6839, section 3.1).
fn ends_with_json(subtype: &str) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let subtype = subtype.as_bytes();
    let start = subtype.len().saturating_sub(SUFFIX.len());
    start > 0 && subtype[start..].eq_ignore_ascii_case(SUFFIX)
}

/// Splits at semicolons outside of quotes.
fn split(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(move |c: char| {
        let ends = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        ends
    });
    parts.map(|part| part.trim_matches([' ', '\t']))
}

/// Splits a parameter into name and value, and removes the quotes around the value.
fn parameter(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once('=')?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).filter(|value| is_quoted(value));
    let proper = is_token(name) && (quoted.is_some() || is_token(value));
    proper.then_some((name, quoted.unwrap_or(value)))
}

/// Whether every quote inside of a quoted string is escaped (RFC 9110, section 5.6.4).
fn is_quoted(inside: &str) -> bool {
    let mut escaped = false;
    let whole = inside.chars().all(|c| {
        let proper = escaped || c != '"';
        escaped = c == '\\' && !escaped;
        proper
    });
    whole && !escaped
}

/// 415, with the accepted media type (RFC 9110, section 12.5.1).
pub(super) fn no_json(cause: &'static str) -> Rejection {
    const TAKEN: HeaderValue = HeaderValue::from_static("application/json");
    Rejection::new(RejectionKind::UnsupportedMediaType)
        .header(header::ACCEPT, TAKEN)
        .detail("reason", cause)
        .cause(cause)
}

/// Returns the refusal if the body has a content or transfer coding that is not supported.
pub(super) fn coding(request: &Parts) -> Option<Rejection> {
    const NONE: HeaderValue = HeaderValue::from_static("identity");
    let coded = |name, taken: &[&str]| {
        let values = request.headers.get_all(name).iter();
        let mut codings = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
        codings.any(|coding| {
            let coding = coding.trim_matches([' ', '\t']);
            !coding.is_empty() && !taken.iter().any(|taken| coding.eq_ignore_ascii_case(taken))
        })
    };
    let refusal = Rejection::new(RejectionKind::UnsupportedMediaType);
    if coded(header::CONTENT_ENCODING, &["identity"]) {
        // RFC 9110, section 12.5.3.
        let why = "the body has a content coding";
        return Some(refusal.header(header::ACCEPT_ENCODING, NONE).detail("reason", why).cause(why));
    }
    // The HTTP server decodes only `chunked`. Other transfer codings remain in the bytes.
    if request.version < Version::HTTP_2 && coded(header::TRANSFER_ENCODING, &["chunked", "identity"]) {
        let why = "the body has a transfer coding that the HTTP server does not decode";
        return Some(refusal.detail("reason", why).cause(why));
    }
    None
}
