//! A server whose clock stands still: a proxy rewrites the scripts on their way, so that they read the time from a key. It is the only way to
//! compare the scripts with the limiter in memory at the same points in time.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::OnceLock,
    thread,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::support::redis::{self, Server};

/// The shared server, and the proxy in front of it.
pub(super) struct Standing {
    server: &'static Server,
    pub(super) url: String,
    in_use: Mutex<()>,
}

/// The key that holds the time. One test at a time may use it.
const CLOCK: &str = "standing:clock";

const TIME: &str = "redis.call('TIME')";
const EXPIRY: &str = ", 'PX', left)";

impl Standing {
    pub(super) fn get() -> Option<&'static Self> {
        static STANDING: OnceLock<Standing> = OnceLock::new();
        let server = redis::server()?;
        Some(STANDING.get_or_init(|| Self::before(server)))
    }

    fn before(server: &'static Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, target) = (format!("redis://{}", listener.local_addr().unwrap()), server.address());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || pass(client, target));
            }
        });
        Self { server, url, in_use: Mutex::default() }
    }

    /// Waits until no other test sets the time.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.in_use.lock().await
    }

    /// Sets the time, in microseconds.
    pub(super) fn set(&self, micros: u64) {
        let _: () = self.server.ask(&["SET", CLOCK, &micros.to_string()]);
    }
}

fn pass(client: TcpStream, target: SocketAddr) -> Option<()> {
    let server = TcpStream::connect(target).ok()?;
    let (mut answers, mut back) = (server.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let passed = pass_on(client, &server);
    let _ = server.shutdown(Shutdown::Both);
    passed
}

fn pass_on(mut client: TcpStream, mut server: &TcpStream) -> Option<()> {
    let (mut waiting, mut read) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = client.read(&mut read).ok().filter(|count| *count > 0)?;
        waiting.extend_from_slice(&read[..count]);
        while let Some((request, rest)) = request(&waiting) {
            server.write_all(&rewritten(&request)).ok()?;
            waiting = rest;
        }
    }
}

/// The arguments of the first whole request, and what follows it.
fn request(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let (count, mut left) = line(bytes, b'*')?;
    let mut all = Vec::new();
    for _ in 0..count {
        let (length, rest) = line(left, b'$')?;
        all.push(rest.get(..length)?.to_vec());
        left = rest.get(length + 2..)?;
    }
    Some((all, left.to_vec()))
}

/// The number in a line that begins with this mark, and what follows it.
fn line(bytes: &[u8], mark: u8) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    assert_eq!(bytes[0], mark, "a request of redis-rs");
    let number = std::str::from_utf8(&bytes[1..end - 1]).unwrap().parse().unwrap();
    Some((number, &bytes[end + 1..]))
}

fn rewritten(request: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request {
        let text = std::str::from_utf8(argument).ok().filter(|text| text.contains(TIME));
        let script = text.map(|text| {
            assert!(text.contains(EXPIRY), "the script has changed");
            let time = format!("{{0, redis.call('GET', '{CLOCK}')}}");
            text.replace(TIME, &time).replace(EXPIRY, ")").into_bytes()
        });
        let argument = script.as_ref().unwrap_or(argument);
        out.extend(format!("${}\r\n", argument.len()).into_bytes());
        out.extend(argument);
        out.extend(b"\r\n");
    }
    out
}
