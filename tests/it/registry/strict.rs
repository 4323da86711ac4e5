//! Revocations that wait for the caches of the store: rule 085 where there are caches.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tower_auth::{
    Clock, KeyRegistry, KeyScheme, KeyState, MemoryKeyStore, Principal, RegistryError, Rejection, RejectionKind,
    registry::{Holder, IssuedKey, KeyFilter, RegistryStore as _},
    testing::ManualClock,
};

use super::{TICK, new};
use crate::stores::{Bound, Switched};

const BOUND: Duration = Duration::from_secs(10);

/// A registry over a store whose caches promise something.
struct Desk {
    hand: ManualClock,
    store: Switched,
    keys: KeyRegistry,
    admin: Principal,
}

impl Desk {
    fn new(bound: Bound) -> Self {
        let hand = ManualClock::at("2026-06-02T12:00:00Z");
        let clock = Clock::from(&hand);
        Self::by(hand, clock, bound)
    }

    fn by(hand: ManualClock, clock: Clock, bound: Bound) -> Self {
        let store = Switched::new(MemoryKeyStore::new());
        store.set_bound(bound);
        let scheme = KeyScheme::ephemeral(crate::support::ak());
        let keys = KeyRegistry::with_clock(scheme, store.clone(), clock).timeout(Duration::from_secs(3));
        Self { hand, store, keys, admin: Principal::builder("alice").build() }
    }

    async fn create(&self) -> IssuedKey {
        self.keys.create(&self.admin, new()).await.unwrap()
    }

    async fn is_revoked(&self, key: &IssuedKey) -> bool {
        self.keys.get(&self.admin, key.key.id()).await.unwrap().state() == KeyState::Revoked
    }
}

#[tokio::test]
async fn r085_revoke_strict_returns_when_no_cache_can_admit_the_key() {
    let desk = Desk::new(Bound::Is(BOUND));
    let key = desk.create().await;
    // A key that was revoked before is waited for too: a cache may have answered a moment ago.
    for _ in 0..2 {
        let mut waits = Box::pin(desk.keys.revoke_strict(&desk.admin, key.key.id()));
        assert!((&mut waits).now_or_never().is_none());
        assert!(desk.is_revoked(&key).await, "it is revoked before anything is waited for");
        // The timeout of the registry does not end the wait, and neither do the clocks that differ.
        for passed in [Duration::from_secs(3), Duration::from_secs(7), BOUND / 1_000] {
            desk.hand.advance(passed);
            assert!((&mut waits).now_or_never().is_none(), "{passed:?}");
        }
        desk.hand.advance(TICK);
        let revoked = waits.now_or_never().unwrap().unwrap();
        assert_eq!((revoked.id(), revoked.state()), (key.key.id(), KeyState::Revoked));
    }
}

#[tokio::test]
async fn r085_a_store_without_caches_is_not_waited_for() {
    let desk = Desk::new(Bound::OfTheStore);
    let key = desk.create().await;
    assert!(desk.keys.revoke_strict(&desk.admin, key.key.id()).now_or_never().unwrap().is_ok());
    let unknown = desk.keys.revoke_strict(&desk.admin, "key_0").now_or_never().unwrap();
    assert_eq!(unknown.unwrap_err(), RegistryError::NotFound);
    let holder = Holder::account("acme");
    desk.keys.suspend_strict(&desk.admin, holder.clone()).now_or_never().unwrap().unwrap();
    assert!(desk.keys.suspended_since(&holder).await.unwrap().is_some());
}

#[tokio::test]
async fn r085_a_caller_that_goes_away_leaves_the_key_revoked() {
    let desk = Desk::new(Bound::Is(Duration::MAX));
    let key = desk.create().await;
    assert!(desk.keys.revoke_strict(&desk.admin, key.key.id()).now_or_never().is_none());
    assert!(desk.is_revoked(&key).await);
}

#[tokio::test]
async fn r085_a_bound_that_cannot_be_read_is_told_apart_from_a_key_that_is_not_revoked() {
    for bound in [Bound::Fails, Bound::Hangs] {
        let desk = Desk::new(bound);
        let key = desk.create().await;
        let mut waits = Box::pin(desk.keys.revoke_strict(&desk.admin, key.key.id()));
        let error = if let Some(answer) = (&mut waits).now_or_never() {
            answer
        } else {
            desk.hand.advance(Duration::from_secs(3));
            waits.await
        };
        let error = error.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, RegistryError::NotAwaited { done: "the key is revoked", .. }), "{error:?}");
        assert!(text.starts_with("the key is revoked, but caches may"), "{text}");
        let why = if matches!(bound, Bound::Fails) { "the bound is not stored" } else { "3 s" };
        assert!(text.contains(why), "{text}");
        assert!(desk.is_revoked(&key).await);
        let refusal = Rejection::from(error);
        assert_eq!((refusal.status().as_u16(), refusal.kind()), (503, RejectionKind::Unavailable));
        // The advice is to repeat it.
        desk.store.set_bound(Bound::Is(Duration::ZERO));
        assert!(desk.keys.revoke_strict(&desk.admin, key.key.id()).now_or_never().unwrap().is_ok());
    }
    // Nothing was revoked: another error.
    let desk = Desk::new(Bound::Is(BOUND));
    let key = desk.create().await;
    desk.store.fail();
    let error = desk.keys.revoke_strict(&desk.admin, key.key.id()).now_or_never().unwrap().unwrap_err();
    assert!(matches!(error, RegistryError::Store(_)), "{error:?}");
    desk.store.recover();
    assert!(!desk.is_revoked(&key).await);
}

#[tokio::test]
async fn r085_a_clock_without_a_timer_cannot_wait_and_does_not_wait_for_ever() {
    let timeless = Clock::from_fns(SystemTime::now, || Duration::ZERO);
    let desk = Desk::by(ManualClock::at("2026-06-02T12:00:00Z"), timeless, Bound::Is(BOUND));
    let key = desk.create().await;
    let error = desk.keys.revoke_strict(&desk.admin, key.key.id()).now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().contains("Clock::timer"), "{error}");
    assert!(desk.is_revoked(&key).await);
}

#[tokio::test]
async fn r085_suspend_strict_waits_as_well() {
    let desk = Desk::new(Bound::Is(BOUND));
    let (key, holder) = (desk.create().await, Holder::account("acme"));
    for _ in 0..2 {
        let mut waits = Box::pin(desk.keys.suspend_strict(&desk.admin, holder.clone()));
        assert!((&mut waits).now_or_never().is_none());
        assert!(desk.keys.suspended_since(&holder).await.unwrap().is_some());
        desk.hand.advance(BOUND + BOUND / 1_000);
        assert!((&mut waits).now_or_never().is_none());
        desk.hand.advance(TICK);
        waits.now_or_never().unwrap().unwrap();
    }
    desk.store.set_bound(Bound::Fails);
    let error = desk.keys.suspend_strict(&desk.admin, holder).now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("the holder is suspended, but"), "{error}");
    assert!(!desk.is_revoked(&key).await, "a suspension changes no key");
    assert_eq!(desk.store.list(&KeyFilter::account("acme")).await.unwrap().items.len(), 1);
}
