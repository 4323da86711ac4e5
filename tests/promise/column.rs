//! One column: something fails again and again, while keys are revoked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, sleep},
    time::Duration,
};

use crate::{
    bad::Bad,
    child::Served,
    fault::{Fault, LEAST, Place},
    order::{Bus, Order},
    revoke::Revokes,
    support::proxy::Proxy,
    verdict::Measured,
    world::World,
};

/// How long everything works at the end.
const MENDED: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) bus: Bus,
    pub(crate) fault: Fault,
    /// Whether the store is behind the network that fails, too.
    all: bool,
    pub(crate) strict: bool,
    /// How many keys a cache keeps.
    capacity: usize,
    bad: Option<Bad>,
}

/// A column in which nothing fails.
pub(crate) fn quiet() -> Column {
    new(Bus::Postgres, "nothing", Fault::Nothing)
}

pub(crate) fn all() -> Vec<Column> {
    let both = [Bus::Postgres, Bus::Redis].map(|bus| {
        let one = |name, fault| new(bus, name, fault);
        let [stopped, restarted] = match bus {
            Bus::Postgres => [
                "PostgreSQL is stopped for longer than the bound, and goes on",
                "PostgreSQL crashes, or is stopped, and starts again",
            ],
            Bus::Redis => [
                "Redis is stopped for longer than the bound, and goes on",
                "Redis crashes, and is empty when it starts again",
            ],
        };
        [
            one("nothing", Fault::Nothing),
            one("the connection for changes is closed by the server", Fault::Terminated),
            one("the connection for changes is reset by the network", Fault::Reset),
            one("the connection for changes carries nothing for longer than the bound", Fault::BlackHole),
            one("the connection for changes is delayed by less than the bound", Fault::Delayed),
            one(stopped, Fault::BusPaused),
            one(restarted, Fault::BusRestarted),
            one("a process with a cache is stopped for longer than the bound, and goes on", Fault::ServerPaused),
        ]
    });
    let hole = new(Bus::Postgres, "no connection carries anything for longer than the bound", Fault::BlackHole);
    let more = [
        Column { capacity: 16, ..new(Bus::Postgres, "nothing; the caches are too small", Fault::Nothing) },
        Column { all: true, ..hole },
        Column { strict: true, ..new(Bus::Postgres, "nothing; `revoke_strict`", Fault::Nothing) },
        Column { strict: true, all: true, name: "no connection carries anything; `revoke_strict`", ..hole },
    ];
    let mut all = both.concat();
    all.extend(more);
    all.sort_by_key(|column| column.bus != Bus::Postgres);
    all
}

const fn new(bus: Bus, name: &'static str, fault: Fault) -> Column {
    Column { name, bus, fault, all: false, strict: false, capacity: 100_000, bad: None }
}

impl Column {
    pub(crate) const fn broken_by(self, bad: Option<Bad>) -> Self {
        Self { bad, ..self }
    }

    /// Whether it is about all these words.
    pub(crate) fn has(&self, words: &[String]) -> bool {
        let own = format!("{} {}", self.bus, self.name).to_lowercase();
        words.iter().all(|word| own.contains(&word.to_lowercase()))
    }

    pub(crate) fn measure(self, world: &World, count: u32) -> Measured {
        let (first, in_haste) = (world.reserve(count), count < 500);
        let every = if in_haste { 12 } else { 6 };
        let revokes = Arc::new(Revokes::new(world.registry(self.bus), first, count, every, self.strict));
        world.runtime.block_on(Arc::clone(&revokes).import());
        let proxies = [Proxy::to(world.address(self.bus)), Proxy::to(world.address(self.bus))];
        let orders = [0, 1].map(|server| self.order(world, &proxies[server as usize], server, (first, count)));
        let started = orders.each_ref().map(Served::start);
        let mut servers = started.map(Served::ready);
        let place = Place {
            world,
            bus: self.bus,
            servers: servers.each_ref().map(Served::id),
            proxies: proxies.each_ref(),
            times: AtomicU32::new(0),
            in_haste,
        };
        self.run(&place, &revokes, &mut servers);
        let reports = servers.map(Served::report);
        Measured { column: self, first, revoked: revokes.revoked(), reports, faults: place.times.into_inner() }
    }

    fn order(&self, world: &World, proxy: &Proxy, server: u32, (first, count): (u32, u32)) -> Order {
        let changes = world.url_at(self.bus, proxy.address());
        let database = &world.database;
        let store = if self.all { database.url_at(proxy.address()) } else { database.url() };
        let (bus, capacity, bad) = (self.bus, self.capacity, self.bad);
        Order { bus, changes, store, first, count, server, capacity, bad }
    }

    fn run(self, place: &Place<'_>, revokes: &Arc<Revokes>, servers: &mut [Served; 2]) {
        slide(revokes, servers);
        // All keys that come first are in the caches.
        sleep(MENDED);
        thread::scope(|scope| {
            let revoking = scope.spawn(|| place.world.runtime.block_on(Arc::clone(revokes).run()));
            let failing = scope.spawn(move || {
                while !revoking.is_finished() || place.times.load(Ordering::Relaxed) < LEAST {
                    self.fault.strike(place);
                }
            });
            while !failing.is_finished() {
                slide(revokes, servers);
                sleep(Duration::from_millis(10));
            }
        });
        sleep(MENDED);
    }
}

fn slide(revokes: &Revokes, servers: &mut [Served; 2]) {
    let (hot, unborn) = revokes.hot();
    for server in servers {
        server.slide(hot, unborn);
    }
}
