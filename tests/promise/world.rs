//! The servers that all columns share.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::runtime::{Builder, Runtime};
use tower_auth::{CachedKeyStore, KeyRegistry};

use crate::{
    keys,
    order::{BOUND, Bus},
    serve,
    support::{
        postgres::{self, Database, execute},
        redis,
    },
};

/// A crash of a server loses nothing, one of the machine would.
const SETTINGS: [&str; 2] = ["fsync=off", "full_page_writes=off"];

const TERMINATE: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tower_auth changes'";

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    postgres: Mutex<postgres::Server>,
    pub(crate) database: Database,
    redis: Mutex<redis::Server>,
    next: AtomicU32,
}

impl World {
    /// `None` if one of them is not installed.
    pub(crate) fn start() -> Option<Self> {
        let (postgres, redis) = (postgres::private(&SETTINGS)?, redis::private(&[])?);
        let database = postgres.database();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(serve::store(&database.url(), 1).migrate()).unwrap();
        let (postgres, redis) = (Mutex::new(postgres), Mutex::new(redis));
        Some(Self { runtime, postgres, database, redis, next: AtomicU32::new(0) })
    }

    /// Reserves numbers of keys, and returns the first.
    pub(crate) fn reserve(&self, count: u32) -> u32 {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    /// The server that announces changes.
    pub(crate) fn address(&self, bus: Bus) -> SocketAddr {
        match bus {
            Bus::Postgres => self.database.address(),
            Bus::Redis => self.redis().address(),
        }
    }

    /// The URL of the server that announces changes, at this address.
    pub(crate) fn url_at(&self, bus: Bus, address: SocketAddr) -> String {
        match bus {
            Bus::Postgres => self.database.url_at(address),
            Bus::Redis => format!("redis://{address}"),
        }
    }

    /// What changes keys, in this process.
    pub(crate) fn registry(&self, bus: Bus) -> KeyRegistry {
        let store = serve::store(&self.database.url(), 4);
        match bus {
            Bus::Postgres => KeyRegistry::new(keys::scheme(), store),
            // It announces what it changes.
            Bus::Redis => {
                let changes = serve::redis_changes(&self.redis().url());
                KeyRegistry::new(keys::scheme(), CachedKeyStore::leased(store, changes, BOUND))
            }
        }
    }
}

/// What is done to the server that announces changes.
impl World {
    /// Ends the connections on which changes are heard, and with Redis those on which they are announced.
    pub(crate) fn terminate(&self, bus: Bus) {
        match bus {
            Bus::Postgres => execute(&self.database.superuser(), TERMINATE).unwrap(),
            Bus::Redis => {
                let _: u64 = self.redis().ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                let _: u64 = self.redis().ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            }
        }
    }

    /// Stops all its processes, until [`thaw`](Self::thaw).
    pub(crate) fn freeze(&self, bus: Bus) {
        match bus {
            Bus::Postgres => self.postgres().freeze(),
            Bus::Redis => self.redis().freeze(),
        }
    }

    pub(crate) fn thaw(&self, bus: Bus) {
        match bus {
            Bus::Postgres => self.postgres().thaw(),
            Bus::Redis => self.redis().thaw(),
        }
    }

    /// Ends it by a crash, or as an administrator does. Redis forgets everything.
    pub(crate) fn end(&self, bus: Bus, crash: bool) {
        match bus {
            Bus::Postgres if crash => self.postgres().kill(),
            Bus::Postgres => self.postgres().stop(),
            Bus::Redis => self.redis().kill(),
        }
    }

    pub(crate) fn start_again(&self, bus: Bus) {
        match bus {
            Bus::Postgres => self.postgres().start(),
            Bus::Redis => self.redis().restart(),
        }
    }

    fn postgres(&self) -> MutexGuard<'_, postgres::Server> {
        self.postgres.lock().unwrap()
    }

    fn redis(&self) -> MutexGuard<'_, redis::Server> {
        self.redis.lock().unwrap()
    }
}
