//! What a server process is told, and what it tells at its end.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::bad::Bad;

/// The bound of all processes.
pub(crate) const BOUND: Duration = Duration::from_millis(100);

/// How changes are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bus {
    Postgres,
    Redis,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) bus: Bus,
    /// The URL at which changes are heard.
    pub(crate) changes: String,
    /// The URL of the store.
    pub(crate) store: String,
    /// The number of the first key, and of keys.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Which server it is.
    pub(crate) server: u32,
    /// How many keys the cache keeps.
    pub(crate) capacity: usize,
    pub(crate) bad: Option<Bad>,
}

/// Whether a key is asked for now and then only, by this server. What it has cached may be from before something failed, and is
/// not looked up again meanwhile.
pub(crate) const fn is_rare(server: u32, number: u32) -> bool {
    server % 2 == number % 2
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) keys: Vec<Seen>,
    /// How often the lease was held, and then was not.
    pub(crate) lapses: u64,
    /// How often the connection was lost while it was.
    pub(crate) losses: u64,
    pub(crate) hits: u64,
    pub(crate) fills: u64,
    pub(crate) failures: u64,
}

/// What was seen of one key.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The last admissions.
    pub(crate) from_cache: Option<Span>,
    /// From a lookup of the store that may have begun before the request.
    pub(crate) from_shared: Option<Span>,
    pub(crate) from_store: Option<Span>,
    /// The first refusal after them.
    pub(crate) refused: Option<Span>,
}

/// The time of a request, in nanoseconds of the clock that all processes share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Returns the time of the shared clock.
pub(crate) fn now() -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(time.as_nanos()).unwrap()
}
