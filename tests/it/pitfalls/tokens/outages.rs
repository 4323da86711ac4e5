//! An issuer that is down: how soon it is asked again, and what becomes of tokens meanwhile.

use jsonwebtoken::Header;
use tokio::time::{self, Instant};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, BearerLayer, Health, Rejection, RejectionKind};

use super::{
    AUDIENCE, COOLDOWN, Clock, Desk, Does, Duration, FRESH, Fate, ISSUER, MaybeReady, NEW, OLD, SECOND, STRANGER,
    TokenError, TokenVerifier, TokenVerifierBuilder, asking, key_set,
};
use crate::{
    key_sets::{Signer, TICK, just_before, verdict},
    support::{get, ok},
};

/// A verifier whose issuer is down for so long from now.
fn down_for(time: Duration) -> TokenVerifierBuilder {
    let start = Instant::now();
    asking(move || MaybeReady::ready(if start.elapsed() < time { Err("down".into()) } else { Ok(key_set(&[&OLD])) }))
}

#[tokio::test(start_paused = true)]
async fn p80_a_service_starts_soon_after_its_issuer() {
    for (down, ready_after) in [
        (Duration::from_millis(1), 250),
        (SECOND, 1_750),
        (2 * SECOND, 3_750),
        (5 * SECOND, 7_750),
        (60 * SECOND, 61_750),
    ] {
        let (start, tokens) = (Instant::now(), down_for(down).build().unwrap());
        tokens.ready(90 * SECOND).await.unwrap();
        // It looks every 20 ms of this time, which is not real.
        let late = start.elapsed().saturating_sub(Duration::from_millis(ready_after));
        assert!(late <= SECOND / 5 + down / 10, "{down:?}: {:?}", start.elapsed());

        let (start, tokens) = (Instant::now(), down_for(down).build().unwrap());
        let task = tokens.start();
        time::sleep(Duration::from_millis(ready_after) + SECOND / 2).await;
        assert_eq!(task.health(), Health::Good, "{down:?}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn p80_without_keys_the_first_requests_try_again_soon_and_then_more_seldom() {
    let desk = Desk::new(Does::Fail("down"));
    assert_eq!(desk.fate(&OLD).await, Fate::Unavailable);
    for (round, millis) in
        [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000].into_iter().enumerate()
    {
        desk.later(just_before(Duration::from_millis(millis)));
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Unavailable, round + 1));
        desk.later(TICK);
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Unavailable, round + 2));
    }
    desk.source.now(Does::publish(&[&OLD]));
    desk.later(COOLDOWN);
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    // The next outage begins as this one, once the keys are too old: until then the cooldown holds.
    desk.source.now(Does::Fail("down"));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Unavailable, 13));
    desk.later(just_before(COOLDOWN));
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Unavailable, 13));
}

#[tokio::test]
async fn p80_a_short_cooldown_is_never_stretched() {
    let desk = Desk::built(Does::Fail("down"), |builder| builder.cooldown(Duration::from_millis(20)));
    for fetches in 1..=20 {
        assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Unavailable, fetches));
        desk.later(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn p80_a_token_of_a_new_key_is_503_while_the_issuer_is_down() {
    let nameless = |signer: &Signer| signer.sign(&Header { kid: None, ..signer.header() }, ISSUER);
    for token in [NEW.token(), nameless(&NEW)] {
        let desk = Desk::new(Does::publish(&[&OLD]));
        let fate = async |token: &str| Fate::from(&verdict(desk.tokens.verify(token, &desk.clock())).await);
        assert_eq!(desk.fate(&OLD).await, Fate::Good);
        // While nothing has failed, the keys that are there are the issuer's.
        assert!([Fate::UnknownKey, Fate::Refused].contains(&fate(&token).await));
        desk.source.now(Does::Fail("down"));
        desk.later(COOLDOWN);
        for _ in 0..3 {
            assert_eq!(fate(&token).await, Fate::Unavailable);
            assert_eq!((desk.fate(&OLD).await, desk.source.fetches()), (Fate::Good, 2), "once a cooldown");
        }
        desk.source.now(Does::publish(&[&OLD, &NEW]));
        desk.later(COOLDOWN);
        assert_eq!((fate(&token).await, desk.fate(&STRANGER).await), (Fate::Good, Fate::UnknownKey));
    }
}

#[tokio::test]
async fn p80_the_503_is_one_in_the_envelope() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("down"));
    desk.later(COOLDOWN);
    let stack = AuthStack::builder().auth(BearerLayer::new(desk.tokens.clone())).clock(desk.clock()).build().unwrap();
    let bearer = format!("Bearer {}", NEW.token());
    for _ in 0..2 {
        let response = stack.layer(ok()).oneshot(get("/", &[("authorization", &bearer)])).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!response.headers().contains_key("www-authenticate"));
        assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::Unavailable);
    }
}

/// What cannot be of a new key is the token's fault, whatever is down: no token causes a 503 or a fetch.
#[tokio::test]
async fn p80_other_tokens_are_401_while_the_issuer_is_down() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Fail("down"));
    desk.later(COOLDOWN);
    assert_eq!(desk.fate(&NEW).await, Fate::Unavailable);
    desk.later(COOLDOWN);
    let impostor = Signer { id: OLD.id, seed: STRANGER.seed };
    let refresh = Header { typ: Some("refresh+jwt".to_owned()), ..NEW.header() };
    let good = NEW.token();
    let (signed, _) = good.rsplit_once('.').unwrap();
    for (name, token) in [
        ("a known key's name", impostor.token()),
        ("another issuer", NEW.sign(&NEW.header(), "https://other.example.com/")),
        ("the issuer without its slash", NEW.sign(&NEW.header(), "https://id.example.com")),
        ("another type", NEW.sign(&refresh, ISSUER)),
        ("no base64url", format!("{signed}.*")),
        ("no token", "a.b.c".to_owned()),
    ] {
        let outcome = verdict(desk.tokens.verify(&token, &desk.clock())).await;
        assert!(!matches!(outcome, Ok(_) | Err(TokenError::Unavailable(_))), "{name}: {outcome:?}");
    }
    assert_eq!(desk.source.fetches(), 2);
}

/// Keys that are known are good while a fetch that a stranger has caused fails.
#[tokio::test]
async fn p80_keys_without_names_are_fetched_again_for_names_that_are_new() {
    let bare = |signer: &Signer| {
        let mut jwk = signer.jwk();
        jwk.as_object_mut().unwrap().remove("kid");
        bytes::Bytes::from(serde_json::json!({ "keys": [jwk] }).to_string())
    };
    let desk = Desk::new(Does::Answer(bare(&OLD)));
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.source.now(Does::Answer(bare(&NEW)));
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Refused, 1));
    desk.later(COOLDOWN);
    assert_eq!((desk.fate(&NEW).await, desk.source.fetches()), (Fate::Good, 2));
    assert_eq!(desk.fate(&OLD).await, Fate::Refused);
    desk.source.now(Does::Fail("down"));
    desk.later(FRESH);
    assert_eq!((desk.fate(&STRANGER).await, desk.fate(&NEW).await), (Fate::Unavailable, Fate::Good));
}

#[tokio::test]
async fn p80_a_verifier_that_was_never_served_says_where_it_asked() {
    let client = tower_auth::jwks::JwksClient::new(format!("http://{}/jwks.json", crate::key_sets::server::nobody()));
    let tokens = TokenVerifier::source(ISSUER, client.insecure_http()).audience(AUDIENCE).build().unwrap();
    assert!(tokens.verify(&OLD.token(), &Clock::system()).await.is_err());
    let Health::Down(why) = tokens.health() else { panic!("{:?}", tokens.health()) };
    assert!(why.starts_with("http://127.0.0.1:") && why.contains("/jwks.json: "), "{why}");
}
