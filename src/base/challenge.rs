//! Authentication challenges: the `WWW-Authenticate` field of a 401 (RFC 9110, section 11.6.1).

use std::{fmt::Write as _, ops::Range};

use http::{HeaderMap, HeaderValue, header};

/// One challenge, such as `ApiKey realm="api"`: a scheme and its parameters. Each parameter name occurs at most once.
/// Each value is a quoted string in which `"` and `\` are escaped.
///
/// Characters that a header must not contain (controls, non-ASCII) are replaced by `?`. No input can break out of the
/// quoted string or the field.
///
/// ```
/// use tower_auth::Challenge;
///
/// let challenge = Challenge::new("ApiKey").param("realm", "the \"big\" api");
/// assert_eq!(challenge.as_str(), r#"ApiKey realm="the \"big\" api""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    text: String,
    names: Vec<String>,
}

impl Challenge {
    /// Creates a challenge with this scheme and no parameters. Characters that a scheme must not contain are removed. A
    /// scheme without any valid character becomes `Unknown`.
    #[must_use]
    pub fn new(scheme: &str) -> Self {
        let scheme = token(scheme);
        Self { text: if scheme.is_empty() { "Unknown".to_owned() } else { scheme }, names: Vec::new() }
    }

    /// Adds a parameter. Names are case-insensitive: a second parameter with the same name is ignored. A name without
    /// any valid character is ignored too.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        let name = token(name);
        if name.is_empty() || self.names.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
            return self;
        }
        let separator = if self.names.is_empty() { " " } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{separator}{name}=\"{}\"", quoted(value));
        self.names.push(name);
        self
    }

    /// Returns the challenge as it is written in the header field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Joins challenges with a comma and a space. Equal challenges are written once.
pub(crate) fn list<'a>(challenges: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = Vec::new();
    for challenge in challenges.into_iter().map(printable) {
        if !challenge.is_empty() && !all.contains(&challenge) {
            all.push(challenge);
        }
    }
    all.join(", ")
}

/// Joins the challenges of all offered methods into one field value.
pub(crate) fn join<'a>(challenges: impl IntoIterator<Item = &'a str>) -> Option<HeaderValue> {
    let all = list(challenges);
    if all.is_empty() { None } else { HeaderValue::try_from(all).ok() }
}

/// Adds `error` to the first challenge with this scheme in a list. Returns `None` if no challenge has it.
pub(crate) fn with_error(list: &str, scheme: &str, error: &str) -> Option<String> {
    let mut end = None;
    for item in items(list) {
        let word = &list[item.clone()];
        // A challenge starts with a scheme and a space, and a parameter with a name and an equals sign.
        let name = word.split([' ', '=']).next().unwrap_or_default();
        let starts = !word[name.len()..].trim_start().starts_with('=');
        if starts && end.is_some() {
            break;
        }
        if end.is_some() || (starts && name.eq_ignore_ascii_case(scheme)) {
            let separator = if starts && name.len() == word.len() { " " } else { ", " };
            end = Some((item.end, separator));
        }
    }
    end.map(|(end, separator)| format!("{}{separator}error=\"{error}\"{}", &list[..end], &list[end..]))
}

/// Returns the places of the elements of a list, which are separated by commas outside of quotes.
fn items(list: &str) -> Vec<Range<usize>> {
    let (mut ends, mut quoted, mut escaped) = (Vec::new(), false, false);
    for (at, c) in list.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => ends.push(at),
            _ => {}
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    let all = starts.zip(ends.iter().copied().chain([list.len()]));
    all.map(|(start, end)| end - list[start..end].trim_start().len()..end).collect()
}

/// The challenge of a 401 when no authentication method is configured: the header method of RFC 6750, with one
/// parameter.
pub(crate) const FALLBACK: HeaderValue = HeaderValue::from_static("Bearer realm=\"api\"");

/// Adds `offer` to a 401 that has no challenge. Also replaces the [`FALLBACK`] of a refusal that is `unaware` of the
/// offered methods.
pub(crate) fn complete(headers: &mut HeaderMap, unaware: bool, offer: &HeaderValue) {
    let nothing_own = match headers.get(header::WWW_AUTHENTICATE) {
        Some(own) => unaware && own == FALLBACK,
        None => true,
    };
    if nothing_own {
        headers.insert(header::WWW_AUTHENTICATE, offer.clone());
    }
}

/// Returns whether the text is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// Removes all characters that a token must not contain.
fn token(text: &str) -> String {
    text.chars().filter(|c| is_token_char(*c)).collect()
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn quoted(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::with_error;

    #[test]
    fn the_error_belongs_to_the_challenge_with_the_scheme() {
        for (list, expected) in [
            ("Bearer", Some("Bearer error=\"e\"")),
            ("Bearer realm=\"a\"", Some("Bearer realm=\"a\", error=\"e\"")),
            ("Bearer realm=\"a, DPoP b\", x=\"\\\"\"", Some("Bearer realm=\"a, DPoP b\", x=\"\\\"\", error=\"e\"")),
            ("bearer realm=\"a\", DPoP algs=\"b\"", Some("bearer realm=\"a\", error=\"e\", DPoP algs=\"b\"")),
            ("DPoP algs=\"b\", Bearer realm=\"a\"", Some("DPoP algs=\"b\", Bearer realm=\"a\", error=\"e\"")),
            ("Bearer, DPoP", Some("Bearer error=\"e\", DPoP")),
            ("DPoP algs=\"Bearer a\"", None),
            ("ApiKey bearer=\"a\"", None),
            ("", None),
        ] {
            assert_eq!(with_error(list, "Bearer", "e").as_deref(), expected, "{list}");
        }
    }
}
