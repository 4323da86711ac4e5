//! Old keys: when they are fetched again, how long they are good, and what a refresh takes away.

use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, BearerLayer, Clock, Rejection, RejectionKind, testing::ManualClock};

use super::{
    COOLDOWN, Desk, FRESH, Fate, NEW, OLD, STALE, STRANGER, TICK, at_once, just_before, source::Does, verdict,
};
use crate::support::{get, ok};

#[tokio::test]
async fn r069_keys_are_fetched_again_when_they_are_old() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    for refreshes in 1..=3 {
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        assert_eq!(desk.source.fetches(), refreshes);
        desk.later(just_before(FRESH));
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        assert_eq!(desk.source.fetches(), refreshes, "they are not old yet");
        desk.later(TICK);
    }
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.refresh_after(2 * COOLDOWN));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.later(just_before(2 * COOLDOWN));
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 1));
    desk.later(TICK);
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 2));
}

#[tokio::test]
async fn r069_the_cooldown_is_what_the_builder_says() {
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.cooldown(2 * COOLDOWN));
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 1));
    desk.later(just_before(2 * COOLDOWN));
    assert_eq!((desk.fate(&STRANGER).await, desk.source.fetches()), (Fate::UnknownKey, 1));
    desk.later(TICK);
    assert_eq!((desk.fate(&STRANGER).await, desk.source.fetches()), (Fate::UnknownKey, 2));
}

#[tokio::test]
async fn r069_p26_a_failed_refresh_keeps_the_old_keys_until_they_are_too_old() {
    for cached in [false, true] {
        let desk = Desk::built(Does::publish(&[&OLD]), |builder| if cached { builder.cache(10) } else { builder });
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        desk.source.now(Does::Fail("the issuer is on fire"));
        desk.later(FRESH);
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 2));
        desk.later(just_before(STALE.saturating_sub(FRESH)));
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 3));
        desk.later(TICK);
        assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
        assert_eq!(desk.source.fetches(), 3, "the cooldown holds without keys too");
        // Nobody can tell of any token that could be read, and a malformed one is bad whatever the keys are.
        assert_eq!(desk.fate(&STRANGER).await, Fate::Unavailable);
        assert_eq!(Fate::from(&desk.tokens.verify("a.b", &desk.clock()).await), Fate::Malformed);

        desk.later(COOLDOWN);
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Unavailable, 4));
        desk.source.now(Does::publish(&[&OLD]));
        assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
        desk.later(COOLDOWN);
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 5));
    }
}

#[tokio::test]
async fn r069_max_stale_is_what_the_builder_says() {
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.max_stale(2 * FRESH));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("gone"));
    desk.later(just_before(2 * FRESH));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.later(TICK);
    assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
}

#[tokio::test]
async fn r069_keys_that_cannot_be_had_are_503_in_the_envelope_and_never_401() {
    let desk = Desk::new(Does::Fail("a secret of the issuer's"));
    let stack = AuthStack::builder().auth(BearerLayer::new(desk.tokens.clone())).clock(desk.clock()).build().unwrap();
    let bearer = format!("Bearer {}", OLD.token());
    let ask = || stack.layer(ok()).oneshot(get("/", &[("authorization", &bearer)]));
    // The first waits for the fetch, the second is in the cooldown.
    for fetches in [1, 1] {
        let response = ask().await.unwrap();
        assert_eq!(desk.source.fetches(), fetches);
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!response.headers().contains_key("www-authenticate"));
        let refusal = Rejection::of(&response).unwrap();
        assert_eq!(refusal.kind(), RejectionKind::Unavailable);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error = &serde_json::from_slice::<Value>(&body).unwrap()["error"];
        assert_eq!((&error["code"], &error["status"]), (&"SERVICE_UNAVAILABLE".into(), &503.into()));
        assert!(!String::from_utf8_lossy(&body).contains("secret"), "the reason is for the log");
    }
    desk.source.now(Does::publish(&[&OLD]));
    desk.later(COOLDOWN);
    assert_eq!(ask().await.unwrap().status(), 200);
}

#[tokio::test]
async fn r069_a_first_fetch_that_fails_is_tried_again_soon() {
    let soon = std::time::Duration::from_millis(250);
    let desk = Desk::new(Does::Fail("gone"));
    assert_eq!(super::reason(desk.verify(&OLD)).await, "gone");
    desk.source.now(Does::publish(&[&OLD]));
    desk.later(just_before(soon));
    assert_eq!(super::reason(desk.verify(&OLD)).await, "gone", "the reason is still known");
    assert_eq!(desk.source.fetches(), 1);
    desk.later(TICK);
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 2));
}

#[tokio::test]
async fn r069_r070_a_removed_key_drops_out_at_the_next_refresh() {
    for cached in [false, true] {
        let desk =
            Desk::built(Does::publish(&[&OLD, &NEW]), |builder| if cached { builder.cache(10) } else { builder });
        // Twice, so that the second is a hit where tokens are remembered.
        for _ in 0..2 {
            assert_eq!((desk.fate(&OLD).await, desk.fate(&NEW).await), (Fate::Good, Fate::Good));
        }
        desk.source.now(Does::publish(&[&NEW]));
        desk.later(FRESH);
        // The refresh is this token's own.
        assert_eq!(desk.fate(&OLD).await, Fate::UnknownKey);
        assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 2));

        // It comes back as it went.
        desk.source.now(Does::publish(&[&OLD, &NEW]));
        desk.later(COOLDOWN);
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 3));
    }
}

#[tokio::test]
async fn r070_a_remembered_token_of_a_removed_key_is_forgotten_whoever_fetched() {
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.cache(10));
    for _ in 0..2 {
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
    }
    desk.source.now(Does::publish(&[&NEW]));
    desk.later(COOLDOWN);
    assert_eq!(desk.fate(&NEW).await, Fate::Good);
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::UnknownKey, 2));
}

#[tokio::test]
async fn p27_a_rotated_key_is_picked_up_by_its_first_token() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::publish(&[&OLD, &NEW]));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 2));
    assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 2));
}

#[tokio::test]
async fn p27_a_key_that_is_used_before_it_is_published_is_picked_up_after_the_cooldown() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&NEW).await, Fate::UnknownKey);
    desk.source.now(Does::publish(&[&OLD, &NEW]));
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::UnknownKey, 1));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 2));
}

#[tokio::test]
async fn p27_a_rotated_key_is_picked_up_when_the_keys_are_old_and_the_issuer_was_down() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("gone"));
    desk.later(FRESH);
    assert_eq!(desk.fate(&NEW).await, Fate::Unavailable, "nobody can tell whether it is the issuer's");
    desk.source.now(Does::publish(&[&NEW]));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&NEW).await, desk.fate(&OLD).await), (Fate::Good, Fate::UnknownKey));
    assert_eq!(desk.source.fetches(), 3);
}

/// The clock of a desk, a day back.
fn yesterday() -> ManualClock {
    ManualClock::at("2026-06-01T12:00:00Z")
}

#[tokio::test]
async fn p26_a_clock_set_back_by_a_day_does_not_stretch_the_cooldown() {
    for does in [Does::publish(&[&OLD]), Does::Fail("gone")] {
        let mut desk = Desk::new(Does::publish(&[&OLD]));
        desk.fate(&STRANGER).await;
        desk.source.now(does);
        desk.hand = yesterday();
        for fetches in 2..=4 {
            desk.fate(&STRANGER).await;
            assert_eq!(desk.source.fetches(), fetches);
            desk.later(just_before(COOLDOWN));
            desk.fate(&STRANGER).await;
            assert_eq!(desk.source.fetches(), fetches, "there is a cooldown all the same");
            desk.later(TICK);
        }
    }
}

#[tokio::test]
async fn r069_a_clock_set_back_by_a_day_does_not_keep_a_removed_key() {
    let mut desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::publish(&[&NEW]));
    desk.hand = yesterday();
    desk.later(FRESH);
    assert_eq!(desk.fate(&OLD).await, Fate::UnknownKey, "a quarter of an hour has passed at least");
}

#[tokio::test]
async fn r069_a_clock_set_back_by_a_day_does_not_make_keys_eternal() {
    let mut desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("gone"));
    desk.hand = yesterday();
    assert_eq!(desk.fate(&OLD).await, Fate::Good, "nobody knows how old they are");
    desk.later(STALE);
    assert_eq!(desk.fate(&OLD).await, Fate::Unavailable, "a day has passed at least");
}

#[tokio::test]
async fn r070_time_is_asked_of_a_remembered_token_too() {
    let desk = Desk::built(Does::publish(&[&OLD]), |builder| builder.cache(10));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    let far = Clock::from(&ManualClock::at("2100-01-02T00:00:00Z"));
    let outcome = verdict(desk.tokens.verify(&OLD.token(), &far)).await;
    // By then the keys are too old as well, and none is fetched for a token that is.
    assert_eq!(Fate::from(&outcome), Fate::UnknownKey, "{outcome:?}");
    assert!(at_once(&mut desk.verify(&OLD)).is_some());
}
