//! Compares servers: a client sends requests to each server in turn, over 64 keep-alive connections.
//!
//! Every server has its own thread, and the client has one more. In every round, the client sends requests to each
//! server for 100 ms. Each round starts with another server, and every second round runs in reverse order. A server is
//! compared with its baseline within a round. The result is the median over the rounds. On a shared machine, the CPU
//! time of the server's thread varies less than the requests per second, which need a second idle core.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{self, SocketAddr},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::{Router, serve::ListenerExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
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

/// A server with a runtime of one thread. The name of the thread identifies its CPU time.
struct Server {
    address: SocketAddr,
    thread: String,
    _runtime: Runtime,
}

impl Server {
    fn start<F>(number: usize, serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send,
    {
        let thread = format!("srv-{number}");
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(&thread)
            .enable_all()
            .build()
            .expect(ABLE);
        let listener = net::TcpListener::bind("127.0.0.1:0").expect(ABLE);
        listener.set_nonblocking(true).expect(ABLE);
        let address = listener.local_addr().expect(ABLE);
        runtime.spawn(async { serve(TcpListener::from_std(listener).expect(ABLE)).await });
        Self { address, thread, _runtime: runtime }
    }

    /// Returns the CPU time of the server so far, if the system provides it.
    fn worked(&self) -> Option<Duration> {
        let tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(|task| Some(task.ok()?.path()));
        let is_own = |task: &Path| read(task, "comm").is_some_and(|name| name.trim_end() == self.thread);
        tasks.filter(|task| is_own(task)).map(|task| on_cpu(&task)).sum()
    }
}

/// The `expect` text of every step that starts a server.
const ABLE: &str = "a server can be started";

/// Returns the CPU time of a thread in nanoseconds. A kernel may provide one of the two files, both or none.
fn on_cpu(task: &Path) -> Option<Duration> {
    if let Some(text) = read(task, "schedstat") {
        return text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos);
    }
    let text = read(task, "sched")?;
    let line = text.lines().find(|line| line.starts_with("se.sum_exec_runtime"))?;
    let millis: f64 = line.rsplit_once(':')?.1.trim().parse().ok()?;
    Some(Duration::from_secs_f64(millis / 1e3))
}

fn read(task: &Path, file: &str) -> Option<String> {
    fs::read_to_string(task.join(file)).ok()
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
        Report(self.candidates)
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
            let mut connection = Connection::open(self, end).await;
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

/// Sends a request over a new connection, and returns the whole response.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let head = request.strip_suffix(b"\r\n").expect("a request has a head");
    let mut stream = net::TcpStream::connect(address).expect("the server listens");
    stream.write_all(&[head, b"connection: close\r\n\r\n"].concat()).expect("the server reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("the server answers with text");
    response
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

/// A connection of the client.
struct Connection {
    stream: TcpStream,
    request: Arc<[u8]>,
    /// The last bytes of every response: the end of its head, and its body.
    end: Arc<[u8]>,
    read: [u8; 1024],
}

impl Connection {
    async fn open(candidate: &Candidate, end: &Arc<[u8]>) -> Self {
        let stream = TcpStream::connect(candidate.server.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("the connection accepts options");
        Self { stream, request: Arc::clone(&candidate.asked.bytes), end: Arc::clone(end), read: [0; 1024] }
    }

    async fn exchange_until(mut self, until: Instant) -> (Self, u32) {
        let mut done = 0;
        while Instant::now() < until {
            self.exchange().await;
            done += 1;
        }
        (self, done)
    }

    /// Sends one request and reads its response. All responses have the same body, so a response ends with the last
    /// byte of that body. `try_out` has checked that `content-length` is the length of that body.
    async fn exchange(&mut self) {
        self.stream.write_all(&self.request).await.expect("the server reads");
        let mut filled = 0;
        while !self.read[..filled].ends_with(&self.end) {
            let more = self.stream.read(&mut self.read[filled..]).await.expect("the server answers");
            filled += more;
            let response = &self.read[..filled];
            assert!(more > 0 && response.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(response));
        }
    }
}

/// The measurements of a server in one round.
#[derive(Clone, Copy)]
struct Sample {
    /// Requests per second.
    rate: f64,
    /// CPU time of the server's thread per request, in seconds.
    cpu: Option<f64>,
    /// The server's CPU time divided by the elapsed time.
    busy: Option<f64>,
}

impl Sample {
    fn new(requests: u32, took: Duration, worked: Option<Duration>) -> Self {
        let (requests, took) = (f64::from(requests), took.as_secs_f64());
        let worked = worked.map(|worked| worked.as_secs_f64());
        Self {
            rate: requests / took,
            cpu: worked.map(|worked| worked / requests),
            busy: worked.map(|worked| worked / took),
        }
    }
}

/// The median over the rounds, and the quartiles around it.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    /// Returns `None` if there are no rounds, or if a round lacks the value.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by(f64::total_cmp);
        let quarter = |quarters: usize| values.get((values.len().checked_sub(1)?) * quarters / 4).copied();
        Some(Self { low: quarter(1)?, median: quarter(2)?, high: quarter(3)? })
    }

    fn cell(self) -> String {
        format!("{:.3} ({:.3} to {:.3})", self.median, self.low, self.high)
    }
}

/// The measurements of all rounds.
pub(crate) struct Report(Vec<Candidate>);

impl Report {
    /// Returns the requests per second, divided by those of the baseline.
    fn rate(&self, row: Row) -> Option<Spread> {
        self.ratio(row, |own, base| Some(own.rate / base.rate))
    }

    /// Returns the requests per second of CPU time, divided by those of the baseline.
    fn rate_of_cpu(&self, row: Row) -> Option<Spread> {
        self.ratio(row, |own, base| Some(base.cpu? / own.cpu?))
    }

    fn ratio(&self, row: Row, of: impl Fn(Sample, Sample) -> Option<f64>) -> Option<Spread> {
        let row = &self.0[row.0];
        let base = &self.0[row.baseline?.0];
        Spread::of(row.rounds.iter().zip(&base.rounds).map(|(own, base)| of(*own, *base)))
    }

    /// Prints the table in Markdown.
    pub(crate) fn print(&self) {
        println!("{} rounds; the median, and the quartiles around it", self.0[0].rounds.len());
        println!();
        println!(
            "| row | requests/s | x baseline | CPU µs a request | requests a CPU second, x baseline | busy | baseline |"
        );
        println!("|---|---:|---:|---:|---:|---:|---|");
        for place in 0..self.0.len() {
            self.print_row(Row(place));
        }
    }

    fn print_row(&self, row: Row) {
        let Candidate { name, baseline, rounds, .. } = &self.0[row.0];
        let median = |of: fn(&Sample) -> Option<f64>| Spread::of(rounds.iter().map(of)).map(|spread| spread.median);
        let rate = cell(median(|sample| Some(sample.rate)).map(|rate| format!("{rate:.0}")));
        let cpu = cell(median(|sample| sample.cpu).map(|cpu| format!("{:.2}", cpu * 1e6)));
        let busy = cell(median(|sample| sample.busy).map(|busy| format!("{:.0} %", busy * 100.0)));
        let ratio = |spread: Option<Spread>| cell(spread.map(Spread::cell));
        let (of_rate, of_cpu) = (ratio(self.rate(row)), ratio(self.rate_of_cpu(row)));
        let baseline = baseline.map_or("", |baseline| &self.0[baseline.0].name);
        println!("| {name} | {rate} | {of_rate} | {cpu} | {of_cpu} | {busy} | {baseline} |");
    }

    /// Prints whether each row reaches its target, as a share of its baseline.
    pub(crate) fn print_targets(&self, targets: &[(Row, f64)]) {
        println!("| target | at least | requests/s | requests a CPU second |");
        println!("|---|---:|---|---|");
        for &(row, least) in targets {
            let said = |spread: Option<Spread>| cell(spread.map(|spread| verdict(spread, least)));
            let name = &self.0[row.0].name;
            println!("| {name} | {least:.2} | {} | {} |", said(self.rate(row)), said(self.rate_of_cpu(row)));
        }
    }
}

/// Returns whether a share of the baseline reaches the target, as text.
fn verdict(measured: Spread, least: f64) -> String {
    let said = if measured.median >= least { "met" } else { "MISSED" };
    format!("{said}: {:.3}", measured.median)
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_default()
}
