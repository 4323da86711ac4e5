use std::fmt;

use http::Method;

use super::{
    foreign::foreign,
    path::{ambiguity, decoded, is_encoded, reads_like},
    segments::{Head, Segments, Word},
};
use crate::ConfigError;

/// A method and a path of whole segments: `GET /v1/models/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// `None` matches any method.
    method: Option<Method>,
    segments: Vec<Segment>,
    /// Whether the last segment is [`Segment::Rest`].
    rest: bool,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Exactly this text: as written, and decoded.
    Literal(String, Head, Vec<u8>),
    /// Any one segment, which must not be empty: `{name}` or `*`.
    One,
    /// The rest of the path, which may be empty: `**`.
    Rest,
}

impl Pattern {
    /// Parses `METHOD /path`, `* /path`, or a path alone for any method, as gRPC methods are written.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |what: &str| {
            ConfigError::new(
                format!("the rule {text:?} {what}"),
                "write a method or * and a path, such as `GET /v1/models/{id}`, `* /v1/files/**`, `/package.Service/*`",
            )
        };
        let (method, path) = text.split_once(' ').unwrap_or(("*", text));
        let method = match method {
            "*" => None,
            method if method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') => {
                Some(method.parse().map_err(|_| wrong("has no HTTP method in front"))?)
            }
            _ => return Err(wrong("has no HTTP method in capitals in front")),
        };
        if method == Some(Method::CONNECT) {
            return Err(wrong("is for CONNECT; write a rule for GET, which also matches a WebSocket over HTTP/2"));
        }
        let relative = path.strip_prefix('/').ok_or_else(|| wrong("has a path that does not start with /"))?;
        if !path.is_ascii() {
            return Err(wrong("has characters that must be percent-encoded, with capital letters, such as %C3%A9"));
        }
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return Err(wrong("has a path with a space, a query or a fragment"));
        }
        if let Some((segment, what)) = relative.split('/').find_map(|segment| Some((segment, foreign(segment)?))) {
            return Err(ConfigError::new(
                format!("the rule {text:?} has the segment {segment:?}, which {what}"),
                "write a parameter as {name}, any one segment as *, and the rest of the path as ** at the end",
            ));
        }
        let segments: Vec<Segment> =
            relative.split('/').map(Segment::parse).collect::<Option<_>>().ok_or_else(|| {
                wrong("has a segment that is partly a parameter; parameters are whole segments, {name} or *")
            })?;
        let plain: String = segments.iter().flat_map(|segment| ["/", segment.example()]).collect();
        if let Some(what) = ambiguity(&plain) {
            return Err(wrong(&format!("has a path with {what}, which no request can reach")));
        }
        if segments.iter().rev().skip(1).any(|segment| *segment == Segment::Rest) {
            return Err(wrong("has ** before its end"));
        }
        let rest = segments.last() == Some(&Segment::Rest);
        Ok(Self { method, segments, rest, text: path.to_owned() })
    }

    /// Returns whether this pattern matches every request that the other pattern matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let by_method = match (&self.method, &other.method) {
            (None, _) => true,
            (Some(Method::GET), Some(other)) => matches!(*other, Method::GET | Method::HEAD),
            (Some(own), Some(other)) => own == other,
            (Some(_), None) => false,
        };
        let mut others = other.segments.iter();
        for segment in &self.segments {
            match (segment, others.next()) {
                (Segment::Rest, _) => return by_method,
                (Segment::One, Some(Segment::One)) => {}
                (Segment::Literal(own, ..), Some(Segment::Literal(other, ..))) if own == other => {}
                // A request as `other` spells it also matches this rule when decoded, so it is refused as ambiguous.
                (Segment::Literal(_, _, plain), Some(Segment::Literal(other, _, read)))
                    if is_encoded(other) && plain == read => {}
                (Segment::One, Some(Segment::Literal(other, ..))) if !other.is_empty() => {}
                _ => return false,
            }
        }
        by_method && others.next().is_none()
    }

    /// Returns whether a request can match both patterns.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let by_method = match (&self.method, &other.method) {
            (Some(own), Some(other)) => self.meets_method(other) || other == Method::GET && own == Method::HEAD,
            _ => true,
        };
        let (mut own, mut others) = (self.segments.iter(), other.segments.iter());
        loop {
            match (own.next(), others.next()) {
                (Some(Segment::Rest), _) | (_, Some(Segment::Rest)) | (None, None) => return by_method,
                (Some(Segment::One), Some(Segment::One)) => {}
                (Some(Segment::Literal(.., plain)), Some(Segment::Literal(.., read))) if plain == read => {}
                (Some(Segment::One), Some(Segment::Literal(raw, ..)))
                | (Some(Segment::Literal(raw, ..)), Some(Segment::One))
                    if !raw.is_empty() => {}
                _ => return false,
            }
        }
    }

    /// Returns the rule as its author would write it.
    pub(super) fn written(&self) -> String {
        format!("{} {}", self.method.as_ref().map_or("*", Method::as_str), self.text)
    }

    /// Returns whether this rule matches the path and is limited to a method.
    pub(super) fn means_path_for_a_method(&self, path: &Segments<'_>) -> bool {
        self.method.as_ref().is_some_and(|method| self.matches(method, path))
    }

    /// Returns whether a request matches, with its path as written. A rule for GET also matches HEAD.
    #[inline]
    pub(super) fn matches(&self, method: &Method, path: &Segments<'_>) -> bool {
        self.meets(method, path, |word, raw, head, _| word.is(raw, head))
    }

    /// Returns whether a request matches, with its path decoded.
    pub(super) fn matches_decoded(&self, method: &Method, path: &Segments<'_>) -> bool {
        self.meets(method, path, |word, _, _, plain| reads_like(word.text, plain))
    }

    #[inline]
    fn meets(&self, method: &Method, path: &Segments<'_>, same: impl Fn(&Word<'_>, &str, Head, &[u8]) -> bool) -> bool {
        let (own, asked) = (self.segments.as_slice(), path.all());
        let fits = if self.rest { asked.len() + 1 >= own.len() } else { asked.len() == own.len() };
        // From the end: rules of one table differ there, and start alike.
        fits && own.iter().zip(asked).rev().all(|(segment, word)| match segment {
            Segment::Rest => true,
            Segment::Literal(raw, head, plain) => same(word, raw, *head, plain),
            Segment::One => !word.text.is_empty(),
        }) && self.meets_method(method)
    }

    #[inline]
    fn meets_method(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(Method::GET) => matches!(*method, Method::GET | Method::HEAD),
            Some(only) => only == method,
        }
    }
}

impl Segment {
    /// Returns a segment that matches.
    fn example(&self) -> &str {
        match self {
            Self::Literal(raw, ..) => raw,
            Self::One | Self::Rest => "any",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match text {
            "*" => Some(Self::One),
            "**" => Some(Self::Rest),
            _ if name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}', '*'])) => Some(Self::One),
            _ if text.contains(['{', '}', '*']) => None,
            _ => Some(Self::Literal(text.to_owned(), Head::of(text), decoded(text).collect())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7} {}", self.method.as_ref().map_or("*", Method::as_str), self.text)
    }
}
