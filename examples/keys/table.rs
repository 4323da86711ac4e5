//! Tables for people. A table that is wider than the terminal would be cut into pieces that nobody can read, so its rows are
//! printed one below the other, each as a list of its cells.

use std::io::{self, IsTerminal as _};

use terminal_size::{Width, terminal_size};
use unicode_width::UnicodeWidthStr as _;

use crate::output::{print_line, shown};

/// A table with aligned columns. The first column is never empty.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.iter().map(|name| name.to_uppercase()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| shown(cell)).collect());
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let widths = self.widths();
        let whole = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
        if columns().is_some_and(|columns| columns < whole) { self.print_lists() } else { self.print_table(&widths) }
    }

    fn widths(&self) -> Vec<usize> {
        let lines = || self.rows.iter().chain([&self.head]);
        let widest = |column: usize| lines().map(|row| row[column].width()).max().unwrap_or_default();
        (0..self.head.len()).map(widest).collect()
    }

    fn print_table(&self, widths: &[usize]) -> io::Result<()> {
        for row in [&self.head].into_iter().chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| padded(cell, *width)).collect();
            print_line(cells.join(GAP).trim_end())?;
        }
        Ok(())
    }

    fn print_lists(&self) -> io::Result<()> {
        let widest = self.head.iter().skip(1).map(|name| name.width()).max().unwrap_or_default();
        for row in &self.rows {
            print_line(&row[0])?;
            let cells = self.head.iter().zip(row).skip(1).filter(|(_, cell)| *cell != NOTHING);
            for (name, cell) in cells {
                print_line(&format!("{GAP}{}{GAP}{cell}", padded(&name.to_lowercase(), widest)))?;
            }
        }
        Ok(())
    }
}

const GAP: &str = "  ";

/// An empty cell.
pub(crate) const NOTHING: &str = "-";

/// Fills up to a width on the screen, where a wide character takes two columns.
fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Returns how many columns there are: those of the terminal, or of the variable `COLUMNS`. A file and a pipe have no end.
fn columns() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size().filter(|_| io::stdout().is_terminal());
    told.or_else(|| terminal().map(|(Width(columns), _)| usize::from(columns)))
}
