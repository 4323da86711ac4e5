//! The measurements, compared with the floor of the same round.

use super::{Candidate, Row, Sample, TASKS};

/// The measurements of all rounds.
pub(crate) struct Report(Vec<Candidate>);

/// The median over the rounds, and the quartiles around it.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    low: f64,
    pub(crate) median: f64,
    high: f64,
}

impl Spread {
    /// Returns `None` if there are no rounds, or if a round lacks the value.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by(f64::total_cmp);
        let quarter = |quarters: usize| values.get(values.len().checked_sub(1)? * quarters / 4).copied();
        Some(Self { low: quarter(1)?, median: quarter(2)?, high: quarter(3)? })
    }

    fn cell(self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

impl Report {
    pub(super) fn new(candidates: impl Iterator<Item = Candidate>) -> Self {
        Self(candidates.collect())
    }

    /// Returns the CPU time of a row divided by that of another row; `place` is that of the number of tasks.
    pub(crate) fn cpu(&self, row: Row, floor: Row, place: usize) -> Option<Spread> {
        self.ratio(row, floor, place, |sample| sample.cpu)
    }

    /// Returns the round trips of a decision.
    pub(crate) fn trips(&self, row: Row, place: usize) -> f64 {
        let trips = self.0[row.0].rounds[place].iter().map(|sample| Some(sample.trips));
        Spread::of(trips).map_or(0.0, |trips| trips.median)
    }

    fn ratio(&self, row: Row, floor: Row, place: usize, of: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        let rounds = |row: Row| self.0[row.0].rounds[place].iter();
        Spread::of(rounds(row).zip(rounds(floor)).map(|(own, floor)| Some(of(own)? / of(floor)?)))
    }

    /// Prints the table, in Markdown. All rows are compared with the floor.
    pub(crate) fn print(&self, floor: Row) {
        println!("{} rounds; the median, and the quartiles around it", self.0[floor.0].rounds[0].len());
        for (place, tasks) in TASKS.into_iter().enumerate() {
            println!();
            println!(
                "| {tasks} at once | decisions/s | x floor | CPU µs a decision | CPU, x floor | round trips | server µs |"
            );
            println!("|---|---:|---:|---:|---:|---:|---:|");
            for row in (0..self.0.len()).map(Row) {
                self.print_row(row, floor, place);
            }
        }
        println!();
    }

    fn print_row(&self, row: Row, floor: Row, place: usize) {
        let Candidate { name, rounds, .. } = &self.0[row.0];
        let median = |of: fn(&Sample) -> Option<f64>| Spread::of(rounds[place].iter().map(of)).map(|all| all.median);
        let rate = cell(median(|sample| Some(1.0 / sample.seconds)).map(|rate| format!("{rate:.0}")));
        let cpu = cell(median(|sample| sample.cpu).map(|cpu| format!("{:.2}", cpu * 1e6)));
        let trips = cell(median(|sample| Some(sample.trips)).map(|trips| format!("{trips:.2}")));
        let server = cell(median(|sample| Some(sample.server_micros)).map(|micros| format!("{micros:.2}")));
        let of_rate = cell(self.ratio(row, floor, place, |sample| Some(1.0 / sample.seconds)).map(Spread::cell));
        let of_cpu = cell(self.cpu(row, floor, place).map(Spread::cell));
        println!("| {name} | {rate} | {of_rate} | {cpu} | {of_cpu} | {trips} | {server} |");
    }
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_default()
}

/// Prints whether a limit is kept.
pub(crate) fn target(what: &str, measured: f64, limit: f64, unit: &str) {
    let said = if measured <= limit { "met" } else { "MISSED" };
    println!("- {said}: {what}: {measured:.2} {unit}, the limit is {limit:.2}");
}
