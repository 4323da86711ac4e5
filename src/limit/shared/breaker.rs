//! A circuit breaker: an outage costs one time limit, and not one for each request.

use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::backend::Outage;
use crate::{
    Clock, Health,
    base::{clock::TimedOut, trouble::Trouble},
};

/// Whether one server answers. While it does not, nothing is asked, and a task tries until it answers again.
pub(crate) struct Breaker {
    deadline: Duration,
    is_open: AtomicBool,
    trouble: Trouble,
    last: Mutex<Last>,
}

/// When the breaker closed, and the last pause between two probes before that.
#[derive(Clone, Copy, Default)]
struct Last {
    closed: Duration,
    pause: Duration,
}

/// A server behind a breaker.
pub(crate) trait Guarded: Send + Sync + 'static {
    fn breaker(&self) -> &Breaker;

    /// Asks for something that proves that the server counts: it writes. Connects again if that is needed. It has time limits of its own.
    fn probe(&self) -> impl Future<Output = Result<(), Outage>> + Send;

    /// What an answer that has not come within the deadline is for a log. A server with a name says it.
    fn late(&self, late: TimedOut) -> Outage {
        Outage::asked(late)
    }
}

/// The first pause between two probes, and the longest.
const FIRST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(1);

impl Breaker {
    pub(crate) fn new(deadline: Duration) -> Self {
        let trouble = Trouble::new(
            "a server of shared limits does not answer, and the outage policy of each limit decides; it is tried again",
            "the server of shared limits answers again, or another one has its place",
        );
        Self { deadline, is_open: AtomicBool::new(false), trouble, last: Mutex::default() }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How long a decision may wait.
    #[cfg(feature = "redis")]
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(crate) fn health(&self) -> Health {
        self.trouble.health()
    }

    fn why(&self) -> Outage {
        match self.trouble.health() {
            Health::Degraded(why) | Health::Down(why) => Outage::skipped(why),
            Health::Good => Outage::skipped("the server does not answer"),
        }
    }

    /// Returns whether this call has opened it.
    fn open(&self, why: &impl Display) -> bool {
        let opened = !self.is_open.swap(true, Ordering::AcqRel);
        if opened {
            self.trouble.note(Err::<(), _>(why));
        }
        opened
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        // Nothing panics under the lock.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first pause; `None` to probe at once. A server that is slow again and again is asked less and less often.
    fn first_pause(&self) -> Option<Duration> {
        let Last { closed, pause } = *self.last();
        let is_soon = Clock::system().elapsed().saturating_sub(closed) < LONGEST.saturating_mul(2);
        (is_soon && !pause.is_zero()).then(|| pause.saturating_mul(2).min(LONGEST))
    }

    /// The server answers, or is not needed any more.
    pub(crate) fn close(&self) {
        self.trouble.note(Ok::<_, Outage>(()));
        self.is_open.store(false, Ordering::Release);
    }
}

/// Asks a server within the deadline, unless it is known not to answer. The first failure opens the breaker.
pub(crate) async fn guarded<S: Guarded, T>(
    server: &Arc<S>,
    call: impl Future<Output = Result<T, Outage>>,
) -> Result<T, Outage> {
    let breaker = server.breaker();
    if breaker.is_open() {
        return Err(breaker.why());
    }
    let failed = match Clock::system().within(breaker.deadline, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(outage)) if outage.is_of_bucket => return Err(outage),
        Ok(Err(outage)) => outage,
        Err(late) => server.late(late),
    };
    trip(server, &failed);
    Err(failed)
}

fn trip<S: Guarded>(server: &Arc<S>, failed: &Outage) {
    if server.breaker().open(failed) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(Probing(Arc::downgrade(server)).run())),
            // Nobody would close it.
            Err(_) => server.breaker().close(),
        }
    }
}

/// The task that probes. If its runtime stops, the breaker closes: the next call opens it again, and starts another task.
struct Probing<S: Guarded>(Weak<S>);

impl<S: Guarded> Probing<S> {
    async fn run(self) {
        let first = self.0.upgrade().and_then(|server| server.breaker().first_pause());
        let mut pause = first.unwrap_or(FIRST);
        if first.is_some() {
            Clock::system().sleep(pause).await;
        }
        while let Some(server) = self.0.upgrade() {
            match server.probe().await {
                Ok(()) => {
                    *server.breaker().last() = Last { closed: Clock::system().elapsed(), pause };
                    // It may be the last one that knows this server.
                    drop(self);
                    return;
                }
                Err(outage) => server.breaker().trouble.note(Err::<(), _>(&outage)),
            }
            drop(server);
            Clock::system().sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl<S: Guarded> Drop for Probing<S> {
    fn drop(&mut self) {
        if let Some(server) = self.0.upgrade() {
            server.breaker().close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Server {
        breaker: Breaker,
        works: AtomicBool,
        probes: AtomicUsize,
    }

    impl Guarded for Server {
        fn breaker(&self) -> &Breaker {
            &self.breaker
        }

        async fn probe(&self) -> Result<(), Outage> {
            self.probes.fetch_add(1, Ordering::SeqCst);
            if self.works.load(Ordering::SeqCst) { Ok(()) } else { Err(Outage::asked("it is still away")) }
        }
    }

    fn server() -> Arc<Server> {
        let breaker = Breaker::new(Duration::from_millis(5));
        Arc::new(Server { breaker, works: AtomicBool::new(false), probes: AtomicUsize::new(0) })
    }

    async fn never() -> Result<(), Outage> {
        std::future::pending().await
    }

    async fn until(done: impl Fn() -> bool) {
        let waiting = async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    }

    #[tokio::test]
    async fn the_first_late_answer_is_the_last_that_is_waited_for() {
        let server = server();
        let late = guarded(&server, never()).await.unwrap_err();
        assert!(late.was_asked && server.breaker.is_open(), "{late}");
        for _ in 0..100 {
            let skipped = guarded(&server, async { panic!("it is not asked") }).await.map(|(): ()| ()).unwrap_err();
            assert!(!skipped.was_asked);
        }
        assert!(matches!(server.breaker.health(), Health::Degraded(_)));
    }

    #[tokio::test]
    async fn it_closes_when_a_probe_succeeds() {
        let server = server();
        let failed = guarded(&server, async { Err::<(), _>(Outage::asked("it refuses")) }).await.unwrap_err();
        assert_eq!(&*failed.why, "it refuses");
        until(|| server.probes.load(Ordering::SeqCst) > 1).await;
        let skipped = guarded(&server, never()).await.unwrap_err();
        assert_eq!(&*skipped.why, "it is still away", "the reason is the last one");
        server.works.store(true, Ordering::SeqCst);
        until(|| !server.breaker.is_open()).await;
        assert_eq!(guarded(&server, async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(server.breaker.health(), Health::Good);
    }

    #[test]
    fn the_end_of_a_runtime_does_not_leave_it_open() {
        let server = server();
        let one = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        drop(one().block_on(guarded(&server, never())));
        assert!(!server.breaker.is_open(), "nobody would probe");
        server.works.store(true, Ordering::SeqCst);
        assert_eq!(one().block_on(guarded(&server, async { Ok(7) })).unwrap(), 7);
    }

    #[tokio::test]
    async fn a_server_that_is_dropped_is_probed_no_more() {
        let server = server();
        let _ = guarded(&server, never()).await;
        let weak = Arc::downgrade(&server);
        drop(server);
        until(|| weak.strong_count() == 0).await;
    }
}
