//! The regular expression for secret scanners.

use std::ops::RangeInclusive;

use super::alphabet::{Alphabet, CHECKSUM};

/// What a pattern says of a format.
pub(super) struct Parts<'a> {
    pub(super) prefix: &'a str,
    pub(super) environments: &'a [String],
    pub(super) lengths: &'a RangeInclusive<usize>,
    pub(super) alphabet: Alphabet,
    pub(super) checksum: bool,
    /// Whether keys may lack the checksum.
    pub(super) unchecked: bool,
}

const BASE_62: &str = "[0-9A-Za-z]";

/// Returns the pattern in the syntax of RE2, which has no look-around.
pub(super) fn pattern(parts: &Parts<'_>) -> String {
    let environment = match parts.environments {
        [] => String::new(),
        [one] => format!("{one}_"),
        several => format!("(?:{})_", several.join("|")),
    };
    let checksum = match parts.checksum {
        false => String::new(),
        true if parts.unchecked => format!("(?:{BASE_62}{{{CHECKSUM}}})?"),
        true => format!("{BASE_62}{{{CHECKSUM}}}"),
    };
    let (prefix, class, count) = (parts.prefix, class(parts.alphabet), count(parts.lengths));
    let key = format!("{prefix}{environment}{class}{count}{checksum}");
    // There is no word boundary between a `-` and a space.
    let start = if prefix.starts_with('-') { r"\B" } else { r"\b" };
    if parts.alphabet == Alphabet::UrlSafe && (!parts.checksum || parts.unchecked) {
        return format!("{start}({key})(?:[^0-9A-Za-z_-]|$)");
    }
    format!(r"{start}{key}\b")
}

fn count(lengths: &RangeInclusive<usize>) -> String {
    let (least, most) = (lengths.start(), lengths.end());
    if least == most { format!("{{{most}}}") } else { format!("{{{least},{most}}}") }
}

const fn class(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::LowerHex => "[0-9a-f]",
        Alphabet::UrlSafe => "[0-9A-Za-z_-]",
        // Only such keys are minted, and a class with quotes and commas would run past the end of a key in source text.
        Alphabet::Alphanumeric | Alphabet::Visible => BASE_62,
    }
}
