//! How long tokens may live, and how old they may be.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tower_auth::{
    Clock,
    token::{TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, explained, hand, judged,
    mint::{Object, claims, key},
    present, stack, strict,
};

const HOUR: Duration = Duration::from_secs(3600);

fn token(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

fn of(iat: i64, exp: i64) -> Object {
    let at = |offset: i64| NOW.checked_add_signed(offset).unwrap();
    claims(NOW).raw("iat", at(iat)).raw("exp", at(exp))
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[derive(Debug, PartialEq)]
enum Is {
    Good,
    Long,
    Old,
    Future,
    NoIat,
    Expired,
}

async fn verdict(builder: TokenVerifierBuilder, claims: &Object) -> Is {
    match judged(builder, &token(claims)).await {
        Ok(_) => Is::Good,
        Err(TokenError::TooOld) => Is::Old,
        Err(TokenError::Expired) => Is::Expired,
        Err(TokenError::BadClaim(why)) if why.contains("max_lifetime") => Is::Long,
        Err(TokenError::BadClaim(why)) if why.contains("future") => Is::Future,
        Err(TokenError::BadClaim(why)) if why.contains("iat is missing") => Is::NoIat,
        Err(other) => panic!("{}: {other}", claims.as_str()),
    }
}

#[tokio::test]
async fn a_lifetime_has_a_ceiling() {
    let builder = || strict().max_lifetime(HOUR);
    for (iat, exp, expected) in [
        (-60, 3540, Is::Good),
        (0, 3600, Is::Good),
        (0, 3601, Is::Long),
        (-1800, 1801, Is::Long),
        (-60, 365 * 24 * 3600, Is::Long),
        (-3600, 0, Is::Expired),
        (60, 3660, Is::Good),
        // Issued later than now, a token would live longer than the limit.
        (61, 3600, Is::Future),
        (1_000_000, 1_003_600, Is::Future),
        // It is over before it is issued.
        (1000, 10, Is::Future),
        (30, 10, Is::Good),
    ] {
        assert_eq!(verdict(builder(), &of(iat, exp)).await, expected, "{iat} {exp}");
    }
    assert_eq!(verdict(builder(), &of(0, 3600).without("iat")).await, Is::NoIat);
    // Fractions count.
    assert_eq!(verdict(builder(), &of(0, 0).raw("exp", format!("{}.5", NOW + 3600))).await, Is::Long);
    // Without the setting, none of this is asked.
    for claims in [of(0, 1_000_000_000), of(1_000_000, 2_000_000), of(0, 3600).without("iat")] {
        assert_eq!(verdict(strict(), &claims).await, Is::Good, "{}", claims.as_str());
    }
}

#[tokio::test]
async fn an_age_has_a_ceiling_that_a_cache_keeps() {
    let builder = || strict().max_age(HOUR);
    for (iat, exp, expected) in [
        (0, 100_000, Is::Good),
        (-3599, 100_000, Is::Good),
        (-3600, 100_000, Is::Old),
        (-1_000_000_000, 100_000, Is::Old),
        (-3600, -1, Is::Expired),
        (60, 100_000, Is::Good),
        (61, 100_000, Is::Future),
    ] {
        assert_eq!(verdict(builder(), &of(iat, exp)).await, expected, "{iat} {exp}");
    }
    assert_eq!(verdict(builder(), &of(0, 100).without("iat")).await, Is::NoIat);
    let leeway = || builder().leeway(Duration::from_secs(5));
    assert_eq!(verdict(leeway(), &of(-3604, 100)).await, Is::Good);
    assert_eq!(verdict(leeway(), &of(-3605, 100)).await, Is::Old);
    for cached in [false, true] {
        let verifier = if cached { builder().cache(4) } else { builder() }.build().unwrap();
        let hand = hand();
        let (token, clock) = (token(&of(0, 1_000_000)), Clock::from(&hand));
        for _ in 0..2 {
            assert!(verifier.verify(&token, &clock).await.is_ok());
        }
        hand.advance(Duration::from_secs(3599));
        assert!(verifier.verify(&token, &clock).await.is_ok());
        hand.advance(Duration::from_secs(1));
        let old = verifier.verify(&token, &clock).await;
        assert!(matches!(old, Err(TokenError::TooOld)), "{cached}: {old:?}");
    }
    // The largest age is no sum that overflows.
    assert_eq!(verdict(strict().max_age(Duration::MAX), &of(-1_000_000, 10)).await, Is::Good);
}

#[tokio::test]
async fn tokens_from_before_a_time_are_refused() {
    let builder = || strict().issued_after(at(NOW - 100));
    for (iat, expected) in
        [(-100, Is::Good), (-99, Is::Good), (-101, Is::Old), (-1_000_000_000, Is::Old), (5000, Is::Good)]
    {
        assert_eq!(verdict(builder(), &of(iat, 10_000)).await, expected, "{iat}");
    }
    assert_eq!(verdict(builder(), &of(0, 100).without("iat")).await, Is::NoIat);
    let zero = strict().issued_after(SystemTime::UNIX_EPOCH);
    assert_eq!(verdict(zero, &of(0, 100).raw("iat", 0)).await, Is::Good);
}

/// A client that is told that its token is expired fetches another one, which is what helps here.
#[tokio::test]
async fn a_client_is_told_that_an_old_token_is_expired() {
    for builder in [strict().max_age(HOUR), strict().issued_after(at(NOW))] {
        let told = present(&stack(builder), &token(&of(-7200, 7200))).await;
        told.assert_expired();
        assert!(told.cause.as_ref().is_some_and(|cause| cause.contains("too long ago")), "{told:?}");
    }
    let told = present(&stack(strict().max_lifetime(HOUR)), &token(&of(0, 7200))).await;
    told.assert_invalid();
}

#[tokio::test]
async fn the_log_says_the_limit_and_what_was_found() {
    for (builder, claims, told) in [
        (
            strict().max_lifetime(HOUR),
            of(0, 7200),
            "a claim of the token is invalid: exp is later than TokenVerifierBuilder::max_lifetime allows: the token is valid for 7200 s after its iat, the limit is 3600 s",
        ),
        (
            strict().max_age(HOUR),
            of(-7200, 100),
            "the token was issued too long ago: its iat is 1799992800, and the verifier accepts a token for 3600 s after its iat",
        ),
        (
            strict().issued_after(at(NOW)),
            of(-1, 100),
            "the token was issued too long ago: its iat is 1799999999, and the verifier accepts tokens from 1800000000",
        ),
        (
            strict().max_age(HOUR),
            of(0, 100).without("iat"),
            "a claim of the token is invalid: iat is missing, and a limit",
        ),
        (strict().max_age(HOUR), of(90, 100), "a claim of the token is invalid: iat is in the future"),
    ] {
        let (_, said) = explained(builder, &token(&claims)).await.unwrap_err();
        assert!(said.starts_with(told), "{said}");
    }
}

#[tokio::test]
async fn no_time_makes_it_panic() {
    let builder = || strict().max_age(HOUR).max_lifetime(HOUR).issued_after(at(1)).leeway(Duration::from_secs(60));
    let times = [
        json!(0),
        json!(1),
        json!(0.5),
        json!(9_007_199_254_740_992_u64),
        json!(-1),
        json!("1"),
        json!(null),
        json!(1e300),
    ];
    for iat in &times {
        for exp in &times {
            assert!(judged(builder(), &token(&of(0, 1).raw("iat", iat).raw("exp", exp))).await.is_err(), "{iat} {exp}");
        }
    }
    assert!(judged(builder(), &token(&of(0, 100))).await.is_ok());
}

#[test]
fn a_limit_of_zero_is_said_when_it_is_built() {
    for builder in [strict().max_age(Duration::ZERO), strict().max_lifetime(Duration::ZERO)] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains("zero") && said.contains("help:"), "{said}");
    }
}
