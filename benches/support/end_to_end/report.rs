//! The measurements, compared with the baseline of the same round.

use std::time::Duration;

use super::{Candidate, Row};

/// The measurements of a server in one round.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    /// Requests per second.
    rate: f64,
    /// CPU time of the server's thread per request, in seconds.
    cpu: Option<f64>,
    /// The server's CPU time divided by the elapsed time.
    busy: Option<f64>,
}

impl Sample {
    pub(super) fn new(requests: u32, took: Duration, worked: Option<Duration>) -> Self {
        let (requests, took) = (f64::from(requests), took.as_secs_f64());
        let worked = worked.map(|worked| worked.as_secs_f64());
        Self {
            rate: requests / took,
            cpu: worked.map(|worked| worked / requests),
            busy: worked.map(|worked| worked / took),
        }
    }
}

/// The median over the rounds, and the quartiles around it.
#[derive(Clone, Copy)]
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    /// Returns `None` if there are no rounds, or if a round lacks the value.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by(f64::total_cmp);
        let quarter = |quarters: usize| values.get((values.len().checked_sub(1)?) * quarters / 4).copied();
        Some(Self { low: quarter(1)?, median: quarter(2)?, high: quarter(3)? })
    }

    fn cell(self) -> String {
        format!("{:.3} ({:.3} to {:.3})", self.median, self.low, self.high)
    }
}

/// The measurements of all rounds.
pub(crate) struct Report(Vec<Candidate>);

impl Report {
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Self(candidates)
    }

    /// Returns the requests per second, divided by those of the baseline.
    fn rate(&self, row: Row) -> Option<Spread> {
        self.ratio(row, |own, base| Some(own.rate / base.rate))
    }

    /// Returns the requests per second of CPU time, divided by those of the baseline.
    fn rate_of_cpu(&self, row: Row) -> Option<Spread> {
        self.ratio(row, |own, base| Some(base.cpu? / own.cpu?))
    }

    fn ratio(&self, row: Row, of: impl Fn(Sample, Sample) -> Option<f64>) -> Option<Spread> {
        let row = &self.0[row.0];
        let base = &self.0[row.baseline?.0];
        Spread::of(row.rounds.iter().zip(&base.rounds).map(|(own, base)| of(*own, *base)))
    }

    /// Prints the table in Markdown.
    pub(crate) fn print(&self) {
        println!("{} rounds; the median, and the quartiles around it", self.0[0].rounds.len());
        println!();
        println!(
            "| row | requests/s | x baseline | CPU µs a request | requests a CPU second, x baseline | busy | baseline |"
        );
        println!("|---|---:|---:|---:|---:|---:|---|");
        for place in 0..self.0.len() {
            self.print_row(Row(place));
        }
    }

    fn print_row(&self, row: Row) {
        let Candidate { name, baseline, rounds, .. } = &self.0[row.0];
        let median = |of: fn(&Sample) -> Option<f64>| Spread::of(rounds.iter().map(of)).map(|spread| spread.median);
        let rate = cell(median(|sample| Some(sample.rate)).map(|rate| format!("{rate:.0}")));
        let cpu = cell(median(|sample| sample.cpu).map(|cpu| format!("{:.2}", cpu * 1e6)));
        let busy = cell(median(|sample| sample.busy).map(|busy| format!("{:.0} %", busy * 100.0)));
        let ratio = |spread: Option<Spread>| cell(spread.map(Spread::cell));
        let (of_rate, of_cpu) = (ratio(self.rate(row)), ratio(self.rate_of_cpu(row)));
        let baseline = baseline.map_or("", |baseline| &self.0[baseline.0].name);
        println!("| {name} | {rate} | {of_rate} | {cpu} | {of_cpu} | {busy} | {baseline} |");
    }

    /// Prints whether each row reaches its target, as a share of its baseline.
    pub(crate) fn print_targets(&self, targets: &[(Row, f64)]) {
        println!("| target | at least | requests/s | requests a CPU second |");
        println!("|---|---:|---|---|");
        for &(row, least) in targets {
            let said = |spread: Option<Spread>| cell(spread.map(|spread| verdict(spread, least)));
            let name = &self.0[row.0].name;
            println!("| {name} | {least:.2} | {} | {} |", said(self.rate(row)), said(self.rate_of_cpu(row)));
        }
    }
}

/// Returns whether a share of the baseline reaches the target, as text.
fn verdict(measured: Spread, least: f64) -> String {
    let said = if measured.median >= least { "met" } else { "MISSED" };
    format!("{said}: {:.3}", measured.median)
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_default()
}
