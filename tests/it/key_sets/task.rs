//! Keys that are fetched ahead: the task, who owns it, and what it says of itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tower_auth::{
    Clock, Health, Task, TokenVerifier,
    token::{KeySet, TokenVerifierBuilder},
};

use super::{AUDIENCE, COOLDOWN, Desk, Fate, ISSUER, NEW, OLD, SECOND, at_once, key_set, source::Does, verdict};
use crate::support::server::PATIENCE;

const AHEAD: Duration = Duration::from_secs(12 * 60);
const HOUR: u64 = 3600;

/// The cooldown is counted by the operating system's clock, which stands still where time is paused.
fn no_cooldown(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    builder.cooldown(Duration::ZERO)
}

/// Waits for something that happens sooner or later.
async fn sooner_or_later(what: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < deadline, "it does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Stops a task, which does not take long, or drops it.
async fn end(task: Task, stopped: bool) {
    if stopped {
        tokio::time::timeout(PATIENCE, task.stop()).await.expect("it stops");
    }
}

#[tokio::test(start_paused = true)]
async fn r069_a_task_fetches_the_keys_before_they_are_old() {
    let desk = Desk::built(Does::publish(&[&OLD]), no_cooldown);
    assert_eq!(desk.source.fetches(), 0);
    let task = desk.tokens.start();
    for fetches in 1..=4 {
        sleep(SECOND).await;
        assert_eq!(desk.source.fetches(), fetches);
        sleep(AHEAD.saturating_sub(2 * SECOND)).await;
        assert_eq!(desk.source.fetches(), fetches, "four fifths of the time have not passed");
        sleep(SECOND).await;
    }
    assert_eq!(task.health(), Health::Good);
    assert!(at_once(&mut desk.tokens.verify(&OLD.token(), &Clock::system())).expect("nobody waits").is_ok());
}

#[tokio::test(start_paused = true)]
async fn r069_a_removed_key_drops_out_without_a_request() {
    let desk = Desk::built(Does::publish(&[&OLD]), no_cooldown);
    let _task = desk.tokens.start();
    sleep(SECOND).await;
    desk.source.now(Does::publish(&[&NEW]));
    sleep(AHEAD).await;
    // Unknown keys fetch again here, so the count shows who fetched.
    assert_eq!(desk.source.fetches(), 2);
    assert!(at_once(&mut desk.tokens.verify(&NEW.token(), &Clock::system())).unwrap().is_ok());
    let outcome = desk.tokens.verify(&OLD.token(), &Clock::system()).await;
    assert_eq!(Fate::from(&outcome), Fate::UnknownKey);
}

#[tokio::test]
async fn r069_a_task_tries_again_after_the_cooldown() {
    let desk = Desk::built(Does::Fail("gone"), |builder| builder.cooldown(Duration::from_millis(20)));
    let task = desk.tokens.start();
    sooner_or_later(|| desk.source.fetches() >= 3).await;
    assert_eq!(task.health(), Health::Down("gone".into()));
    desk.source.now(Does::publish(&[&OLD]));
    sooner_or_later(|| task.health() == Health::Good).await;
    // It was good, so the next fetch is minutes away.
    let fetches = desk.source.fetches();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(desk.source.fetches(), fetches);
}

#[tokio::test(start_paused = true)]
async fn p26_a_task_keeps_to_the_cooldown() {
    let desk = Desk::new(Does::Fail("gone"));
    let task = desk.tokens.start();
    // 0.25, 0.5, 1, 2, 4, 8, 16 seconds between the first eight, and 30 between all others.
    sleep(Duration::from_millis(31_750) + 100 * COOLDOWN + SECOND).await;
    assert_eq!(desk.source.fetches(), 108);
    assert_eq!(task.health(), Health::Down("gone".into()));
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_after_a_task_was_dropped_or_stopped() {
    for stopped in [false, true] {
        let desk = Desk::built(Does::publish(&[&OLD]), no_cooldown);
        let task = desk.tokens.start();
        sleep(AHEAD + SECOND).await;
        assert_eq!(desk.source.fetches(), 2);
        end(task, stopped).await;
        sleep(Duration::from_secs(24 * HOUR)).await;
        assert_eq!(desk.source.fetches(), 2, "stopped: {stopped}");
        // The keys that are there stay.
        assert!(at_once(&mut desk.tokens.verify(&OLD.token(), &Clock::system())).unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_dropped_before_it_ran_fetches_nothing() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    drop(desk.tokens.start());
    sleep(Duration::from_secs(HOUR)).await;
    assert_eq!(desk.source.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_stops_while_a_fetch_hangs() {
    let desk = Desk::built(Does::Hang, |builder| builder.fetch_timeout(2 * PATIENCE));
    let task = desk.tokens.start();
    sleep(SECOND).await;
    assert_eq!(desk.source.fetches(), 1);
    end(task, true).await;
}

#[tokio::test]
async fn r069_a_token_takes_up_the_fetch_of_a_task_that_was_stopped() {
    for stopped in [false, true] {
        let gate = Arc::new(Notify::new());
        let desk = Desk::new(Does::Wait(Arc::clone(&gate), key_set(&[&OLD])));
        let task = desk.tokens.start();
        sooner_or_later(|| desk.source.fetches() == 1).await;
        end(task, stopped).await;
        gate.notify_one();
        let outcome = verdict(desk.tokens.verify(&OLD.token(), &Clock::system())).await;
        assert_eq!((Fate::from(&outcome), desk.source.fetches()), (Fate::Good, 1), "stopped: {stopped}");
    }
}

#[test]
fn a_task_outside_of_a_runtime_is_down_and_does_not_panic() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let task = desk.tokens.start();
    let Health::Down(why) = task.health() else { panic!("{:?}", task.health()) };
    assert!(why.contains("tokio runtime"), "{why}");
    assert!(format!("{task:?}").contains("Down"));
    assert!(at_once(&mut Box::pin(task.stop())).is_some());
    assert_eq!(desk.source.fetches(), 0);
    // The verifier works all the same.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(desk.fate(&OLD)), Fate::Good);
}

#[test]
fn fixed_keys_need_no_task_and_no_runtime() {
    let set = KeySet::from_json(&key_set(&[&OLD])).unwrap();
    let tokens = TokenVerifier::key_set(ISSUER, set).audience(AUDIENCE).build().unwrap();
    let task = tokens.start();
    assert_eq!((task.health(), tokens.health()), (Health::Good, Health::Good));
    assert!(at_once(&mut Box::pin(tokens.ready(Duration::ZERO))).unwrap().is_ok());
    assert!(at_once(&mut tokens.verify(&OLD.token(), &Clock::system())).unwrap().is_ok());
    assert!(at_once(&mut Box::pin(task.stop())).is_some());
}

/// A clock so many seconds behind the operating system's, which the health is measured by.
#[derive(Clone, Default)]
struct Behind(Arc<AtomicU64>);

impl Behind {
    fn clock(&self, seconds: u64) -> Clock {
        self.0.store(seconds, Ordering::SeqCst);
        let behind = Arc::clone(&self.0);
        Clock::from_fn(move || SystemTime::now() - Duration::from_secs(behind.load(Ordering::SeqCst)))
    }
}

#[tokio::test]
async fn r069_the_health_tells_keys_old_keys_and_none() {
    let desk = Desk::new(Does::Fail("the issuer is on fire"));
    let fetch = async |clock: Clock| Fate::from(&verdict(desk.tokens.verify(&OLD.token(), &clock)).await);
    assert_eq!(desk.tokens.health(), Health::Down("they have not been fetched yet".into()));
    let behind = Behind::default();

    assert_eq!(fetch(behind.clock(3 * HOUR)).await, Fate::Unavailable);
    assert_eq!(desk.tokens.health(), Health::Down("the issuer is on fire".into()));

    desk.source.now(Does::publish(&[&OLD]));
    assert_eq!(fetch(behind.clock(2 * HOUR)).await, Fate::Good);
    assert_eq!(desk.tokens.health(), Health::Good);

    desk.source.now(Does::Fail("the issuer is asleep"));
    assert_eq!(fetch(behind.clock(HOUR)).await, Fate::Good);
    assert_eq!(desk.tokens.health(), Health::Degraded("the issuer is asleep".into()));
    assert_eq!(desk.tokens.health().to_string(), "degraded: the issuer is asleep");

    desk.source.now(Does::publish(&[&OLD]));
    assert_eq!(fetch(behind.clock(0)).await, Fate::Good);
    assert_eq!(desk.tokens.health(), Health::Good);
}

#[tokio::test]
async fn r069_keys_that_are_too_old_are_down() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let behind = Behind::default();
    assert!(verdict(desk.tokens.verify(&OLD.token(), &behind.clock(24 * HOUR))).await.is_ok());
    let Health::Down(why) = desk.tokens.health() else { panic!("{:?}", desk.tokens.health()) };
    assert!(!why.contains("not been fetched yet"), "they have been, a day ago: {why}");
}

#[tokio::test]
async fn a_service_is_ready_when_the_keys_are_there() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    desk.tokens.ready(PATIENCE).await.unwrap();
    assert_eq!((desk.tokens.health(), desk.source.fetches()), (Health::Good, 1));
    desk.tokens.ready(Duration::ZERO).await.unwrap();
    assert_eq!(desk.source.fetches(), 1);

    // Together with a task there is one fetch all the same.
    let desk = Desk::new(Does::publish(&[&OLD]));
    desk.source.boxed();
    let _task = desk.tokens.start();
    desk.tokens.ready(PATIENCE).await.unwrap();
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test]
async fn a_service_is_ready_as_soon_as_the_issuer_is() {
    let desk = Desk::built(Does::Fail("gone"), |builder| builder.cooldown(Duration::from_millis(20)));
    let (tokens, source) = (desk.tokens.clone(), Arc::clone(&desk.source));
    let waiting = tokio::spawn(async move { tokens.ready(PATIENCE).await.map_err(|error| error.to_string()) });
    sooner_or_later(|| source.fetches() >= 2).await;
    source.now(Does::publish(&[&OLD]));
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_get_ready_says_of_whom_and_why() {
    let told = async |does| {
        let desk = Desk::new(does);
        (desk.tokens.ready(10 * SECOND).await.unwrap_err().to_string(), desk.source.fetches())
    };
    let no_keys = "no keys for the tokens of \"https://id.example.com/\" within 10s";
    assert_eq!(told(Does::Fail("gone")).await, (format!("{no_keys}: gone"), 6));
    assert_eq!(told(Does::Hang).await, (format!("{no_keys}: no answer within 5s"), 2));
    let desk = Desk::new(Does::Hang);
    assert!(desk.tokens.ready(SECOND).await.is_err(), "it is the shorter patience that counts");
}

#[tokio::test]
async fn p26_waiting_for_keys_ends_in_time_where_every_fetch_fails_at_once() {
    // Such a source never has to be waited for. It gives in at last, so that this test ends in any case.
    let desk = Desk::built(Does::FailUntil(300_000, key_set(&[&OLD])), no_cooldown);
    let ready = desk.tokens.ready(Duration::from_millis(50)).await;
    assert!(ready.is_err(), "it was asked {} times and not given up", desk.source.fetches());
}
