//! The syntax of a `Cookie` field (RFC 6265, section 4.2.1): pairs of a name and a value, separated by semicolons.
//!
//! Names are case-sensitive. Quotation marks are a part of the value (section 4.1.1), and a semicolon between them
//! separates pairs like any other: a browser treats both so (section 5.2). A text without an equals sign is not a pair.

/// Returns the pairs of a line.
pub(super) fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(line).filter_map(pair)
}

/// Returns the line without the pairs whose name is removed; `None` if no other pair is left.
pub(super) fn without(line: &[u8], is_removed: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    // Other parsers may trim a name. What they would read is removed too.
    let is_kept = |part: &&[u8]| !pair(part).is_some_and(|(name, _)| is_removed(name.trim_ascii()));
    let kept: Vec<&[u8]> = parts(line).filter(is_kept).collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|byte| *byte == b'=')?;
    Some((&part[..equals], &part[equals + 1..]))
}
