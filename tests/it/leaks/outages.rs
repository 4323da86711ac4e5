//! What cannot be answered now is answered 503, and is done when the report comes again.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Response;
use tokio::task::yield_now;
use tower_auth::{
    BoxError, FullBody, KeyDigests, KeyRecord, KeyStore, MaybeReady, MemoryKeyStore, Rejection, StoreFuture,
    leaks::{LeakReports, ReportKeys},
    testing::FlakyKeyStore,
    token::VerifyingKey,
};

use super::{Desk, ask, github, labels, report, signed, status};
use crate::{
    key_sets::{TICK, just_before},
    support::server::PATIENCE,
};

fn cause(response: &Response<FullBody>) -> String {
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key("retry-after"));
    Rejection::of(response).unwrap().private_cause().unwrap().to_string()
}

#[tokio::test]
async fn a_report_that_a_store_has_failed_comes_again() {
    let desk = Desk::new();
    let key = desk.create().await;
    let flaky = FlakyKeyStore::new(desk.store.clone());
    let reports = LeakReports::new(desk.keys.clone(), flaky.clone(), github());
    flaky.fail();
    let why = cause(&ask(&reports, report([key.secret.expose()])).await);
    assert!(why.contains("the store is set to fail"), "{why}");
    assert_eq!(labels(&reports, report(["ak_no_lookup"])).await, [false], "what has no format needs no store");
    flaky.recover();
    assert_eq!(labels(&reports, report([key.secret.expose()])).await, [true]);
    assert!(desk.is_revoked(&key).await);
}

/// Fails for one key alone, as long as it is told to.
struct FailsFor(MemoryKeyStore, Vec<u8>, Arc<AtomicBool>);

impl KeyStore for FailsFor {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        if self.2.load(Ordering::SeqCst) && key.as_slices()[0] == self.1 {
            return StoreFuture::ready(Err("this row cannot be read".into()));
        }
        self.0.find(key)
    }
}

#[tokio::test]
async fn a_key_that_fails_keeps_no_other_from_being_revoked() {
    let desk = Desk::new();
    let mut keys = Vec::new();
    for _ in 0..40 {
        keys.push(desk.create().await);
    }
    let digests = desk.scheme.digests(keys[3].secret.expose().as_bytes()).unwrap();
    let failing = Arc::new(AtomicBool::new(true));
    let store = FailsFor(desk.store.clone(), digests.as_slices()[0].to_vec(), Arc::clone(&failing));
    let reports = LeakReports::new(desk.keys.clone(), store, github());
    let all = || report(keys.iter().map(|key| key.secret.expose()));
    assert!(cause(&ask(&reports, all()).await).contains("this row cannot be read"));
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(desk.is_revoked(key).await, place != 3, "{place}");
    }
    failing.store(false, Ordering::SeqCst);
    assert_eq!(labels(&reports, all()).await, [true; 40]);
    for key in &keys {
        assert_eq!(desk.revocations(key).await.len(), 1);
    }
}

/// A key that was inserted past the registry.
#[tokio::test]
async fn a_key_that_the_registry_does_not_know_is_no_answer() {
    let desk = Desk::new();
    let key = desk.store.create(&desk.scheme, KeyRecord::new("key_1", "acme")).unwrap();
    let why = cause(&ask(&desk.reports, report([key.expose()])).await);
    assert!(why.contains("key_1") && why.contains("of the same keys"), "{why}");
    assert!(desk.told().is_empty());
}

struct Hanging;

impl KeyStore for Hanging {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::boxed(pending())
    }
}

impl ReportKeys for Hanging {
    fn find(&self, _: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
        MaybeReady::boxed(pending())
    }
}

/// The cause of a 503 that comes when the clock of the registry has moved this far, and not before.
async fn after(desk: &Desk, reports: &LeakReports, time: Duration) -> String {
    let key = desk.create().await;
    let request = report([key.secret.expose()]);
    let reports = reports.clone();
    let answer = tokio::spawn(async move { ask(&reports, request).await });
    for step in [just_before(time), TICK] {
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(!answer.is_finished());
        desk.hand.advance(step);
    }
    // A limit that does not end fails the test and does not stop it.
    cause(&tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap())
}

#[tokio::test]
async fn nothing_is_waited_for_without_end() {
    let desk = Desk::new();
    let of_keys = LeakReports::new(desk.keys.clone(), desk.store.clone(), Hanging);
    let why = after(&desk, &of_keys, Duration::from_secs(10)).await;
    assert!(why.contains("the keys that sign reports: their source did not answer within 10 s"), "{why}");

    let of_store = LeakReports::new(desk.keys.clone(), Hanging, github());
    let why = after(&desk, &of_store, Duration::from_secs(10)).await;
    assert!(why.contains("the key store did not answer within 10 s"), "{why}");

    let of_all = LeakReports::new(desk.keys.clone().timeout(Duration::MAX), Hanging, github());
    let why = after(&desk, &of_all, Duration::from_secs(25)).await;
    assert!(why.contains("did not answer within 25 s"), "{why}");
    let why = after(&desk, &of_all.timeout(Duration::from_secs(3)), Duration::from_secs(3)).await;
    assert!(why.contains("did not answer within 3 s"), "{why}");
}

/// Fails, and never has a key.
struct Down;

impl ReportKeys for Down {
    fn find(&self, _: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
        MaybeReady::ready(Err("GitHub is down".into()))
    }
}

#[tokio::test]
async fn without_githubs_keys_nothing_is_done() {
    let desk = Desk::signed_by(Down);
    let key = desk.create().await;
    let why = cause(&ask(&desk.reports, report([key.secret.expose()])).await);
    assert_eq!(why, "the keys that sign reports: GitHub is down");
    assert!(!desk.is_revoked(&key).await);
    let mut unsigned = signed("[]");
    unsigned.headers_mut().remove("github-public-key-signature");
    assert_eq!(status(&desk.reports, unsigned).await, 401, "no key is asked for");
}
