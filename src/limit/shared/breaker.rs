//! A circuit breaker: an outage costs one time limit, and not one for each request.

use std::{
    fmt::Display,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::backend::Outage;
use crate::{Clock, Health, base::trouble::Trouble};

/// Whether one server answers. While it does not, nothing is asked, and a task tries until it answers again.
pub(crate) struct Breaker {
    deadline: Duration,
    is_open: AtomicBool,
    trouble: Trouble,
}

/// A server behind a breaker.
pub(crate) trait Guarded: Send + Sync + 'static {
    fn breaker(&self) -> &Breaker;

    /// Asks for something that proves that the server counts: it writes. Connects again if that is needed. It has time limits of its own.
    fn probe(&self) -> impl Future<Output = Result<(), Outage>> + Send;
}

/// The first pause between two probes, and the longest.
const FIRST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(1);

impl Breaker {
    pub(crate) fn new(deadline: Duration) -> Self {
        let trouble = Trouble::new(
            "a server of shared limits does not answer, and the outage policy of each limit decides; it is tried again",
            "the server of shared limits answers again",
        );
        Self { deadline, is_open: AtomicBool::new(false), trouble }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> Health {
        self.trouble.health()
    }

    fn why(&self) -> Outage {
        match self.trouble.health() {
            Health::Degraded(why) | Health::Down(why) => Outage::not_asked(why),
            Health::Good => Outage::not_asked("the server does not answer"),
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

    fn close(&self) {
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
        Ok(Err(outage)) => outage,
        Err(late) => Outage::asked(late),
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
        let mut pause = FIRST;
        while let Some(server) = self.0.upgrade() {
            match server.probe().await {
                Ok(()) => return,
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
