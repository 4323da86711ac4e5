//! What keys may be, what they say about themselves, and who is told.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, ClientIp, KeyDigest, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, PeerAddr, Principal,
    RegistryError, Rejection, RejectionKind, Restrictions, Secret,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyAction, KeyFilter, KeyPolicy, KeyUpdate, Page,
        PepperCount, RegistryFuture, RegistryStore, Tombstone,
    },
    testing::ManualClock,
};

use super::{HOUR, Office, new};
use crate::support::{get, ok};

fn invalid(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::Invalid { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_key_lives_no_longer_than_the_policy_says() {
    let office = Office::new();
    let keys = office.keys.clone().policy(KeyPolicy::new().max_lifetime(24 * HOUR));
    let admin = &office.admin;
    let endless = keys.create(admin, new()).await.unwrap_err();
    assert_eq!(invalid(&endless), "/expires_at");
    assert!(endless.to_string().contains("86400 seconds"), "{endless}");
    let long = keys.create(admin, new().expires_in(24 * HOUR + Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(invalid(&long), "/expires_at");
    let issued = keys.create(admin, new().expires_in(24 * HOUR)).await.unwrap();
    // The lifetime counts from the creation, so that no chain of changes prolongs it.
    office.hand.advance(HOUR);
    let id = issued.key.id();
    for end in [None, Some(office.hand.now() + 24 * HOUR)] {
        let put_off = keys.update(admin, id, KeyUpdate::new().expires_at(end)).await.unwrap_err();
        assert_eq!(invalid(&put_off), "/expires_at");
    }
    // A key of the time before is not changed, but its successor obeys.
    let old = office.keys.create(admin, new()).await.unwrap();
    assert!(keys.update(admin, old.key.id(), KeyUpdate::new().name("still there")).await.is_ok());
    let next = keys.rotate(admin, old.key.id(), HOUR).await.unwrap();
    assert_eq!(next.key.expires_at(), Some(office.hand.now() + 24 * HOUR));
}

#[tokio::test]
async fn notes_are_small() {
    let office = Office::new();
    let notes = |length: usize| {
        let notes = serde_json::json!({ "note": "x".repeat(length) });
        notes.as_object().unwrap().clone()
    };
    // {"note":"…"} has eleven characters besides the text.
    let most = office.keys.create(&office.admin, new().metadata(notes(4096 - 11))).await.unwrap();
    let more = office.keys.create(&office.admin, new().metadata(notes(4096 - 10))).await.unwrap_err();
    assert_eq!(invalid(&more), "/metadata");
    let change = KeyUpdate::new().metadata(notes(4096));
    assert_eq!(invalid(&office.keys.update(&office.admin, most.key.id(), change).await.unwrap_err()), "/metadata");
    assert_eq!(office.keys.get(&office.admin, most.key.id()).await.unwrap(), most.key);
}

#[tokio::test]
async fn a_key_belongs_to_the_environment_that_it_names() {
    let format = KeyFormat::prefixed("sk", 32).unwrap().environments(["live", "test"]).unwrap();
    let (scheme, store) = (KeyScheme::ephemeral(format), MemoryKeyStore::new());
    let keys = KeyRegistry::new(scheme.clone(), store.clone());
    let admin = Principal::builder("alice").build();
    let live = keys.create(&admin, new()).await.unwrap();
    let test = keys.create(&admin, new().environment("test")).await.unwrap();
    assert!(live.secret.expose().starts_with("sk_live_") && test.secret.expose().starts_with("sk_test_"));
    assert_eq!(test.key.record().current_environment(), Some("test"));
    let staging = keys.create(&admin, new().environment("staging")).await.unwrap_err();
    assert_eq!(invalid(&staging), "/environment");
    let next = keys.rotate(&admin, test.key.id(), HOUR).await.unwrap();
    assert!(next.secret.expose().starts_with("sk_test_"), "a successor stays in its environment");
    let layer = ApiKeyLayer::new(scheme.clone(), store).environment("live").layer(ok());
    let present = async |key: &Secret| {
        let response = layer.clone().oneshot(get("/", &[("x-api-key", key.expose())])).await.unwrap();
        Rejection::of(&response).map(Rejection::kind)
    };
    assert_eq!(present(&live.secret).await, None);
    assert_eq!(present(&next.secret).await, Some(RejectionKind::InvalidKey));
    let other = scheme.generate_in("test").unwrap();
    let record = tower_auth::KeyRecord::new("key_9", "acme").environment("live");
    assert_eq!(invalid(&keys.import(&admin, "imported", &other, record).await.unwrap_err()), "/environment");
}

#[tokio::test]
async fn restrictions_hold_from_the_next_request_on() {
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let keys = KeyRegistry::new(scheme.clone(), store.clone());
    let admin = Principal::builder("alice").build();
    let issued = keys.create(&admin, new()).await.unwrap();
    let layer = ApiKeyLayer::new(scheme, store).client_ip(ClientIp::peer()).layer(ok());
    let present = async |key: &Secret| {
        let mut request = get("/", &[("x-api-key", key.expose())]);
        request.extensions_mut().insert(PeerAddr("198.51.100.1".parse().unwrap()));
        Rejection::of(&layer.clone().oneshot(request).await.unwrap()).map(Rejection::kind)
    };
    assert_eq!(present(&issued.secret).await, None);
    let inside = Restrictions::new().networks(["192.0.2.0/24"]).unwrap();
    keys.update(&admin, issued.key.id(), KeyUpdate::new().restrictions(inside)).await.unwrap();
    assert_eq!(present(&issued.secret).await, Some(RejectionKind::Restricted));
    let next = keys.replace(&admin, issued.key.id()).await.unwrap();
    assert_eq!(present(&next.secret).await, Some(RejectionKind::Restricted), "a successor is no way out");
    keys.update(&admin, next.key.id(), KeyUpdate::new().restrictions(Restrictions::new())).await.unwrap();
    assert_eq!(present(&next.secret).await, None);
}

#[tokio::test]
async fn who_listens_is_told_what_was_carried_out_and_nothing_else() {
    let office = Office::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let keys = office.keys.clone().on_event(move |event| {
        let key = event.key.map(|key| (key.id().to_owned(), key.is_paused()));
        list.lock().unwrap().push((event.row.actor.clone(), event.row.action.clone(), key));
    });
    let admin = &office.admin;
    let issued = keys.create(admin, new()).await.unwrap();
    let id = issued.key.id().to_owned();
    keys.pause(admin, &id).await.unwrap();
    keys.pause(admin, &id).await.unwrap();
    keys.update(admin, &id, KeyUpdate::new().name("")).await.unwrap_err();
    let next = keys.rotate(admin, &id, HOUR).await.unwrap();
    keys.revoke(admin, &id).await.unwrap();
    let told = told.lock().unwrap().clone();
    let actions: Vec<_> = told.iter().map(|(_, action, key)| (action.clone(), key.clone().unwrap().0)).collect();
    assert_eq!(
        actions,
        [
            (KeyAction::Created, id.clone()),
            (KeyAction::Paused, id.clone()),
            (KeyAction::Rotated, id.clone()),
            (KeyAction::Created, next.key.id().to_owned()),
            (KeyAction::Revoked, id.clone()),
        ]
    );
    assert!(told.iter().all(|(actor, ..)| actor == "alice"));
    assert!(told[1].2.as_ref().unwrap().1, "the key is told as it is now");
    assert!(!format!("{told:?}").contains(&issued.secret.expose()[3..20]));
}

/// A store that never answers.
struct Hanging;

impl RegistryStore for Hanging {
    fn transact(&self, _: Vec<String>, _: Decide) -> RegistryFuture<Vec<Change>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn forget(&self, _: &Forget, _: usize) -> RegistryFuture<usize> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn get(&self, _: &str) -> RegistryFuture<Option<Entry>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn list(&self, _: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn audit(&self, _: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn suspended(&self, _: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn holders(&self, _: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn removed(&self, _: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        RegistryFuture::boxed(std::future::pending())
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        RegistryFuture::boxed(std::future::pending())
    }
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up() {
    let hand = ManualClock::at("2026-06-02T12:00:00Z");
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let keys = KeyRegistry::with_clock(scheme, Hanging, &hand).timeout(Duration::from_secs(3));
    let admin = Principal::builder("alice").build();
    let waiting = tokio::spawn({
        let (keys, admin) = (keys.clone(), admin.clone());
        async move { keys.create(&admin, NewKey::named("ci").account("acme")).await.map(drop) }
    });
    tokio::task::yield_now().await;
    hand.advance(Duration::from_secs(3));
    let late = waiting.await.unwrap().unwrap_err();
    assert!(matches!(late, RegistryError::Store(_)) && late.to_string().contains("3 s"), "{late}");
    let refusal = Rejection::from(late);
    assert_eq!((refusal.status().as_u16(), refusal.kind()), (503, RejectionKind::Unavailable));
}
