//! Real Redis servers.
//!
//! Tests that only use keys and channels share one [`server`] or one [`cluster`], and each has a prefix of its own: [`prefix`].
//! A test that stops, empties or reconfigures servers starts its own: [`private`], [`private_cluster`], [`cluster_with_replica`], [`watched`]. Without Redis on the
//! machine all of them return `None`, and the test returns:
//!
//! ```ignore
//! let Some(server) = redis::server() else { return };
//! ```

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod certificate;
mod cluster;
mod server;
mod watched;

use std::{
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
pub(crate) use certificate::certificate;
pub(crate) use cluster::Cluster;
pub(crate) use server::Server;
pub(crate) use watched::{Watched, watched};

use super::postgres::skipped;

const MISSING: &str = "found no redis-server: install Redis 7 or Valkey (on Debian: apt-get install redis-server), or run tests/run as root";

/// The server that all tests of this binary share. Its data are never removed.
pub(crate) fn server() -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    installed()?;
    Some(SHARED.get_or_init(|| Server::start(&[])))
}

/// The cluster that all tests of this binary share: three servers, no replicas.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    installed()?;
    Some(SHARED.get_or_init(Cluster::start))
}

/// A new, empty server for one test. `settings` are such as `["--requirepass", "secret"]`.
pub(crate) fn private(settings: &[&str]) -> Option<Server> {
    installed().map(|()| Server::start(settings))
}

/// A new cluster for one test. It takes some seconds.
pub(crate) fn private_cluster() -> Option<Cluster> {
    installed().map(|()| Cluster::start())
}

/// A new cluster for one test, with a replica of its first server.
pub(crate) fn cluster_with_replica() -> Option<Cluster> {
    installed().map(|()| Cluster::start().with_replica())
}

/// A prefix for keys that no other test uses.
pub(crate) fn prefix() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn installed() -> Option<()> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        let asked = Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    if found { Some(()) } else { skipped(MISSING) }
}
