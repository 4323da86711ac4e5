//! What fails, and is mended, again and again.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::Duration,
};

use crate::{
    dice::{between, one_of},
    order::Bus,
    support::{process::signal, proxy::Proxy},
    world::World,
};

/// How often something fails in each column, at least.
pub(crate) const LEAST: u32 = 2;
/// Milliseconds, all longer than the bound, and the last ones longer than what a heartbeat may take.
const LONG: [u64; 5] = [110, 150, 250, 400, 1_300];
/// Milliseconds, all shorter than the bound.
const SHORT: [u64; 4] = [15, 30, 60, 90];
/// Milliseconds for one way, so that an answer takes less than the bound.
const WAY: [u64; 4] = [0, 10, 25, 45];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The server ends the connections on which changes are heard.
    Terminated,
    /// The network does.
    Reset,
    /// The network is slow, then carries nothing, for longer than the bound.
    BlackHole,
    /// The network carries nothing, for less than the bound, and then all at once.
    Delayed,
    /// All processes of the server that announces changes are stopped for longer than the bound.
    BusPaused,
    /// That server ends and starts again.
    BusRestarted,
    /// One of the processes with a cache is stopped for longer than the bound.
    ServerPaused,
}

/// What a fault has to do with.
pub(crate) struct Place<'a> {
    pub(crate) world: &'a World,
    pub(crate) bus: Bus,
    /// The process ids of the servers, and the proxies to what announces changes.
    pub(crate) servers: [u32; 2],
    pub(crate) proxies: [&'a Proxy; 2],
    /// How often it has failed.
    pub(crate) times: AtomicU32,
    /// Whether there is little time.
    pub(crate) in_haste: bool,
}

impl Place<'_> {
    /// A time that is longer than the bound.
    fn long(&self) -> Duration {
        let most = if self.in_haste { LONG.len() - 1 } else { LONG.len() };
        Duration::from_millis(one_of(&LONG[..most]))
    }
}

impl Fault {
    /// Whether connections end by it.
    pub(crate) const fn is_loss(self) -> bool {
        matches!(self, Self::Terminated | Self::Reset | Self::BusRestarted)
    }

    /// Fails once, and is mended.
    pub(crate) fn strike(self, place: &Place<'_>) {
        let times = place.times.fetch_add(1, Ordering::Relaxed) as usize;
        match self {
            Self::Nothing => sleep(between(10..20)),
            Self::Terminated => {
                place.world.terminate(place.bus);
                sleep(between(100..500));
            }
            Self::Reset => {
                place.proxies[times % 2].cut();
                sleep(between(100..400));
            }
            Self::BlackHole => {
                // What is under way when the hole begins is not delivered.
                delay(place, one_of(&WAY));
                sleep(between(200..400));
                hole(place, place.long());
                delay(place, 0);
            }
            Self::Delayed => {
                hole(place, Duration::from_millis(one_of(&SHORT)));
                sleep(between(5..30));
            }
            Self::BusPaused => {
                place.world.freeze(place.bus);
                sleep(place.long());
                place.world.thaw(place.bus);
                sleep(between(100..300));
            }
            Self::BusRestarted => {
                place.world.end(place.bus, times.is_multiple_of(2));
                sleep(between(0..200));
                place.world.start_again(place.bus);
                sleep(between(500..900));
            }
            Self::ServerPaused => {
                let server = [place.servers[times % 2]];
                assert!(signal("STOP", &server));
                sleep(place.long());
                assert!(signal("CONT", &server));
                sleep(between(20..200));
            }
        }
    }
}

fn delay(place: &Place<'_>, millis: u64) {
    for proxy in place.proxies {
        proxy.delay(Duration::from_millis(millis));
    }
}

/// For so long, nothing is carried to one server or both.
fn hole(place: &Place<'_>, time: Duration) {
    let holes: &[usize] = one_of(&[&[0], &[1], &[0, 1]]);
    for proxy in holes {
        place.proxies[*proxy].black_hole();
    }
    sleep(time);
    for proxy in holes {
        place.proxies[*proxy].release();
    }
}
