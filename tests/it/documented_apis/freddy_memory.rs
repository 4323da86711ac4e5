//! A thousand slow bodies at once, and what the process of the Freddy server holds meanwhile.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    support::server::Server,
    tokens::mint::{self, AUDIENCE, ISSUER},
};

const CONNECTIONS: usize = 1000;

/// What every body announces, and what comes of it.
const ANNOUNCED: usize = 1 << 20;
const SENT: usize = 256 << 10;

/// The default of `BodyLimits::max_in_flight_bytes`, in KiB.
const UNDER_WAY: u64 = 64 << 10;

/// What else a connection may cost, in KiB: its task, the host's buffers, what the allocator keeps. In ten runs of a debug
/// build the peak was 74 to 141 MiB above the start: at most 77 MiB beyond the bytes under way, 79 KiB for each connection.
/// Without a limit for all bodies together it is 236 MiB.
const ALLOWANCE: u64 = 120;

/// A line of `/proc/<pid>/status`, in KiB.
fn memory(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// The connections have two ends, one here and one in the server, which inherits the limit.
fn allow_many_files() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    if soft.parse().is_ok_and(|soft: usize| soft < 4 * CONNECTIONS) {
        let many = [format!("--nofile={}:", 4 * CONNECTIONS), format!("--pid={}", std::process::id())];
        assert!(Command::new("prlimit").args(many).status().unwrap().success(), "{line}");
    }
}

/// Whether there is no response yet, and the connection is open.
fn waits(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn r152_a_thousand_slow_bodies_hold_no_more_than_they_may() {
    allow_many_files();
    // Each comes from another subject, so that no plan's limit is in the way.
    let (file, signer) = (format!("{}/jwks-memory.json", env!("CARGO_TARGET_TMPDIR")), mint::key("ed25519"));
    fs::write(&file, mint::jwks(&["ed25519"])).unwrap();
    let server = Server::start("freddy", &["--jwks", &file, "--issuer", ISSUER, "--audience", AUDIENCE]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |subject: usize| {
        let claims = mint::claims(now).text("sub", &format!("user_{subject}")).text("scope", "read write");
        format!("authorization: Bearer {}", signer.seal(signer.header(), claims))
    };
    let key = token(0);
    let json = "content-type: application/json";
    let echo = |body: &str| server.request("POST /v1/echo", &[&key, json], body).status;
    for _ in 0..20 {
        assert_eq!(echo(r#"{"name":"a"}"#), 200);
    }
    let before = memory(&server, "VmRSS");

    let next = AtomicUsize::new(1);
    let start = r#"{"name":""#;
    let body = format!("{start}{}", "a".repeat(SENT - start.len()));
    let slow = || {
        let key = token(next.fetch_add(1, Ordering::Relaxed));
        let head = format!(
            "POST /v1/echo HTTP/1.1\r\nhost: localhost\r\n{key}\r\n{json}\r\ncontent-length: {ANNOUNCED}\r\n\r\n"
        );
        let mut stream = server.connect();
        // A refused client does not get to send all of it.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        stream
    };
    let bodies: Vec<TcpStream> = thread::scope(|scope| {
        let quarter = || (0..CONNECTIONS / 4).map(|_| slow()).collect::<Vec<_>>();
        let threads = [(); 4].map(|()| scope.spawn(quarter));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });

    // All have been read as far as they ever are when no more wait for a response than there is room for. Breaking off
    // earlier would free room for those that are still in the buffers of the sockets.
    let room = usize::try_from(UNDER_WAY).unwrap() / (SENT >> 10);
    while bodies.iter().filter(|stream| waits(stream)).count() > room {
        thread::sleep(Duration::from_millis(20));
    }
    // Those that were not refused break off now.
    let mut told = BTreeMap::<String, usize>::new();
    for mut stream in bodies {
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer).get(9..12).unwrap_or("none").to_owned();
        *told.entry(status).or_default() += 1;
    }
    // The most that it ever was.
    let grown = memory(&server, "VmHWM") - before;
    assert!(grown < UNDER_WAY + ALLOWANCE * CONNECTIONS as u64, "{grown} KiB, {told:?}");

    // 408 is for those that a very slow machine has kept beyond the deadline.
    assert!(told.keys().all(|status| matches!(&**status, "400" | "408" | "503")), "{told:?}");
    let kept = told.get("400").copied().unwrap_or_default();
    assert!((1..=room).contains(&kept), "as many as have room: {told:?}");
    assert!(told.get("503").is_some_and(|refused| *refused > 0), "{told:?}");

    let large = format!("{start}{}\"}}", "a".repeat(ANNOUNCED - start.len() - 2));
    assert_eq!((echo(&large), echo(r#"{"name":"a"}"#)), (200, 200), "what they held is free again");
    let (status, _, log) = server.stop();
    assert!(status.success() && !log.contains("panicked"));
}
