//! How often a server is asked: what is remembered, for how long, and what waits for what.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tower_auth::{
    BoxError, Health, MaybeReady, TokenVerifier,
    token::{Introspector, Tenants, TokenError, TokenVerifierBuilder},
};

use super::{AUDIENCE, Desk, INACTIVE, ISSUER, NOW, Server, active, hand, verdict, with, word};
use crate::{key_sets::at_once, support::server::PATIENCE};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);
/// The longest time under a second.
const NEARLY: Duration = Duration::from_millis(999);

fn plain(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    builder
}

#[tokio::test]
async fn a_good_answer_counts_for_thirty_seconds() {
    let desk = Desk::new(plain);
    desk.server.says("t", active().to_string());
    for (wait, fate, asked) in [
        (Duration::ZERO, "good", 1),
        (29 * SECOND, "good", 0),
        (NEARLY, "good", 0),
        (TICK, "good", 1),
        (29 * SECOND, "good", 0),
    ] {
        desk.wait(wait);
        assert_eq!((desk.fate("t").await, desk.server.asked()), (fate, asked), "{wait:?}");
    }
    // Revoked meanwhile: known at the end of the thirty seconds, and not later.
    desk.server.says("t", INACTIVE);
    assert_eq!(desk.fate("t").await, "good");
    desk.wait(SECOND);
    assert_eq!(desk.fate("t").await, "inactive");
}

#[tokio::test]
async fn an_answer_never_counts_longer_than_its_token() {
    let desk = Desk::new(|builder| builder.introspection_ttl(3600 * SECOND));
    desk.server.says("short", with(&json!({ "exp": NOW + 10 })));
    desk.server.says("endless", with(&json!({ "exp": null })));
    assert_eq!((desk.fate("short").await, desk.fate("endless").await, desk.server.asked()), ("good", "good", 2));
    desk.wait(9 * SECOND + NEARLY);
    assert_eq!((desk.fate("short").await, desk.server.asked()), ("good", 0));
    desk.wait(TICK);
    assert_eq!((desk.fate("short").await, desk.server.asked()), ("expired", 0));
    desk.wait(3589 * SECOND);
    assert_eq!((desk.fate("endless").await, desk.server.asked()), ("good", 0));
    desk.wait(SECOND);
    assert_eq!((desk.fate("endless").await, desk.server.asked()), ("good", 1));
}

#[tokio::test]
async fn a_refusal_counts_for_five_seconds() {
    let desk = Desk::new(plain);
    for (wait, asked) in [(Duration::ZERO, 1), (4 * SECOND, 0), (NEARLY, 0), (TICK, 1)] {
        desk.wait(wait);
        assert_eq!((desk.fate("t").await, desk.server.asked()), ("inactive", asked), "{wait:?}");
    }
    desk.server.says("t", active().to_string());
    desk.wait(5 * SECOND);
    assert_eq!((desk.fate("t").await, desk.server.asked()), ("good", 1));
    // Other refusals are remembered too.
    desk.server.says("u", with(&json!({ "aud": "x" })));
    assert_eq!((desk.fate("u").await, desk.fate("u").await, desk.server.asked()), ("audience", "audience", 1));
}

#[tokio::test]
async fn zero_asks_every_time() {
    let desk = Desk::new(|builder| builder.introspection_ttl(Duration::ZERO));
    desk.server.says("t", with(&json!({ "exp": null })));
    for fate in ["good", "good", "good"] {
        assert_eq!((desk.fate("t").await, desk.server.asked()), (fate, 1));
    }
    assert_eq!((desk.fate("x").await, desk.fate("x").await, desk.server.asked()), ("inactive", "inactive", 2));
}

/// A clock that was set back says nothing of the age of an answer.
#[tokio::test]
async fn an_answer_from_the_future_is_asked_for_again() {
    let desk = Desk::new(plain);
    desk.server.says("t", active().to_string());
    assert_eq!((desk.fate("t").await, desk.server.asked()), ("good", 1));
    let earlier = tower_auth::testing::ManualClock::at("2027-01-15T07:59:59Z");
    let again = verdict(desk.tokens.verify("t", &(&earlier).into())).await;
    assert_eq!((word(&again), desk.server.asked()), ("good", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_with_one_token_are_one_question() {
    let desk = Arc::new(Desk::new(plain));
    desk.server.says("t", active().to_string());
    let gate = desk.server.shut();
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.fate("t").await })
        })
        .collect();
    desk.server.until(1).await;
    gate.add_permits(1);
    for request in requests {
        assert_eq!(request.await.unwrap(), "good");
    }
    assert_eq!(desk.server.asked(), 1);
}

/// The request that has begun the question goes away; the others get its answer all the same.
#[tokio::test]
async fn a_question_outlives_the_request_that_asked_it_and_ends_with_the_last() {
    let desk = Desk::new(plain);
    desk.server.says("t", active().to_string());
    let gate = desk.server.shut();
    let clock = desk.clock();
    let mut first = Box::pin(desk.tokens.verify("t", &clock));
    let mut second = Box::pin(desk.tokens.verify("t", &clock));
    assert!(at_once(&mut first).is_none() && at_once(&mut second).is_none());
    assert_eq!((desk.server.asked(), desk.server.under_way()), (1, 1));
    drop(first);
    assert!(at_once(&mut second).is_none());
    assert_eq!((desk.server.asked(), desk.server.under_way()), (0, 1));
    drop(second);
    assert_eq!(desk.server.under_way(), 0, "nobody waits, so nobody asks");
    let third = desk.tokens.verify("t", &clock);
    gate.add_permits(1);
    assert_eq!((word(&verdict(third).await), desk.server.asked()), ("good", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_made_up_tokens_is_no_flood_of_questions() {
    let desk = Arc::new(Desk::new(|builder| builder.cache(16)));
    desk.server.says("good", active().to_string());
    assert_eq!((desk.fate("good").await, desk.server.asked()), ("good", 1));
    let gate = desk.server.shut();
    let flood: Vec<_> = (0..300)
        .map(|at| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.fate(&format!("made-up-{at}")).await })
        })
        .collect();
    desk.server.until(64).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.server.under_way(), 64, "the others wait");
    // Who is known does not wait.
    assert_eq!(desk.fate("good").await, "good");
    gate.add_permits(300);
    for request in flood {
        assert_eq!(request.await.unwrap(), "inactive");
    }
    let most = desk.server.0.most.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((desk.server.asked(), most), (300, 64));
    // And no made-up token has taken the place of the good one.
    assert_eq!((desk.fate("good").await, desk.server.asked()), ("good", 0));
}

#[tokio::test]
async fn a_fresh_answer_passes_over_what_is_remembered() {
    let desk = Desk::new(plain);
    desk.server.says("t", active().to_string());
    assert_eq!((desk.fate("t").await, desk.fresh_fate("t").await, desk.server.asked()), ("good", "good", 2));
    desk.server.says("t", INACTIVE);
    assert_eq!((desk.fate("t").await, desk.server.asked()), ("good", 0));
    assert_eq!((desk.fresh_fate("t").await, desk.server.asked()), ("inactive", 1));
    // What one has learned, all know.
    assert_eq!((desk.fate("t").await, desk.fresh_fate("t").await, desk.server.asked()), ("inactive", "inactive", 0));
}

/// A question that was asked before a revocation, and is answered after one that was asked later.
#[tokio::test]
async fn a_late_answer_to_an_old_question_is_not_remembered() {
    let desk = Desk::new(plain);
    desk.server.says("t", active().to_string());
    let gate = desk.server.shut();
    let clock = desk.clock();
    let mut old = Box::pin(desk.tokens.verify("t", &clock));
    assert!(at_once(&mut old).is_none());
    assert_eq!(desk.server.under_way(), 1);
    desk.server.open();
    desk.server.says("t", INACTIVE);
    assert_eq!((desk.fresh_fate("t").await, desk.server.asked()), ("inactive", 2));
    gate.add_permits(1);
    assert_eq!(
        word(&verdict(*std::pin::Pin::into_inner(old)).await),
        "good",
        "who asked before gets the answer of then"
    );
    assert_eq!((desk.fate("t").await, desk.server.asked()), ("inactive", 0));
}

#[tokio::test]
async fn during_an_outage_known_tokens_are_good_until_their_bound() {
    let desk = Desk::new(plain);
    let task = desk.tokens.start();
    desk.server.says("t", active().to_string());
    assert_eq!(desk.fate("t").await, "good");
    assert!(matches!(desk.tokens.health(), Health::Good));
    desk.server.fails(Some("down"));
    assert_eq!(
        (desk.fate("t").await, desk.fate("other").await, desk.fresh_fate("t").await),
        ("good", "unavailable", "unavailable")
    );
    for health in [desk.tokens.health(), task.health()] {
        let Health::Degraded(why) = health else { panic!("it is not good") };
        assert!(why.contains("down"), "{why}");
    }
    desk.wait(30 * SECOND);
    assert_eq!(desk.fate("t").await, "unavailable");
    desk.server.fails(None);
    assert_eq!(
        (desk.fate("t").await, desk.fate("other").await),
        ("good", "inactive"),
        "nothing of an outage is remembered"
    );
    assert!(matches!(desk.tokens.health(), Health::Good));
    assert!(desk.tokens.ready(Duration::ZERO).await.is_ok(), "there are no keys to wait for");
    tokio::time::timeout(PATIENCE, task.stop()).await.expect("it has nothing to end");
}

/// A server that never answers.
struct Silent;

impl Introspector for Silent {
    fn introspect(&self, _: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::boxed(std::future::pending())
    }
}

/// A server whose client has a bug.
struct Panics(bool);

impl Introspector for Panics {
    fn introspect(&self, _: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        assert!(self.0, "at once");
        MaybeReady::boxed(async { panic!("later") })
    }
}

/// Claims of a service whose type has a bug.
#[derive(Debug)]
struct Buggy;

impl<'de> serde::Deserialize<'de> for Buggy {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_panic_while_an_answer_is_read_is_an_outage() {
    let desk = Desk::new(TokenVerifierBuilder::claims::<Buggy>);
    desk.server.says("t", active().to_string());
    let Err(TokenError::Unavailable(why)) = desk.verify("t").await else { panic!("it is good") };
    assert!(why.contains("it panicked: \"a bug\""), "{why}");
}

/// The code of the service panics in the question that two requests share. Both get an answer, and so does the next one.
#[tokio::test]
async fn a_panic_of_the_service_ends_no_other_request() {
    let bug = |_: &str| -> bool { panic!("a bug") };
    let server = Server::default();
    let template = TokenVerifier::introspect("https://id.example.com/{tenant}", server.clone())
        .audience(AUDIENCE)
        .tenants(Tenants::when(bug));
    let claims = server.builder().claims::<Buggy>();
    server.says("tenant", with(&json!({ "iss": "https://id.example.com/acme", "tid": "acme" })));
    server.says("type", active().to_string());
    for (builder, token) in [(template, "tenant"), (claims, "type")] {
        let (tokens, clock) = (builder.build().unwrap(), tower_auth::Clock::from(&hand()));
        let gate = server.shut();
        let mut first = Box::pin(tokens.verify(token, &clock));
        let mut second = Box::pin(tokens.verify(token, &clock));
        assert!(at_once(&mut first).is_none() && at_once(&mut second).is_none());
        assert_eq!(server.asked(), 1, "the two share a question");
        gate.add_permits(2);
        let next = tokens.verify(token, &clock);
        for verified in [*std::pin::Pin::into_inner(first), *std::pin::Pin::into_inner(second), next] {
            let Err(TokenError::Unavailable(why)) = verdict(verified).await else { panic!("{token} is judged") };
            assert!(why.contains("it panicked: \"a bug\""), "{why}");
        }
        server.asked();
    }
}

#[tokio::test]
async fn silence_and_panics_are_outages() {
    let why = |introspector: Arc<dyn Introspector>| async move {
        let builder = TokenVerifier::introspect(ISSUER, introspector).audience(AUDIENCE);
        let tokens = builder.fetch_timeout(Duration::from_millis(50)).build().unwrap();
        let clock = tower_auth::Clock::from(&hand());
        match verdict(tokens.verify("t", &clock)).await {
            Err(TokenError::Unavailable(why)) => why.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(why(Arc::new(Silent)).await, "the introspector: did not answer within 50 ms");
    assert_eq!(why(Arc::new(Panics(false))).await, "the introspector: it panicked: \"at once\"");
    assert_eq!(why(Arc::new(Panics(true))).await, "the introspector: it panicked: \"later\"");
}
