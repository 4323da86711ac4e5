//! Rules 053 to 055: from when, until when, to the millisecond.

use std::time::{Duration, SystemTime};

use tower_auth::{
    Clock,
    token::{TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, hand, hostile, judged,
    mint::{Object, claims, key},
    present, stack, strict,
};

fn token(claims: Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

fn leeway(seconds: u64) -> TokenVerifierBuilder {
    strict().leeway(Duration::from_secs(seconds))
}

#[tokio::test]
async fn r053_exp_boundary() {
    for (seconds, exp, good) in [
        (0, (NOW - 1).to_string(), false),
        (0, NOW.to_string(), false),
        (0, format!("{NOW}.0"), false),
        (0, format!("{}.999", NOW - 1), false),
        (0, format!("{NOW}.001"), true),
        (0, (NOW + 1).to_string(), true),
        (60, (NOW - 61).to_string(), false),
        (60, (NOW - 60).to_string(), false),
        (60, format!("{}.001", NOW - 60), true),
        (60, (NOW - 59).to_string(), true),
        (60, NOW.to_string(), true),
        (1, (NOW - 1).to_string(), false),
        (1, NOW.to_string(), true),
    ] {
        let judged = judged(leeway(seconds), &token(claims(NOW).raw("exp", &exp))).await;
        assert!(judged.is_ok() == good || matches!(judged, Err(TokenError::Expired)), "{judged:?}");
        assert_eq!(judged.is_ok(), good, "a leeway of {seconds} and {exp}");
    }
}

#[tokio::test]
async fn r053_a_token_is_good_up_to_its_last_millisecond() {
    for seconds in [0, 60] {
        let (verifier, hand) = (leeway(seconds).build().unwrap(), hand());
        let (clock, token) = (Clock::from(&hand), token(claims(NOW).raw("exp", NOW + 10)));
        hand.advance(Duration::from_millis((10 + seconds) * 1000 - 1));
        assert!(verifier.verify(&token, &clock).await.is_ok());
        hand.advance(Duration::from_millis(1));
        assert!(matches!(verifier.verify(&token, &clock).await, Err(TokenError::Expired)));
        hand.advance(Duration::from_secs(1_000_000));
        assert!(matches!(verifier.verify(&token, &clock).await, Err(TokenError::Expired)));
    }
}

#[tokio::test]
async fn r053_an_expired_token_is_told_so_only_if_nothing_else_is_wrong() {
    hostile::group(&["over", "times"], 40).await;
    let stack = stack(strict());
    present(&stack, &token(claims(NOW).raw("exp", NOW))).await.assert_expired();
    present(&stack, &token(claims(NOW).raw("exp", NOW).text("aud", "x"))).await.assert_invalid();
    let other = key("rs256").seal(key("es256").header(), claims(NOW).raw("exp", NOW));
    present(&stack, &other).await.assert_invalid();
}

#[tokio::test]
async fn r054_nbf_boundary() {
    for (seconds, nbf, good) in [
        (0, (NOW - 1).to_string(), true),
        (0, NOW.to_string(), true),
        (0, format!("{NOW}.001"), false),
        (0, (NOW + 1).to_string(), false),
        (60, (NOW + 59).to_string(), true),
        (60, (NOW + 60).to_string(), true),
        (60, format!("{}.001", NOW + 60), false),
        (60, (NOW + 61).to_string(), false),
    ] {
        let judged = judged(leeway(seconds), &token(claims(NOW).raw("nbf", &nbf))).await;
        assert!(judged.is_ok() == good || matches!(judged, Err(TokenError::NotYetValid)), "{judged:?}");
        assert_eq!(judged.is_ok(), good, "a leeway of {seconds} and {nbf}");
    }
    let (verifier, hand) = (strict().build().unwrap(), hand());
    let (clock, token) = (Clock::from(&hand), token(claims(NOW).raw("nbf", NOW + 10)));
    hand.advance(Duration::from_millis(9_999));
    assert!(matches!(verifier.verify(&token, &clock).await, Err(TokenError::NotYetValid)));
    hand.advance(Duration::from_millis(1));
    assert!(verifier.verify(&token, &clock).await.is_ok());
}

#[tokio::test]
async fn r055_what_is_no_time_is_refused_and_nothing_panics() {
    hostile::group(&["dates"], 130).await;
}

#[tokio::test]
async fn r055_times_are_told_as_they_stand_in_the_token() {
    let at = |seconds: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
    let text = token(claims(NOW).raw("iat", "1799999999.25").raw("nbf", "1.7e9").raw("exp", "9007199254740992"));
    let claims = judged(strict(), &text).await.unwrap();
    assert_eq!(claims.issued_at(), Some(at(1_799_999_999.25)));
    assert_eq!(claims.not_before(), Some(at(1_700_000_000.0)));
    assert_eq!(claims.expires_at(), at(9_007_199_254_740_992.0));
    let bare = judged(strict(), &token(super::mint::claims(NOW).without("iat"))).await.unwrap();
    assert_eq!((bare.issued_at(), bare.not_before()), (None, None));
}

/// The clock is the stack's, however far it is from any token.
#[tokio::test]
async fn r055_no_clock_makes_it_panic() {
    let verifier = leeway(60).build().unwrap();
    let far = token(claims(NOW).raw("exp", "9007199254740992").raw("nbf", 0).raw("iat", "9007199254740992"));
    for (now, good) in [
        (SystemTime::UNIX_EPOCH, true),
        (SystemTime::UNIX_EPOCH - Duration::from_secs(60), true),
        (SystemTime::UNIX_EPOCH - Duration::from_secs(61), false),
        (SystemTime::UNIX_EPOCH + Duration::from_secs(9_007_199_254_741_051), true),
        (SystemTime::UNIX_EPOCH + Duration::from_secs(9_007_199_254_741_052), false),
    ] {
        let judged = verifier.verify(&far, &Clock::from_fn(move || now)).await;
        assert_eq!(judged.is_ok(), good, "{now:?}: {judged:?}");
    }
}
