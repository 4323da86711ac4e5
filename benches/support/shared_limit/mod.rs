//! Measures decisions that a Redis server takes part in: CPU time of this process, time of the server, and round trips.
//!
//! One thread of this process asks, and the server has a process of its own. In every round, each row decides for 50 ms, first
//! with one task and then with 64 tasks at once. Each round starts with another row, and every second round runs in reverse
//! order. A row is compared with the floor of the same round, and the result is the median over the rounds.

#[path = "../cpu.rs"]
mod cpu;
pub(crate) mod report;
pub(crate) mod roads;
pub(crate) mod server;

use std::{
    env, process, thread,
    time::{Duration, Instant},
};

use tokio::runtime::{self, Runtime};

use self::{report::Report, server::Server};

/// How many buckets are asked for in turn.
pub(crate) const CALLERS: usize = 1_024;
/// How many tasks ask at once.
pub(crate) const TASKS: [usize; 2] = [1, 64];
/// The time for one row in a round.
const SLICE: Duration = Duration::from_millis(50);

/// How long the benchmark takes.
#[derive(Clone, Copy)]
pub(crate) struct Effort(pub(crate) Duration);

impl Effort {
    /// Returns 60 s for `cargo bench`, and 6 s for `cargo bench -- --quick`. Returns `None` for `cargo test --benches`, which
    /// tries each row once when it is added and measures nothing.
    pub(crate) fn from_args() -> Option<Self> {
        let effort = Self(Duration::from_secs(if has_argument("--quick") { 6 } else { 60 }));
        has_argument("--bench").then_some(effort)
    }
}

fn has_argument(name: &str) -> bool {
    env::args().any(|argument| argument == name)
}

/// A way to a decision.
pub(crate) trait Road: Clone + Send + Sync + 'static {
    /// Decides about a request of one of the [`CALLERS`]. Returns whether it is admitted.
    fn admits(&self, caller: usize) -> impl Future<Output = bool> + Send;
}

/// The index of a row in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row(usize);

/// Has so many tasks decide so often each.
type Run = Box<dyn Fn(&Runtime, usize, usize)>;

struct Candidate {
    name: String,
    run: Run,
    /// The calls of each task in a round, and the measurements: with one task, and with many.
    calls: [usize; TASKS.len()],
    rounds: [Vec<Sample>; TASKS.len()],
}

/// What one row did in a slice. The values are those of one decision.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    cpu: Option<f64>,
    trips: f64,
    server_micros: f64,
}

/// The rows, in the order of the table, and the server of all of them.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
    candidates: Vec<Candidate>,
}

impl Bench {
    /// Starts the server. Without one, nothing is measured: the process ends, and says why.
    pub(crate) fn start() -> Self {
        let server = Server::start().unwrap_or_else(|why| {
            eprintln!("{why}");
            process::exit(1)
        });
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be started");
        Self { runtime, server, candidates: Vec::new() }
    }

    /// Prepares something that asks the server.
    pub(crate) fn block_on<T>(&self, prepare: impl AsyncFnOnce(&Server) -> T) -> T {
        self.runtime.block_on(prepare(&self.server))
    }

    /// Adds a row whose requests are all admitted, and tries it out.
    pub(crate) fn row<R: Road>(&mut self, name: &str, road: R) -> Row {
        let row = name.to_owned();
        let run = move |runtime: &Runtime, tasks: usize, calls: usize| {
            runtime.block_on(async {
                let ask = |task| ask(road.clone(), row.clone(), (task, tasks), calls);
                let asking: Vec<_> = (0..tasks).map(|task| tokio::spawn(ask(task))).collect();
                for one in asking {
                    one.await.expect("all requests are admitted");
                }
            });
        };
        run(&self.runtime, TASKS[1], 1);
        let (calls, rounds) = ([0; TASKS.len()], [const { Vec::new() }; TASKS.len()]);
        self.candidates.push(Candidate { name: name.to_owned(), run: Box::new(run), calls, rounds });
        Row(self.candidates.len() - 1)
    }

    /// Measures all rows.
    pub(crate) fn run(&mut self, effort: Effort) -> Report {
        for candidate in &mut self.candidates {
            candidate.warm_up(&self.runtime);
        }
        let start = Instant::now();
        for round in 0.. {
            self.round(round);
            if start.elapsed() >= effort.0 {
                break;
            }
        }
        Report::new(self.candidates.drain(..))
    }

    fn round(&mut self, round: usize) {
        let count = self.candidates.len();
        for step in 0..count {
            // Every second round runs in reverse order, so that a row does not always follow the same row.
            let place = if round.is_multiple_of(2) { round + step } else { round + count - step };
            let candidate = &mut self.candidates[place % count];
            for (place, tasks) in TASKS.into_iter().enumerate() {
                let sample = candidate.slice(&self.runtime, &mut self.server, tasks, candidate.calls[place]);
                candidate.rounds[place].push(sample);
            }
        }
    }
}

async fn ask<R: Road>(road: R, name: String, (task, tasks): (usize, usize), calls: usize) {
    for call in 0..calls {
        assert!(road.admits((call * tasks + task) % CALLERS).await, "{name} refuses a request");
    }
}

impl Candidate {
    /// Finds how many calls fit into a round.
    fn warm_up(&mut self, runtime: &Runtime) {
        const TRIES: [usize; TASKS.len()] = [256, 16];
        for ((calls, tasks), tries) in self.calls.iter_mut().zip(TASKS).zip(TRIES) {
            (self.run)(runtime, tasks, tries);
            let start = Instant::now();
            (self.run)(runtime, tasks, tries);
            let fit = SLICE.as_nanos() * (tries as u128) / start.elapsed().as_nanos().max(1);
            *calls = usize::try_from(fit).unwrap_or(tries).max(tries / 4);
        }
    }

    fn slice(&self, runtime: &Runtime, server: &mut Server, tasks: usize, calls: usize) -> Sample {
        let (before, scripts) = (worked(), server.scripts());
        let start = Instant::now();
        (self.run)(runtime, tasks, calls);
        let took = start.elapsed();
        let (after, scripts) = (worked(), server.scripts().since(scripts));
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let decisions = (tasks * calls) as f64;
        Sample {
            seconds: took.as_secs_f64() / decisions,
            cpu: after.zip(before).map(|(after, before)| after.saturating_sub(before).as_secs_f64() / decisions),
            trips: scripts.calls / decisions,
            server_micros: scripts.micros / decisions,
        }
    }
}

/// The CPU time of this process so far.
fn worked() -> Option<Duration> {
    // The kernel updates the CPU time of a thread when the thread sleeps, or at the next tick.
    thread::sleep(Duration::from_millis(1));
    cpu::of_threads(|_| true)
}
