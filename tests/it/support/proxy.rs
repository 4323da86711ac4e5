//! A TCP proxy that plays a bad network.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Passes bytes on to one address. It has a runtime of its own, so that a test may block or pause its own one.
pub(crate) struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    connections: Arc<Mutex<JoinSet<()>>>,
    runtime: Option<Runtime>,
}

/// How the network does.
#[derive(Clone, Copy, Default)]
struct Network {
    hole: bool,
    /// How long bytes are under way.
    delay: Duration,
}

impl Proxy {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (network, connections) = (watch::Sender::default(), Arc::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener).unwrap();
        drop(entered);
        runtime.spawn(accept(listener, target, network.clone(), Arc::clone(&connections)));
        Self { address, network, connections, runtime: Some(runtime) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds all bytes and every end of a connection back, in both directions. A new connection is accepted and gets no
    /// answer.
    pub(crate) fn black_hole(&self) {
        self.network.send_modify(|network| network.hole = true);
    }

    /// Delivers what was held back, as a network does that works again.
    pub(crate) fn release(&self) {
        self.network.send_modify(|network| network.hole = false);
    }

    /// Delivers bytes that come from now on so much later, in both directions.
    #[allow(dead_code, reason = "the tests of the promise use it")]
    pub(crate) fn delay(&self, delay: Duration) {
        self.network.send_modify(|network| network.delay = delay);
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
    network: watch::Sender<Network>,
    connections: Arc<Mutex<JoinSet<()>>>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let network = network.subscribe();
        // An error of one side resets both, when the streams are dropped.
        connections.lock().await.spawn(async move { drop(connect(client, target, network).await) });
    }
}

async fn connect(mut client: TcpStream, target: SocketAddr, mut network: watch::Receiver<Network>) -> io::Result<()> {
    // A stream that is dropped before its regular end sends a reset.
    client.set_zero_linger()?;
    open(&mut network).await;
    let mut server = TcpStream::connect(target).await?;
    server.set_zero_linger()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::try_join!(carry(from_client, to_server, network.clone()), carry(from_server, to_client, network))?;
    Ok(())
}

/// What is under way, and when it arrives.
type Part = (Instant, io::Result<Vec<u8>>);

async fn carry(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    network: watch::Receiver<Network>,
) -> io::Result<()> {
    // More is held back by the sender.
    let (sender, parts) = mpsc::channel(64);
    tokio::try_join!(collect(from, sender, network.clone()), deliver(to, parts, network))?;
    Ok(())
}

/// Reads until the end, which is an empty part, or an error, which the other half returns in its turn.
async fn collect(
    mut from: impl AsyncRead + Unpin,
    sender: mpsc::Sender<Part>,
    network: watch::Receiver<Network>,
) -> io::Result<()> {
    loop {
        let mut part = vec![0; 16 * 1024];
        let read = from.read(&mut part).await;
        let is_end = !matches!(read, Ok(1..));
        let due = Instant::now() + network.borrow().delay;
        let part = read.map(|read| {
            part.truncate(read);
            part
        });
        if sender.send((due, part)).await.is_err() || is_end {
            return Ok(());
        }
    }
}

async fn deliver(
    mut to: impl AsyncWrite + Unpin,
    mut parts: mpsc::Receiver<Part>,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    while let Some((due, part)) = parts.recv().await {
        // A timer would wait for the next millisecond.
        if due > Instant::now() {
            sleep_until(due).await;
        }
        open(&mut network).await;
        match &part?[..] {
            [] => return to.shutdown().await,
            part => to.write_all(part).await?,
        }
    }
    Ok(())
}

/// Waits until the network works.
async fn open(network: &mut watch::Receiver<Network>) {
    // The sender is gone when the proxy is, and then this task is too.
    let _ = network.wait_for(|network| !network.hole).await;
}
