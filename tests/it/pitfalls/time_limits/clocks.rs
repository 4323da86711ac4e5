//! Time limits go by the clock of the stack.

use std::{
    future::{Future as _, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::SystemTime,
};

use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ClientIp, Clock, Quota, RateLimitLayer, RequireLayer, Rules, permission::scope,
    testing::ManualClock,
};

use super::{Duration, Hangs, SECOND, SHORT, ask, get, keys, ready_keys, request};
use crate::{
    no_leak::Logs,
    support::{KEY, runs::Runs},
};

fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whether real time passes or tokio's does not matter: the request waits until the clock is turned.
#[test]
fn p83_a_manual_clock_ends_the_wait_when_it_is_turned() {
    let (hand, store) = (hand(), Hangs::default());
    let stack = AuthStack::builder().auth(keys(&store)).clock(&hand).build().unwrap();
    let alone = AuthLayer::from(keys(&store)).clock(&hand);
    let policy = RequireLayer::new(store.clone()).clock(&hand);
    let counted =
        RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).limiter(store.clone()).clock(&hand);
    for (layer, what, mut answer) in [
        ("api_key", "the key store", Box::pin(ask(&stack, request())) as std::pin::Pin<Box<dyn Future<Output = _>>>),
        ("api_key", "the key store", Box::pin(ask(&alone, request()))),
        ("permission", "the policy `owner of the file`", Box::pin(ask(&(ready_keys(), policy), request()))),
        ("rate_limit", "the limiter", Box::pin(ask(&counted, request()))),
    ] {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut poll = || answer.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending() && poll().is_pending());
        hand.advance(Duration::from_millis(4_999));
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        assert!(poll().is_pending());
        hand.advance(Duration::from_millis(1));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "the task that polls is woken");
        let Poll::Ready(told) = poll() else { panic!("it waits on") };
        told.assert_late(layer, what, "5 s");
        // The time of day may be set: no time has passed.
        hand.set("2028-01-01T00:00:00Z");
    }
    store.assert_given_up(4);
}

#[tokio::test(start_paused = true)]
async fn p83_a_manual_clock_does_not_follow_the_time_of_the_runtime() {
    let store = Hangs::after(SECOND * 3600);
    let stack = AuthStack::builder().auth(keys(&store)).clock(&hand()).build().unwrap();
    assert_eq!(ask(&stack, request()).await.status, 200);
}

/// A request that is dropped leaves nobody behind that the clock would wake.
#[test]
fn p83_a_request_that_is_dropped_is_not_woken() {
    let (hand, store, woken) = (hand(), Hangs::default(), Arc::new(Woken::default()));
    let stack = AuthStack::builder().auth(keys(&store)).clock(&hand).build().unwrap();
    let waker = Waker::from(Arc::clone(&woken));
    let mut answer = Box::pin(ask(&stack, request()));
    assert!(answer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&woken), 3, "the clock has the waker");
    drop(answer);
    assert_eq!(Arc::strong_count(&woken), 2);
    hand.advance(SECOND * 60);
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    store.assert_given_up(1);
}

fn without_timer() -> Clock {
    Clock::from_fns(SystemTime::now, || Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn p83_without_a_timer_the_limit_is_off() {
    let store = Hangs::after(SECOND * 3600);
    let stack = AuthStack::builder().auth(keys(&store)).require(store.clone()).clock(without_timer()).build().unwrap();
    assert_eq!(ask(&stack, request()).await.status, 200);
    let alone = AuthLayer::from(keys(&store)).clock(without_timer()).decision_timeout(SHORT);
    assert_eq!(ask(&alone, request()).await.status, 200);
    let policy = RequireLayer::new(store.clone()).clock(without_timer());
    assert_eq!(ask(&(ready_keys(), policy), request()).await.status, 200);
}

#[test]
fn p83_without_a_timer_the_log_says_so_once_when_it_is_built() {
    use tower::Layer as _;
    let service = || tower::service_fn(|_: http::Request<()>| ready(Ok::<_, ()>(http::Response::new(()))));
    let said = |build: &dyn Fn(Clock), clock: Clock| {
        let logs = Logs::capture();
        build(clock);
        let lines = logs.text();
        let said = lines.lines().filter(|line| line.contains("WARN") && line.contains("Clock::timer"));
        said.inspect(|line| assert!(line.contains("tower_auth"), "{line}")).count()
    };
    let limiter = || RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer());
    let stack = |clock: Clock| {
        let builder = AuthStack::builder().auth(ready_keys()).limit(limiter().limiter(Hangs::default()));
        drop(builder.clock(clock).build().unwrap());
    };
    let alone = |clock: Clock| {
        let layer = AuthLayer::from(ready_keys()).clock(clock);
        // Each route of a router has the layer.
        drop([(); 3].map(|()| layer.layer(service())));
    };
    let in_a_part = |clock: Clock| {
        drop(AuthStack::builder().auth(AuthLayer::from(ready_keys()).clock(clock)).build().unwrap());
    };
    let policy = |clock: Clock| drop(RequireLayer::new(scope("read")).clock(clock).layer(service()));
    let counts = |clock: Clock| drop(limiter().limiter(Hangs::default()).clock(clock).layer(service()));
    let in_memory = |clock: Clock| drop(limiter().clock(clock).layer(service()));
    for (build, expected) in [
        (&stack as &dyn Fn(Clock), 1),
        (&alone, 1),
        (&in_a_part, 1),
        (&policy, 1),
        (&counts, 1),
        // It has nobody to wait for.
        (&in_memory, 0),
    ] {
        assert_eq!(said(build, without_timer()), expected);
        for clock in [
            Clock::system(),
            Clock::from_fn(SystemTime::now),
            Clock::from(&hand()),
            without_timer().timer(tokio::time::sleep),
        ] {
            assert_eq!(said(build, clock), 0);
        }
    }
}

/// A layer that is mounted alone before the stack is built still takes the stack's clock.
#[test]
fn p83_mounting_a_layer_does_not_settle_its_clock() {
    let (hand, limiter) = (hand(), Hangs::default());
    let counted = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).limiter(limiter.clone());
    let mut alone = Box::pin(ask(&counted, request()));
    let stack = AuthStack::builder().auth(ready_keys()).limit(counted.clone()).clock(&hand).build().unwrap();
    let mut in_stack = Box::pin(ask(&stack, request()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(in_stack.as_mut().poll(&mut context).is_pending() && alone.as_mut().poll(&mut context).is_pending());
    hand.advance(SECOND * 5);
    assert!(in_stack.as_mut().poll(&mut context).is_ready() && alone.as_mut().poll(&mut context).is_ready());
}

#[test]
fn p83_a_timer_of_ones_own_is_asked_for_the_limit_and_ends_the_wait() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let clock = without_timer().timer(move |limit| {
        noted.lock().unwrap().push(limit);
        ready(())
    });
    let stack =
        AuthStack::builder().auth(keys(&Hangs::default())).clock(clock).decision_timeout(SECOND * 7).build().unwrap();
    for runs in Runs::ALL {
        runs.block_on(ask(&stack, request())).assert_late("api_key", "the key store", "7 s");
    }
    assert_eq!(*asked.lock().unwrap(), [SECOND * 7; 7]);
}

/// Neither the clock nor the timer is asked by requests that need not wait.
#[test]
fn p83_what_is_ready_asks_no_clock_and_no_timer() {
    let clock = Clock::from_fns(|| panic!("a time of day is read"), || panic!("a time is read"));
    let clock = clock.timer(|_| -> std::future::Ready<()> { panic!("a timer is started") });
    let table = Rules::new().require("GET /files/{id}", scope("read"));
    let builder = AuthStack::builder().auth(ready_keys()).rules(table).require(scope("read"));
    let guards = builder.clock(clock).build().unwrap().guards();
    assert_eq!(Runs::Thread.block_on(ask(&guards, request())).status, 200);
    let unknown = get("/files/1", &[("x-api-key", &KEY.replace('1', "2"))]);
    assert_eq!(Runs::Thread.block_on(ask(&guards, unknown)).status, 401);
}

#[test]
fn p83_zero_is_refused_when_built() {
    let builder = || AuthStack::builder().auth(ready_keys());
    let limit = || RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).decision_timeout(Duration::ZERO);
    let failures = RateLimitLayer::failures(Quota::per_minute(5), ClientIp::peer()).decision_timeout(Duration::ZERO);
    let own = AuthLayer::from(ready_keys()).decision_timeout(Duration::ZERO);
    for (who, built) in [
        ("AuthStackBuilder", builder().decision_timeout(Duration::ZERO).build()),
        ("AuthLayer", AuthStack::builder().auth(own).build()),
        ("RateLimitLayer", builder().limit(limit()).build()),
        ("RateLimitLayer", builder().limit(failures).build()),
    ] {
        let error = built.unwrap_err().to_string();
        assert!(
            error.contains(&format!("{who}::decision_timeout")) && error.contains("Duration::from_secs"),
            "{error}"
        );
    }
    // Alone, what is ready is in time, and nothing else is.
    for (alone, status) in [(ready_keys(), 200), (keys(&Hangs::default()), 503)] {
        let alone = AuthLayer::from(alone).decision_timeout(Duration::ZERO);
        assert_eq!(Runs::Thread.block_on(ask(&alone, request())).status, status);
    }
}

#[tokio::test(start_paused = true)]
async fn p83_a_huge_limit_is_none() {
    let store = Hangs::after(SECOND * 3600 * 24 * 365);
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), SECOND * u32::MAX] {
        for clock in [Clock::system(), Clock::from(&hand())] {
            let stack = AuthStack::builder().auth(keys(&store)).clock(clock).decision_timeout(limit).build().unwrap();
            assert_eq!(ask(&stack, request()).await.status, 200);
        }
    }
    let keys: ApiKeyLayer = keys(&Hangs::default());
    let stack = AuthStack::builder().auth(keys).decision_timeout(Duration::MAX).build().unwrap();
    for _ in 0..2 {
        let mut answer = Box::pin(ask(&stack, request()));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
