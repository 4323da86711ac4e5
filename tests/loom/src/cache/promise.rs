//! The promise of the cache, step by step: no answer from before a change is used more than the bound after the change has
//! returned. The time is a number that each look at the clock raises.

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use super::{epochs::Epochs, lease::Lease};

const BOUND: u64 = 2;
const KEY: u16 = 1;

/// Two steps that change places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapped {
    Nothing,
    /// A heartbeat counts from its end.
    SentLast,
    /// The lease is extended before announcements are applied.
    ExtendFirst,
    /// After a loss, the cache is flushed before the subscription begins.
    FlushFirst,
    /// After a loss, the lease is held before the cache is flushed.
    FlushLast,
    /// A request reads the epochs before the lease.
    EpochsFirst,
    /// A request reads the clock before the lease.
    ClockFirst,
}

struct World {
    epochs: Epochs,
    lease: Lease,
    clock: AtomicU64,
    /// The store, whose reads and writes order nothing else.
    revoked: AtomicBool,
    server: Mutex<Server>,
    swapped: Swapped,
}

/// Delivers announcements in their order, and before its answer to a heartbeat.
#[derive(Default)]
struct Server {
    is_subscribed: bool,
    announced: Vec<u16>,
}

impl World {
    fn new(swapped: Swapped) -> Arc<Self> {
        Arc::new(Self {
            epochs: Epochs::new(2),
            lease: Lease::new(),
            clock: AtomicU64::new(0),
            revoked: AtomicBool::new(false),
            server: Mutex::default(),
            swapped,
        })
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Relaxed)
    }

    /// Returns when it has returned.
    fn revoke(&self) -> u64 {
        self.revoked.store(true, Relaxed);
        let mut server = self.server.lock().unwrap();
        if server.is_subscribed {
            server.announced.push(KEY);
        }
        drop(server);
        self.now()
    }

    fn heartbeat(&self) {
        let sent = self.now();
        let announced = {
            let mut server = self.server.lock().unwrap();
            if !server.is_subscribed {
                return;
            }
            std::mem::take(&mut server.announced)
        };
        let sent = if self.swapped == Swapped::SentLast { self.now() } else { sent };
        if self.swapped == Swapped::ExtendFirst {
            self.lease.extend(sent + BOUND);
        }
        announced.into_iter().for_each(|mark| self.epochs.invalidate(mark));
        self.lease.extend(sent + BOUND);
    }

    /// Subscribes again after a loss.
    fn reconnect(&self) {
        if self.swapped == Swapped::FlushFirst {
            self.epochs.flush();
        }
        self.server.lock().unwrap().is_subscribed = true;
        if ![Swapped::FlushFirst, Swapped::FlushLast].contains(&self.swapped) {
            self.epochs.flush();
        }
        self.heartbeat();
        if self.swapped == Swapped::FlushLast {
            self.epochs.flush();
        }
    }

    /// Looks the key up, and returns the number at which an answer began that the key is good.
    fn look_up(&self) -> Option<u64> {
        let begun = self.epochs.begin();
        (!self.revoked.load(Relaxed)).then_some(begun)
    }

    /// Returns when a request was admitted by an answer that began at this number, if it was.
    fn admit(&self, begun: u64) -> Option<u64> {
        let clock = (self.swapped == Swapped::ClockFirst).then(|| self.now());
        let is_valid = || self.epochs.is_valid(begun, [KEY]);
        let (until, is_valid) = if self.swapped == Swapped::EpochsFirst {
            let is_valid = is_valid();
            (self.lease.until(), is_valid)
        } else {
            (self.lease.until(), is_valid())
        };
        let now = self.now();
        (is_valid && clock.unwrap_or(now) < until).then_some(now)
    }
}

fn check(admitted: impl IntoIterator<Item = u64>, returned: u64) {
    for at in admitted {
        assert!(at <= returned + BOUND, "a revoked key is admitted at {at}, and its revocation returned at {returned}");
    }
}

/// A key is revoked between heartbeats, while requests are admitted by what was read before.
pub(crate) fn revoked_between_heartbeats(swapped: Swapped) {
    let world = World::new(swapped);
    world.server.lock().unwrap().is_subscribed = true;
    world.heartbeat();
    let begun = world.look_up().unwrap();
    let (one, other) = (Arc::clone(&world), Arc::clone(&world));
    let connection = thread::spawn(move || one.heartbeat());
    let revoking = thread::spawn(move || other.revoke());
    let admitted = [world.admit(begun), world.admit(begun)];
    connection.join().unwrap();
    check(admitted.into_iter().flatten(), revoking.join().unwrap());
}

pub(crate) fn as_it_is() {
    revoked_between_heartbeats(Swapped::Nothing);
}

/// The connection is lost before a key is revoked, and comes back, while a request looks the key up.
pub(crate) fn revoked_while_lost(swapped: Swapped) {
    let world = World::new(swapped);
    world.lease.extend(BOUND);
    world.lease.end();
    let (one, other) = (Arc::clone(&world), Arc::clone(&world));
    let connection = thread::spawn(move || one.reconnect());
    let revoking = thread::spawn(move || other.revoke());
    let begun = world.look_up();
    let admitted = begun.map(|begun| [world.admit(begun), world.admit(begun)]);
    connection.join().unwrap();
    check(admitted.into_iter().flatten().flatten(), revoking.join().unwrap());
}

/// The connection is lost during a heartbeat, before a key is revoked.
pub(crate) fn lost_during_a_heartbeat(swapped: Swapped) {
    let world = World::new(swapped);
    world.server.lock().unwrap().is_subscribed = true;
    world.heartbeat();
    let begun = world.look_up().unwrap();
    let (one, other) = (Arc::clone(&world), Arc::clone(&world));
    let connection = thread::spawn(move || one.heartbeat());
    let losing = thread::spawn(move || {
        *other.server.lock().unwrap() = Server::default();
        other.lease.end();
        let returned = other.revoke();
        // Time passes.
        for _ in 0..BOUND {
            other.now();
        }
        returned
    });
    let admitted = [world.admit(begun), world.admit(begun)];
    connection.join().unwrap();
    check(admitted.into_iter().flatten(), losing.join().unwrap());
}

/// A lease that has ended admits nobody, whatever the clock says.
pub(crate) fn ended() {
    let world = World::new(Swapped::Nothing);
    world.lease.extend(u64::MAX);
    let begun = world.look_up().unwrap();
    let other = Arc::clone(&world);
    let losing = thread::spawn(move || other.lease.end());
    world.admit(begun);
    losing.join().unwrap();
    assert_eq!(world.admit(begun), None);
}
