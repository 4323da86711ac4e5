//! Measures time and allocations of candidates, interleaved in one run.
//!
//! Machines are shared and drift, so only results of one run are comparable. In every round each candidate runs for a
//! moment, the next round starts with another candidate, and the result is the median over the rounds.

use std::{
    fmt::Display,
    hint::black_box,
    time::{Duration, Instant},
};

/// How long the benchmark takes.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    calls: u32,
}

impl Effort {
    /// `cargo bench` asks for the full length, `cargo bench -- --quick` for a short run, and `cargo test --benches` for
    /// no rounds: each row ran once when it was added.
    pub(crate) fn from_args() -> Option<Self> {
        let asked = |flag| std::env::args().any(|arg| arg == flag);
        let effort =
            if asked("--quick") { Self { rounds: 40, calls: 1_000 } } else { Self { rounds: 400, calls: 4_000 } };
        asked("--bench").then_some(effort)
    }
}

/// A row of the table. Other rows refer to it by this value.
#[derive(Clone, Copy)]
pub(crate) struct Row(usize);

struct Candidate {
    name: String,
    base: Option<Row>,
    floor: Option<Row>,
    run: Box<dyn FnMut(u32)>,
    /// The number of calls in a round.
    calls: u32,
    nanos: Vec<f64>,
    allocations: f64,
}

/// The longest time of a candidate in a round. It is short, so that other processes interrupt few rounds.
const LONGEST: Duration = Duration::from_millis(1);

/// The candidates, in the order of the table.
#[derive(Default)]
pub(crate) struct Bench {
    candidates: Vec<Candidate>,
    base: Option<Row>,
    floor: Option<Row>,
}

impl Bench {
    /// The following rows stand in front of the service of this row.
    pub(crate) fn over(&mut self, base: Row) {
        self.base = Some(base);
    }

    /// The following rows are not compared with a floor.
    pub(crate) fn without_floor(&mut self) -> &mut Self {
        self.floor = None;
        self
    }

    /// The following rows are compared with this row: they do its work and more.
    pub(crate) fn against(&mut self, floor: Row) {
        self.floor = Some(floor);
    }

    /// Adds a candidate.
    pub(crate) fn work<T>(&mut self, name: &str, mut work: impl FnMut() -> T + 'static) -> Row {
        let run = Box::new(move |calls| {
            for _ in 0..calls {
                drop(black_box(work()));
            }
        });
        let (name, base, floor) = (name.to_owned(), self.base, self.floor);
        self.candidates.push(Candidate { name, base, floor, run, calls: 0, nanos: Vec::new(), allocations: 0.0 });
        Row(self.candidates.len() - 1)
    }

    /// Measures all rows.
    pub(crate) fn run(mut self, effort: Effort) -> Report {
        const COUNTED: u32 = 640;
        for candidate in &mut self.candidates {
            candidate.warm_up(effort.calls);
            let counted = allocation_counter::measure(|| (candidate.run)(COUNTED)).count_total;
            let counted =
                u32::try_from(counted).expect("some hundred calls allocate less than four thousand million times");
            candidate.allocations = f64::from(counted) / f64::from(COUNTED);
        }
        // Allocations are not counted while time is measured.
        allocation_counter::opt_out(|| {
            for round in 0..effort.rounds {
                self.round(round);
            }
        });
        Report(self.candidates.into_iter().map(Candidate::measured).collect())
    }

    /// Measures all rows, and prints the table and an empty line.
    pub(crate) fn report(self, effort: Effort) -> Report {
        let report = self.run(effort);
        report.print();
        println!();
        report
    }

    fn round(&mut self, round: usize) {
        let count = self.candidates.len();
        for step in 0..count {
            // Every second round runs in reverse order, so that no row always follows the same row.
            let place = if round.is_multiple_of(2) { round + step } else { round + count - step };
            let candidate = &mut self.candidates[place % count];
            let taken = candidate.time(candidate.calls);
            candidate.nanos.push(taken.as_secs_f64() * 1e9 / f64::from(candidate.calls));
        }
    }
}

impl Candidate {
    /// Finds how many calls fit into a round.
    fn warm_up(&mut self, most: u32) {
        self.time(most / 8);
        let fit = LONGEST.as_nanos() * u128::from(most / 8) / self.time(most / 8).as_nanos().max(1);
        self.calls = u32::try_from(fit).unwrap_or(most).clamp(1, most);
    }

    fn time(&mut self, calls: u32) -> Duration {
        let start = Instant::now();
        (self.run)(calls);
        start.elapsed()
    }

    fn measured(mut self) -> Measured {
        self.nanos.sort_by(f64::total_cmp);
        let nanos = self.nanos[self.nanos.len() / 2];
        Measured { name: self.name, base: self.base, floor: self.floor, nanos, allocations: self.allocations }
    }
}

/// Medians.
pub(crate) struct Report(Vec<Measured>);

struct Measured {
    name: String,
    base: Option<Row>,
    floor: Option<Row>,
    nanos: f64,
    allocations: f64,
}

impl Report {
    /// Returns the time that a row adds to the service behind it, in ns.
    pub(crate) fn added(&self, row: Row) -> f64 {
        let row = &self.0[row.0];
        row.nanos - row.base.map_or(0.0, |base| self.0[base.0].nanos)
    }

    /// Returns the allocations that a row adds to those of the service behind it.
    pub(crate) fn added_allocations(&self, row: Row) -> f64 {
        let row = &self.0[row.0];
        row.allocations - row.base.map_or(0.0, |base| self.0[base.0].allocations)
    }

    /// Returns a row's added time divided by that of the floor.
    pub(crate) fn ratio(&self, row: Row, floor: Row) -> f64 {
        self.added(row) / self.added(floor)
    }

    /// Prints the table, in Markdown.
    pub(crate) fn print(&self) {
        println!("| row | ns | + ns | ratio to floor | allocations | + allocations |");
        println!("|---|---:|---:|---:|---:|---:|");
        for (place, Measured { name, base, floor, nanos, allocations }) in self.0.iter().enumerate() {
            let row = Row(place);
            let added = cell(base.map(|_| format!("{:+.0}", self.added(row))));
            let ratio = cell(floor.map(|floor| format!("{:.2}", self.ratio(row, floor))));
            let more = cell(base.map(|_| format!("{:+}", self.added_allocations(row))));
            println!("| {name} | {nanos:.0} | {added} | {ratio} | {allocations} | {more} |");
        }
    }
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_default()
}

/// Prints whether a limit is kept, and by how much.
pub(crate) fn target(what: &str, measured: f64, limit: f64, unit: impl Display) {
    let share = (measured / limit - 1.0) * 100.0;
    let said = if measured <= limit { "met" } else { "MISSED" };
    println!("- {said}: {what}: {measured:.2} {unit}, the limit is {limit:.2} ({share:+.0} %)");
}
