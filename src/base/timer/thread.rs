//! The thread that wakes sleepers by system time.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, Once, PoisonError},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use super::sleepers::{Dial, Place, Sleepers, wake_all};

/// The sleepers that wait for system time, and the thread that wakes them.
pub(super) struct SystemDial {
    state: Mutex<State>,
    earlier: Condvar,
    /// The time without sleepers after which the thread ends.
    idle: Duration,
}

struct State {
    sleepers: Sleepers<Instant>,
    /// The time of the thread's next check, or `None` if no thread runs.
    next_look: Option<Instant>,
}

/// The timer of this process.
pub(super) static SYSTEM: SystemDial = SystemDial::new(Duration::from_secs(10));

/// Makes the warning about a thread that cannot start appear only once.
static TOLD: Once = Once::new();

impl SystemDial {
    const fn new(idle: Duration) -> Self {
        let state = State { sleepers: Sleepers::new(), next_look: None };
        Self { state: Mutex::new(state), earlier: Condvar::new(), idle }
    }

    /// Ignores poisoning: no foreign code runs under the lock, so the state is always consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        let mut idle_until = None;
        loop {
            let now = Instant::now();
            let due = state.sleepers.due(now);
            if !due.is_empty() {
                // Wakers are code of the runtimes and may call `put` or `remove`, so the lock is released.
                state.next_look = Some(now);
                drop(state);
                wake_all(due);
                state = self.lock();
                continue;
            }
            let until = match state.sleepers.first() {
                Some(first) => {
                    idle_until = None;
                    first
                }
                None => *idle_until.get_or_insert(now + self.idle),
            };
            if until <= now {
                // The next sleeper starts another thread. It reads `next_look` under the same lock.
                state.next_look = None;
                return;
            }
            state.next_look = Some(until);
            let wait = self.earlier.wait_timeout(state, until.saturating_duration_since(now));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(&'static self) {
        let started: io::Result<_> = thread::Builder::new().name("auth-timer".to_owned()).spawn(|| self.run());
        if let Err(error) = started {
            // The next sleeper starts the thread again. The thread then wakes both sleepers.
            self.lock().next_look = None;
            TOLD.call_once(|| {
                tracing::warn!(
                    target: "tower_auth",
                    %error,
                    "the timer thread cannot be started: time limits are off until a later attempt succeeds"
                );
            });
        }
    }
}

impl Dial for &'static SystemDial {
    type Time = Instant;

    fn put(&self, place: Place<Instant>, waker: &Waker) -> Poll<()> {
        let now = Instant::now();
        if place.0 <= now {
            self.remove(place);
            return Poll::Ready(());
        }
        let waker = waker.clone();
        let mut state = self.lock();
        let replaced = state.sleepers.put(place, waker);
        let next_look = state.next_look;
        if next_look.is_none() {
            state.next_look = Some(now);
        }
        drop(state);
        drop(replaced);
        match next_look {
            None => self.start(),
            Some(next_look) if place.0 < next_look => self.earlier.notify_one(),
            // The thread checks before this sleeper is due, so it needs no notification.
            Some(_) => {}
        }
        Poll::Pending
    }

    fn remove(&self, place: Place<Instant>) {
        let removed = self.lock().sleepers.remove(place);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::{super::sleepers::Wait, *};

    /// Returns a timer of its own for each test.
    fn dial(idle: Duration) -> &'static SystemDial {
        Box::leak(Box::new(SystemDial::new(idle)))
    }

    const SOON: Duration = Duration::from_millis(300);
    const HOUR: Duration = Duration::from_secs(3600);

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the waker of a test");
        }
    }

    fn until(done: impl Fn() -> bool) {
        while !done() {
            thread::yield_now();
        }
    }

    fn sleepers(dial: &SystemDial) -> usize {
        let mut state = dial.lock();
        let all = state.sleepers.due(Instant::now() + 100 * HOUR);
        let count = all.len();
        for (place, waker) in all {
            state.sleepers.put(place, waker);
        }
        count
    }

    #[test]
    fn two_thousand_sleep_at_once_the_last_first() {
        let dial = dial(HOUR);
        let (woken, start) = (Arc::new(Woken::default()), Instant::now());
        let waker = Waker::from(Arc::clone(&woken));
        let put = |late: u64| dial.put((start + SOON + Duration::from_micros(late * 20), late), &waker);
        // On a slow machine, some sleepers are due before they are registered.
        let waiting = (0..2000).rev().filter(|late| put(*late).is_pending()).count();
        until(|| woken.0.load(Ordering::SeqCst) == waiting);
        assert!(waiting > 0 && start.elapsed() >= SOON, "no sleeper is woken too early");
        assert_eq!(sleepers(dial), 0);
    }

    #[test]
    fn who_comes_later_and_is_due_earlier_is_woken_in_time() {
        let dial = dial(HOUR);
        assert!(dial.put((Instant::now() + HOUR, 0), Waker::noop()).is_pending());
        until(|| dial.lock().next_look.is_some_and(|look| look > Instant::now()));
        let woken = Arc::new(Woken::default());
        let soon = Instant::now() + SOON;
        assert!(dial.put((soon, 1), &Waker::from(Arc::clone(&woken))).is_pending());
        until(|| woken.0.load(Ordering::SeqCst) == 1);
        assert!(Instant::now() >= soon);
        assert_eq!(sleepers(dial), 1, "the other sleeps on");
        assert!(dial.put((soon, 1), Waker::noop()).is_ready());
    }

    #[test]
    fn a_sleeper_that_is_dropped_leaves_nothing() {
        let dial = dial(HOUR);
        let mut wait = Wait::until(Instant::now() + HOUR, dial);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        for _ in 0..3 {
            assert!(std::pin::Pin::new(&mut wait).poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        }
        drop(waker);
        assert_eq!((sleepers(dial), Arc::strong_count(&woken)), (1, 2), "once, however often it was polled");
        drop(wait);
        assert_eq!((sleepers(dial), Arc::strong_count(&woken)), (0, 1));
        drop(Wait::until(Instant::now() + HOUR, dial));
        assert_eq!(sleepers(dial), 0);
    }

    #[test]
    fn a_waker_that_panics_wakes_the_others_all_the_same() {
        let dial = dial(HOUR);
        let woken = Arc::new(Woken::default());
        for round in 0..2 {
            let soon = Instant::now() + SOON;
            for (id, waker) in [(0, Waker::from(Arc::new(Panics))), (1, Waker::from(Arc::clone(&woken)))] {
                assert!(dial.put((soon, id), &waker).is_pending());
            }
            until(|| woken.0.load(Ordering::SeqCst) == round + 1);
        }
        assert!(dial.lock().next_look.is_some(), "it is the same thread");
    }

    #[test]
    fn the_thread_ends_when_nobody_sleeps_and_another_is_started_for_the_next() {
        let dial = dial(Duration::from_millis(1));
        for round in 1..=3 {
            let woken = Arc::new(Woken::default());
            let soon = Instant::now() + Duration::from_millis(5);
            if dial.put((soon, round), &Waker::from(Arc::clone(&woken))).is_pending() {
                until(|| woken.0.load(Ordering::SeqCst) == 1);
            }
            until(|| dial.lock().next_look.is_none());
        }
    }
}
