//! An issuer's web server as bad as the test wants it, on a real socket. It has threads of its own: whatever it does,
//! the runtime of the test is not kept from its work.

use std::{
    collections::HashMap,
    io::{Read, Result, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Signer, key_set};
pub(crate) use crate::support::process::free_address as nobody;

pub(crate) const JWKS: &str = "/jwks.json";

/// What it does on a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Writes these bytes, and closes.
    Say(Vec<u8>),
    /// Writes the first bytes, and then the second again and again, with a pause between them.
    Forever(Vec<u8>, Vec<u8>, Duration),
}

impl Act {
    /// A whole answer with these header lines.
    pub(crate) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let mut lines = vec![format!("HTTP/1.1 {status}"), format!("content-length: {}", body.len())];
        lines.extend(headers.iter().map(ToString::to_string));
        let head = lines.join("\r\n") + "\r\n\r\n";
        Self::Say([head.as_bytes(), body].concat())
    }

    pub(crate) fn json(body: &[u8]) -> Self {
        Self::answer("200 OK", &["content-type: application/json"], body)
    }

    pub(crate) fn publish(signers: &[&Signer]) -> Self {
        Self::json(&key_set(signers))
    }
}

pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    pages: Mutex<HashMap<String, Act>>,
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    over: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        Self::over(None)
    }

    /// The same behind TLS.
    pub(crate) fn over(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            pages: Mutex::default(),
            heads: Mutex::default(),
            connections: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            tls,
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.over.load(Ordering::SeqCst) {
                        break;
                    }
                    let shared = Arc::clone(&shared);
                    // A client that goes away is no failure of the server.
                    thread::spawn(move || shared.attend(stream.unwrap()));
                }
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// One that publishes these keys.
    pub(crate) fn of(signers: &[&Signer]) -> Self {
        let server = Self::start();
        server.serve(JWKS, Act::publish(signers));
        server
    }

    /// From now on it does this at this path.
    pub(crate) fn serve(&self, path: &str, act: Act) {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), act);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.shared.tls.is_some() { "https" } else { "http" }, self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.heads().len()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // A caller that waits for a connection gets one.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().unwrap().join();
    }
}

impl Shared {
    fn attend(&self, mut stream: TcpStream) -> Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let Some(tls) = &self.tls else { return self.converse(&mut stream) };
        let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        self.converse(&mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()
    }

    fn converse(&self, stream: &mut (impl Read + Write)) -> Result<()> {
        const HANDSHAKE: u8 = 0x16;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
            if head == [HANDSHAKE] {
                return stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.heads.lock().unwrap().push(head);
        let act = self.pages.lock().unwrap().get(&path).cloned();
        match act.unwrap_or_else(|| Act::answer("404 Not Found", &[], b"")) {
            Act::Say(bytes) => {
                stream.write_all(&bytes)?;
                stream.flush()
            }
            Act::Forever(first, again, pause) => {
                stream.write_all(&first)?;
                while !self.over.load(Ordering::SeqCst) {
                    stream.write_all(&again)?;
                    stream.flush()?;
                    thread::sleep(pause);
                }
                Ok(())
            }
        }
    }
}
