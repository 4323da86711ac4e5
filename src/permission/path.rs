//! Detects ambiguous paths, which two parsers could read differently.

/// Returns what is ambiguous about a path, if anything.
///
/// A table of rules and the handler behind it must read a path in the same way, so ambiguous paths are not normalised.
/// These are ambiguous: a backslash, an empty segment, a dot segment, and a percent-encoded separator, dot, control
/// character, letter, digit or percent-encoding.
#[inline]
pub(super) fn ambiguity(path: &str) -> Option<&'static str> {
    if is_plain(path.as_bytes()) { None } else { what_is_ambiguous(path) }
}

/// Returns whether a path is certainly unambiguous, in one pass over its bytes.
#[inline]
fn is_plain(path: &[u8]) -> bool {
    let (mut before, mut suspicious) = (b'/', path.first() != Some(&b'/'));
    for byte in path.iter().skip(1) {
        suspicious |= matches!(byte, b'%' | b'\\') || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = *byte;
    }
    !suspicious
}

fn what_is_ambiguous(path: &str) -> Option<&'static str> {
    if path.contains('\\') {
        return Some("a backslash");
    }
    let Some(relative) = path.strip_prefix('/') else { return Some("no leading slash") };
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Some("an empty segment");
        }
        if matches!(segment, "." | "..") {
            return Some("a dot segment");
        }
    }
    encoded_ambiguity(path)
}

/// Returns what is ambiguous about the percent-encoding of a path, if anything.
pub(super) fn encoded_ambiguity(path: &str) -> Option<&'static str> {
    let path = path.as_bytes();
    for at in (0..path.len()).filter(|at| path[*at] == b'%') {
        let Some(byte) = encoded(&path[at..]) else { return Some("a percent sign that encodes nothing") };
        match byte {
            b'/' | b'\\' => return Some("an encoded separator"),
            b'.' => return Some("an encoded dot"),
            0..=0x1f | 0x7f => return Some("an encoded control character"),
            b'%' if hex_pair(path, at + 3).is_some() => return Some("a double encoding"),
            byte if byte.is_ascii_alphanumeric() => return Some("an encoded letter or digit"),
            _ => {}
        }
    }
    None
}

/// Returns whether decoding could change which rule a path matches.
pub(super) fn is_encoded(path: &str) -> bool {
    path.contains('%') || !path.is_ascii()
}

/// Returns whether a segment decodes to this text.
pub(super) fn reads_like(segment: &str, plain: &[u8]) -> bool {
    decoded(segment).eq(plain.iter().copied())
}

/// Returns the bytes that a handler reads if it decodes the path.
pub(super) fn decoded(segment: &str) -> impl Iterator<Item = u8> {
    let mut rest = segment.as_bytes();
    std::iter::from_fn(move || {
        let (first, behind) = rest.split_first()?;
        let byte = encoded(rest).filter(|_| *first == b'%');
        rest = if byte.is_some() { rest.get(3..)? } else { behind };
        Some(byte.unwrap_or(*first))
    })
}

/// Returns the byte that `%XY` encodes.
fn encoded(text: &[u8]) -> Option<u8> {
    hex_pair(text, 1)
}

fn hex_pair(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(at)? << 4 | digit(at + 1)?).ok()
}
