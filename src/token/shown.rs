//! Formats untrusted text for messages: escaped and shortened.

use std::fmt::{self, Write as _};

/// Formats untrusted text in quotes. Control characters and other unprintable characters are escaped. At most 80
/// characters are shown.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

const MOST_CHARACTERS: usize = 80;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MOST_CHARACTERS).map_or(self.0.len(), |(end, _)| end);
        write!(f, "{:?}", &self.0[..end])?;
        if end < self.0.len() { f.write_char('…') } else { Ok(()) }
    }
}

/// Formats the first four elements of a list, each in quotes, and the number of the others.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

const MOST_SHOWN: usize = 4;

impl<T: AsRef<str>> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        first_of(self.0, f, |text, f| Shown(text.as_ref()).fmt(f))
    }
}

/// Formats the first four elements of a list with `show`, and the number of the others.
pub(super) fn first_of<T>(
    all: &[T],
    f: &mut fmt::Formatter<'_>,
    show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (place, element) in all.iter().take(MOST_SHOWN).enumerate() {
        f.write_str(if place == 0 { "" } else { ", " })?;
        show(element, f)?;
    }
    match all.len().checked_sub(MOST_SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Shown};

    #[test]
    fn what_is_long_is_cut_and_what_is_odd_is_escaped() {
        assert_eq!(Shown("at+jwt").to_string(), r#""at+jwt""#);
        assert_eq!(Shown("a\n\u{1b}[31m\"\u{202e}").to_string(), r#""a\n\u{1b}[31m\"\u{202e}""#);
        for long in ["é".repeat(81), "x".repeat(8000)] {
            let shown = Shown(&long).to_string();
            assert_eq!((shown.chars().count(), shown.ends_with("\"…")), (83, true), "{shown}");
        }
        assert_eq!(List::<&str>(&[]).to_string(), "");
        assert_eq!(List(&["a", "b", "c", "d", "e", "f"]).to_string(), r#""a", "b", "c", "d" and 2 more"#);
    }
}
