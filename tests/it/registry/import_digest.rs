//! Keys that are imported by their digest.

use tower_auth::{
    KeyDigest, KeyRecord, KeyRegistry, KeyScheme, KeyState, KeyStore as _, MemoryKeyStore, Peppers, RegistryError,
    Secret, registry::Actor,
};

use crate::support::{KEY, ak};

fn peppers(current: u32) -> Peppers {
    let pepper = |version: u32| [u8::try_from(version).unwrap(); 32];
    let all = Peppers::new(current, pepper(current)).unwrap();
    if current == 1 { all } else { all.accept(1, pepper(1)).unwrap() }
}

fn digest(scheme: &KeyScheme) -> KeyDigest {
    *scheme.digests(KEY.as_bytes()).unwrap().iter().next().unwrap()
}

fn sha256() -> KeyDigest {
    digest(&KeyScheme::sha256(ak()))
}

fn record(id: &str) -> KeyRecord {
    KeyRecord::new(id, "acme").hint("ak_1234…")
}

async fn found(store: &MemoryKeyStore, scheme: &KeyScheme) -> Option<KeyRecord> {
    store.find(&scheme.digests(KEY.as_bytes()).unwrap()).await.unwrap()
}

fn admin() -> Actor {
    Actor::named("alice")
}

#[tokio::test]
async fn a_plain_sha256_is_moved_under_the_current_pepper() {
    for scheme in [KeyScheme::new(ak(), peppers(2)), KeyScheme::sha256(ak())] {
        let store = MemoryKeyStore::new();
        let keys = KeyRegistry::new(scheme.clone(), store.clone());
        let key = keys.import_digest(admin(), "ci", sha256(), None, record("key_1")).await.unwrap();
        assert_eq!((key.name(), key.hint(), key.created_by()), ("ci", "ak_1234…", "alice"));
        assert_eq!(found(&store, &scheme).await.unwrap().id(), "key_1");
        let used = keys.peppers(admin()).await.unwrap();
        assert_eq!((used[0].version, used[0].keys), (scheme.current_version(), 1));
        let row = &keys.audit(admin(), &tower_auth::registry::AuditFilter::all()).await.unwrap().items[0];
        assert_eq!((row.actor.as_str(), row.action.as_str()), ("alice", "imported"));
    }
}

#[tokio::test]
async fn a_digest_under_an_accepted_pepper_is_kept_as_it_is() {
    let (old, scheme) = (KeyScheme::new(ak(), peppers(1)), KeyScheme::new(ak(), peppers(2)));
    let store = MemoryKeyStore::new();
    let keys = KeyRegistry::new(scheme.clone(), store.clone());
    keys.import_digest(admin(), "ci", digest(&old), Some(1), record("key_1")).await.unwrap();
    assert_eq!(found(&store, &scheme).await.unwrap().id(), "key_1");
    assert_eq!(keys.peppers(admin()).await.unwrap()[1].keys, 1);
    let unknown = keys.import_digest(admin(), "ci", digest(&old), Some(3), record("key_2")).await.map(drop);
    assert!(matches!(unknown, Err(RegistryError::Invalid { field: "/pepper", .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_key_is_imported_once_however_it_is_known() {
    let scheme = KeyScheme::new(ak(), peppers(2));
    let keys = KeyRegistry::new(scheme.clone(), MemoryKeyStore::new());
    keys.import(admin(), "ci", &Secret::new(KEY), record("key_1")).await.unwrap();
    for (digest, pepper) in [(sha256(), None), (digest(&scheme), Some(2))] {
        let again = keys.import_digest(admin(), "ci", digest, pepper, record("key_2")).await.map(drop);
        assert_eq!(again, Err(RegistryError::AlreadyExists), "{pepper:?}");
    }
    let again = keys.import_digest(admin(), "ci", KeyDigest::from_bytes([1; 32]), None, record("key_1")).await;
    assert_eq!(again.map(drop), Err(RegistryError::AlreadyExists), "an id is unique");
}

#[tokio::test]
async fn what_import_refuses_is_refused_by_digest_too() {
    let keys = KeyRegistry::new(KeyScheme::ephemeral(ak()), MemoryKeyStore::new());
    let empty =
        keys.import_digest(admin(), "ci", sha256(), None, KeyRecord::new("key_1", "").subject("s")).await.map(drop);
    assert!(matches!(empty, Err(RegistryError::Invalid { field: "/account", .. })), "{empty:?}");
    let revoked = record("key_1").state(KeyState::Revoked);
    let key = keys.import_digest(admin(), "ci", sha256(), None, revoked).await.unwrap();
    assert!(key.revoked_at().is_some() && !key.is_active());
}
