//! A TCP proxy that plays a bad network.

use std::{io, net::SocketAddr, sync::Arc, thread};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Mutex, watch},
    task::JoinSet,
};

/// Passes bytes on to one address. It has a runtime of its own, so that a test may block or pause its own one.
pub(crate) struct Proxy {
    address: SocketAddr,
    hole: watch::Sender<bool>,
    connections: Arc<Mutex<JoinSet<()>>>,
    runtime: Option<Runtime>,
}

impl Proxy {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build().unwrap();
        let (hole, connections) = (watch::Sender::new(false), Arc::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener).unwrap();
        drop(entered);
        runtime.spawn(accept(listener, target, hole.clone(), Arc::clone(&connections)));
        Self { address, hole, connections, runtime: Some(runtime) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds all bytes and every end of a connection back, in both directions. A new connection is accepted and gets no
    /// answer.
    pub(crate) fn black_hole(&self) {
        self.hole.send_replace(true);
    }

    /// Delivers what was held back, as a network does that works again.
    pub(crate) fn release(&self) {
        self.hole.send_replace(false);
    }

    /// Resets all connections, on both sides. It returns when they are closed; new ones are accepted.
    pub(crate) fn cut(&self) {
        let (connections, handle) = (Arc::clone(&self.connections), self.runtime.as_ref().unwrap().handle().clone());
        // `block_on` panics on a thread of another runtime.
        let closed = thread::spawn(move || handle.block_on(async { connections.lock().await.shutdown().await }));
        closed.join().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A plain drop waits, and panics in an async test.
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    hole: watch::Sender<bool>,
    connections: Arc<Mutex<JoinSet<()>>>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let hole = hole.subscribe();
        // An error of one side resets both, when the streams are dropped.
        connections.lock().await.spawn(async move { drop(connect(client, target, hole).await) });
    }
}

async fn connect(mut client: TcpStream, target: SocketAddr, mut hole: watch::Receiver<bool>) -> io::Result<()> {
    // A stream that is dropped before its regular end sends a reset.
    client.set_zero_linger()?;
    open(&mut hole).await;
    let mut server = TcpStream::connect(target).await?;
    server.set_zero_linger()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::try_join!(carry(from_client, to_server, hole.clone()), carry(from_server, to_client, hole))?;
    Ok(())
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut hole: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut part = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut part).await;
        open(&mut hole).await;
        match read? {
            0 => return to.shutdown().await,
            read => to.write_all(&part[..read]).await?,
        }
    }
}

/// Waits until the network works.
async fn open(hole: &mut watch::Receiver<bool>) {
    // The sender is gone when the proxy is, and then this task is too.
    let _ = hole.wait_for(|hole| !hole).await;
}
