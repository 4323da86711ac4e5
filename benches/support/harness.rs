//! Time and allocations of candidates, all interleaved in one run.
//!
//! Machines are shared and drift, so only what stands in one run may be compared: in every round each candidate
//! works for a moment, the next round starts with another one, and the median over the rounds counts.

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
    /// `cargo bench` asks for the whole, `cargo bench -- --quick` for a glance, and `cargo test --benches` for
    /// nothing: the rows were tried when they were added.
    pub(crate) fn from_args() -> Option<Self> {
        let asked = |flag| std::env::args().any(|arg| arg == flag);
        let effort =
            if asked("--quick") { Self { rounds: 40, calls: 1_000 } } else { Self { rounds: 400, calls: 4_000 } };
        asked("--bench").then_some(effort)
    }
}

/// A row of the table, by which others refer to it.
#[derive(Clone, Copy)]
pub(crate) struct Row(usize);

struct Candidate {
    name: String,
    base: Option<Row>,
    floor: Option<Row>,
    run: Box<dyn FnMut(u32)>,
    /// How often it works in a round.
    calls: u32,
    nanos: Vec<f64>,
    allocations: f64,
}

/// No candidate works longer than this in a round: few such moments are cut in two by somebody else's work.
const LONGEST: Duration = Duration::from_millis(1);

/// The candidates, in the order of the table.
#[derive(Default)]
pub(crate) struct Bench {
    candidates: Vec<Candidate>,
    base: Option<Row>,
    floor: Option<Row>,
}

impl Bench {
    /// The rows that follow stand in front of the service of this one.
    pub(crate) fn over(&mut self, base: Row) {
        self.base = Some(base);
    }

    /// The rows that follow are not set against another.
    pub(crate) fn without_floor(&mut self) -> &mut Self {
        self.floor = None;
        self
    }

    /// The rows that follow do the work of this one, and more.
    pub(crate) fn against(&mut self, floor: Row) {
        self.floor = Some(floor);
    }

    /// Adds something to do.
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
        // The allocator does not count meanwhile.
        allocation_counter::opt_out(|| {
            for round in 0..effort.rounds {
                self.round(round);
            }
        });
        Report(self.candidates.into_iter().map(Candidate::measured).collect())
    }

    fn round(&mut self, round: usize) {
        let count = self.candidates.len();
        for step in 0..count {
            // Every other round goes backwards, so that no row has always the same neighbour.
            let place = if round.is_multiple_of(2) { round + step } else { round + count - step };
            let candidate = &mut self.candidates[place % count];
            let taken = candidate.time(candidate.calls);
            candidate.nanos.push(taken.as_secs_f64() * 1e9 / f64::from(candidate.calls));
        }
    }
}

impl Candidate {
    /// Finds out how often it can work in a round.
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
    /// What a row takes longer than what is behind it, in ns.
    pub(crate) fn added(&self, row: Row) -> f64 {
        let row = &self.0[row.0];
        row.nanos - row.base.map_or(0.0, |base| self.0[base.0].nanos)
    }

    /// The allocations that a row adds to those of the service behind it.
    pub(crate) fn added_allocations(&self, row: Row) -> f64 {
        let row = &self.0[row.0];
        row.allocations - row.base.map_or(0.0, |base| self.0[base.0].allocations)
    }

    /// How often a row's added time holds that of another.
    pub(crate) fn ratio(&self, row: Row, floor: Row) -> f64 {
        self.added(row) / self.added(floor)
    }

    /// The table, in Markdown.
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

/// Says whether a limit is kept, and by how much.
pub(crate) fn target(what: &str, measured: f64, limit: f64, unit: impl Display) {
    let share = (measured / limit - 1.0) * 100.0;
    let said = if measured <= limit { "met" } else { "MISSED" };
    println!("- {said}: {what}: {measured:.2} {unit}, the limit is {limit:.2} ({share:+.0} %)");
}
