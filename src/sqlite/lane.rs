//! Threads that work off a queue of calls, each with a connection of its own. SQLite blocks, so it must not run on the
//! threads of an async runtime.

use std::{
    collections::VecDeque,
    fmt, hint, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::{
    failure::Failure,
    session::{Purpose, Session, Setup},
};

/// The most calls that wait in a queue. Further callers wait until there is room.
const MOST_WAITING: usize = 1024;

/// A queue and its threads. The threads end when this value is dropped.
pub(super) struct Lane {
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// The number of calls in the queue, for a look without the lock. The lock decides.
    length: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    /// The number of threads that sleep.
    sleeping: usize,
    closed: bool,
}

/// How often a thread looks for the next call before it sleeps. The next call often comes soon, and to wake a thread costs
/// more than the lookup itself.
const LOOKS: u32 = 12;
/// The looks after which a thread lets others run.
const BUSY_LOOKS: u32 = 7;

/// A call gets a session, or the reason why there is none.
type Call = Box<dyn FnOnce(Result<&mut Session<'_>, Failure>) + Send>;

impl Lane {
    /// Starts so many threads of this name.
    pub(super) fn start(name: &str, threads: usize, purpose: Purpose, setup: &Setup) -> io::Result<Self> {
        let lane = Self { queue: Arc::default(), room: Arc::new(Semaphore::new(MOST_WAITING)) };
        for _ in 0..threads {
            let (queue, setup) = (Arc::clone(&lane.queue), setup.clone());
            thread::Builder::new().name(name.to_owned()).spawn(move || serve(&queue, purpose, &setup))?;
        }
        Ok(lane)
    }

    /// Runs this on one of the threads. If the returned future is dropped before a thread has begun, nothing is done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        // The semaphore is never closed.
        let room = Arc::clone(&self.room).acquire_owned().await;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Box::new(move |session| {
            drop(room);
            if answer.is_closed() {
                return;
            }
            let result = session.and_then(|session| {
                let result = work(session);
                if result.as_ref().is_err_and(|failure| !failure.spares_connection()) {
                    session.break_off();
                }
                result
            });
            // A caller that has gone away meanwhile needs no answer.
            drop(answer.send(result));
        }));
        answered.await.unwrap_or_else(|_| Err(Failure::stopped()))
    }

    /// Runs this on one of the threads, for a caller that does not wait. It needs no room in the queue, so callers limit
    /// how often they call it.
    pub(super) fn start_soon(&self, work: impl FnOnce() + Send + 'static) {
        self.queue.push(Box::new(|_| work()));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, call: Call) {
        let mut waiting = self.lock();
        waiting.calls.push_back(call);
        self.length.store(waiting.calls.len(), Ordering::Release);
        let wake = waiting.sleeping > 0;
        drop(waiting);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Waits for the next call. Returns `None` when there will be none.
    fn next(&self) -> Option<Call> {
        self.look();
        let mut waiting = self.lock();
        loop {
            if let Some(call) = waiting.calls.pop_front() {
                self.length.store(waiting.calls.len(), Ordering::Release);
                return Some(call);
            }
            if waiting.closed {
                return None;
            }
            waiting.sleeping += 1;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.sleeping -= 1;
        }
    }

    /// Looks for a call for about a microsecond.
    fn look(&self) {
        for look in 0..LOOKS {
            if self.length.load(Ordering::Acquire) > 0 {
                return;
            }
            if look < BUSY_LOOKS {
                (0..1_u32 << look).for_each(|_| hint::spin_loop());
            } else {
                thread::yield_now();
            }
        }
    }
}

/// What a thread does: it opens a connection for the first call, and another after one that broke.
fn serve(queue: &Queue, purpose: Purpose, setup: &Setup) {
    while let Some(call) = queue.next() {
        match setup.connect(purpose) {
            Ok(connection) => serve_on(&connection, call, queue),
            Err(failure) => call(Err(failure)),
        }
    }
}

fn serve_on(connection: &Connection, first: Call, queue: &Queue) {
    let mut session = Session::new(connection);
    let mut next = Some(first);
    while let Some(call) = next {
        // The call may run code of the caller, which may panic. Its answer is dropped then, and so is the connection.
        let ended = catch_unwind(AssertUnwindSafe(|| call(Ok(&mut session))));
        if ended.is_err() || session.is_broken() {
            return;
        }
        next = queue.next();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("waiting", &self.queue.lock().calls.len()).finish_non_exhaustive()
    }
}
