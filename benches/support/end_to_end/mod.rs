//! Compares servers: a client sends requests to each server in turn, over 64 keep-alive connections.
//!
//! Every server has its own thread, and the client has one more. In every round, the client sends requests to each
//! server for 100 ms. Each round starts with another server, and every second round runs in reverse order. A server is
//! compared with its baseline within a round. The result is the median over the rounds. On a shared machine, the CPU
//! time of the server's thread varies less than the requests per second, which need a second idle core.

mod connection;
#[path = "../cpu.rs"]
mod cpu;
mod report;
mod server;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::{Router, serve::ListenerExt as _};
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};

use self::{
    connection::{Connection, ask},
    report::{Report, Sample},
    server::{ABLE, Server},
};

/// The path of every request.
const PATH: &str = "/v1/models/7";
const CONNECTIONS: usize = 64;
/// The time for one server in a round.
const SLICE: Duration = Duration::from_millis(100);

/// The duration of the benchmark.
#[derive(Clone, Copy)]
pub(crate) struct Effort(Duration);

impl Effort {
    /// Returns 120 s for `cargo bench`, and 10 s for `cargo bench -- --quick`. Returns `None` for
    /// `cargo test --benches`, which tests each server once when it is added and measures nothing.
    pub(crate) fn from_args() -> Option<Self> {
        let asked = |flag| std::env::args().any(|arg| arg == flag);
        let effort = Self(Duration::from_secs(if asked("--quick") { 10 } else { 120 }));
        asked("--bench").then_some(effort)
    }
}

/// The bytes of a request.
#[derive(Clone)]
pub(crate) struct Asked {
    bytes: Arc<[u8]>,
    /// Whether the server must refuse the request without its credential.
    guarded: bool,
}

impl Asked {
    /// Creates a request with a credential in a header.
    pub(crate) fn with(name: &str, value: &str) -> Self {
        Self { bytes: request(&format!("{name}: {value}\r\n")).into(), guarded: false }
    }

    /// Returns the request for a server that requires the credential.
    pub(crate) fn guarded(&self) -> Self {
        Self { guarded: true, ..self.clone() }
    }
}

fn request(more: &str) -> Vec<u8> {
    let head = "host: api.example.com\r\nuser-agent: curl/8.9.1\r\naccept: */*\r\n";
    format!("GET {PATH} HTTP/1.1\r\n{head}{more}\r\n").into_bytes()
}

/// The index of a row in the table.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Row(usize);

struct Candidate {
    name: String,
    asked: Asked,
    server: Server,
    baseline: Option<Row>,
    rounds: Vec<Sample>,
}

/// The servers, in the order of the table.
#[derive(Default)]
pub(crate) struct Bench {
    candidates: Vec<Candidate>,
    baseline: Option<Row>,
    body: &'static str,
}

impl Bench {
    /// Creates a benchmark in which all servers answer with this body.
    pub(crate) fn new(body: &'static str) -> Self {
        Self { body, ..Self::default() }
    }

    /// Sets the baseline of the rows that are added next.
    pub(crate) fn against(&mut self, baseline: Row) {
        self.baseline = Some(baseline);
    }

    /// Adds a row without a baseline, and makes it the baseline of the rows that are added next.
    pub(crate) fn baseline(&mut self, name: &str, asked: &Asked, headers: &[&str], router: Router) -> Row {
        self.baseline = None;
        let row = self.row(name, asked, headers, router);
        self.against(row);
        row
    }

    /// Adds a router that answers this request with 200 and these headers, besides the headers that every response has.
    pub(crate) fn row(&mut self, name: &str, asked: &Asked, headers: &[&str], router: Router) -> Row {
        self.serve(name, asked, headers, async |listener: TcpListener| {
            let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect(ABLE));
            axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
        })
    }

    /// Adds a server that is not a router of this version of axum.
    pub(crate) fn serve<F>(
        &mut self,
        name: &str,
        asked: &Asked,
        headers: &[&str],
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Row
    where
        F: Future<Output = io::Result<()>> + Send,
    {
        let row = Row(self.candidates.len());
        let server = Server::start(row.0, serve);
        let candidate = Candidate {
            name: name.to_owned(),
            asked: asked.clone(),
            server,
            baseline: self.baseline,
            rounds: Vec::new(),
        };
        candidate.try_out(headers, self.body);
        self.candidates.push(candidate);
        row
    }

    /// Measures all servers.
    pub(crate) fn run(mut self, effort: Effort) -> Report {
        let client = runtime::Builder::new_current_thread().enable_io().build().expect("a client can be started");
        let end: Arc<[u8]> = format!("\r\n\r\n{}", self.body).into_bytes().into();
        let start = Instant::now();
        for round in 0.. {
            self.round(round, &client, &end);
            if start.elapsed() >= effort.0 {
                break;
            }
        }
        Report::new(self.candidates)
    }

    fn round(&mut self, round: usize, client: &Runtime, end: &Arc<[u8]>) {
        let count = self.candidates.len();
        for step in 0..count {
            // Every second round runs in reverse order, so that a row does not always follow the same row.
            let place = if round.is_multiple_of(2) { round + step } else { round + count - step };
            let candidate = &mut self.candidates[place % count];
            candidate.rounds.push(client.block_on(candidate.slice(end)));
        }
    }
}

impl Candidate {
    /// Asserts that the server answers as expected before it is measured.
    fn try_out(&self, headers: &[&str], body: &str) {
        let name = &self.name;
        let response = ask(self.server.address, &self.asked.bytes);
        let (head, content) = response.split_once("\r\n\r\n").expect("a response has a head");
        assert!(head.starts_with("HTTP/1.1 200 "), "{name}: {response}");
        assert_eq!(content, body, "{name}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{name}: {head}");
        assert_eq!(told(head), sorted(headers.iter().map(|name| (*name).to_owned())), "{name}");
        if self.asked.guarded {
            let response = ask(self.server.address, &request(""));
            assert!(response.starts_with("HTTP/1.1 401 "), "{name} admits a request without a credential: {response}");
        }
    }

    /// Measures the server for one [`SLICE`], over connections that were used once before.
    async fn slice(&self, end: &Arc<[u8]>) -> Sample {
        let connections = self.connections(end).await;
        let (before, start) = (self.worked(), Instant::now());
        let until = start + SLICE;
        let asking: Vec<_> =
            connections.into_iter().map(|connection| tokio::spawn(connection.exchange_until(until))).collect();
        let mut requests = 0;
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for asking in asking {
            let (connection, done) = asking.await.expect("all responses are as expected");
            connections.push(connection);
            requests += done;
        }
        let took = start.elapsed();
        // The connections are still open: closing them is not measured.
        let worked = self.worked().zip(before).map(|(after, before)| after.saturating_sub(before));
        Sample::new(requests, took, worked)
    }

    async fn connections(&self, end: &Arc<[u8]>) -> Vec<Connection> {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(self.server.address, &self.asked.bytes, end).await;
            connection.exchange().await;
            connections.push(connection);
        }
        connections
    }

    fn worked(&self) -> Option<Duration> {
        // The kernel updates the CPU time of a thread when the thread sleeps, or at the next tick.
        thread::sleep(Duration::from_millis(1));
        self.server.worked()
    }
}

/// Returns the names of a response's headers, except the headers that every response has.
fn told(head: &str) -> Vec<String> {
    let names = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase());
    sorted(names.filter(|name| !["content-type", "content-length", "connection", "date"].contains(&name.as_str())))
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
