//! A server of this process on a socket, and hand-written HTTP/1.1 to it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::Service;
use tower_auth::BoxError;

use super::server::{PATIENCE, Reply};

/// A server that stops when it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) const fn new(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self { address, task }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves an axum application, in both versions of HTTP.
pub(crate) async fn axum(app: axum::Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Running::new(address, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

/// Serves on bare hyper, in both versions of HTTP, what is made for every connection.
pub(crate) async fn hyper<S, B>(service: impl Fn(SocketAddr) -> S + Send + 'static) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service(peer));
            connections.spawn(async move {
                // A client that goes away is no failure of the server.
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Running::new(address, task)
}

/// One connection, on which requests are written by hand and answers are read one by one.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Writes bytes; a server that has refused and closed takes no more of them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next answer, as long as its `Content-Length` says; of 1xx the head.
    pub(crate) fn reply(&mut self) -> Reply {
        self.next().unwrap_or_else(|| panic!("no answer but {:?}", String::from_utf8_lossy(&self.read)))
    }

    /// The same, or nothing where the server closes before a whole answer.
    pub(crate) fn next(&mut self) -> Option<Reply> {
        loop {
            if let Some(length) = whole(&self.read) {
                let rest = self.read.split_off(length);
                return Some(Reply::parse(&std::mem::replace(&mut self.read, rest)));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Waits until the server closes the connection, and panics where it answers instead.
    pub(crate) fn assert_closed(&mut self) {
        assert!(!self.more() && self.read.is_empty(), "answers: {:?}", String::from_utf8_lossy(&self.read));
    }

    /// Reads what is there; whether there was anything.
    fn more(&mut self) -> bool {
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            Ok(read) => {
                self.read.extend_from_slice(&part[..read]);
                read > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.read)),
        }
    }
}

/// How long the first answer in these bytes is, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let reply = Reply::parse(&bytes[..head]);
    let body = reply.header("content-length").first().map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= head + body).then_some(head + body)
}
