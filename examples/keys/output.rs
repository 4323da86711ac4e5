//! What is printed: tables for people, JSON lines for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

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
            eprintln!("{text}");
        }
    }
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
            eprint!("\r\x1b[K{}", text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// A table with aligned columns.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.iter().map(|name| name.to_uppercase()).collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| shown(cell)).collect());
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let columns = self.rows[0].len();
        let longest = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(longest).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            print_line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Returns a text that cannot command the terminal. What was imported may have any characters.
pub(crate) fn shown(text: &str) -> String {
    let safe = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    if text.is_empty() { "-".to_owned() } else { text.chars().map(safe).collect() }
}
