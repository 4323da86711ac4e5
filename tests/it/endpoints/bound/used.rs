//! A proof is used once, and only a request that is right in every other way uses it up.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tower_auth::{
    BoxError, MaybeReady,
    dpop::{MemoryReplayStore, Replay, ReplayStore, UsedProof},
};

use super::*;

/// Counts, lets others run before it answers, and fails when it is told to.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<Vec<String>>>, Arc<AtomicBool>);

impl Counting {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl ReplayStore for Counting {
    fn record(&self, proof: &UsedProof) -> MaybeReady<Result<Replay, BoxError>> {
        let (seen, fails, id) = (Arc::clone(&self.0), self.1.load(Ordering::SeqCst), proof.id_hex());
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            if fails {
                return Err("the server of used proofs is away".into());
            }
            let mut seen = seen.lock().unwrap();
            if seen.contains(&id) {
                return Ok(Replay::Seen);
            }
            seen.push(id);
            Ok(Replay::New)
        })
    }
}

fn counting() -> (Desk, Counting) {
    let store = Counting::default();
    (Desk::proving(Dpop::new(ORIGIN).replay_store(store.clone())), store)
}

#[tokio::test]
async fn r076_a_proof_is_used_once() {
    let desk = Desk::bound();
    let proof = sealed("es256", "/token");
    let headers = [("x-api-key", desk.key.expose()), ("dpop", &*proof)];
    assert_bound(&ask(&desk.endpoints, bare("/token", &headers)).await, "es256");
    let again = ask(&desk.endpoints, bare("/token", &headers)).await;
    assert_eq!(again.error(), error(400, "invalid_dpop_proof"));
    let again = desk.form("/token", &headers, &[("grant_type", "client_credentials")]).await;
    assert_eq!(again.error(), error(400, "invalid_dpop_proof"));
    assert!(again.refusal.unwrap().private_cause().unwrap().to_string().contains("used before"));
}

/// A copy of a whole request is refused, within the grace and after it, and the session goes on.
#[tokio::test]
async fn r076_a_copy_of_a_refresh_changes_nothing() {
    let desk = Desk::bound();
    let session = desk.bound_session("es256").await;
    let proof = sealed("es256", "/token");
    let next = desk.refresh_by_form(refresh_token(&session), Some(&proof)).await;
    assert_bound(&next, "es256");
    for _ in 0..2 {
        let copy = desk.refresh_by_form(refresh_token(&session), Some(&proof)).await;
        assert_eq!(copy.error(), error(400, "invalid_dpop_proof"));
        // Longer than the grace, and shorter than a proof is good.
        desk.hand.advance(Duration::from_secs(32));
    }
    let fresh = self::proof("es256", "/refresh").claim(|claims| claims.raw("iat", SECONDS + 64)).sealed();
    let token = next.text("refresh_token");
    assert_bound(&desk.refresh_by_json(&token, Some(&fresh)).await, "es256");
    assert_eq!(desk.refresh_by_json(&token, Some(&fresh)).await.error(), error(400, "invalid_dpop_proof"));
}

#[tokio::test]
async fn r076_two_refreshes_at_once() {
    let (desk, store) = counting();
    let session = desk.bound_session("es256").await;
    let token = refresh_token(&session);
    let (one, other) = (sealed("es256", "/token"), sealed("es256", "/token"));
    let (first, second) =
        tokio::join!(desk.refresh_by_form(token, Some(&one)), desk.refresh_by_form(token, Some(&other)));
    assert_bound(&first, "es256");
    assert_bound(&second, "es256");
    assert_eq!(first.text("refresh_token"), second.text("refresh_token"), "both get the same successor");
    assert_eq!(store.count(), 2);

    let (token, proof) = (first.text("refresh_token"), sealed("es256", "/token"));
    let (first, second) =
        tokio::join!(desk.refresh_by_form(&token, Some(&proof)), desk.refresh_by_form(&token, Some(&proof)));
    let (good, bad) = if first.status == 200 { (first, second) } else { (second, first) };
    assert_bound(&good, "es256");
    assert_eq!(bad.error(), error(400, "invalid_dpop_proof"), "one proof is good for one answer");
    assert_eq!(store.count(), 3);
    assert_bound(&desk.refresh_by_form(&good.text("refresh_token"), Some(&sealed("es256", "/token"))).await, "es256");
}

/// Whoever has no credential leaves no entry in the store.
#[tokio::test]
async fn r076_a_stranger_does_not_fill_the_store() {
    let (desk, store) = counting();
    let session = desk.bound_session("es256").await;
    for path in ["/token", "/refresh", "/revoke", "/logout"] {
        ask(&desk.endpoints, bare(path, &[("dpop", &sealed("es256", path))])).await;
    }
    let wrong = [("x-api-key", "ak_0000000000000000000000000000000000000000"), ("dpop", &*sealed("es256", "/token"))];
    assert_eq!(ask(&desk.endpoints, bare("/token", &wrong)).await.status, 401);
    let subject_type = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    for (form, code) in [
        (vec![GRANT, ("refresh_token", "rt_unknown")], "invalid_grant"),
        (vec![GRANT, ("refresh_token", refresh_token(&session)), ("client_id", "another")], "invalid_grant"),
        (vec![GRANT, ("refresh_token", refresh_token(&session)), ("scope", "admin")], "invalid_scope"),
        (
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", "x"),
                subject_type,
            ],
            "invalid_request",
        ),
    ] {
        let told = desk.form("/token", &[("dpop", &sealed("es256", "/token"))], &form).await;
        assert_eq!(told.error(), error(400, code), "{form:?}");
    }
    assert_eq!(store.count(), 0);
    // Another key than that of the session.
    desk.refresh_by_form(refresh_token(&session), Some(&sealed("ed25519", "/token"))).await;
    assert_eq!(store.count(), 0);
    desk.refresh_by_form(refresh_token(&session), Some(&sealed("es256", "/token"))).await;
    assert_eq!(store.count(), 1);
}

#[tokio::test]
async fn r076_without_the_store_of_used_proofs_nothing_is_issued_or_changed() {
    let (desk, store) = counting();
    let session = desk.bound_session("es256").await;
    let token = refresh_token(&session);
    store.1.store(true, Ordering::SeqCst);
    let proof = sealed("es256", "/token");
    for _ in 0..2 {
        let told = desk.refresh_by_form(token, Some(&proof)).await;
        assert_eq!(told.error(), error(503, "temporarily_unavailable"));
        assert!(told.header("retry-after").is_some());
        let told = desk.refresh_by_json(token, Some(&sealed("es256", "/refresh"))).await;
        assert_eq!((told.status, told.header("retry-after").is_some()), (503, true));
        let headers = [("x-api-key", desk.key.expose()), ("dpop", &*sealed("es256", "/token"))];
        assert_eq!(ask(&desk.endpoints, bare("/token", &headers)).await.status, 503);
        // Longer than the grace: the token was not replaced.
        desk.hand.advance(Duration::from_secs(31));
    }
    store.1.store(false, Ordering::SeqCst);
    let proof = self::proof("es256", "/token").claim(|claims| claims.raw("iat", SECONDS + 62)).sealed();
    assert_bound(&desk.refresh_by_form(token, Some(&proof)).await, "es256");

    let full = Desk::proving(Dpop::new(ORIGIN).replay_store(MemoryReplayStore::new(1)));
    let refused = async || {
        let headers = [("x-api-key", full.key.expose()), ("dpop", &*sealed("es256", "/token"))];
        ask(&full.endpoints, bare("/token", &headers)).await
    };
    let mut last = refused().await;
    for _ in 0..100 {
        if last.status != 200 {
            break;
        }
        last = refused().await;
    }
    assert_eq!((last.status, last.header("retry-after").is_some()), (503, true));
}
