//! Processes that the tests start, stop and signal, and free ports for them.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, ExitStatus},
    sync::{
        LazyLock,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::server::PATIENCE;

/// An address of this machine on which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Sends a signal, such as `TERM`, to these processes. Returns whether all of them exist.
pub(crate) fn signal(name: &str, processes: &[u32]) -> bool {
    let ids = processes.iter().map(u32::to_string);
    let output = Command::new("kill").args(["-s", name]).args(ids).output().unwrap();
    output.status.success()
}

/// Waits until a process ends, at most [`PATIENCE`].
pub(crate) fn ended(child: &mut Child) -> Option<ExitStatus> {
    let mut status = None;
    until(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status
}

/// Repeats a question until the answer is yes, at most for [`PATIENCE`]. Returns the last answer.
pub(crate) fn until(mut question: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if question() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    question()
}

/// A process to start: a command, and who waits for it.
type Order = (Command, Sender<io::Result<Child>>);

/// Starts a process from a thread that never ends. The kernel sends the signal of `setpriv --pdeathsig` when the
/// thread that started the process ends, and the thread of a test ends with the test.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (sender, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                // Whoever does not wait any more needs no answer.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = channel();
    STARTER.send((command, answer)).unwrap();
    child.recv().unwrap()
}

/// The processes whose program is called so and whose command line has this text. A server shows its folder there, its
/// children too.
pub(crate) fn running(program: &str, text: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // Of a process that ended and has not been waited for, this is empty.
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        let name = line.split(['\0', ':']).next()?.rsplit('/').next()?;
        (name == program && line.contains(text)).then_some(id)
    })
    .collect()
}
