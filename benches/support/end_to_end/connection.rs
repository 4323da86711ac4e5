//! The client: one request over a new connection, and many over a kept one.

use std::{
    io::{Read as _, Write as _},
    net::{self, SocketAddr},
    sync::Arc,
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends a request over a new connection, and returns the whole response.
pub(super) fn ask(address: SocketAddr, request: &[u8]) -> String {
    let head = request.strip_suffix(b"\r\n").expect("a request has a head");
    let mut stream = net::TcpStream::connect(address).expect("the server listens");
    stream.write_all(&[head, b"connection: close\r\n\r\n"].concat()).expect("the server reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("the server answers with text");
    response
}

/// A connection of the client.
pub(super) struct Connection {
    stream: TcpStream,
    request: Arc<[u8]>,
    /// The last bytes of every response: the end of its head, and its body.
    end: Arc<[u8]>,
    read: [u8; 1024],
}

impl Connection {
    pub(super) async fn open(address: SocketAddr, request: &Arc<[u8]>, end: &Arc<[u8]>) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("the connection accepts options");
        Self { stream, request: Arc::clone(request), end: Arc::clone(end), read: [0; 1024] }
    }

    pub(super) async fn exchange_until(mut self, until: Instant) -> (Self, u32) {
        let mut done = 0;
        while Instant::now() < until {
            self.exchange().await;
            done += 1;
        }
        (self, done)
    }

    /// Sends one request and reads its response. All responses have the same body, so a response ends with the last
    /// byte of that body. `try_out` has checked that `content-length` is the length of that body.
    pub(super) async fn exchange(&mut self) {
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
