//! What is printed: text for people, JSON lines for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::table::NOTHING;

pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the one or the other.
    pub(crate) fn either(&self, text: &str, value: &Value) -> io::Result<()> {
        if self.json { print_line(&value.to_string()) } else { print_line(text) }
    }

    /// Tells a person about what goes to standard output.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            tell(text);
        }
    }
}

/// Prints a line on standard error. Where it cannot be written, there is nobody to tell.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a line on standard output.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// One line on a terminal that is written again and again.
pub(crate) struct Progress {
    shown: bool,
    count: u64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), count: 0 }
    }

    /// Shows the text now and then.
    pub(crate) fn step(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown && self.count.is_multiple_of(50) {
            let _ = write!(io::stderr(), "\r\x1b[K{}", text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Returns a text that cannot command the terminal, or be read in another order than it is written. What was imported may have
/// any characters.
pub(crate) fn shown(text: &str) -> String {
    let safe = |c: char| if misleads(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.is_empty() { NOTHING.to_owned() } else { text.chars().map(safe).collect() }
}

fn misleads(c: char) -> bool {
    let direction =
        matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    direction || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}
