//! Verified tokens that are remembered: no answer depends on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use tower_auth::{
    BearerLayer, Clock, TokenVerifier,
    token::{KeySet, Tenants, TokenError},
};

use super::{
    NOW, hand,
    mint::{AUDIENCE, ISSUER, claims, jwks, key},
    present, stack_of, strict,
};

#[tokio::test]
async fn a_token_expires_while_it_is_remembered() {
    let (hand, key) = (hand(), key("rs256"));
    let stack = tower_auth::AuthStack::builder()
        .auth(BearerLayer::new(strict().cache(16).build().unwrap()))
        .clock(&hand)
        .build()
        .unwrap();
    let token = key.seal(key.header(), claims(NOW).raw("exp", NOW + 10));
    for _ in 0..9 {
        present(&stack, &token).await.assert_accepted();
        hand.advance(Duration::from_secs(1));
    }
    hand.advance(Duration::from_millis(999));
    present(&stack, &token).await.assert_accepted();
    hand.advance(Duration::from_millis(1));
    for _ in 0..3 {
        present(&stack, &token).await.assert_expired();
    }
}

/// Whether a tenant is accepted is decided for each request: it may have left a minute ago.
#[tokio::test]
async fn a_tenant_leaves_while_its_tokens_are_remembered() {
    const TEMPLATE: &str = "https://{org}.issuer.test";
    let open = Arc::new(AtomicBool::new(true));
    let decides = Arc::clone(&open);
    let tenants = Tenants::when(move |_| decides.load(Ordering::SeqCst)).claim("org");
    let builder = TokenVerifier::key_set(TEMPLATE, KeySet::from_json(jwks(&["es256"]).as_bytes()).unwrap());
    let builder = builder.audience(AUDIENCE).tenants(tenants).cache(16);
    let stack = stack_of(BearerLayer::new(builder.build().unwrap()));
    let claims = claims(NOW).text("iss", "https://acme.issuer.test").text("org", "acme");
    let token = key("es256").seal(key("es256").header(), claims);
    for accepted in [true, true, false, false, true] {
        open.store(accepted, Ordering::SeqCst);
        let told = present(&stack, &token).await;
        if accepted {
            told.assert_accepted();
        } else {
            told.assert_invalid();
        }
    }
}

/// A clock may be set, either way: what is remembered is judged by the time that it shows now.
#[tokio::test]
async fn a_remembered_token_is_good_whenever_its_time_is() {
    let time = Arc::new(AtomicU64::new(NOW));
    let shown = Arc::clone(&time);
    let clock = Clock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::SeqCst)));
    let verifier = strict().cache(16).build().unwrap();
    let token = key("rs256").seal(key("rs256").header(), claims(NOW).raw("nbf", NOW - 10).raw("exp", NOW + 10));
    for (now, good) in [
        (NOW, true),
        (NOW + 9, true),
        (NOW + 10, false),
        (NOW, true),
        (NOW - 11, false),
        (NOW - 10, true),
        (NOW + 1_000_000, false),
        (NOW, true),
    ] {
        time.store(now, Ordering::SeqCst);
        let judged = verifier.verify(&token, &clock).await;
        assert_eq!(judged.is_ok(), good, "{now}: {judged:?}");
        assert!(good || matches!(judged, Err(TokenError::Expired | TokenError::NotYetValid)), "{judged:?}");
    }
}

/// Of one header and one text of claims there are many tokens, and only those with good signatures are good.
#[tokio::test]
async fn a_remembered_token_lends_nothing_to_one_that_is_nearly_the_same() {
    let (verifier, clock) = (strict().cache(16).build().unwrap(), Clock::from(&hand()));
    for kid in ["es256", "rs256", "hs256"] {
        let token = key(kid).token(NOW);
        assert!(verifier.verify(&token, &clock).await.is_ok());
        let cut = token.rfind('.').unwrap();
        for other in [format!("{}.", &token[..cut]), token[..token.len() - 4].to_owned(), format!("{token}AAAA")] {
            assert!(verifier.verify(&other, &clock).await.is_err());
        }
        let claims = claims(NOW).text("sub", "admin");
        let swapped = format!("{}.{}{}", super::mint::b64(key(kid).header()), super::mint::b64(claims), &token[cut..]);
        assert!(verifier.verify(&swapped, &clock).await.is_err());
        assert!(verifier.verify(&token, &clock).await.is_ok());
    }
}

#[tokio::test]
async fn everybody_is_remembered_as_who_they_are() {
    let (verifier, clock) = (strict().cache(4).build().unwrap(), Clock::from(&hand()));
    let key = key("es256");
    let tokens: Vec<String> =
        (0..40).map(|n| key.seal(key.header(), claims(NOW).text("sub", &format!("user_{n}")))).collect();
    // Far more than it has room for, in an order in which some are met and some have gone.
    for round in 0..3 {
        for (n, token) in tokens.iter().enumerate().skip(round) {
            for _ in 0..2 {
                let claims = verifier.verify(token, &clock).await.unwrap();
                assert_eq!(claims.principal().subject(), format!("user_{n}"));
            }
        }
    }
}

/// What is remembered was read once: the second request gets the very same claims.
#[tokio::test]
async fn a_clone_shares_what_is_remembered_and_another_verifier_does_not() {
    #[derive(Deserialize)]
    struct Own {
        sub: String,
    }
    let keys = || KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap();
    let builder = || TokenVerifier::key_set(ISSUER, keys()).audience(AUDIENCE).claims::<Own>();
    let (cached, plain) = (builder().cache(4).build().unwrap(), builder().build().unwrap());
    let (clock, token) = (Clock::from(&hand()), key("rs256").token(NOW));
    let read = async |verifier: &TokenVerifier| verifier.verify(&token, &clock).await.unwrap().principal().clone();
    let same = |one: &tower_auth::Principal, other: &tower_auth::Principal| {
        let [one, other] = [one, other].map(|who| who.claims::<Own>().unwrap());
        assert_eq!(one.sub, other.sub);
        std::ptr::eq(one, other)
    };
    let first = read(&cached).await;
    assert!(same(&first, &read(&cached).await) && same(&first, &read(&cached.clone()).await));
    assert!(!same(&read(&plain).await, &read(&plain).await));
    assert!(!same(&first, &read(&builder().cache(4).build().unwrap()).await));
}

#[tokio::test]
async fn many_ask_at_once() {
    let stack = stack_of(BearerLayer::new(strict().cache(8).build().unwrap()));
    let tokens: Vec<String> = ["rs256", "es256", "hs256", "ed25519"].map(|kid| key(kid).token(NOW)).into();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let (stack, token) = (stack.clone(), tokens[n % 4].clone());
            tokio::spawn(async move {
                for round in 0..8 {
                    if (n + round) % 3 == 0 {
                        present(&stack, &token.replace('.', ".A")).await.assert_invalid();
                    } else {
                        present(&stack, &token).await.assert_accepted();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
