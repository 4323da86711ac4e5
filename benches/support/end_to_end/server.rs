//! A server with its own thread, and the CPU time of that thread.

use std::{
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};

use super::cpu;

/// A server with a runtime of one thread. The name of the thread identifies its CPU time.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    thread: String,
    _runtime: Runtime,
}

impl Server {
    pub(super) fn start<F>(number: usize, serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Self
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
    pub(super) fn worked(&self) -> Option<Duration> {
        cpu::of_threads(|name| name == self.thread)
    }
}

/// The `expect` text of every step that starts a server.
pub(super) const ABLE: &str = "a server can be started";
