//! What has become of each line.

use std::{fmt, io};

use serde_json::json;

use super::Outcome;
use crate::{
    failure::Failure,
    output::{Output, tell},
};

pub(super) struct Report {
    dry_run: bool,
    line: u64,
    imported: u64,
    existing: u64,
    skipped: Vec<(u64, String)>,
}

impl Report {
    pub(super) const fn new(dry_run: bool) -> Self {
        Self { dry_run, line: 0, imported: 0, existing: 0, skipped: Vec::new() }
    }

    /// Counts a line; `None` is an empty one.
    pub(super) fn add(&mut self, outcome: Option<Outcome>) {
        self.line += 1;
        match outcome {
            Some(Outcome::Imported) => self.imported += 1,
            Some(Outcome::Existing) => self.existing += 1,
            Some(Outcome::Skipped(why)) => self.skipped.push((self.line, why)),
            None => {}
        }
    }

    pub(super) fn print(&self, output: &Output) -> Result<(), Failure> {
        if !output.json {
            for (line, why) in &self.skipped {
                tell(&format!("line {line}: {why}"));
            }
        }
        let skipped: Vec<_> =
            self.skipped.iter().map(|(line, reason)| json!({ "line": line, "reason": reason })).collect();
        let value = json!({
            "dry_run": self.dry_run, "lines": self.line, "imported": self.imported, "existing": self.existing,
            "skipped": skipped,
        });
        Ok(output.either(&self.to_string(), &value)?)
    }

    /// Says that nothing more can be read.
    pub(super) fn unreadable(&self, error: &io::Error) -> Failure {
        let line = self.line + 1;
        Failure::Refused(format!(
            "line {line} and all after it cannot be read: {error}; \
             help: name a file that can be read to its end. Repeat the command: it continues there"
        ))
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        let skipped = self.skipped.len();
        (skipped > 0).then(|| Failure::Refused(format!("lines that were not imported: {skipped}")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.dry_run { "would be imported" } else { "imported" };
        write!(f, "{} {word}, {} existing, {} skipped", self.imported, self.existing, self.skipped.len())
    }
}
