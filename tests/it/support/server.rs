//! An example server as a user runs it: a process, a ready line, a socket.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use serde_json::Value;

use super::process;

/// Far beyond what anything here takes: past it, something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The example, built once for all tests with the features of the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples"]);
        if cfg!(feature = "full") {
            cargo.arg("--all-features");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success(), "the examples do not build");
        // target/<profile>/deps/it-…
        let deps = std::env::current_exe().unwrap();
        deps.parent().unwrap().parent().unwrap().join("examples")
    });
    folder.join(name)
}

/// A running example server; it is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    ready: Value,
    log: Option<thread::JoinHandle<String>>,
}

impl Server {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(example(name))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("no ready line but {line:?}: {error}"));
        let address = ready["listening"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        child.stdout = Some(stdout.into_inner());
        Self { child, address, ready, log: Some(log) }
    }

    pub(crate) fn ready(&self) -> &Value {
        &self.ready
    }

    /// What the ready line says of the demo.
    pub(crate) fn demo(&self, name: &str) -> &str {
        self.ready["demo"][name].as_str().unwrap_or_else(|| panic!("the ready line has no demo.{name}"))
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends these bytes on a connection of their own and reads until the server closes it.
    pub(crate) fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect();
        // The server may refuse and close before it has read all.
        let _ = stream.write_all(request);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        Reply::parse(&reply)
    }

    /// A request with these header lines; a body gets its `Content-Length`.
    pub(crate) fn request(&self, line: &str, headers: &[&str], body: &str) -> Reply {
        let mut lines = vec![format!("{line} HTTP/1.1"), "host: localhost".to_owned(), "connection: close".to_owned()];
        if !body.is_empty() {
            lines.push(format!("content-length: {}", body.len()));
        }
        lines.extend(headers.iter().map(ToString::to_string));
        self.raw(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes())
    }

    /// A request with a demo key.
    pub(crate) fn with_key(&self, line: &str, key: &str) -> Reply {
        self.request(line, &[&format!("X-API-Key: {}", self.demo(key))], "")
    }

    /// Sends SIGTERM and waits for the end: how it ended, and what stood on standard output after the ready line and
    /// on standard error.
    pub(crate) fn stop(self) -> (ExitStatus, String, String) {
        self.stop_by("TERM")
    }

    /// The same by another signal.
    pub(crate) fn stop_by(mut self, signal: &str) -> (ExitStatus, String, String) {
        assert!(process::signal(signal, &[self.child.id()]));
        let status = process::ended(&mut self.child).expect("the server stops");
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        (status, rest, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response as it stood on the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Everything before the body.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response but {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The values of all lines of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends these bytes on a connection of their own and reads until the server closes it; a server that does neither
/// answer nor close within the patience of this module fails the test.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse and close before it has read all.
    let _ = stream.write_all(request);
    let (mut reply, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Reply::parse(&reply),
            Ok(read) => reply.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Reply::parse(&reply),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&reply)),
        }
    }
}
