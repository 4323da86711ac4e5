//! When keys are fetched, and when not.

use std::sync::Arc;

use futures_util::future::join_all;
use http::Response;
use jsonwebtoken::Header;
use tokio::sync::Notify;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, BearerLayer, Rejection, RejectionKind, TokenVerifier};

use super::{
    AUDIENCE, COOLDOWN, Desk, FRESH, Fate, ISSUER, NEW, OLD, SECOND, STRANGER, Signer, TICK, at_once, just_before,
    key_set, noon,
    source::{Does, Script},
    verdict,
};
use crate::support::{get, ok};

#[tokio::test]
async fn r069_the_first_token_fetches_and_later_ones_do_not() {
    for boxed in [false, true] {
        let desk = Desk::new(Does::publish(&[&OLD, &NEW]));
        if boxed {
            desk.source.boxed();
        }
        assert_eq!(desk.source.fetches(), 0, "nothing is fetched before it is needed");
        for signer in [&OLD, &NEW, &OLD] {
            assert_eq!(desk.fate(signer).await, Fate::Good);
        }
        assert_eq!(desk.source.fetches(), 1);
    }
}

#[tokio::test]
async fn a_clone_shares_the_keys() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let clone = desk.tokens.clone();
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    assert!(at_once(&mut clone.verify(&OLD.token(), &desk.clock())).unwrap().is_ok());
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test]
async fn r069_a_hundred_first_tokens_share_one_fetch() {
    let gate = Arc::new(Notify::new());
    let desk = Desk::new(Does::Wait(Arc::clone(&gate), key_set(&[&OLD])));
    let mut waiting: Vec<_> = (0..100).map(|_| desk.verify(&OLD)).collect();
    assert!(waiting.iter_mut().all(|verified| at_once(verified).is_none()), "all of them wait");
    gate.notify_one();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r069_first_tokens_on_many_threads_share_one_fetch() {
    let desk = Arc::new(Desk::new(Does::publish(&[&OLD])));
    desk.source.boxed();
    let tasks = (0..100).map(|_| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { desk.fate(&OLD).await })
    });
    for fate in join_all(tasks).await {
        assert_eq!(fate.unwrap(), Fate::Good);
    }
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test]
async fn r069_a_failed_fetch_is_told_to_all_that_wait() {
    let desk = Desk::new(Does::Fail("the issuer is on fire"));
    desk.source.boxed();
    let fates = join_all((0..10).map(|_| desk.fate(&OLD))).await;
    assert_eq!(fates, [Fate::Unavailable; 10]);
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test]
async fn r069_whoever_drives_a_fetch_may_go_away() {
    let gate = Arc::new(Notify::new());
    let desk = Desk::new(Does::Wait(Arc::clone(&gate), key_set(&[&OLD])));
    let mut driver = desk.verify(&OLD);
    assert!(at_once(&mut driver).is_none());
    let (mut second, mut third) = (desk.verify(&OLD), desk.verify(&OLD));
    assert!(at_once(&mut second).is_none() && at_once(&mut third).is_none());
    drop(driver);
    drop(second);
    gate.notify_one();
    assert!(third.await.is_ok());
    assert_eq!(desk.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn r069_a_fetch_that_everybody_left_does_not_fail_the_next_token() {
    let desk = Desk::new(Does::Dawdle(SECOND, key_set(&[&OLD])));
    let mut gone = desk.verify(&OLD);
    assert!(at_once(&mut gone).is_none());
    drop(gone);
    // Nobody looked after it meanwhile, so the time that passed is not the source's fault.
    tokio::time::advance(FRESH).await;
    desk.later(FRESH);
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
}

#[tokio::test]
async fn p26_an_unknown_kid_fetches_once_in_a_cooldown() {
    // While the issuer is down, nobody can tell whether it has such a key.
    for (does, counted, after) in
        [(Does::publish(&[&OLD]), "successes", Fate::UnknownKey), (Does::Fail("gone"), "failures", Fate::Unavailable)]
    {
        let desk = Desk::new(Does::publish(&[&OLD]));
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        desk.source.now(does);
        for round in 1..=3 {
            // The fetch before counts too, whatever it was for.
            let before = if round == 1 { Fate::UnknownKey } else { after };
            assert_eq!(desk.fate(&STRANGER).await, before);
            desk.later(just_before(COOLDOWN));
            assert_eq!(desk.fate(&STRANGER).await, before);
            assert_eq!(desk.source.fetches(), round, "{counted}");
            desk.later(TICK);
            for _ in 0..10 {
                assert_eq!(desk.fate(&STRANGER).await, after);
            }
            assert_eq!(desk.source.fetches(), round + 1, "{counted}");
            assert_eq!(desk.fate(&OLD).await, Fate::Good, "the old keys stay");
        }
    }
}

#[tokio::test]
async fn p27_a_rotation_is_seen_by_tokens_without_a_kid() {
    let nameless = |signer: &Signer| signer.sign(&Header { kid: None, ..signer.header() }, ISSUER);
    let desk = Desk::new(Does::publish(&[&OLD]));
    let fate = async |token: &str| Fate::from(&verdict(desk.tokens.verify(token, &desk.clock())).await);
    assert_eq!(fate(&nameless(&OLD)).await, Fate::Good);
    desk.source.now(Does::publish(&[&NEW]));
    assert_eq!(fate(&nameless(&NEW)).await, Fate::Refused, "in the cooldown");
    assert_eq!(desk.source.fetches(), 1);
    desk.later(COOLDOWN);
    assert_eq!(fate(&nameless(&NEW)).await, Fate::Good);
    assert_eq!(fate(&nameless(&OLD)).await, Fate::Refused);
    assert_eq!(desk.source.fetches(), 2, "one a cooldown, for all callers");
    // One that names a key whose signature does not hold is nobody's new key.
    desk.later(COOLDOWN);
    let forged = STRANGER.sign(&NEW.header(), ISSUER);
    assert_eq!(fate(&forged).await, Fate::Refused);
    assert_eq!(desk.source.fetches(), 2);
}

#[tokio::test]
async fn p26_malformed_tokens_fetch_nothing() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let token = OLD.token();
    let (header, rest) = token.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    for fetched in [0, 1] {
        for malformed in [
            String::new(),
            "..".to_owned(),
            "not a token".to_owned(),
            format!("{header}="),
            header.to_owned(),
            format!("{none}.{rest}"),
            format!("e30.{rest}"),
            format!("{header}x.{rest}"),
            format!("{token}.{token}"),
            "x".repeat(9_000),
        ] {
            let outcome = desk.tokens.verify(&malformed, &desk.clock()).await;
            assert_eq!(Fate::from(&outcome), Fate::Malformed, "{malformed}");
        }
        assert_eq!(desk.source.fetches(), fetched);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        // Old keys are no reason to fetch for such a token either.
        desk.later(FRESH);
    }
}

#[tokio::test]
async fn p26_tokens_with_unreadable_claims_or_signatures_fetch_nothing() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let token = OLD.token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    for fetched in [0, 1] {
        for malformed in [format!("{header}.{claims}=.{signature}"), format!("{header}.{claims}.*")] {
            let outcome = desk.tokens.verify(&malformed, &desk.clock()).await;
            assert_eq!(Fate::from(&outcome), Fate::Malformed, "{malformed}");
        }
        assert_eq!(desk.source.fetches(), fetched);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
    }
}

#[tokio::test]
async fn p26_tokens_of_another_issuer_fetch_nothing_where_one_is_known() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    for fetched in [0, 1] {
        for signer in [&OLD, &STRANGER] {
            let token = signer.sign(&signer.header(), OTHER);
            assert!(desk.tokens.verify(&token, &desk.clock()).await.is_err());
        }
        assert_eq!(desk.source.fetches(), fetched);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        desk.later(COOLDOWN);
    }
}

/// A service behind a layer of two issuers, and their sources.
struct Two {
    sources: [Arc<Script>; 2],
    stack: AuthStack,
}

const OTHER: &str = "https://other.example.com/";

fn two() -> Two {
    let sources = [Script::new(Does::publish(&[&OLD])), Script::new(Does::publish(&[&NEW]))];
    let [ours, others] = [(ISSUER, &sources[0]), (OTHER, &sources[1])]
        .map(|(issuer, source)| TokenVerifier::source(issuer, Arc::clone(source)).audience(AUDIENCE).build().unwrap());
    let clock = tower_auth::Clock::from(&noon());
    let stack = AuthStack::builder().auth(BearerLayer::new(ours).or(others)).clock(clock).build().unwrap();
    Two { sources, stack }
}

impl Two {
    async fn ask(&self, token: &str) -> Response<impl http_body::Body + use<>> {
        let bearer = format!("Bearer {token}");
        self.stack.layer(ok()).oneshot(get("/", &[("authorization", &bearer)])).await.unwrap()
    }

    async fn status(&self, signer: &Signer, issuer: &str) -> u16 {
        self.ask(&signer.sign(&signer.header(), issuer)).await.status().as_u16()
    }

    fn fetches(&self) -> [usize; 2] {
        self.sources.each_ref().map(|source| source.fetches())
    }
}

#[tokio::test]
async fn p26_an_issuers_unknown_kid_fetches_nobody_elses_keys() {
    let two = two();
    assert_eq!((two.status(&STRANGER, ISSUER).await, two.fetches()), (401, [1, 0]));
    assert_eq!((two.status(&OLD, ISSUER).await, two.fetches()), (200, [1, 0]));
    assert_eq!((two.status(&STRANGER, ISSUER).await, two.fetches()), (401, [1, 0]));
    assert_eq!((two.status(&NEW, OTHER).await, two.fetches()), (200, [1, 1]));
    // A key is good for its own issuer alone.
    assert_eq!((two.status(&NEW, ISSUER).await, two.status(&OLD, OTHER).await), (401, 401));
    assert_eq!(two.fetches(), [1, 1]);
}

#[tokio::test]
async fn p26_tokens_of_unknown_issuers_fetch_nothing() {
    let two = two();
    for issuer in ["https://evil.example.com/", "https://id.example.com", "", "HTTPS://ID.EXAMPLE.COM/"] {
        assert_eq!(two.status(&OLD, issuer).await, 401, "{issuer}");
    }
    for token in ["a.b.c", "not-a-token", "e30.e30.e30", "e30.W10.e30"] {
        assert_eq!(two.ask(token).await.status(), 401, "{token}");
    }
    assert_eq!(two.fetches(), [0, 0]);
}

#[tokio::test]
async fn r069_an_issuer_that_is_down_is_503_for_its_own_tokens_alone() {
    let two = two();
    two.sources[0].now(Does::Fail("the issuer is on fire"));
    let refused = two.ask(&OLD.token()).await;
    assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::Unavailable);
    assert_eq!(two.status(&NEW, OTHER).await, 200);
}

#[tokio::test]
async fn p26_known_keys_are_good_while_a_fetch_hangs() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.later(COOLDOWN);
    desk.source.now(Does::Hang);
    let mut hanging = desk.verify(&STRANGER);
    assert!(at_once(&mut hanging).is_none());
    for _ in 0..3 {
        assert!(at_once(&mut desk.verify(&OLD)).expect("nobody waits for a fetch that is not theirs").is_ok());
        assert!(at_once(&mut desk.verify(&STRANGER)).is_none());
    }
    assert_eq!(desk.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn p26_a_source_that_hangs_is_given_up() {
    let desk = Desk::built(Does::Hang, |builder| builder.fetch_timeout(3 * SECOND));
    assert_eq!(super::reason(desk.verify(&OLD)).await, "no answer within 3s");
    assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
    assert_eq!(desk.source.fetches(), 1, "the cooldown counts it");

    desk.source.now(Does::publish(&[&OLD]));
    desk.later(COOLDOWN);
    assert_eq!(desk.fate(&OLD).await, Fate::Good);

    desk.source.now(Does::Hang);
    desk.later(FRESH);
    assert!(at_once(&mut desk.verify(&OLD)).expect("nobody waits").is_ok(), "the old keys stay");
    assert_eq!(desk.source.fetches(), 3);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(desk.tokens.explain(&STRANGER.token(), &desk.verify(&STRANGER).await.unwrap_err()), GONE);
    assert_eq!(desk.source.fetches(), 3, "there is a cooldown");
}

const GONE: &str = "the keys of the issuer \"https://id.example.com/\" could not be fetched: no answer within 3s";
