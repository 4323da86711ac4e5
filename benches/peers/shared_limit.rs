//! Limits that several processes share in Redis: ours, and the storage of tower-rate-tier.
//!
//! `README.md` next to this file says how to run it. It starts a `redis-server` of its own. `benches/shared_limit.rs` counts the
//! round trips of refusals and leases; tower-rate-tier asks for each request, and has no leases.

#[path = "../support/shared_limit/mod.rs"]
#[allow(dead_code, reason = "nothing is asserted here, and no leases are counted")]
mod shared_limit;

use std::sync::Arc;

use redis::{Client, aio::ConnectionLike};
use tower_auth::limit::shared::SharedPolicy;
use tower_rate_tier::{RateTier, RedisStorage};

use self::shared_limit::{
    Bench, CALLERS, Effort, Road, Row, TASKS,
    report::Report,
    roads::{ByHand, LIMIT, Ours, ROOM, Which},
    server::Server,
};

fn main() {
    let mut bench = Bench::start();
    let gcra = bench.block_on(async |server| ByHand::new(server, Which::Gcra, Some(LIMIT)).await);
    let floor = bench.row("floor: the least script, by hand", gcra);
    let take = bench.block_on(async |server| ByHand::new(server, Which::Take, Some(LIMIT)).await);
    bench.row("our script, by hand", take);
    let ours = bench.block_on(async |server| Ours::new(server, SharedPolicy::exact(), "exact", ROOM).await);
    let ours = bench.row("RedisLimiter, exact", ours);
    let manager = bench.block_on(async |server| {
        let connected = client(server).get_connection_manager().await;
        Tier::new(connected.expect("Redis accepts connections"))
    });
    let manager = bench.row("tower-rate-tier, ConnectionManager", manager);
    let connection = bench.block_on(async |server| {
        let connected = client(server).get_multiplexed_async_connection().await;
        Tier::new(connected.expect("Redis accepts connections"))
    });
    let connection = bench.row("tower-rate-tier, MultiplexedConnection", connection);

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.run(effort);
    report.print(floor);
    compare(&report, ours, &[("ConnectionManager", manager), ("MultiplexedConnection", connection)]);
}

fn client(server: &Server) -> Client {
    Client::open(server.url()).expect("the URL is valid")
}

fn compare(report: &Report, ours: Row, peers: &[(&str, Row)]) {
    for (place, tasks) in TASKS.into_iter().enumerate() {
        for (name, peer) in peers {
            if let Some(cpu) = report.cpu(ours, *peer, place) {
                let cpu = cpu.median;
                println!("- {tasks} at once: ours takes {cpu:.2} x the CPU time of tower-rate-tier with {name}");
            }
        }
    }
}

/// tower-rate-tier, as a service calls it without its layer.
#[derive(Clone)]
struct Tier {
    tiers: Arc<RateTier>,
    users: Arc<[String]>,
}

impl Tier {
    fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        let quota = tower_rate_tier::Quota::per_second(1_000_000);
        let storage = Arc::new(RedisStorage::new(connection).timeout(LIMIT));
        let tiers = Arc::new(RateTier::builder().tier("standard", quota).storage(storage).build());
        Self { tiers, users: (0..CALLERS).map(|caller| caller.to_string()).collect() }
    }
}

impl Road for Tier {
    async fn admits(&self, caller: usize) -> bool {
        self.tiers.check(&self.users[caller], "standard", 1).await.expect("Redis answers").is_ok()
    }
}
