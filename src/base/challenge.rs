//! What a 401 says about how to sign in: the `WWW-Authenticate` field (RFC 9110, section 11.6.1).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};

/// One challenge, `ApiKey realm="api"`: a scheme and its parameters, each name at most once, every
/// value a quoted string in which `"` and `\` are escaped.
///
/// Bytes that may not stand in a header (controls, non-ASCII) become `?`: nothing that is put in
/// can break out of the quoted string or the field.
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
    /// A challenge of a scheme, without parameters yet. Characters that no scheme may have are left out; a scheme of
    /// which nothing is left is called `Unknown`.
    #[must_use]
    pub fn new(scheme: &str) -> Self {
        let scheme = token(scheme);
        Self { text: if scheme.is_empty() { "Unknown".to_owned() } else { scheme }, names: Vec::new() }
    }

    /// Adds a parameter. A name that stands there already (whatever its case), or that has no character left, is not
    /// added.
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

    /// The challenge as it stands in the field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Several challenges in one text, separated by comma and space; what two methods offer alike stands once.
pub(crate) fn list<'a>(challenges: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = Vec::new();
    for challenge in challenges.into_iter().map(printable) {
        if !challenge.is_empty() && !all.contains(&challenge) {
            all.push(challenge);
        }
    }
    all.join(", ")
}

/// The challenges of all methods on offer, as one field value.
pub(crate) fn join<'a>(challenges: impl IntoIterator<Item = &'a str>) -> Option<HeaderValue> {
    let all = list(challenges);
    if all.is_empty() { None } else { HeaderValue::try_from(all).ok() }
}

/// What a 401 offers when nobody said what is on offer: the header method of RFC 6750, with one parameter.
pub(crate) const FALLBACK: HeaderValue = HeaderValue::from_static("Bearer realm=\"api\"");

/// Gives a 401 an offer that has none, or only the fallback of a refusal that is unaware of what is on offer.
pub(crate) fn complete(headers: &mut HeaderMap, unaware: bool, offer: &HeaderValue) {
    let nothing_own = match headers.get(header::WWW_AUTHENTICATE) {
        Some(own) => unaware && own == FALLBACK,
        None => true,
    };
    if nothing_own {
        headers.insert(header::WWW_AUTHENTICATE, offer.clone());
    }
}

/// Whether this is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// The characters of a token; all others are left out.
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
