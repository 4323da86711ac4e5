//! Proofs by chance: nothing panics, and nothing but a good proof is accepted.

use std::{
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{HeaderValue, Request};
use proptest::prelude::*;
use tower::{Layer as _, Service as _};
use tower_auth::AuthStack;

use super::{Proof, stack, token_of};
use crate::support::{Body, ok};

/// The status of an answer, which is ready at once.
fn status(stack: &AuthStack, token: &str, proof: &[u8]) -> Option<u16> {
    let request = Request::get("/things").header("authorization", format!("DPoP {token}"));
    let request = request.header("dpop", HeaderValue::from_bytes(proof).ok()?).body(Body::default()).unwrap();
    let (mut service, mut context) = (stack.layer(ok()), Context::from_waker(Waker::noop()));
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => Some(response.status().as_u16()),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("nothing has to wait"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_proof_is_refused(
        client in prop::sample::select(vec!["es256", "ed25519"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..4),
    ) {
        let (stack, token) = (stack(), token_of(client));
        let good = Proof::of(client, &token).sealed().into_bytes();
        let mut changed = good.clone();
        for (at, byte, how) in changes {
            let at = at.index(changed.len());
            match how {
                0 => changed[at] = byte,
                1 => changed.insert(at, byte),
                _ => drop(changed.remove(at)),
            }
        }
        // Spaces around a header's value are none of it.
        prop_assume!(changed.trim_ascii() != &good[..]);
        if let Some(status) = status(&stack, &token, &changed) {
            prop_assert_eq!(status, 401);
        }
        prop_assert_eq!(status(&stack, &token, &good), Some(200));
    }

    #[test]
    fn any_header_and_any_claims_are_refused(header in ".*", claims in ".*", name in "[a-z]{3}", value in "[ -~]{0,40}") {
        let (stack, token) = (stack(), token_of("es256"));
        let good = || Proof::of("es256", &token);
        let key = crate::tokens::mint::key("es256");
        let spoilt = [
            key.seal(&header, good().claims),
            key.seal(good().header, &claims),
            key.seal(good().header.raw("jwk", &value), good().claims),
            key.seal(good().header, good().claims.raw("htu", &value)),
            key.seal(good().header, good().claims.text("htu", &value)),
            key.seal(good().header, good().claims.text("ath", &value)),
            key.seal(good().header.raw(&name, &value), good().claims),
        ];
        for proof in &spoilt[..6] {
            if let Some(status) = status(&stack, &token, proof.as_bytes()) {
                prop_assert_eq!(status, 401, "{}", proof);
            }
        }
        let _ = status(&stack, &token, spoilt[6].as_bytes());
    }
}
