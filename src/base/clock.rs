//! The clock: time of day, monotonic time and a timer.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use crate::base::timer;

/// The clock of a stack: time of day for expiry, monotonic time for limits, and a timer for timeouts.
///
/// One clock serves a whole stack ([`AuthStackBuilder::clock`](crate::stack::AuthStackBuilder::clock)), so a test
/// controls all times with one value. The default is the system clock.
///
/// [`now`](Self::now) is the time of day. Credentials expire by the time of day, which may jump when the system time is
/// set. [`elapsed`](Self::elapsed) is monotonic time. Limits use monotonic time, so a jump of the time of day refills
/// no bucket.
///
/// The timer ends operations that exceed their time limit. The system timer works in every runtime and without a
/// runtime. In a test that pauses tokio's time, the timer follows tokio's time. A clock made by
/// [`from_fns`](Self::from_fns) has no timer unless [`timer`](Self::timer) sets one.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::Clock;
///
/// assert!(Clock::system().now() <= SystemTime::now());
/// let fixed = Clock::from_fn(|| SystemTime::UNIX_EPOCH);
/// assert_eq!(fixed.now(), SystemTime::UNIX_EPOCH);
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Hands>>);

struct Hands {
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    timer: Timer,
    /// Whether the missing timer has been logged.
    told: AtomicBool,
}

enum Timer {
    System,
    Own(Box<dyn Fn(Duration) -> BoxSleep + Send + Sync>),
    None,
}

type BoxSleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See [`Hands::told`].
static SYSTEM_TOLD: AtomicBool = AtomicBool::new(false);

/// The zero point of [`Clock::elapsed`]. The first call sets it.
static START: OnceLock<Instant> = OnceLock::new();

impl Clock {
    /// Returns the operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// Creates a clock with a custom time of day. Monotonic time and timer are the system's.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self::of(now, || Self::system().elapsed(), Timer::System)
    }

    /// Creates a clock with a custom time of day and a custom monotonic time. `elapsed` may start at any value and must
    /// never go back.
    ///
    /// The clock has no [timer](Self::timer). Until one is set, time limits such as
    /// [`decision_timeout`](crate::stack::AuthStackBuilder::decision_timeout) are off. A warning is logged when a stack
    /// is built with such a clock.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_auth::Clock;
    ///
    /// let clock = Clock::from_fns(SystemTime::now, || Duration::from_secs(7));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(7));
    /// ```
    pub fn from_fns(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self::of(now, elapsed, Timer::None)
    }

    fn of(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
        timer: Timer,
    ) -> Self {
        Self(Some(Arc::new(Hands {
            now: Box::new(now),
            elapsed: Box::new(elapsed),
            timer,
            told: AtomicBool::new(false),
        })))
    }

    /// Sets the timer that enforces time limits. `sleep` returns a future that completes after a duration of this
    /// clock's time. `sleep` is called only if an answer is not ready at once, in the runtime that polls the request.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_auth::Clock;
    ///
    /// let clock = Clock::from_fns(SystemTime::now, || Duration::from_secs(7)).timer(tokio::time::sleep);
    /// ```
    #[must_use]
    pub fn timer<F>(self, sleep: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let elapsed = self.clone();
        let timer = Timer::Own(Box::new(move |duration| Box::pin(sleep(duration))));
        Self::of(move || self.now(), move || elapsed.elapsed(), timer)
    }

    /// Returns the time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |hands| (hands.now)())
    }

    /// Returns the monotonic time since an arbitrary start. It never goes back, even if the time of day is set.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            None => START.get_or_init(Instant::now).elapsed(),
            Some(hands) => (hands.elapsed)(),
        }
    }

    /// Whether this is the operating system's clock, of which every handle shows the same time.
    #[inline]
    pub(crate) const fn is_system(&self) -> bool {
        self.0.is_none()
    }

    /// Returns whether [`sleep`](Self::sleep) ever completes.
    pub(crate) fn has_timer(&self) -> bool {
        match self.0.as_ref().map(|hands| &hands.timer) {
            None | Some(Timer::System) => timer::SYSTEM_HAS_TIMER,
            Some(Timer::Own(_)) => true,
            Some(Timer::None) => false,
        }
    }

    /// Logs once per clock that it has no timer.
    pub(crate) fn warn_without_timer(&self) {
        let told = self.0.as_ref().map_or(&SYSTEM_TOLD, |hands| &hands.told);
        if !self.has_timer() && !told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "tower_auth",
                "the clock has no timer, so time limits are off: a request waits indefinitely for a store, a policy or \
                 a limiter that does not answer; help: set a timer with Clock::timer"
            );
        }
    }

    /// Returns a future that completes after `duration` of this clock's time, or never if the clock has no timer.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(match self.0.as_ref().map(|hands| &hands.timer) {
            None | Some(Timer::System) => Sleeping::System(timer::Sleep::new(duration)),
            Some(Timer::Own(sleep)) => Sleeping::Own(Some(sleep(duration))),
            Some(Timer::None) => Sleeping::Never,
        })
    }

    /// Returns the output of the future, or drops the future and fails after `limit`. The limit starts at the first
    /// poll that returns pending. A future that is ready at once reads no clock and starts no timer.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, TimedOut> {
        let (mut future, mut sleep) = (pin!(future), None);
        poll_fn(|cx| {
            // The future is polled before the timer, so an answer counts even if this poll comes after the limit.
            if let Poll::Ready(answer) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            let sleep = sleep.get_or_insert_with(|| self.sleep(limit));
            Pin::new(sleep).poll(cx).map(|()| Err(TimedOut(limit)))
        })
        .await
    }
}

/// See [`Clock::sleep`]. May be polled again after it has completed.
pub(crate) struct Sleep(Sleeping);

enum Sleeping {
    System(timer::Sleep),
    /// `None` after it has completed.
    Own(Option<BoxSleep>),
    Never,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Sleeping::System(sleep) => Pin::new(sleep).poll(cx),
            Sleeping::Own(own) => {
                let polled = own.as_mut().map_or(Poll::Ready(()), |sleep| sleep.as_mut().poll(cx));
                if polled.is_ready() {
                    *own = None;
                }
                polled
            }
            Sleeping::Never => Poll::Pending,
        }
    }
}

/// The error of a future that did not complete within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedOut(Duration);

/// The second part of a sentence such as "the key store did not answer within 5 s".
impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = format!("{:?}", self.0);
        let (number, unit) = limit.split_at(limit.find(char::is_alphabetic).unwrap_or(limit.len()));
        write!(f, "did not answer within {number} {unit}")
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Clock::system" } else { "Clock::from_fn" })
    }
}

/// Formats a time by RFC 3339, in UTC and whole seconds. A time outside the years -9999 to 9999 becomes the Unix epoch.
pub(crate) fn rfc3339(time: SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(time)
        .and_then(|t| jiff::Timestamp::from_second(t.as_second()))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, pending, ready},
        task::{Wake, Waker},
        thread::{self, Thread},
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    struct Parked(Thread);

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// An executor without a runtime.
    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
        loop {
            match future.as_mut().poll(&mut cx) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn without_a_runtime_what_takes_too_long_is_ended() {
        for clock in [Clock::system(), Clock::from_fn(SystemTime::now)] {
            let start = Instant::now();
            assert_eq!(block_on(clock.within(SHORT, pending::<()>())), Err(TimedOut(SHORT)));
            assert!(start.elapsed() >= SHORT);
            assert_eq!(block_on(clock.within(LONG, ready(1))), Ok(1));
            assert_eq!(block_on(clock.within(Duration::MAX, clock.sleep(SHORT))), Ok(()), "no limit that ends");
        }
    }

    #[test]
    fn what_is_ready_at_once_asks_no_timer() {
        let timer = |_| -> Ready<()> { panic!("a timer is started") };
        let clock = Clock::from_fns(SystemTime::now, || panic!("a clock is read")).timer(timer);
        assert_eq!(block_on(clock.within(Duration::ZERO, ready(1))), Ok(1));
    }

    #[test]
    fn a_clock_without_a_timer_ends_nothing() {
        let clock = Clock::from_fns(SystemTime::now, || Duration::ZERO);
        assert!(!clock.has_timer());
        let mut waits = pin!(clock.within(Duration::ZERO, pending::<()>()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        let given = clock.clone().timer(|_| ready(()));
        assert!(given.has_timer());
        assert_eq!(
            (given.elapsed(), block_on(given.within(LONG, pending::<()>()))),
            (Duration::ZERO, Err(TimedOut(LONG)))
        );
    }

    #[test]
    fn the_time_is_written_with_its_unit() {
        let texts = [5_000, 250, 1_500].map(|millis| TimedOut(Duration::from_millis(millis)).to_string());
        assert_eq!(texts, ["5 s", "250 ms", "1.5 s"].map(|limit| format!("did not answer within {limit}")));
    }

    #[cfg(feature = "strict-body")]
    mod in_tokio {
        use tokio::{
            runtime::{Builder, Runtime},
            time,
        };

        use super::*;

        fn runtime(change: impl FnOnce(&mut Builder) -> &mut Builder) -> Runtime {
            change(&mut Builder::new_current_thread()).build().unwrap()
        }

        #[test]
        fn a_runtime_without_a_timer_does_not_panic() {
            let clock = Clock::system();
            let threads = Builder::new_multi_thread().worker_threads(1).build().unwrap();
            for runtime in [runtime(|builder| builder), runtime(|builder| builder.enable_time()), threads] {
                assert_eq!(runtime.block_on(clock.within(SHORT, pending::<()>())), Err(TimedOut(SHORT)));
            }
        }

        #[test]
        fn where_time_stands_still_the_runtime_moves_it() {
            let clock = Clock::system();
            runtime(|builder| builder.enable_time().start_paused(true)).block_on(async {
                let before = time::Instant::now();
                assert_eq!(clock.within(LONG, pending::<()>()).await, Err(TimedOut(LONG)));
                assert_eq!(before.elapsed(), LONG);
                assert_eq!(clock.within(LONG, time::sleep(LONG / 2)).await, Ok(()));
                // The same after time was advanced, and after it was resumed.
                time::advance(LONG).await;
                assert_eq!(clock.within(LONG, pending::<()>()).await, Err(TimedOut(LONG)));
                time::resume();
                assert_eq!(clock.within(SHORT, pending::<()>()).await, Err(TimedOut(SHORT)));
            });
        }

        #[test]
        fn time_that_is_paused_without_a_timer_does_not_panic() {
            let runtime = runtime(|builder| builder.start_paused(true));
            assert_eq!(runtime.block_on(Clock::system().within(SHORT, pending::<()>())), Err(TimedOut(SHORT)));
        }

        #[test]
        fn a_sleeper_outlives_its_runtime() {
            for paused in [false, true] {
                let clock = Clock::system();
                let mut waits = Box::pin(async move { clock.within(SHORT, pending::<()>()).await });
                let mut cx = Context::from_waker(Waker::noop());
                runtime(|builder| builder.enable_time().start_paused(paused)).block_on(async {
                    assert!(waits.as_mut().poll(&mut cx).is_pending());
                });
                assert_eq!(runtime(|builder| builder).block_on(waits), Err(TimedOut(SHORT)));
            }
        }
    }
}
