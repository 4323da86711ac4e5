//! A Redis server of this benchmark, and what it counts.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use redis::{Client, Connection};

/// A server that keeps nothing on disk. It is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    connection: Connection,
    port: u16,
}

/// How often a start is tried, because somebody else may take the port first.
const STARTS: u32 = 20;
/// How often a server is asked whether it answers, and the pause in between.
const ASKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

const MISSING: &str =
    "found no redis-server: install Redis 7 or Valkey (on Debian: apt-get install redis-server), and run this again";

impl Server {
    /// Starts a server on a free port of this machine.
    ///
    /// # Errors
    /// If there is none on this machine, or if it does not answer.
    pub(crate) fn start() -> Result<Self, String> {
        for _ in 0..STARTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
            let port = free.map_err(|error| format!("no port of this machine is free: {error}"))?.port();
            if let Some(server) = Self::on(port)? {
                return Ok(server);
            }
        }
        Err("redis-server does not start: run it by hand to see why".to_owned())
    }

    fn on(port: u16) -> Result<Option<Self>, String> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => MISSING.to_owned(),
            _ => format!("redis-server cannot be started: {error}"),
        })?;
        let client = Client::open(url(port)).map_err(|error| error.to_string())?;
        for _ in 0..ASKS {
            // Another server may answer on the port, if this one could not have it.
            if child.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(None);
            }
            if let Ok(connection) = client.get_connection() {
                return Ok(Some(Self { child, connection, port }));
            }
            thread::sleep(PAUSE);
        }
        end(&mut child);
        Ok(None)
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// Returns what scripts have cost so far.
    pub(crate) fn scripts(&mut self) -> Scripts {
        let info: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connection).expect("Redis answers");
        let mut all = Scripts::default();
        for line in info.lines() {
            let run = ["cmdstat_evalsha:", "cmdstat_eval:"].iter().find_map(|name| line.strip_prefix(name));
            for field in run.into_iter().flat_map(|fields| fields.split(',')) {
                match field.split_once('=') {
                    Some(("calls", calls)) => all.calls += calls.parse::<f64>().expect("a number"),
                    Some(("usec", micros)) => all.micros += micros.parse::<f64>().expect("a number"),
                    _ => {}
                }
            }
        }
        all
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// Nothing can be done about a server that does not end.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// How many scripts a server has run for its clients, and how long they took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scripts {
    pub(crate) calls: f64,
    pub(crate) micros: f64,
}

impl Scripts {
    /// Returns what came after another count.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { calls: self.calls - before.calls, micros: self.micros - before.micros }
    }
}
