//! What a limit costs that several processes share in Redis: CPU time, and round trips.
//!
//! `cargo bench --bench shared_limit` takes a minute and a half, with `-- --quick` ten seconds. It starts servers of its own, so
//! `redis-server` must be installed. It reports times and asserts none: only ratios within one run are meaningful. `benches/peers`
//! measures another crate in the same way.
//!
//! There are two floors. Both run a script over one connection of `redis`, by hand, with a time limit, because every decision
//! needs one. The first script is the least that counts one quota. The second is that of `RedisLimiter`, with its arguments: it
//! shows what this crate adds to the script.

#[path = "support/leased.rs"]
mod leased;
#[path = "support/shared_limit/mod.rs"]
mod shared_limit;

use std::time::Duration;

use tower_auth::{Quota, limit::shared::SharedPolicy};

use self::{
    leased::{Outcome, PROCESSES, Phase, RATE},
    shared_limit::{
        Bench, Effort, Road as _, Row, TASKS,
        report::{Report, target},
        roads::{ByHand, LIMIT, Ours, ROOM, Which},
    },
};

/// How many times the CPU time of a script by hand an exact decision may take.
const CPU: f64 = 1.25;
/// How many times fewer round trips leases take, at least.
const FEWER: f64 = 10.0;

fn main() {
    let mut bench = Bench::start();
    let rows = Rows::new(&mut bench);
    let Some(effort) = Effort::from_args() else {
        counted(Duration::from_millis(50));
        return;
    };
    let report = bench.run(effort);
    report.print(rows.gcra);
    rows.targets(&report);
    println!();
    counted(effort.0 / 12).print();
}

struct Rows {
    gcra: Row,
    take: Row,
    ours: Row,
}

impl Rows {
    fn new(bench: &mut Bench) -> Self {
        let gcra = bench.block_on(async |server| ByHand::new(server, Which::Gcra, Some(LIMIT)).await);
        let gcra = bench.row("floor: the least script, by hand", gcra);
        let take = bench.block_on(async |server| ByHand::new(server, Which::Take, Some(LIMIT)).await);
        let take = bench.row("floor: our script, by hand", take);
        let endless = bench.block_on(async |server| ByHand::new(server, Which::Take, None).await);
        bench.row("our script, by hand, without a time limit", endless);
        let ours = bench.block_on(async |server| Ours::new(server, SharedPolicy::exact(), "exact", ROOM).await);
        let ours = bench.row("RedisLimiter, exact", ours);
        let policy = SharedPolicy::leased(PROCESSES);
        let leased = bench.block_on(async |server| Ours::new(server, policy, "leased", ROOM).await);
        bench.row("RedisLimiter, leased", leased);
        Self { gcra, take, ours }
    }

    fn targets(&self, report: &Report) {
        for (place, tasks) in TASKS.into_iter().enumerate() {
            for (floor, what) in [(self.take, "our script by hand"), (self.gcra, "the least script by hand")] {
                if let Some(cpu) = report.cpu(self.ours, floor, place) {
                    target(
                        &format!("{tasks} at once, CPU time of an exact decision"),
                        cpu.median,
                        CPU,
                        &format!("x {what}"),
                    );
                }
            }
            target(&format!("{tasks} at once, an exact admission"), report.trips(self.ours, place), 1.0, "round trips");
        }
    }
}

/// What was asked, and what was admitted.
struct Counted {
    /// Round trips of a refusal by a bucket that is empty.
    refusal: f64,
    exact: Outcome,
    leased: Outcome,
}

/// Counts with a server of its own: the limiters of the rows above still give leases back.
fn counted(each: Duration) -> Counted {
    let Bench { runtime, server, .. } = &mut Bench::start();
    runtime.block_on(async {
        const REFUSED: u32 = 10_000;
        let empty = Ours::new(server, SharedPolicy::exact(), "empty", Quota::per_day(1)).await;
        empty.decide(0).await;
        let before = server.scripts();
        for _ in 0..REFUSED {
            assert!(!empty.admits(0).await, "the bucket is empty");
        }
        let refusal = server.scripts().since(before).calls / f64::from(REFUSED);
        let exact = leased::run(server, SharedPolicy::exact(), "exact", each).await;
        let leased = leased::run(server, SharedPolicy::leased(PROCESSES), "leased", each).await;
        Counted { refusal, exact, leased }
    })
}

impl Counted {
    fn print(&self) {
        println!("{PROCESSES} limiters share a bucket of {RATE} requests a second. Half as many come, then too many.");
        println!();
        println!("| phase | admitted | refused | questions | round trips an admission | round trips a request |");
        println!("|---|---:|---:|---:|---:|---:|");
        for (mode, Outcome { half, flood, .. }) in [("exact", &self.exact), ("leased", &self.leased)] {
            for (demand, phase) in [("half the rate", half), ("too many", flood)] {
                let Phase { admitted, refused, asked, scripts } = phase;
                let (each, all) = (scripts.calls / admitted, scripts.calls / (admitted + refused));
                println!("| {mode}, {demand} | {admitted:.0} | {refused:.0} | {asked:.0} | {each:.4} | {all:.4} |");
            }
        }
        println!();
        target("an exact refusal by an empty bucket", self.refusal, 0.0, "round trips");
        println!("- exact: the excess: {:.2} requests, the error of this measurement", self.exact.excess);
        target("leased: the excess", self.leased.excess, leased::bound(), "requests");
        let trips = |phase: &Phase| phase.scripts.calls / phase.admitted;
        let fewer = |exact: &Phase, leased: &Phase| trips(leased) / trips(exact) * FEWER;
        for (demand, exact, leased) in [
            ("half the rate", &self.exact.half, &self.leased.half),
            ("too many", &self.exact.flood, &self.leased.flood),
        ] {
            let unit = format!("x a {FEWER:.0}th of those of exact");
            target(&format!("{demand}, leased: round trips of an admission"), fewer(exact, leased), 1.0, &unit);
        }
    }
}
