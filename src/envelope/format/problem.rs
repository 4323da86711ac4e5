use std::borrow::Cow;

use http::HeaderValue;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::view::{ErrorFormat, ErrorView, Shown, write};

/// Problem details (RFC 9457), with the members of the detailed format as extensions.
#[derive(Clone, Debug, Default)]
pub(in crate::envelope) struct Problem {
    /// The start of the URI of every type; without it every type is `about:blank`.
    pub(in crate::envelope) types: Option<Cow<'static, str>>,
}

impl ErrorFormat for Problem {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/problem+json")
    }

    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
        write(&Body { refusal, types: self.types.as_deref() }, out);
    }
}

struct Body<'a> {
    refusal: &'a ErrorView<'a>,
    types: Option<&'a str>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { refusal, types } = self;
        let mut problem = serializer.serialize_struct("Problem", 9)?;
        // An exceeded quota has a registered type (draft-ietf-httpapi-ratelimit-headers-11, section 5).
        let kind = match (types, refusal.limit_name()) {
            (Some(base), _) => Some((format!("{base}{}", slug(refusal.code())), title(refusal.code()))),
            (None, Some(_)) => Some((QUOTA_EXCEEDED.0.to_owned(), QUOTA_EXCEEDED.1.to_owned())),
            (None, None) => None,
        };
        // RFC 9457, section 4.2.1: the title of `about:blank` is the phrase of the status.
        let phrase = refusal.status().canonical_reason().unwrap_or("Error");
        let (uri, title) = kind.as_ref().map_or(("about:blank", phrase), |(uri, title)| (uri, title));
        problem.serialize_field("type", uri)?;
        problem.serialize_field("title", title)?;
        problem.serialize_field("status", &refusal.status().as_u16())?;
        problem.serialize_field("detail", refusal.message())?;
        problem.serialize_field("code", refusal.code())?;
        if let Some(text) = refusal.system_message() {
            problem.serialize_field("system_message", text)?;
        }
        if let Some(policy) = refusal.limit_name() {
            problem.serialize_field("violated-policies", &[policy])?;
        }
        problem.serialize_field("details", &refusal.details_object())?;
        problem.serialize_field("trace_id", &refusal.request_id())?;
        problem.serialize_field("timestamp", &Shown(refusal.timestamp()))?;
        problem.end()
    }
}

const QUOTA_EXCEEDED: (&str, &str) = (
    "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "Request cannot be satisfied as assigned quota has been exceeded",
);

/// Converts a code to lower case, with a dash for every character that is not a letter or digit.
fn slug(code: &str) -> String {
    code.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Converts `INVALID_API_KEY` to `Invalid api key`. All problems of a type have the same title (RFC 9457, section
/// 3.1.3).
fn title(code: &str) -> String {
    let mut words = slug(code).replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
