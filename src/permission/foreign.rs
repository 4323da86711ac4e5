//! How other routers write parameters: a table would read it as a literal that protects nothing.

/// What a segment of a pattern would mean elsewhere, if it would mean something else there.
pub(super) fn foreign(segment: &str) -> Option<&'static str> {
    if let Some(name) = segment.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return foreign_name(name);
    }
    if has_colon_name(segment) || segment.contains(['<', '>', '[', ']']) {
        return Some("is a parameter in other routers and a literal here");
    }
    let regex = segment.contains(['|', '^', '"', '`']) || segment.starts_with('(') || segment.contains(".+");
    let anchored = segment.len() > 1 && segment.ends_with('$');
    (regex || anchored).then_some("is a regular expression in other routers and a literal here")
}

/// Names are letters, digits, `_` and `-`: what else stands in braces is a condition or a wildcard elsewhere.
fn foreign_name(name: &str) -> Option<&'static str> {
    if name.starts_with(['*', '.']) || name.ends_with(['*', '+', '.']) {
        return Some("means all that is left of a path in other routers, which is ** here");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (!name.chars().all(plain)).then_some("has more in its braces than a name, and conditions are not kept here")
}

/// `:id`, and `from-:to`; but a verb behind a colon, as in `models:delete`, is a literal anywhere.
fn has_colon_name(segment: &str) -> bool {
    segment.match_indices(':').any(|(at, _)| {
        let before = segment[..at].chars().next_back();
        let behind = segment[at + 1..].chars().next();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != ':')
            && behind.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
    })
}
