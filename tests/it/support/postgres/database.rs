//! One database for one test.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use deadpool_postgres::{Manager, Pool, Runtime};
use tokio::runtime::Builder;
use tokio_postgres::NoTls;

use super::server::Server;

/// A database and its owner, a role of the same name that is no superuser.
pub(crate) struct Database {
    name: String,
    address: SocketAddr,
    /// Whether the server lives longer than the test.
    temporary: bool,
}

/// A role next to the owner.
pub(crate) struct Role {
    /// For `GRANT`.
    pub(crate) name: String,
    /// The URL of the database, as this role.
    pub(crate) url: String,
}

impl Database {
    pub(super) fn new(server: &Server, temporary: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        execute(&server.url(), &format!("CREATE ROLE {name} LOGIN")).unwrap();
        // Not in the same call: both would be one transaction, which cannot create a database.
        execute(&server.url(), &format!("CREATE DATABASE {name} OWNER {name}")).unwrap();
        Self { name, address: server.address(), temporary }
    }

    /// The URL of the database, as its owner.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// The same, through a proxy.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        url(&self.name, &self.name, address)
    }

    /// The name of the database and of its owner.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The address of the server, for a proxy.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the database, as the superuser.
    pub(crate) fn superuser(&self) -> String {
        url("postgres", &self.name, self.address)
    }

    /// Creates a role that may connect and has no other privilege. `name` is in the name of the role, which is unique
    /// on the server.
    pub(crate) fn role(&self, name: &str) -> Role {
        let name = format!("{}_{name}", self.name);
        // Before PostgreSQL 15 everybody could create tables.
        let create = format!("CREATE ROLE {name} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        execute(&self.superuser(), &create).unwrap();
        Role { url: url(&name, &self.name, self.address), name }
    }

    /// A pool of the owner's connections.
    pub(crate) fn pool(&self, size: usize) -> Pool {
        let manager = Manager::new(self.url().parse().unwrap(), NoTls);
        Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).build().unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        let (name, server) = (self.name.clone(), url("postgres", "postgres", self.address));
        // Nobody waits: the test is over, and the folder of the server is removed anyway. Roles take no space.
        thread::spawn(move || execute(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
    }
}

pub(super) fn url(role: &str, database: &str, address: SocketAddr) -> String {
    format!("postgresql://{role}@{address}/{database}")
}

/// Runs statements on a connection of their own, and waits. A runtime and a thread of its own let it work everywhere, in
/// `Drop` too.
///
/// # Errors
/// The error of the connection or of the server.
pub(crate) fn execute(url: &str, statements: &str) -> Result<(), tokio_postgres::Error> {
    thread::scope(|scope| {
        let work = || Builder::new_current_thread().enable_all().build().unwrap().block_on(executed(url, statements));
        scope.spawn(work).join().unwrap()
    })
}

async fn executed(url: &str, statements: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(statements).await?;
    drop(client);
    // The server has closed its side when this ends.
    connection.await.unwrap()
}
