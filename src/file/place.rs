//! Errors that name a place in the file and show nothing that stands there but names.

use std::{fmt::Display, ops::Range, path::Path};

use crate::ConfigError;

const HELP: &str = "correct the file; the documentation of FileKeyStore lists what it may hold";

/// The longest word of a file that an error shows: a longer one may be a digest or a key in a wrong place.
const LONGEST_WORD: usize = 24;

/// The longest name that an error shows. A UUID with a prefix is an id, a digest is none.
const LONGEST_NAME: usize = 40;

/// The text of a file, for errors.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Text<'_> {
    /// Returns an error with this place.
    pub(super) fn wrong(self, at: &Range<usize>, what: impl Display) -> ConfigError {
        ConfigError::new(format!("{}: {what}", self.place(at)), HELP)
    }

    /// Adds the place to an error about what stands there.
    pub(super) fn at(self, at: &Range<usize>, error: ConfigError) -> ConfigError {
        error.reworded(without_long_words).within(self.place(at))
    }

    /// Returns the parser's error, without the line that it would show.
    pub(super) fn malformed(self, error: &toml::de::Error) -> ConfigError {
        self.wrong(&error.span().unwrap_or_default(), without_values(error.message()))
    }

    fn place(self, at: &Range<usize>) -> String {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        format!("the key file {}, line {line}, column {column}", self.path.display())
    }
}

/// Leaves out the strings that serde quotes.
fn without_values(message: &str) -> String {
    let quoted = message.find("string \"").zip(message.rfind("\", expected "));
    quoted.map_or_else(
        || without_long_words(message),
        |(start, end)| without_long_words(&format!("{}string{}", &message[..start], &message[end + 1..])),
    )
}

/// Replaces each word that is long enough to be a secret.
fn without_long_words(message: &str) -> String {
    let between = |c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-');
    let mut told = String::with_capacity(message.len());
    for part in message.split_inclusive(between) {
        let word = part.trim_end_matches(between);
        told.push_str(if word.chars().count() > LONGEST_WORD { "…" } else { word });
        told.push_str(&part[word.len()..]);
    }
    told
}

/// Returns a name as errors show it.
pub(super) fn name(name: &str) -> String {
    format!("{:?}", if name.chars().count() > LONGEST_NAME { "…" } else { name })
}
