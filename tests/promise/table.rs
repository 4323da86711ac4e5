//! The table, in Markdown.

use std::fmt;

use crate::{order::BOUND, verdict::Measured};

const HEAD: [&str; 9] =
    ["changes over", "what fails", "revocations", "p50", "p99", "worst", "lease lost", "hits", "lookups of the store"];

#[derive(Default)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn add(&mut self, measured: &Measured) {
        let (times, column) = (measured.last_admissions(), measured.column);
        let cells = [
            column.bus.to_string(),
            column.name.to_owned(),
            measured.revoked.len().to_string(),
            format!("{:.1}", times.of(500)),
            format!("{:.1}", times.of(990)),
            format!("{:.1}", times.worst()),
            measured.total(|report| report.lapses).to_string(),
            measured.total(|report| report.hits).to_string(),
            measured.total(|report| report.fills).to_string(),
        ];
        self.0.push(row(&cells));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Milliseconds from the return of `revoke` to the last admission from a cache; the bound is {BOUND:?}.\n"
        )?;
        writeln!(f, "{}\n{}", row(&HEAD), row(&["---"; HEAD.len()]))?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

fn row<C: AsRef<str>>(cells: &[C]) -> String {
    cells.iter().fold("|".to_owned(), |row, cell| row + " " + cell.as_ref() + " |")
}
