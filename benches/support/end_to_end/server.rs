//! A server with its own thread, and the CPU time of that thread.

use std::{
    fs, io,
    net::{self, SocketAddr},
    path::Path,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};

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
        let tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(|task| Some(task.ok()?.path()));
        let is_own = |task: &Path| read(task, "comm").is_some_and(|name| name.trim_end() == self.thread);
        tasks.filter(|task| is_own(task)).map(|task| on_cpu(&task)).sum()
    }
}

/// The `expect` text of every step that starts a server.
pub(super) const ABLE: &str = "a server can be started";

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
