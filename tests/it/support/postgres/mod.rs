//! Real `PostgreSQL` servers.
//!
//! All tests share one server, and each has a database of its own there: [`database`]. A test that stops or kills a
//! server starts its own: [`private`]. Without `PostgreSQL` on the machine both return `None`, and the test returns:
//!
//! ```ignore
//! let Some(database) = postgres::database().await else { return };
//! ```

mod database;
mod installation;
pub(crate) mod pgbouncer;
mod server;
mod template;

use std::{
    io::{self, Write as _},
    sync::OnceLock,
    thread,
};

pub(crate) use database::{Database, execute};
pub(crate) use installation::{Installation, servers_required};
pub(crate) use server::Server;

/// These lose data when the machine stops, and are several times faster.
const FAST: [&str; 4] = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200"];

/// A new, empty database on the shared server, for one test. It is dropped with the returned value.
pub(crate) async fn database() -> Option<Database> {
    let installation = installed()?;
    // The first call takes seconds, in which other tasks of the test go on. This works on every runtime, and on none.
    let (done, created) = tokio::sync::oneshot::channel();
    thread::spawn(move || done.send(Database::new(shared(installation), true)));
    Some(created.await.expect("the shared server starts and creates a database"))
}

/// A new server for one test, which keeps what is committed. `settings` are such as `max_connections=5`.
pub(crate) fn private(settings: &[&str]) -> Option<Server> {
    Some(Server::new(installed()?, settings))
}

/// One server for all tests of this binary. The end of the process stops it: values in a `static` are never dropped.
fn shared(installation: &'static Installation) -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::new(installation, &FAST))
}

fn installed() -> Option<&'static Installation> {
    static FOUND: OnceLock<Result<Installation, String>> = OnceLock::new();
    let found = FOUND.get_or_init(Installation::find);
    match found {
        Ok(installation) => Some(installation),
        Err(missing) => skipped(missing),
    }
}

/// Says that a test is skipped, or fails where servers are required.
pub(crate) fn skipped<T>(missing: &str) -> Option<T> {
    assert!(!servers_required(|name| std::env::var(name).ok()), "{missing}");
    let test = thread::current();
    let line = format!("\nSKIPPED: {}: {missing}\n", test.name().unwrap_or("a test"));
    // `eprintln!` is shown only for a test that fails. One write keeps the lines of several tests apart.
    let _ = io::stderr().write_all(line.as_bytes());
    None
}
