//! What a registry does in the background.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_auth::{
    Health, KeyRegistry, KeyScheme, KeyStatus, KeyStore, MemoryKeyStore, Peppers, Principal, Restrictions, Secret,
    registry::{AuditFilter, KeyAction, KeyPolicy, WatchedKeyStore},
    testing::ManualClock,
};

use super::{HOUR, new};
use crate::stores::Switched;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct House {
    hand: ManualClock,
    keys: KeyRegistry,
    guarded: WatchedKeyStore,
    scheme: KeyScheme,
    admin: Principal,
}

fn scheme(versions: &[u8]) -> KeyScheme {
    let mut peppers = Peppers::new(versions[0].into(), [versions[0]; 32]).unwrap();
    for version in &versions[1..] {
        peppers = peppers.accept((*version).into(), [*version; 32]).unwrap();
    }
    KeyScheme::new(crate::support::ak(), peppers)
}

impl House {
    fn new(store: &MemoryKeyStore, versions: &[u8], policy: KeyPolicy) -> Self {
        let (hand, scheme) = (ManualClock::at("2026-06-02T12:00:00Z"), scheme(versions));
        let keys = KeyRegistry::with_clock(scheme.clone(), store.clone(), &hand).policy(policy);
        let guarded = keys.watch(store.clone());
        Self { hand, keys, guarded, scheme, admin: Principal::builder("alice").build() }
    }

    async fn status(&self, key: &Secret) -> KeyStatus {
        let digests = self.scheme.digests(key.expose().as_bytes()).unwrap();
        self.guarded.find(&digests).await.unwrap().unwrap().status(self.hand.now())
    }

    async fn turns(&self, by: Duration) {
        turns(&self.hand, by).await;
    }
}

/// Lets the task come to rest, moves the clock, and lets it come to rest again.
async fn turns(hand: &ManualClock, by: Duration) {
    for rest in [Some(by), None] {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if let Some(by) = rest {
            hand.advance(by);
        }
    }
}

#[tokio::test]
async fn a_key_that_is_used_does_not_expire_by_idleness() {
    let house = House::new(&MemoryKeyStore::new(), &[1], KeyPolicy::new());
    let idle = || new().restrictions(Restrictions::new().idle_after(DAY));
    let (used, unused) = (
        house.keys.create(&house.admin, idle()).await.unwrap(),
        house.keys.create(&house.admin, idle()).await.unwrap(),
    );
    let task = house.keys.start();
    house.turns(DAY / 2).await;
    assert_eq!(house.status(&used.secret).await, KeyStatus::Active);
    house.turns(Duration::from_secs(1)).await;
    let known = house.keys.get(&house.admin, used.key.id()).await.unwrap();
    assert_eq!(known.last_used_at(), Some(house.hand.now() - Duration::from_secs(1)));
    // Shortly afterwards nothing is written again.
    house.hand.advance(DAY / 32);
    assert_eq!(house.status(&used.secret).await, KeyStatus::Active);
    house.turns(Duration::from_secs(1)).await;
    assert_eq!(house.keys.get(&house.admin, used.key.id()).await.unwrap().last_used_at(), known.last_used_at());
    house.hand.advance(DAY / 2);
    assert_eq!(house.status(&used.secret).await, KeyStatus::Active);
    assert!(matches!(house.status(&unused.secret).await, KeyStatus::Expired(_)));
    // A use of an expired key is no use.
    task.stop().await;
    assert!(matches!(house.status(&unused.secret).await, KeyStatus::Expired(_)));
    assert_eq!(house.keys.get(&house.admin, used.key.id()).await.unwrap().last_used_at(), Some(house.hand.now()));
}

#[tokio::test]
async fn r081_a_key_moves_to_the_current_pepper_when_it_is_used() {
    let store = MemoryKeyStore::new();
    let before = House::new(&store, &[1], KeyPolicy::new());
    let used = before.keys.create(&before.admin, new()).await.unwrap();
    let unused = before.keys.create(&before.admin, new()).await.unwrap();
    let house = House::new(&store, &[2, 1], KeyPolicy::new());
    let counts = async || {
        let peppers = house.keys.peppers(&house.admin).await.unwrap();
        peppers.iter().map(|pepper| (pepper.version.unwrap(), pepper.keys, pepper.may_go)).collect::<Vec<_>>()
    };
    assert_eq!(counts().await, [(2, 0, false), (1, 2, false)]);
    assert_eq!(house.status(&used.secret).await, KeyStatus::Active);
    let task = house.keys.start();
    house.turns(Duration::from_secs(1)).await;
    assert_eq!(counts().await, [(2, 1, false), (1, 1, false)]);
    assert_eq!(house.status(&unused.secret).await, KeyStatus::Active);
    assert_eq!(task.health(), Health::Good);
    task.stop().await;
    assert_eq!(counts().await, [(2, 2, false), (1, 0, true)], "what was noted is written before the task stops");
    assert_eq!(house.status(&used.secret).await, KeyStatus::Active);
    let rows = house.keys.audit(&house.admin, &AuditFilter::all()).await.unwrap().items;
    assert_eq!(rows.len(), 2, "a digest is no property of a key");
    // The old digest opens nothing any more.
    let old = scheme(&[1]).digests(used.secret.expose().as_bytes()).unwrap();
    let old = *old.iter().next().unwrap();
    let record = tower_auth::KeyRecord::new("again", "acme");
    let again = house.keys.import_digest(&house.admin, "again", old, Some(1), record).await.unwrap_err();
    assert_eq!(again, tower_auth::RegistryError::Revoked);
}

#[tokio::test]
async fn what_is_old_is_removed() {
    let policy = KeyPolicy::new().purge_after(30 * DAY).keep_addresses(DAY).keep_audit(60 * DAY);
    let house = House::new(&MemoryKeyStore::new(), &[1], policy);
    let gone = house.keys.create(&house.admin, new()).await.unwrap();
    let actor = tower_auth::registry::Actor::from(&house.admin).address([192, 0, 2, 7]);
    house.keys.delete(&actor, gone.key.id()).await.unwrap();
    let task = house.keys.start();
    let rows = async || house.keys.audit(&house.admin, &AuditFilter::all()).await.unwrap().items;
    house.turns(DAY).await;
    assert!(rows().await.iter().any(|row| row.address.is_some()), "it is not older than a day");
    house.turns(HOUR).await;
    assert!(rows().await.iter().all(|row| row.address.is_none()));
    house.turns(29 * DAY).await;
    assert!(house.keys.get(&house.admin, gone.key.id()).await.is_err(), "purged");
    assert_eq!(rows().await.last().unwrap().action, KeyAction::Purged);
    house.turns(31 * DAY).await;
    let left: Vec<_> = rows().await.into_iter().map(|row| row.action).collect();
    assert_eq!(left, [KeyAction::Purged]);
    task.stop().await;
}

#[tokio::test]
async fn a_key_that_expires_soon_is_told_once() {
    let house = House::new(&MemoryKeyStore::new(), &[1], KeyPolicy::new().report_expiring(7 * DAY));
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let keys = house.keys.clone().on_event(move |event| {
        if event.row.action == KeyAction::Expiring {
            list.lock().unwrap().push(event.key.unwrap().id().to_owned());
        }
    });
    let key = async |days: u32| {
        let issued = keys.create(&house.admin, new().expires_in(days * DAY)).await.unwrap();
        issued.key.id().to_owned()
    };
    let (soon, later, revoked) = (key(5).await, key(10).await, key(6).await);
    key(100).await;
    keys.revoke(&house.admin, &revoked).await.unwrap();
    let task = keys.start();
    house.turns(HOUR).await;
    assert_eq!(*told.lock().unwrap(), std::slice::from_ref(&soon));
    for _ in 0..4 {
        house.turns(DAY).await;
    }
    assert_eq!(*told.lock().unwrap(), [&*soon, &*later]);
    // Also one that was made to expire soon, and one whose expiry was moved.
    let short = key(1).await;
    house.turns(HOUR).await;
    assert_eq!(told.lock().unwrap().last(), Some(&short));
    let end = Some(house.hand.now() + 2 * DAY);
    keys.update(&house.admin, &later, tower_auth::registry::KeyUpdate::new().expires_at(end)).await.unwrap();
    house.turns(HOUR).await;
    assert_eq!(*told.lock().unwrap(), [&*soon, &*later, &*short, &*later]);
    task.stop().await;
}

#[tokio::test]
async fn while_the_store_fails_notes_are_kept_and_the_health_says_so() {
    // A registry whose store is gone: every call fails, until the store is there again.
    let store = MemoryKeyStore::new();
    let gate = Switched::new(store.clone());
    let hand = ManualClock::at("2026-06-02T12:00:00Z");
    let keys = KeyRegistry::with_clock(scheme(&[1]), gate.clone(), &hand);
    let admin = Principal::builder("alice").build();
    let idle = new().restrictions(Restrictions::new().idle_after(DAY));
    let issued = keys.create(&admin, idle).await.unwrap();
    let guarded = keys.watch(store);
    let task = keys.start();
    turns(&hand, DAY / 2).await;
    gate.fail();
    let digests = scheme(&[1]).digests(issued.secret.expose().as_bytes()).unwrap();
    guarded.find(&digests).await.unwrap();
    let used = hand.now();
    turns(&hand, Duration::from_secs(1)).await;
    assert!(matches!(task.health(), Health::Degraded(why) if why.contains("set to fail")));
    gate.recover();
    turns(&hand, Duration::from_secs(1)).await;
    assert_eq!(task.health(), Health::Good);
    assert_eq!(keys.get(&admin, issued.key.id()).await.unwrap().last_used_at(), Some(used));
    task.stop().await;
}
