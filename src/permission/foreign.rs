//! Detects the parameter syntax of other routers. A table would read it as a literal that matches no real path.

/// Returns what a segment of a pattern means in other routers, if it means something else there.
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

/// A name consists of letters, digits, `_` and `-`. Anything else in braces is a condition or a wildcard in other
/// routers.
fn foreign_name(name: &str) -> Option<&'static str> {
    if name.starts_with(['*', '.']) || name.ends_with(['*', '+', '.']) {
        return Some("means the rest of the path in other routers, which is ** here");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (!name.chars().all(plain)).then_some("has more than a name in its braces, and conditions are not supported")
}

/// Returns whether a segment has a parameter such as `:id` or `from-:to`. A verb after a colon, as in `models:delete`,
/// is a literal in every router.
fn has_colon_name(segment: &str) -> bool {
    segment.match_indices(':').any(|(at, _)| {
        let before = segment[..at].chars().next_back();
        let behind = segment[at + 1..].chars().next();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != ':')
            && behind.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
    })
}
