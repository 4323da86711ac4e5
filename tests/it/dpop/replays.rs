//! Which proofs were used: the memory, its bound, and a store of the service's own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower_auth::{
    AuthStack, BoxError, Dpop, MaybeReady, TokenVerifier,
    dpop::{MemoryReplayStore, Replay, ReplayStore, UsedProof},
    token::{Claims, TokenRevocation, TokenStatus},
};

use super::{ORIGIN, Proof, jkt, layer_of, prove, token_of, verifier};
use crate::tokens::{NOW, hand, mint::key, stack_of};

/// Answers later, and counts.
#[derive(Clone, Default)]
struct Shared {
    seen: Arc<Mutex<Vec<UsedProof>>>,
    asked: Arc<AtomicUsize>,
    fails: bool,
    hangs: bool,
}

impl ReplayStore for Shared {
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (this, proof) = (self.clone(), proof.clone());
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            if this.hangs {
                std::future::pending::<()>().await;
            }
            if this.fails {
                return Err("the server is away".into());
            }
            let mut seen = this.seen.lock().unwrap();
            if seen.iter().any(|known| known.id() == proof.id()) {
                return Ok(Replay::Seen);
            }
            seen.push(proof);
            Ok(Replay::New)
        })
    }
}

#[tokio::test]
async fn processes_that_share_a_store_accept_a_proof_once() {
    let store = Shared::default();
    let [one, other] = [(); 2].map(|()| stack_of(layer_of(Dpop::new(ORIGIN).replay_store(store.clone()))));
    let token = token_of("es256");
    let proof = Proof::of("es256", &token).sealed();
    prove(&one, &token, &proof).await.assert_accepted();
    prove(&other, &token, &proof).await.assert_bad_proof("used before");
    prove(&other, &token, &Proof::of("es256", &token).sealed()).await.assert_accepted();
    let seen = store.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].key() == seen[1].key(), seen[0].id() == seen[1].id()), (true, false));
    assert_eq!((seen[0].id_hex().len(), seen[0].time_left()), (64, Duration::from_millis(70_001)));
}

#[tokio::test]
async fn only_a_proof_that_is_right_is_recorded() {
    let store = Shared::default();
    let stack = stack_of(layer_of(Dpop::new(ORIGIN).replay_store(store.clone())));
    let token = token_of("es256");
    let good = || Proof::of("es256", &token);
    let unsigned = format!("{}AA", &good().sealed()[..good().sealed().len() - 2]);
    prove(&stack, &token, &unsigned).await.assert_bad_proof("");
    prove(&stack, &token, &good().claim(|claims| claims.text("htm", "PUT")).sealed()).await.assert_bad_proof("htm");
    prove(&stack, &token, &Proof::of("ed25519", &token).sealed()).await.assert_bad_binding("another key");
    let plain = key("rs512").token(NOW);
    prove(&stack, &plain, &Proof::of("es256", &plain).sealed()).await.assert_bad_binding("not bound");
    let forged = format!("{}AA", &token[..token.len() - 2]);
    assert_eq!(prove(&stack, &forged, &Proof::of("es256", &forged).sealed()).await.status, 401);
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
    prove(&stack, &token, &good().sealed()).await.assert_accepted();
    assert_eq!(store.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_store_that_fails_is_an_outage() {
    let token = token_of("es256");
    for store in [Shared { fails: true, ..Shared::default() }, Shared { hangs: true, ..Shared::default() }] {
        let layer = layer_of(Dpop::new(ORIGIN).replay_store(store));
        let builder = AuthStack::builder().auth(layer).decision_timeout(Duration::from_millis(20));
        let stack = builder.clock(tower_auth::Clock::from_fn(the_time)).build().unwrap();
        let told = prove(&stack, &token, &Proof::of("es256", &token).sealed()).await;
        assert_eq!(told.short(), (503, "SERVICE_UNAVAILABLE"), "{told:?}");
        let cause = told.cause.unwrap();
        assert!(cause.contains("away") || cause.contains("DPoP proofs did not answer"), "{cause}");
    }
}

fn the_time() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

#[tokio::test]
async fn a_full_memory_refuses_and_forgets_nothing() {
    let store = MemoryReplayStore::new(3).per_key(2);
    let (clock, settings) = (hand(), Dpop::new(ORIGIN).replay_store(store));
    let stack = AuthStack::builder().auth(layer_of(settings)).clock(&clock).build().unwrap();
    let [mine, yours] = ["es256", "ed25519"].map(token_of);
    let first: Vec<String> = (0..2).map(|_| Proof::of("es256", &mine).sealed()).collect();
    for proof in &first {
        prove(&stack, &mine, proof).await.assert_accepted();
    }
    let told = prove(&stack, &mine, &Proof::of("es256", &mine).sealed()).await;
    assert_eq!(told.short(), (503, "SERVICE_UNAVAILABLE"));
    assert!(told.cause.unwrap().contains("no room"));
    prove(&stack, &yours, &Proof::of("ed25519", &yours).sealed()).await.assert_accepted();
    assert_eq!(prove(&stack, &yours, &Proof::of("ed25519", &yours).sealed()).await.status, 503);
    for proof in &first {
        prove(&stack, &mine, proof).await.assert_bad_proof("used before");
    }
    clock.advance(Duration::from_secs(71));
    let later = Proof::of("es256", &mine).claim(|claims| claims.raw("iat", NOW + 71)).sealed();
    prove(&stack, &mine, &later).await.assert_accepted();
    prove(&stack, &mine, &first[0]).await.assert_bad_proof("iat");
}

/// Whatever is remembered of a token, the proof is checked again.
#[tokio::test]
async fn a_token_from_the_cache_needs_a_proof_too() {
    let tokens: TokenVerifier = crate::tokens::strict().cache(100).build().unwrap();
    let stack = stack_of(tower_auth::BearerLayer::new(tokens).dpop(Dpop::new(ORIGIN)));
    let token = token_of("es256");
    for _ in 0..3 {
        prove(&stack, &token, &Proof::of("es256", &token).sealed()).await.assert_accepted();
        prove(&stack, &token, &Proof::of("ed25519", &token).sealed()).await.assert_bad_binding("another key");
        let unsigned = Proof::of("es256", &token);
        let proof = key("es256").seal(&unsigned.header, &unsigned.claims);
        let (signed, _) = proof.rsplit_once('.').unwrap();
        let (_, others) = token.rsplit_once('.').unwrap();
        prove(&stack, &token, &format!("{signed}.{}", &others[..86])).await.assert_bad_proof("");
    }
}

struct Revoked(&'static str);

impl TokenRevocation for Revoked {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        let is = token.confirmation().and_then(|bound| bound.jkt()) == Some(&jkt(key(self.0)));
        MaybeReady::boxed(async move { Ok(if is { TokenStatus::Revoked } else { TokenStatus::Valid }) })
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_its_proof_is_not_recorded() {
    let store = Shared::default();
    let settings = Dpop::new(ORIGIN).replay_store(store.clone());
    let stack = stack_of(tower_auth::BearerLayer::new(verifier()).dpop(settings).revocation(Revoked("es256")));
    let token = token_of("es256");
    let told = prove(&stack, &token, &Proof::of("es256", &token).sealed()).await;
    told.assert(401, "TOKEN_INVALID", &[&super::bad_token()]);
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
    let token = token_of("ed25519");
    let proof = Proof::of("ed25519", &token).sealed();
    prove(&stack, &token, &proof).await.assert_accepted();
    prove(&stack, &token, &proof).await.assert_bad_proof("used before");
}
