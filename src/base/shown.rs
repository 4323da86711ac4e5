//! Escapes untrusted text for logs: on one line, of bounded length, and without characters that a terminal or a reader
//! may misread.

use std::{borrow::Cow, fmt::Write as _};

/// Returns the text in at most `most` bytes. Control characters, line and paragraph separators, invisible characters
/// and characters that change the text direction are escaped.
pub(crate) fn text(text: &str, most: usize) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.len() <= most && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    bounded(text, most, |c, out| {
        if is_plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    })
}

/// The maximum length of a path in a log, in bytes.
const PATH: usize = 256;

/// Returns the path in at most 256 bytes. All bytes except visible ASCII are percent-encoded, as a client should do.
/// The quote and the backslash are percent-encoded too, because log formats escape them.
pub(crate) fn path(path: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\');
    if path.len() <= PATH && path.bytes().all(plain) {
        return Cow::Borrowed(path);
    }
    bounded(path, PATH, |c, out| {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            if plain(byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    })
}

const ELLIPSIS: char = '…';

/// Writes each character with `show`. Text that would exceed `most` bytes is cut and ends with an ellipsis.
fn bounded(text: &str, most: usize, show: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let room = most.saturating_sub(ELLIPSIS.len_utf8());
    let (mut shown, mut cut) = (String::new(), 0);
    for c in text.chars() {
        show(c, &mut shown);
        if shown.len() <= room {
            cut = shown.len();
        }
        if shown.len() > most {
            shown.truncate(cut);
            shown.push(ELLIPSIS);
            break;
        }
    }
    Cow::Owned(shown)
}

/// Returns whether the standard library's escape tables leave the character unchanged when it follows another one.
fn is_plain(c: char) -> bool {
    let mut behind = [b'a', 0, 0, 0, 0];
    let end = 1 + c.encode_utf8(&mut behind[1..]).len();
    let plain = |text: &str| matches!(c, '"' | '\'' | '\\') || text.escape_debug().count() == 2;
    str::from_utf8(&behind[..end]).is_ok_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forges_a_line_is_escaped_and_the_rest_is_as_it_was() {
        for (given, shown) in [
            ("", ""),
            ("acme \"the\" o'brien \\", "acme \"the\" o'brien \\"),
            ("a\nb\r\t\0\u{1b}[2J", "a\\nb\\r\\t\\u{0}\\u{1b}[2J"),
            ("a\u{85}b\u{2028}c\u{2029}", "a\\u{85}b\\u{2028}c\\u{2029}"),
            ("\u{202e}txt\u{2066}\u{200b}\u{feff}\u{ad}", "\\u{202e}txt\\u{2066}\\u{200b}\\u{feff}\\u{ad}"),
            ("café Zoë 東京 สวัสดี", "café Zoë 東京 สวัสดี"),
        ] {
            assert_eq!(text(given, 256), shown);
        }
        assert!(matches!(text("plain", 5), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        for most in 3..40 {
            for given in ["a".repeat(100), "é".repeat(50), "𝄞".repeat(30), "a\n".repeat(50)] {
                let shown = text(&given, most);
                assert!(shown.len() <= most && shown.ends_with('…'), "{shown}");
                assert!(!shown.contains("\\…"), "an escape is whole: {shown}");
            }
        }
        assert_eq!(text("12345678", 8), "12345678");
        assert_eq!(text("123456789", 8), "12345…");
        let path = path(&"/\u{e9}".repeat(200)).into_owned();
        assert!(path.len() <= 256 && path.starts_with("/%C3%A9/%C3%A9") && path.ends_with("%C3%A9/…"), "{path}");
    }

    #[test]
    fn a_path_is_visible_ascii() {
        for (given, shown) in [
            ("/v1/files/a%20b;c=d", "/v1/files/a%20b;c=d"),
            ("/a\"b\\c", "/a%22b%5Cc"),
            ("/\u{7f}\u{202e}\u{3000}é", "/%7F%E2%80%AE%E3%80%80%C3%A9"),
            ("*", "*"),
        ] {
            assert_eq!(path(given), shown);
        }
    }
}
