//! Lists of challenges, as methods offer them in one text: reads a parameter, and adds scopes.

use super::challenge;

/// The schemes of access tokens (RFC 6750; RFC 9449).
const OF_TOKENS: [&str; 2] = ["Bearer", "DPoP"];

/// The scheme of a token that is the whole value of a header.
pub(crate) const OF_HEADERS: &str = "AccessToken";

/// The scope with which a client asks for a refresh token. It says nothing about a resource, so no challenge names it.
const OFFLINE_ACCESS: &str = "offline_access";

/// Returns whether a challenge or a document may name this scope: the characters of RFC 6749, section 3.3.
pub(crate) fn may_be_named(scope: &str) -> bool {
    let is_allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    !scope.is_empty() && scope.bytes().all(is_allowed) && scope != OFFLINE_ACCESS
}

/// Joins the scopes that may be named with spaces, each once.
pub(crate) fn joined<'a>(scopes: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for scope in scopes.into_iter().filter(|scope| may_be_named(scope)) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all.join(" ")
}

/// One part between two commas: a parameter, and the scheme in front of it if a challenge begins here.
struct Part<'a> {
    text: &'a str,
    scheme: Option<&'a str>,
    name: &'a str,
    /// As written, with its quotation marks.
    value: &'a str,
}

/// Splits a list at the commas that are not in quotation marks.
fn parts(list: &str) -> impl Iterator<Item = Part<'_>> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = list.split(move |c: char| {
        let separates = c == ',' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        separates
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).map(|text| {
        // A parameter has no space in front of its `=`, so a word before a space is a scheme.
        let word = text.find([' ', '=']).unwrap_or(text.len());
        let (scheme, param) = match text.as_bytes().get(word) {
            Some(b'=') => (None, text),
            _ => (Some(&text[..word]), text[word..].trim_start()),
        };
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        Part { text, scheme, name, value }
    })
}

fn is_of_tokens(scheme: &str) -> bool {
    OF_TOKENS.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// Returns the scheme of the first challenge for access tokens that are presented in another way: the scheme of headers of their
/// own, or one that says where the metadata are.
pub(crate) fn other_scheme(list: &str) -> Option<&str> {
    let mut scheme = "";
    let mut found = parts(list).filter_map(|part| {
        scheme = part.scheme.unwrap_or(scheme);
        let names = scheme == OF_HEADERS || part.name.eq_ignore_ascii_case("resource_metadata");
        (names && !is_of_tokens(scheme)).then_some(scheme)
    });
    found.next()
}

/// Returns whether the list has a challenge of this scheme.
pub(crate) fn offers(list: &str, scheme: &str) -> bool {
    parts(list).any(|part| part.scheme.is_some_and(|offered| offered.eq_ignore_ascii_case(scheme)))
}

/// Returns a parameter of the first challenge for access tokens that has it.
pub(crate) fn param_for_tokens(list: &str, name: &str) -> Option<String> {
    let (mut is_ours, other) = (false, other_scheme(list));
    let mut parts = parts(list).filter(move |part| {
        is_ours = part.scheme.map_or(is_ours, |scheme| is_of_tokens(scheme) || other == Some(scheme));
        is_ours
    });
    parts.find(|part| part.name.eq_ignore_ascii_case(name)).map(|part| unquoted(part.value))
}

/// Adds scopes to every challenge for access tokens, to those that it names already.
pub(crate) fn with_scopes(list: &str, scopes: &[String]) -> String {
    let (mut all, mut pending, other) = (Vec::<String>::new(), None, other_scheme(list));
    for part in parts(list) {
        if let Some(scheme) = part.scheme {
            add(&mut all, pending.take());
            let is_ours = is_of_tokens(scheme) || other == Some(scheme);
            pending = is_ours.then(|| joined(scopes.iter().map(String::as_str)));
        }
        if pending.is_some() && part.name.eq_ignore_ascii_case("scope") {
            let own = unquoted(part.value);
            let united = joined(own.split(' ').chain(scopes.iter().map(String::as_str)));
            let scheme = part.scheme.map(|scheme| format!("{scheme} ")).unwrap_or_default();
            all.push(format!("{scheme}scope=\"{united}\""));
            pending = None;
        } else {
            all.push(part.text.to_owned());
        }
    }
    add(&mut all, pending);
    all.join(", ")
}

/// Adds the scopes to the challenge at the end.
fn add(all: &mut Vec<String>, scopes: Option<String>) {
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else { return };
    match all.last_mut() {
        // A scheme without parameters.
        Some(last) if challenge::is_token(last) => *last = format!("{last} scope=\"{scopes}\""),
        _ => all.push(format!("scope=\"{scopes}\"")),
    }
}

fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut characters) = (String::new(), inside.strip_suffix('"').unwrap_or(inside).chars());
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{joined, offers, param_for_tokens, with_scopes};

    fn scopes(all: &[&str]) -> Vec<String> {
        all.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn scopes_go_into_the_challenges_for_tokens_alone() {
        for (list, expected) in [
            (r#"Bearer realm="api""#, r#"Bearer realm="api", scope="a b""#),
            (
                r#"ApiKey realm="a, Bearer x=1", Bearer realm="\", DPoP", error="e", Mutual"#,
                r#"ApiKey realm="a, Bearer x=1", Bearer realm="\", DPoP", error="e", scope="a b", Mutual"#,
            ),
            ("Bearer", r#"Bearer scope="a b""#),
            ("Negotiate abc==, bearer", r#"Negotiate abc==, bearer scope="a b""#),
            (r#"DPoP algs="ES256", Bearer x=y"#, r#"DPoP algs="ES256", scope="a b", Bearer x=y, scope="a b""#),
            (r#"Bearer scope="b c", realm="r""#, r#"Bearer scope="b c a", realm="r""#),
            (r#"Bearer realm="r", scope=c"#, r#"Bearer realm="r", scope="c a b""#),
            (r#"ApiKey realm="api""#, r#"ApiKey realm="api""#),
            ("", ""),
        ] {
            assert_eq!(with_scopes(list, &scopes(&["a", "b", "offline_access", "two words", "a", ""])), expected);
        }
        assert_eq!(with_scopes("Bearer", &[]), "Bearer");
    }

    #[test]
    fn a_parameter_is_read_from_a_challenge_for_tokens() {
        let list = r#"ApiKey url="no", Bearer realm="a \"b\", url=c", URL="https://a.test/", DPoP url="other""#;
        assert_eq!(param_for_tokens(list, "url").as_deref(), Some("https://a.test/"));
        assert_eq!(param_for_tokens(list, "realm").as_deref(), Some("a \"b\", url=c"));
        assert_eq!(param_for_tokens(r#"ApiKey url="no""#, "url"), None);
        assert!(offers(list, "dpop") && offers(list, "Bearer") && !offers(list, "Basic"));
        assert!(!offers(r#"ApiKey realm="a, DPoP b""#, "DPoP"));
    }

    #[test]
    fn what_must_not_be_named_is_left_out() {
        assert_eq!(joined(["a", "quo\"te", "zürich", "a", "offline_access", "b:c/d"]), "a b:c/d");
    }
}
