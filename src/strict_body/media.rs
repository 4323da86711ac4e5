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

    fn read(value: &str) -> Self {
        let Some((kind, subtype, parameters)) = parse(value) else { return Self::Unclear };
        let json = subtype.eq_ignore_ascii_case("json") || ends_with_json(subtype);
        if !(kind.eq_ignore_ascii_case("application") && json) {
            return Self::Other;
        }
        if is_utf8(&parameters) { Self::Json } else { Self::Unclear }
    }
}

/// Returns whether the body is a form by `Content-Type`: `application/x-www-form-urlencoded`.
///
/// # Errors
/// 415 if it is one in another character set than UTF-8.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) fn is_form(headers: &HeaderMap) -> Result<bool, Rejection> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Ok(false) };
    let Some((kind, subtype, parameters)) = value.to_str().ok().and_then(parse) else { return Ok(false) };
    let form = kind.eq_ignore_ascii_case("application") && subtype.eq_ignore_ascii_case("x-www-form-urlencoded");
    if form && !is_utf8(&parameters) {
        return Err(no_form("the form is not in UTF-8"));
    }
    Ok(form)
}

type Parsed<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

/// Returns the type, the subtype and the parameters of one media type (RFC 9110, section 8.3.1).
fn parse(value: &str) -> Option<Parsed<'_>> {
    let mut parts = split(value);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    // A token contains no comma, so two media types in one line are refused here.
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let parameters: Option<Vec<_>> = parts.filter(|part| !part.is_empty()).map(parameter).collect();
    Some((kind, subtype, parameters?))
}

/// Returns whether no other character set than UTF-8 is named.
fn is_utf8(parameters: &[(&str, &str)]) -> bool {
    let mut charsets = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match (charsets.next(), charsets.next()) {
        (None, _) => true,
        (Some((_, charset)), None) => charset.eq_ignore_ascii_case("utf-8"),
        _ => false,
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

/// 415, with the media type of forms.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) fn no_form(cause: &'static str) -> Rejection {
    const TAKEN: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
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
