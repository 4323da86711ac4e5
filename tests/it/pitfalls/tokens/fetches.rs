//! Who waits for a fetch, who drives it, and what becomes of it when they are gone.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::Notify, task::yield_now, time};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthStack, BearerLayer, ClientIp, Health, MaybeReady, PeerAddr, Quota, RateLimitLayer, jwks::JwksClient,
};

use super::{
    AUDIENCE, Arc, BoxError, Builder, Bytes, COOLDOWN, Clock, Desk, Does, Duration, FRESH, Fate, Future, ISSUER, NEW,
    OLD, Poll, SECOND, STRANGER, TokenError, TokenVerifier, TokenVerifierBuilder, asking, at_once, good, key_set,
    runtime, thread,
};
use crate::{
    key_sets::server::{Act, Issuer, JWKS},
    support::{get, ok, runs::Runs},
};

/// A desk that has its keys, which are due, and whose source does this from now on.
async fn due(does: Does, change: impl FnOnce(TokenVerifierBuilder) -> TokenVerifierBuilder) -> Desk {
    let desk = Desk::built(Does::publish(&[&OLD]), change);
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(does);
    desk.later(FRESH);
    desk
}

#[tokio::test]
async fn p79_what_verifies_is_answered_at_once_while_the_issuer_hangs() {
    for cached in [false, true] {
        let desk = due(Does::Hang, |builder| if cached { builder.cache(10) } else { builder }).await;
        for _ in 0..3 {
            for _ in 0..10 {
                let claims = at_once(&mut desk.verify(&OLD)).expect("it does not wait").unwrap();
                assert_eq!(claims.principal().subject(), "ann");
            }
            assert_eq!(desk.source.fetches(), 2, "one is under way");
            // What does not verify may be of a new key: it waits.
            assert!(at_once(&mut desk.verify(&STRANGER)).is_none());
            desk.later(COOLDOWN);
        }
    }
}

#[tokio::test]
async fn p79_a_stack_answers_at_once_while_the_issuer_hangs() {
    for (cached, limited) in [(false, false), (true, false), (false, true), (true, true)] {
        let desk = due(Does::Hang, |builder| if cached { builder.cache(10) } else { builder }).await;
        let builder = AuthStack::builder().auth(BearerLayer::new(desk.tokens.clone())).clock(desk.clock());
        let budget = RateLimitLayer::failures([Quota::per_minute(3)], ClientIp::peer());
        let stack = if limited { builder.limit(budget) } else { builder }.build().unwrap();
        let bearer = format!("Bearer {}", OLD.token());
        for _ in 0..10 {
            let mut request = get("/", &[("authorization", &bearer)]);
            request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
            let mut response = Box::pin(stack.layer(ok()).oneshot(request));
            let status = at_once(&mut response).expect("it does not wait").unwrap().status();
            assert_eq!(status, 200, "{cached} {limited}");
        }
        assert_eq!(desk.source.fetches(), 2, "{cached} {limited}");
    }
}

#[tokio::test]
async fn p79_keys_that_are_due_are_fetched_though_nobody_waits() {
    let gate = Arc::new(Notify::new());
    let desk = due(Does::Wait(Arc::clone(&gate), key_set(&[&NEW])), |builder| builder).await;
    assert!(at_once(&mut desk.verify(&OLD)).unwrap().is_ok());
    gate.notify_one();
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(at_once(&mut desk.verify(&NEW)).expect("its key is there").is_ok());
    assert!(matches!(at_once(&mut desk.verify(&OLD)), Some(Err(TokenError::UnknownKey))), "its key is gone");
    assert_eq!(desk.source.fetches(), 2);
}

/// Something that tells when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn p79_a_fetch_ends_with_its_verifier() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let held = Arc::clone(&dropped);
    let tokens = asking(move || {
        let held = Dropped(Arc::clone(&held));
        MaybeReady::boxed(async move {
            let _held = held;
            std::future::pending().await
        })
    });
    let tokens = tokens.build().unwrap();
    assert!(at_once(&mut tokens.verify(&OLD.token(), &Clock::system())).is_none());
    yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "a client that hangs up ends nothing");
    drop(tokens);
    yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

/// Does this each time in turn, the last for ever.
type Turn = fn() -> MaybeReady<Result<Bytes, BoxError>>;

fn in_turn(turns: Vec<Turn>) -> (TokenVerifierBuilder, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = asking(move || turns[count.fetch_add(1, Ordering::SeqCst).min(turns.len() - 1)]());
    (builder, asked)
}

/// Waits in a timer of the runtime, which panics when that has ended.
fn slow() -> MaybeReady<Result<Bytes, BoxError>> {
    MaybeReady::boxed(async {
        time::sleep(Duration::from_secs(3600)).await;
        Err("too late".into())
    })
}

fn hang() -> MaybeReady<Result<Bytes, BoxError>> {
    MaybeReady::boxed(std::future::pending())
}

#[test]
fn p79_a_fetch_that_ends_with_its_runtime_is_begun_again_in_another() {
    for killed in [slow, hang] {
        let (builder, asked) = in_turn(vec![killed, good]);
        let tokens = builder.build().unwrap();
        let (clock, token) = (Clock::system(), OLD.token());
        let first = runtime(|builder| builder.enable_all());
        first.block_on(async { assert!(at_once(&mut tokens.verify(&token, &clock)).is_none()) });
        drop(first);
        for _ in 0..3 {
            let other = runtime(|builder| builder.enable_all());
            assert!(other.block_on(tokens.verify(&token, &clock)).is_ok());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn p79_who_waits_in_another_runtime_begins_again_when_the_first_one_ends() {
    let (builder, asked) = in_turn(vec![slow, good]);
    let tokens = builder.build().unwrap();
    let (clock, token) = (Clock::system(), OLD.token());
    let first = runtime(|builder| builder.enable_all());
    first.block_on(async { assert!(at_once(&mut tokens.verify(&token, &clock)).is_none()) });
    let waiting = thread::spawn({
        let (tokens, token, clock) = (tokens.clone(), token.clone(), clock.clone());
        move || runtime(|builder| builder.enable_all()).block_on(tokens.verify(&token, &clock)).map(drop)
    });
    drop(first);
    assert!(waiting.join().unwrap().is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn p79_a_due_fetch_that_ends_with_its_runtime_harms_nobody() {
    let (builder, asked) = in_turn(vec![good, slow, slow, good]);
    let tokens = builder.refresh_after(Duration::ZERO).cooldown(Duration::ZERO).build().unwrap();
    let (clock, token) = (Clock::system(), OLD.token());
    for fetches in 1..=4 {
        let runtime = runtime(|builder| builder.enable_all());
        runtime.block_on(async {
            let verified = tokens.verify(&token, &clock);
            assert!(if fetches == 1 { verified.await.is_ok() } else { at_once(&mut { verified }).unwrap().is_ok() });
        });
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[test]
fn p79_runtimes_that_end_do_not_undercut_the_cooldown() {
    let (builder, asked) = in_turn(vec![good, slow]);
    let tokens = builder.refresh_after(Duration::ZERO).build().unwrap();
    let (hand, token) = (crate::key_sets::noon(), OLD.token());
    let clock = Clock::from(&hand);
    for _ in 0..20 {
        let runtime = runtime(|builder| builder.enable_all());
        runtime.block_on(async { assert!(tokens.verify(&token, &clock).await.is_ok()) });
        drop(runtime);
        hand.advance(COOLDOWN);
        let runtime = super::runtime(|builder| builder.enable_all());
        runtime.block_on(async { assert!(tokens.verify(&token, &clock).await.is_ok()) });
    }
    // The first, one each cooldown, and one more at once after the first that was cut off.
    assert!(asked.load(Ordering::SeqCst) <= 1 + 20 + 1, "{asked:?}");
}

#[test]
fn p79_a_fetch_in_a_runtime_that_stands_still_is_given_up() {
    let (builder, asked) = in_turn(vec![hang, good]);
    let tokens = builder.fetch_timeout(Duration::from_millis(50)).build().unwrap();
    let (clock, token) = (Clock::system(), OLD.token());
    let still = runtime(|builder| builder.enable_all());
    still.block_on(async { assert!(at_once(&mut tokens.verify(&token, &clock)).is_none()) });
    let other = runtime(|builder| builder.enable_all());
    let outcome = other.block_on(tokens.verify(&token, &clock));
    assert!(
        matches!(&outcome, Err(TokenError::Unavailable(why)) if why.contains("no answer within 50ms")),
        "{outcome:?}"
    );
    thread::sleep(Duration::from_millis(300));
    assert!(other.block_on(tokens.verify(&token, &clock)).is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    drop(still);
}

fn panics() -> MaybeReady<Result<Bytes, BoxError>> {
    panic!("the source of a test")
}

fn panics_later() -> MaybeReady<Result<Bytes, BoxError>> {
    MaybeReady::boxed(async {
        yield_now().await;
        panic!("the source of a test")
    })
}

#[tokio::test]
async fn p79_a_source_that_panics_fails_and_poisons_nothing() {
    for bad in [panics, panics_later] {
        let (builder, asked) = in_turn(vec![bad, good, bad]);
        let (tokens, hand) = (builder.build().unwrap(), crate::key_sets::noon());
        let clock = Clock::from(&hand);
        let why = tokens.verify(&OLD.token(), &clock).await.unwrap_err().to_string();
        assert!(why.contains("the source of keys panicked: \"the source of a test\""), "{why}");
        hand.advance(SECOND);
        assert!(tokens.verify(&OLD.token(), &clock).await.is_ok());
        for fetches in 3..6 {
            hand.advance(FRESH);
            assert!(matches!(tokens.verify(&STRANGER.token(), &clock).await, Err(TokenError::Unavailable(_))));
            assert!(tokens.verify(&OLD.token(), &clock).await.is_ok());
            assert_eq!(asked.load(Ordering::SeqCst), fetches);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p79_the_task_outlives_a_panic_of_the_source() {
    let (builder, asked) = in_turn(vec![panics, panics_later, good]);
    let tokens = builder.build().unwrap();
    let task = tokens.start();
    time::sleep(2 * SECOND).await;
    assert_eq!((task.health(), asked.load(Ordering::SeqCst)), (Health::Good, 3));
}

#[test]
fn p79_a_clock_that_panics_poisons_nothing() {
    let tokens = asking(good).build().unwrap();
    let odd = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&odd);
    // It is read to verify, to begin, and when the fetch has ended.
    let clock = Clock::from_fn(move || {
        assert!(counted.fetch_add(1, Ordering::SeqCst) != 3, "the clock of a test");
        std::time::SystemTime::UNIX_EPOCH
    });
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime(|builder| builder.enable_all()).block_on(tokens.verify(&OLD.token(), &clock)).map(drop)
    }));
    let outcome = runtime(|builder| builder.enable_all()).block_on(tokens.verify(&OLD.token(), &Clock::system()));
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn p79_a_runtime_without_a_timer_is_good_enough() {
    fn later() -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::boxed(async {
            yield_now().await;
            Ok(key_set(&[&OLD]))
        })
    }
    let threads = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [runtime(|builder| builder), runtime(|builder| builder.enable_io()), threads] {
        let tokens = asking(later).build().unwrap();
        assert!(runtime.block_on(tokens.verify(&OLD.token(), &Clock::system())).is_ok());
        assert!(runtime.block_on(tokens.ready(SECOND)).is_ok());
        let hangs = asking(hang).fetch_timeout(Duration::from_millis(20)).build().unwrap();
        let outcome = runtime.block_on(hangs.verify(&OLD.token(), &Clock::system()));
        assert!(matches!(outcome, Err(TokenError::Unavailable(_))), "{outcome:?}");
        assert!(runtime.block_on(hangs.ready(Duration::from_millis(50))).is_err());
    }
}

/// A source of its own needs no tokio at all.
#[test]
fn p79_without_any_runtime_those_who_ask_drive_the_fetch() {
    let gate = Arc::new(Mutex::new(Some(key_set(&[&OLD]))));
    let next = Arc::clone(&gate);
    let tokens = asking(move || {
        let next = Arc::clone(&next);
        MaybeReady::boxed(std::future::poll_fn(move |_| {
            next.lock().unwrap().take().map_or(Poll::Pending, |set| Poll::Ready(Ok(set)))
        }))
    });
    let (tokens, hand) = (tokens.build().unwrap(), crate::key_sets::noon());
    let clock = Clock::from(&hand);
    assert!(Runs::Thread.block_on(tokens.verify(&OLD.token(), &clock)).is_ok());
    hand.advance(FRESH);
    for _ in 0..3 {
        assert!(at_once(&mut tokens.verify(&OLD.token(), &clock)).expect("it does not wait").is_ok());
    }
    *gate.lock().unwrap() = Some(key_set(&[&NEW]));
    let outcome = at_once(&mut tokens.verify(&OLD.token(), &clock)).unwrap();
    assert!(matches!(outcome, Err(TokenError::UnknownKey)), "this one has driven it to its end: {outcome:?}");
    assert!(Runs::Thread.block_on(tokens.verify(&NEW.token(), &clock)).is_ok());
}

#[test]
fn p79_the_built_in_client_says_that_it_needs_a_runtime() {
    let tokens = TokenVerifier::jwks(ISSUER, "https://id.example.com/jwks.json").audience(AUDIENCE).build().unwrap();
    let why = Runs::Thread.block_on(tokens.verify(&OLD.token(), &Clock::system())).unwrap_err().to_string();
    assert!(why.contains("tokio runtime"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn p79_clients_that_hang_up_do_not_undercut_the_cooldown() {
    let half = Duration::from_millis(500);
    for keys in [false, true] {
        let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.fetch_timeout(half));
        if keys {
            assert_eq!(desk.fate(&OLD).await, Fate::Good);
            desk.later(COOLDOWN);
        }
        desk.source.now(Does::Hang);
        let before = desk.source.fetches();
        for _ in 0..12 {
            drop(at_once(&mut desk.verify(&STRANGER)));
            desk.later(half);
            time::sleep(half).await;
        }
        // Without keys it is tried again after 0.25, 0.5, 1, 2 and 4 seconds, and with some once in 30.
        let fetches = desk.source.fetches() - before;
        assert!(if keys { fetches == 1 } else { (2..=5).contains(&fetches) }, "{fetches}, keys: {keys}");
    }
}

#[test]
fn p79_the_built_in_client_needs_no_timer_of_the_runtime() {
    let issuer = Issuer::of(&[&OLD]);
    for host in [issuer.address.to_string(), format!("localhost:{}", issuer.address.port())] {
        let client = JwksClient::new(format!("http://{host}{JWKS}")).insecure_http();
        let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
        let outcome = runtime(|builder| builder.enable_io()).block_on(tokens.verify(&OLD.token(), &Clock::system()));
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// hyper keeps a part of each fetch in a task of the runtime.
#[test]
fn p79_a_fetch_over_a_socket_is_begun_again_in_another_runtime() {
    let issuer = Issuer::start();
    issuer.serve(JWKS, Act::Forever(Vec::new(), Vec::new(), Duration::from_millis(20)));
    let client = JwksClient::new(issuer.url(JWKS)).insecure_http();
    let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
    let (clock, token) = (Clock::system(), OLD.token());
    let first = runtime(|builder| builder.enable_all());
    let gone = first.block_on(time_out(tokens.verify(&token, &clock)));
    assert!(gone.is_err());
    drop(first);
    issuer.serve(JWKS, Act::publish(&[&OLD]));
    let outcome = runtime(|builder| builder.enable_all()).block_on(tokens.verify(&token, &clock));
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(issuer.requests(), 2);
}

async fn time_out<F: Future>(future: F) -> Result<F::Output, time::error::Elapsed> {
    time::timeout(Duration::from_millis(300), future).await
}
