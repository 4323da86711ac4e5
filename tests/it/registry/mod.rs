//! The life of keys, from the call of an admin to the very next request: rules 083 to 086, pitfall 17.

mod import_digest;
mod policy;
mod strict;
mod upkeep;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, Disclosure, KeyRecord, KeyRegistry, KeyScheme, KeyState, MemoryKeyStore, NewKey, Plans,
    Principal, Quota, RateLimitLayer, RegistryError, Rejection, RejectionKind, Secret,
    limit::Limits,
    registry::{IssuedKey, KeyFilter, KeyUpdate},
    testing::ManualClock,
};

use crate::support::{get, ok};

const HOUR: Duration = Duration::from_secs(3600);
const TICK: Duration = Duration::from_millis(1);

/// A registry, and the stack in front of which its keys are presented.
struct Office {
    hand: ManualClock,
    keys: KeyRegistry,
    stack: AuthStack,
    admin: Principal,
}

impl Office {
    fn new() -> Self {
        let hand = ManualClock::at("2026-06-02T12:00:00Z");
        let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
        let keys = KeyRegistry::with_clock(scheme.clone(), store.clone(), &hand);
        let plans = Plans::new().plan("standard", [Quota::per_minute(1000)]).fallback("standard").build().unwrap();
        let stack = AuthStack::builder()
            .auth(ApiKeyLayer::new(scheme, store).disclose(Disclosure::All))
            .limit(RateLimitLayer::by_plan(&plans))
            .clock(&hand)
            .build()
            .unwrap();
        Self { hand, keys, stack, admin: Principal::builder("alice").build() }
    }

    async fn create(&self) -> IssuedKey {
        self.keys.create(&self.admin, new()).await.unwrap()
    }

    /// What becomes of a request with this key: how many more there may be, or why there may be none.
    async fn present(&self, key: &Secret) -> Result<u32, RejectionKind> {
        let response = self.stack.layer(ok()).oneshot(get("/", &[("x-api-key", key.expose())])).await.unwrap();
        match Rejection::of(&response) {
            Some(refusal) => Err(refusal.kind()),
            None => Ok(response.headers()["x-ratelimit-remaining"].to_str().unwrap().parse().unwrap()),
        }
    }

    async fn assert_good(&self, key: &Secret) {
        assert!(self.present(key).await.is_ok());
    }

    async fn assert_refused(&self, key: &Secret, kind: RejectionKind) {
        assert_eq!(self.present(key).await, Err(kind));
    }
}

fn new() -> NewKey {
    NewKey::named("ci").account("acme").organizations(["org_1"]).scopes(["read"]).plan("standard")
}

#[tokio::test]
async fn a_key_is_good_as_soon_as_it_is_created() {
    let office = Office::new();
    let IssuedKey { secret, key, .. } = office.create().await;
    office.assert_good(&secret).await;
    assert!(key.id().starts_with("key_") && key.id().len() == 26);
    assert_eq!((key.name(), key.created_by(), key.created_at()), ("ci", "alice", office.hand.now()));
    assert_eq!(
        (key.is_active(), key.is_paused(), key.state(), key.expires_at()),
        (true, false, KeyState::Active, None)
    );
    let who = key.principal();
    assert_eq!((who.account(), who.subject(), who.scopes()), (Some("acme"), "acme", &["read".to_owned()][..]));
    assert_ne!(office.create().await.secret.expose(), secret.expose());
}

#[tokio::test]
async fn r083_a_secret_is_shown_once_and_in_nothing_that_is_printed() {
    let office = Office::new();
    let issued = office.create().await;
    let secret = issued.secret.expose();
    let hint = issued.key.hint();
    assert!(
        hint.starts_with("ak_") && hint.ends_with(&secret[secret.len() - 4..]) && hint.chars().count() == 8,
        "{hint}"
    );
    let all = office.keys.list(&office.admin, &KeyFilter::all()).await.unwrap().items;
    for shown in [format!("{issued:?}"), format!("{all:?}"), format!("{:?}", office.keys), format!("{:#?}", issued.key)]
    {
        assert!(!shown.contains(&secret[3..20]), "{shown}");
    }
}

#[tokio::test]
async fn r084_a_rotated_key_is_good_until_exactly_the_end_of_the_overlap() {
    let office = Office::new();
    let old = office.create().await;
    let new = office.keys.rotate(&office.admin, old.key.id(), HOUR).await.unwrap();
    assert_ne!(old.key.id(), new.key.id());
    assert_eq!(new.key.predecessor(), Some(old.key.id()));
    assert_eq!(new.key.principal().scopes(), ["read"]);
    office.assert_good(&old.secret).await;
    office.assert_good(&new.secret).await;
    office.hand.advance(HOUR.checked_sub(TICK).unwrap());
    office.assert_good(&old.secret).await;
    office.hand.advance(TICK);
    office.assert_refused(&old.secret, RejectionKind::ExpiredKey).await;
    office.assert_good(&new.secret).await;
    office.hand.advance(100 * HOUR);
    office.assert_good(&new.secret).await;
}

#[tokio::test]
async fn r084_an_overlap_does_not_outlive_the_key() {
    let office = Office::new();
    let old = office.keys.create(&office.admin, new().expires_in(HOUR / 2)).await.unwrap();
    office.hand.advance(HOUR / 4);
    let successor = office.keys.rotate(&office.admin, old.key.id(), HOUR).await.unwrap();
    // The successor lives as long as the key was made to, from now on.
    assert_eq!(successor.key.expires_at(), Some(office.hand.now() + HOUR / 2));
    let before = office.keys.get(&office.admin, old.key.id()).await.unwrap();
    assert_eq!((before.expires_at(), before.successor()), (old.key.expires_at(), Some(successor.key.id())));
    office.hand.advance(HOUR / 4);
    office.assert_refused(&old.secret, RejectionKind::ExpiredKey).await;
    office.assert_good(&successor.secret).await;
    office.hand.advance(HOUR / 4);
    office.assert_refused(&successor.secret, RejectionKind::ExpiredKey).await;
}

#[tokio::test]
async fn r084_an_overlap_of_nought_revokes_at_once() {
    let office = Office::new();
    let old = office.create().await;
    let new = office.keys.rotate(&office.admin, old.key.id(), Duration::ZERO).await.unwrap();
    office.assert_refused(&old.secret, RejectionKind::RevokedKey).await;
    office.assert_good(&new.secret).await;
    let longest = office.keys.rotate(&office.admin, new.key.id(), Duration::MAX).await;
    // No clock gets there: both are good.
    office.assert_good(&longest.unwrap().secret).await;
    office.assert_good(&new.secret).await;
}

#[tokio::test]
async fn p17_a_second_rotation_in_the_overlap_leaves_two_and_not_three() {
    let office = Office::new();
    let first = office.create().await;
    let second = office.keys.rotate(&office.admin, first.key.id(), HOUR).await.unwrap();
    // The first is not rotated again: its successor is.
    let again = office.keys.rotate(&office.admin, first.key.id(), HOUR).await.unwrap_err();
    assert_eq!(again, RegistryError::Rotated { successor: second.key.id().to_owned() });
    let third = office.keys.rotate(&office.admin, second.key.id(), HOUR).await.unwrap();
    office.assert_refused(&first.secret, RejectionKind::RevokedKey).await;
    office.assert_good(&second.secret).await;
    office.assert_good(&third.secret).await;
    office.hand.advance(HOUR);
    office.assert_refused(&second.secret, RejectionKind::ExpiredKey).await;
    office.assert_good(&third.secret).await;
}

#[tokio::test]
async fn p44_rotating_refills_no_limit() {
    let office = Office::new();
    let first = office.create().await;
    assert_eq!(office.present(&first.secret).await, Ok(999));
    let second = office.keys.rotate(&office.admin, first.key.id(), HOUR).await.unwrap();
    assert_eq!(office.present(&second.secret).await, Ok(998));
    let third = office.keys.replace(&office.admin, second.key.id()).await.unwrap();
    assert_eq!(office.present(&third.secret).await, Ok(997));
    // Another key of the account is another caller.
    assert_eq!(office.present(&office.create().await.secret).await, Ok(999));
}

#[tokio::test]
async fn r085_a_revoked_key_is_refused_by_the_very_next_request_and_for_good() {
    let office = Office::new();
    let issued = office.create().await;
    let id = issued.key.id();
    office.assert_good(&issued.secret).await;
    office.keys.revoke(&office.admin, id).await.unwrap();
    office.assert_refused(&issued.secret, RejectionKind::RevokedKey).await;
    let (admin, keys) = (&office.admin, &office.keys);
    assert_eq!(keys.revoke(admin, id).await.unwrap().state(), KeyState::Revoked, "again is no error");
    for refused in [
        keys.activate(admin, id).await.unwrap_err(),
        keys.deactivate(admin, id).await.unwrap_err(),
        keys.pause(admin, id).await.unwrap_err(),
        keys.resume(admin, id).await.unwrap_err(),
        keys.update(admin, id, KeyUpdate::new().name("x")).await.unwrap_err(),
        keys.rotate(admin, id, HOUR).await.unwrap_err(),
        keys.replace(admin, id).await.unwrap_err(),
    ] {
        assert_eq!(refused, RegistryError::Revoked);
    }
    office.assert_refused(&issued.secret, RejectionKind::RevokedKey).await;
    assert!(!keys.get(admin, id).await.unwrap().is_active());
}

#[tokio::test]
async fn r086_a_pause_and_a_deactivation_are_two_matters_and_can_be_undone() {
    let office = Office::new();
    let issued = office.create().await;
    let (admin, keys, id) = (&office.admin, &office.keys, issued.key.id());
    keys.pause(admin, id).await.unwrap();
    office.assert_refused(&issued.secret, RejectionKind::PausedKey).await;
    let key = keys.deactivate(admin, id).await.unwrap();
    assert_eq!((key.is_active(), key.is_paused()), (false, true));
    office.assert_refused(&issued.secret, RejectionKind::DeactivatedKey).await;
    let key = keys.activate(admin, id).await.unwrap();
    assert_eq!((key.is_active(), key.is_paused()), (true, true), "the pause is still there");
    office.assert_refused(&issued.secret, RejectionKind::PausedKey).await;
    keys.resume(admin, id).await.unwrap();
    office.assert_good(&issued.secret).await;
    // What is paused when it is rotated stays paused.
    keys.pause(admin, id).await.unwrap();
    let successor = keys.rotate(admin, id, HOUR).await.unwrap();
    office.assert_refused(&successor.secret, RejectionKind::PausedKey).await;
    keys.resume(admin, successor.key.id()).await.unwrap();
    office.assert_good(&successor.secret).await;
    office.assert_refused(&issued.secret, RejectionKind::PausedKey).await;
}

#[tokio::test]
async fn a_replacement_is_one_step_for_whoever_looks() {
    let office = Arc::new(Office::new());
    let issued = office.create().await;
    let (id, old) = (issued.key.id().to_owned(), issued.secret);
    let good = Arc::new(AtomicUsize::new(0));
    // While somebody replaces, others present the old key: it is good or revoked, and nothing else, and once revoked it stays.
    let watching: Vec<_> = (0..4)
        .map(|_| {
            let (office, old, good) = (Arc::clone(&office), Secret::new(old.expose()), Arc::clone(&good));
            tokio::spawn(async move {
                let mut revoked = false;
                for _ in 0..2000 {
                    match office.present(&old).await {
                        Ok(_) | Err(RejectionKind::RateLimited) => assert!(!revoked, "it came back"),
                        Err(kind) => {
                            assert_eq!(kind, RejectionKind::RevokedKey);
                            revoked = true;
                        }
                    }
                    good.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let new = office.keys.replace(&office.admin, &id).await.unwrap();
    assert_ne!(office.present(&new.secret).await, Err(RejectionKind::InvalidKey));
    for watcher in watching {
        watcher.await.unwrap();
    }
    assert!(good.load(Ordering::Relaxed) > 0);
    office.assert_refused(&old, RejectionKind::RevokedKey).await;
}

#[test]
fn p17_one_of_many_rotations_at_once_wins() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let office = Arc::new(Office::new());
    let issued = runtime.block_on(office.create());
    let start = Arc::new(Barrier::new(8));
    let rotating: Vec<_> = (0..8)
        .map(|_| {
            let (office, start, id) = (Arc::clone(&office), Arc::clone(&start), issued.key.id().to_owned());
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                start.wait();
                runtime.block_on(office.keys.rotate(&office.admin, &id, HOUR)).map(|issued| issued.key)
            })
        })
        .collect();
    let outcomes: Vec<_> = rotating.into_iter().map(|thread| thread.join().unwrap()).collect();
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(*lost, RegistryError::Rotated { successor: winners[0].id().to_owned() });
    }
    let all = runtime.block_on(office.keys.list(&office.admin, &KeyFilter::all())).unwrap().items;
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn keys_are_listed_by_account_and_organisation_in_their_order() {
    let office = Office::new();
    let (admin, keys) = (&office.admin, &office.keys);
    let one = office.create().await.key;
    let other = NewKey::named("other").account("other").organizations(["org_1", "org_2"]);
    let other = keys.create(admin, other).await.unwrap().key;
    let two = office.create().await.key;
    let ids = async |filter: KeyFilter| -> Vec<String> {
        keys.list(admin, &filter).await.unwrap().items.iter().map(|key| key.id().to_owned()).collect()
    };
    assert_eq!(ids(KeyFilter::all()).await, [one.id(), other.id(), two.id()]);
    assert_eq!(ids(KeyFilter::account("acme")).await, [one.id(), two.id()]);
    assert_eq!(ids(KeyFilter::organization("org_2")).await, [other.id()]);
    assert!(ids(KeyFilter::organization("org_3")).await.is_empty());
    keys.revoke(admin, one.id()).await.unwrap();
    keys.delete(admin, two.id()).await.unwrap();
    assert_eq!(ids(KeyFilter::account("acme")).await, [one.id()], "revoked is listed, deleted is not");
    assert!(keys.get(admin, two.id()).await.unwrap().is_deleted());
    assert!(keys.delete(admin, two.id()).await.unwrap().is_deleted(), "again is no error");
    assert_eq!(keys.resume(admin, two.id()).await, Err(RegistryError::Revoked));
}

#[tokio::test]
async fn a_deleted_key_is_revoked_and_not_unknown() {
    let office = Office::new();
    let issued = office.create().await;
    office.keys.delete(&office.admin, issued.key.id()).await.unwrap();
    office.assert_refused(&issued.secret, RejectionKind::RevokedKey).await;
}

#[tokio::test]
async fn a_change_holds_for_the_next_request() {
    let office = Office::new();
    let issued = office.create().await;
    let change =
        KeyUpdate::new().name("website").scopes(["write"]).plan("other").expires_at(Some(office.hand.now() + HOUR));
    let key = office.keys.update(&office.admin, issued.key.id(), change).await.unwrap();
    assert_eq!(
        (key.name(), key.principal().scopes(), key.principal().plan()),
        ("website", &["write".to_owned()][..], Some("other"))
    );
    office.assert_good(&issued.secret).await;
    office.hand.advance(HOUR);
    office.assert_refused(&issued.secret, RejectionKind::ExpiredKey).await;
    let forever = KeyUpdate::new().expires_at(None);
    let key = office.keys.update(&office.admin, issued.key.id(), forever).await.unwrap();
    assert_eq!((key.name(), key.expires_at()), ("website", None));
    office.assert_good(&issued.secret).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let office = Office::new();
    let (admin, keys) = (&office.admin, &office.keys);
    let past = office.hand.now();
    for (wrong, field) in [
        (NewKey::named(""), "/name"),
        (NewKey::named("  "), "/name"),
        (NewKey::named("a\nb"), "/name"),
        (NewKey::named("x".repeat(201)), "/name"),
        (new().expires_at(past), "/expires_at"),
        (new().expires_at(SystemTime::UNIX_EPOCH), "/expires_at"),
        (new().expires_in(Duration::ZERO), "/expires_at"),
        (new().expires_in(Duration::MAX), "/expires_at"),
    ] {
        let error = keys.create(admin, wrong).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { field: told, .. } if told == field), "{error}");
        let refusal = Rejection::from(error);
        assert_eq!((refusal.status().as_u16(), refusal.kind()), (422, RejectionKind::InvalidFields));
    }
    assert!(keys.list(admin, &KeyFilter::all()).await.unwrap().items.is_empty());
    let key = keys.create(admin, new().id("mine")).await.unwrap().key;
    assert_eq!(keys.create(admin, new().id("mine")).await.unwrap_err(), RegistryError::AlreadyExists);
    let past = KeyUpdate::new().name("new").expires_at(Some(past));
    assert!(keys.update(admin, key.id(), past).await.is_err());
    assert_eq!(keys.get(admin, "mine").await.unwrap(), key);
    for missing in [
        keys.revoke(admin, "nobody").await,
        keys.pause(admin, "nobody").await,
        keys.get(admin, "nobody").await,
        keys.rotate(admin, "nobody", HOUR).await.map(|issued| issued.key),
    ] {
        assert_eq!(missing, Err(RegistryError::NotFound));
    }
}

#[tokio::test]
async fn a_key_of_another_system_is_adopted_as_it_is() {
    let office = Office::new();
    let secret = Secret::new("ak_1234567890abcdef1234567890abcdef12345678");
    let limits = Limits::new([Quota::per_minute(2)]).unwrap();
    let record = KeyRecord::new("old_1", "acme").scopes(["read"]).limits(limits);
    let key = office.keys.import(&office.admin, "legacy", &secret, record.clone()).await.unwrap();
    assert_eq!((key.id(), key.hint()), ("old_1", "ak_…5678"));
    assert_eq!(office.present(&secret).await, Ok(1));
    let again = office.keys.import(&office.admin, "twice", &secret, KeyRecord::new("old_2", "evil")).await;
    assert_eq!(again.unwrap_err(), RegistryError::AlreadyExists, "a secret opens one account");
    for (record, field) in [(KeyRecord::new("", "acme"), "/id"), (KeyRecord::new("old_3", ""), "/subject")] {
        let fresh = Secret::new("ak_zyxwvutsrqponmlkjihgfedcba9876543210abcd");
        let error = office.keys.import(&office.admin, "nameless", &fresh, record).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { field: named, .. } if named == field), "{error}");
    }
    let short = office.keys.import(&office.admin, "short", &Secret::new("ak_1"), record).await.unwrap_err();
    assert!(
        matches!(short, RegistryError::Invalid { field: "/key", .. }) && !short.to_string().contains("ak_1"),
        "{short}"
    );
    let paused = KeyRecord::new("old_3", "acme").state(KeyState::Paused);
    let secret = Secret::new("ak_1234567890abcdef1234567890abcdef12340000");
    let key = office.keys.import(&office.admin, "paused", &secret, paused).await.unwrap();
    assert_eq!((key.is_active(), key.is_paused()), (true, true));
    // Its limits go with it when it is rotated.
    let new = office.keys.rotate(&office.admin, "old_1", HOUR).await.unwrap();
    assert_eq!(office.present(&new.secret).await, Ok(0));
}

/// A store may be told to revoke behind the registry's back.
#[tokio::test]
async fn r086_what_the_store_has_revoked_stays_revoked() {
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let keys = KeyRegistry::new(scheme.clone(), store.clone());
    let admin = Principal::builder("alice").build();
    let issued = keys.create(&admin, new()).await.unwrap();
    let id = issued.key.id();
    assert!(store.set_state(id, KeyState::Revoked));
    let status = || {
        let digests = scheme.digests(issued.secret.expose().as_bytes()).unwrap();
        futures_util::FutureExt::now_or_never(tower_auth::KeyStore::find(&store, &digests)).unwrap().unwrap().unwrap()
    };
    for refused in [
        keys.update(&admin, id, KeyUpdate::new().name("x")).await.unwrap_err(),
        keys.pause(&admin, id).await.unwrap_err(),
        keys.activate(&admin, id).await.unwrap_err(),
        keys.rotate(&admin, id, HOUR).await.unwrap_err(),
        keys.import(&admin, "again", &issued.secret, KeyRecord::new("key_9", "acme")).await.unwrap_err(),
    ] {
        assert!(matches!(refused, RegistryError::Revoked | RegistryError::AlreadyExists), "{refused}");
        assert_eq!(status().status(SystemTime::now()), tower_auth::KeyStatus::Revoked);
    }
    // One that the registry never knew.
    let key = store.create(&scheme, KeyRecord::new("other", "acme").state(KeyState::Revoked)).unwrap();
    let adopted = keys.import(&admin, "other", &key, KeyRecord::new("other", "acme")).await;
    assert_eq!(adopted.unwrap_err(), RegistryError::Revoked);
}

#[tokio::test]
async fn r084_what_has_expired_is_not_rotated_and_what_was_rotated_gets_no_later_end() {
    let office = Office::new();
    let (admin, keys) = (&office.admin, &office.keys);
    let old = keys.create(admin, new().expires_in(HOUR)).await.unwrap();
    let secret = Secret::new("ak_1234567890abcdef1234567890abcdef12345678");
    let record = KeyRecord::new("adopted", "acme").expires_at(office.hand.now() + HOUR);
    keys.import(admin, "adopted", &secret, record).await.unwrap();
    // Nobody knows how long it was made for: its successor has its end.
    let successor = keys.rotate(admin, "adopted", HOUR).await.unwrap();
    assert_eq!(successor.key.expires_at(), Some(office.hand.now() + HOUR));
    for end in [None, Some(office.hand.now() + 9 * HOUR)] {
        let put_off = keys.update(admin, "adopted", KeyUpdate::new().expires_at(end)).await.unwrap_err();
        assert_eq!(put_off, RegistryError::Rotated { successor: successor.key.id().to_owned() });
    }
    assert_eq!(keys.update(admin, "adopted", KeyUpdate::new().name("b")).await.unwrap().name(), "b");
    office.hand.advance(HOUR);
    for expired in [old.key.id(), successor.key.id()] {
        assert_eq!(keys.rotate(admin, expired, HOUR).await.unwrap_err(), RegistryError::Expired);
        assert_eq!(keys.replace(admin, expired).await.unwrap_err(), RegistryError::Expired);
    }
    // An end that may be put off is.
    let longer = KeyUpdate::new().expires_at(Some(office.hand.now() + HOUR));
    keys.update(admin, old.key.id(), longer).await.unwrap();
    office.assert_good(&old.secret).await;
}

#[tokio::test]
async fn a_key_of_nobody_or_of_too_many_scopes_is_not_made() {
    let office = Office::new();
    let many: Vec<String> = (0..101).map(|scope| scope.to_string()).collect();
    for (wrong, field) in [
        (NewKey::named("ci"), "/account"),
        (NewKey::named("ci").account(" "), "/account"),
        (new().scopes(many.clone()), "/scopes"),
        (new().scopes(["a b"]), "/scopes"),
        (new().scopes([""]), "/scopes"),
        (new().scopes(["x".repeat(201)]), "/scopes"),
    ] {
        let error = office.keys.create(&office.admin, wrong).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { field: told, .. } if told == field), "{error}");
    }
    let key = office.create().await.key;
    let change = KeyUpdate::new().scopes(many);
    assert!(office.keys.update(&office.admin, key.id(), change).await.is_err());
}

#[tokio::test]
async fn r084_an_overlap_that_no_store_can_keep_is_none() {
    let office = Office::new();
    let old = office.create().await;
    let new = office.keys.rotate(&office.admin, old.key.id(), Duration::from_nanos(999)).await.unwrap();
    office.assert_refused(&old.secret, RejectionKind::RevokedKey).await;
    office.assert_good(&new.secret).await;
}

/// The id of a purged key may be used again, and then names another key than the predecessor.
#[tokio::test]
async fn p17_a_rotation_revokes_no_stranger() {
    let office = Office::new();
    let (admin, keys) = (&office.admin, &office.keys);
    let first = keys.create(admin, new().id("ci")).await.unwrap();
    let second = keys.rotate(admin, first.key.id(), HOUR).await.unwrap();
    keys.delete(admin, first.key.id()).await.unwrap();
    office.hand.advance(TICK);
    assert_eq!(keys.purge(admin, office.hand.now()).await.unwrap(), 1);
    let stranger = keys.create(admin, NewKey::named("ci").id("ci").account("other")).await.unwrap();
    keys.rotate(admin, second.key.id(), HOUR).await.unwrap();
    office.assert_good(&stranger.secret).await;
}

#[tokio::test]
async fn a_key_is_not_made_of_what_a_database_cannot_keep() {
    let office = Office::new();
    for (wrong, field) in [
        (new().account("a\0b"), "/account"),
        (new().id("x".repeat(513)), "/id"),
        (new().roles(["admin\0"]), "/roles"),
        (new().organizations((0..101).map(|number| number.to_string())), "/organizations"),
    ] {
        let error = office.keys.create(&office.admin, wrong).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { field: told, .. } if told == field), "{error}");
    }
}

/// What is done to the store directly is not undone by the next change of the registry.
#[tokio::test]
async fn what_was_done_to_the_store_directly_stays_done() {
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let keys = KeyRegistry::new(scheme.clone(), store.clone());
    let admin = Principal::builder("alice").build();
    let issued = keys.create(&admin, new()).await.unwrap();
    let id = issued.key.id();
    assert!(store.set_state(id, KeyState::Paused));
    assert!(keys.update(&admin, id, KeyUpdate::new().name("other")).await.unwrap().is_paused());
    assert!(store.remove(id));
    assert_eq!(keys.get(&admin, id).await.unwrap_err(), RegistryError::NotFound);
    keys.import(&admin, "again", &issued.secret, KeyRecord::new("again", "acme")).await.unwrap();
    keys.delete(&admin, "again").await.unwrap();
    assert_eq!(keys.purge(&admin, SystemTime::now() + HOUR).await.unwrap(), 1);
    let purged = store.insert(&scheme, issued.secret.expose(), KeyRecord::new("again", "acme")).unwrap_err();
    assert!(purged.to_string().contains("revoked"), "{purged}");
}
