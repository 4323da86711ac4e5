//! What only the store in memory has: keys that no registry knows, and their ids.

use tower_auth::{KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyState, KeyStatus, KeyStore, session::TokenFacts};

use super::*;

async fn key(store: &MemoryKeyStore, id: &str) -> Option<KeyRecord> {
    let mut facts = TokenFacts::default();
    facts.key = Some(id);
    store.look(&facts).await.unwrap().key
}

#[tokio::test]
async fn keys_that_were_inserted_directly_are_found_by_their_ids() {
    let scheme = KeyScheme::ephemeral(KeyFormat::opaque(4));
    let digests = |key: &str| -> KeyDigests { scheme.digests(key.as_bytes()).unwrap() };
    let store = MemoryKeyStore::new();
    assert_eq!(key(&store, "k1").await, None);
    for number in 0..100 {
        store.insert(&scheme, &format!("key-{number}"), KeyRecord::new(format!("k{number}"), "acme")).unwrap();
    }
    for number in 0..100 {
        let found = KeyStore::find(&store, &digests(&format!("key-{number}"))).await.unwrap();
        assert!(found.is_some() && key(&store, &format!("k{number}")).await == found);
    }
    assert!(store.set_state("k7", KeyState::Revoked));
    assert!(key(&store, "k7").await.unwrap().status(at(0)) == KeyStatus::Revoked);
    assert!(store.remove("k8") && key(&store, "k8").await.is_none() && !store.remove("k8"));
    // A key with another id, and two keys with the same id.
    store.insert(&scheme, "key-9", KeyRecord::new("other", "acme")).unwrap();
    assert!(key(&store, "k9").await.is_none() && key(&store, "other").await.is_some());
    store.insert(&scheme, "key-10", KeyRecord::new("k11", "acme")).unwrap();
    assert!(key(&store, "k10").await.is_none() && store.set_state("k11", KeyState::Paused));
    for text in ["key-10", "key-11"] {
        let found = KeyStore::find(&store, &digests(text)).await.unwrap().unwrap();
        assert_eq!(found.status(at(0)), KeyStatus::Paused, "{text}");
    }
    store.insert(&scheme, "key-10", KeyRecord::new("k12", "acme")).unwrap();
    assert_eq!(key(&store, "k11").await, KeyStore::find(&store, &digests("key-11")).await.unwrap());
    assert!(store.remove("k12") && key(&store, "k12").await.is_none());
    assert!(KeyStore::find(&store, &digests("key-10")).await.unwrap().is_none());
    assert!(KeyStore::find(&store, &digests("key-12")).await.unwrap().is_none());
}
