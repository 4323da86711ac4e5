//! Nonces: demanded, renewed, and those that are not ours.

use std::time::Duration;

use http::Response;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, Dpop, dpop::Nonces, testing::ManualClock};

use super::{ORIGIN, Proof, layer_of, request, token_of};
use crate::{
    support::ok,
    tokens::{NOW, hand, mint::b64},
};

const LIFETIME: u64 = 120;

fn nonces(key: u8) -> Nonces {
    Nonces::new([key; 32]).unwrap()
}

fn stack(clock: &ManualClock, nonces: Nonces) -> AuthStack {
    AuthStack::builder().auth(layer_of(Dpop::new(ORIGIN).nonces(nonces))).clock(clock).build().unwrap()
}

/// The status, and the nonce that the client is given.
struct Said {
    status: u16,
    nonce: Option<String>,
    is_demand: bool,
    cacheable: bool,
}

async fn say(stack: &AuthStack, proof: &Proof, token: &str) -> Said {
    let response: Response<_> = stack.layer(ok()).oneshot(request("DPoP", token, &[&proof.sealed()])).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Said {
        status: response.status().as_u16(),
        nonce: header("dpop-nonce"),
        is_demand: header("www-authenticate").is_some_and(|offer| offer.contains("error=\"use_dpop_nonce\"")),
        cacheable: header("cache-control").as_deref() != Some("no-store"),
    }
}

fn proof(token: &str, nonce: &str) -> Proof {
    Proof::of("es256", token).claim(|claims| claims.text("nonce", nonce))
}

/// The nonce of a stack at its time.
async fn given(stack: &AuthStack, token: &str) -> String {
    let said = say(stack, &Proof::of("es256", token), token).await;
    assert!(said.status == 401 && said.is_demand && !said.cacheable);
    said.nonce.unwrap()
}

#[tokio::test]
async fn a_nonce_is_given_used_and_renewed() {
    let (clock, token) = (hand(), token_of("es256"));
    let stack = stack(&clock, nonces(7));
    let first = given(&stack, &token).await;
    let said = say(&stack, &proof(&token, &first), &token).await;
    assert_eq!((said.status, said.nonce), (200, None), "the nonce is the newest one");
    clock.advance(Duration::from_secs(LIFETIME / 2));
    let said = say(&stack, &proof(&token, &first), &token).await;
    let second = said.nonce.unwrap();
    assert_eq!(said.status, 200);
    assert_ne!(first, second);
    assert_eq!(say(&stack, &proof(&token, &second), &token).await.nonce, None);
    clock.advance(Duration::from_secs(LIFETIME / 2));
    let said = say(&stack, &proof(&token, &first), &token).await;
    assert!(said.status == 401 && said.is_demand && said.nonce.is_some_and(|third| third != second));
    assert_eq!(say(&stack, &proof(&token, &second), &token).await.status, 200);
}

#[tokio::test]
async fn a_clock_that_is_wrong_does_not_matter_with_a_nonce() {
    let (clock, token) = (hand(), token_of("es256"));
    let stack = stack(&clock, nonces(7));
    let nonce = given(&stack, &token).await;
    for iat in [0, NOW - 86_400, NOW + 86_400] {
        let proof = proof(&token, &nonce).claim(|claims| claims.raw("iat", iat));
        assert_eq!(say(&stack, &proof, &token).await.status, 200, "{iat}");
        assert_eq!(say(&stack, &proof, &token).await.status, 401, "a replay: {iat}");
    }
}

#[tokio::test]
async fn a_proof_is_remembered_as_long_as_its_nonce() {
    let (clock, token) = (hand(), token_of("es256"));
    let stack = stack(&clock, nonces(7));
    let proof = proof(&token, &given(&stack, &token).await);
    assert_eq!(say(&stack, &proof, &token).await.status, 200);
    for _ in 0..LIFETIME + 5 {
        clock.advance(Duration::from_secs(1));
        assert_eq!(say(&stack, &proof, &token).await.status, 401);
    }
}

#[tokio::test]
async fn what_is_no_nonce_of_ours_asks_for_one() {
    let (clock, token) = (hand(), token_of("es256"));
    let ours = stack(&clock, nonces(7));
    let good = given(&ours, &token).await;
    let other = given(&stack(&clock, nonces(8)), &token).await;
    let later = hand();
    later.advance(Duration::from_secs(LIFETIME));
    let future = given(&stack(&later, nonces(7)), &token).await;
    let mut last = good.clone().into_bytes();
    last[53] = if last[53] == b'A' { b'B' } else { b'A' };
    let mut step = good.clone().into_bytes();
    step[9] ^= 1;
    let forged = [&(NOW / 60).to_be_bytes()[..], &[0; 32]].concat();
    for nonce in [
        "",
        "a",
        &other,
        &future,
        &good[1..],
        &good[..53],
        &format!("{good}A"),
        &format!("{good}="),
        std::str::from_utf8(&last).unwrap(),
        std::str::from_utf8(&step).unwrap(),
        &b64(forged),
        &b64([0; 40]),
        &b64([255; 40]),
        &"A".repeat(4000),
        "\u{e9}",
    ] {
        let said = say(&ours, &proof(&token, nonce), &token).await;
        assert!(said.status == 401 && said.is_demand && said.nonce.as_ref() == Some(&good), "{nonce}");
    }
    assert_eq!(say(&ours, &proof(&token, &good), &token).await.status, 200);
}

#[tokio::test]
async fn processes_with_one_key_accept_the_nonces_of_each_other() {
    let (clock, token) = (hand(), token_of("es256"));
    let [one, other] = [stack(&clock, nonces(7)), stack(&clock, nonces(8).accept([7; 32]).unwrap())];
    let nonce = given(&one, &token).await;
    assert_eq!(say(&other, &proof(&token, &nonce), &token).await.status, 200);
    let newer = given(&other, &token).await;
    assert_eq!(say(&one, &proof(&token, &newer), &token).await.status, 401, "one does not know the new key");
    // The clock of the other is a little ahead.
    let ahead = hand();
    ahead.advance(Duration::from_secs(LIFETIME / 2));
    let nonce = given(&stack(&ahead, nonces(7)), &token).await;
    assert_eq!(say(&one, &proof(&token, &nonce), &token).await.status, 200);
}
