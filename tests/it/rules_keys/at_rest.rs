//! What a store is asked for, what it holds, and how keys are minted.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tower::Layer as _;
use tower_auth::{
    Alphabet, ApiKeyLayer, AuthMethod, KeyDigest, KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyStore,
    MemoryKeyStore, Peppers, RequestExt as _, StoreFuture,
};

use super::{Counting, Slow, answer};
use crate::support::{Body, KEY, get, ok, strict, text};

/// The documented way from a key to what is stored, by another hand.
fn at_rest(pepper: [u8; 32], key: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&pepper).unwrap();
    mac.update(&Sha256::digest(key));
    mac.finalize().into_bytes().to_vec()
}

/// A table of a user's own, from digest to record.
struct Table(Arc<HashMap<Vec<u8>, KeyRecord>>);

impl Table {
    fn of(digest: Vec<u8>) -> Self {
        Self(Arc::new(HashMap::from([(digest, KeyRecord::new("k1", "acme"))])))
    }
}

impl KeyStore for Table {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (table, key) = (Arc::clone(&self.0), key.clone());
        StoreFuture::boxed(async move { Ok(key.as_slices().into_iter().find_map(|digest| table.get(digest).cloned())) })
    }
}

async fn opens(scheme: &KeyScheme, store: impl KeyStore) -> bool {
    let response = answer(ApiKeyLayer::new(scheme.clone(), store).layer(ok()), get("/", &[("x-api-key", KEY)])).await;
    assert!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&response.status()));
    response.status() == StatusCode::OK
}

/// Nobody who counts questions or their size can tell a known key from an unknown one.
#[tokio::test]
async fn r080_known_and_unknown_keys_are_the_same_question() {
    let peppers = Peppers::new(2, [7; 32]).unwrap().accept(1, [9; 32]).unwrap();
    let scheme = KeyScheme::new(crate::support::ak(), peppers);
    let store = Counting::over(MemoryKeyStore::new().with(&scheme, KEY, KeyRecord::new("k1", "acme")).unwrap());
    let service = ApiKeyLayer::new(scheme, store.clone()).layer(ok());
    let near = format!("{}9", &KEY[..KEY.len() - 1]);
    for (key, status) in [(KEY, StatusCode::OK), (&near, StatusCode::UNAUTHORIZED)] {
        assert_eq!(answer(service.clone(), get("/", &[("x-api-key", key)])).await.status(), status);
        assert_eq!(store.asked(), [[at_rest([7; 32], key), at_rest([9; 32], key)]], "{key}");
    }
}

#[test]
fn r080_digests_are_equal_for_equal_keys_alone() {
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let digest = |scheme: &KeyScheme, key: &str| *scheme.digests(key.as_bytes()).unwrap().iter().next().unwrap();
    assert_eq!(digest(&scheme, KEY), digest(&scheme, KEY));
    assert_ne!(digest(&scheme, KEY), digest(&scheme, &KEY.replace('8', "9")));
    assert_ne!(digest(&scheme, KEY), digest(&KeyScheme::ephemeral(crate::support::ak()), KEY), "another pepper");
}

#[tokio::test]
async fn r081_old_peppers_are_accepted_and_others_are_not() {
    let (old, new) = ([1; 32], [2; 32]);
    let before = KeyScheme::new(crate::support::ak(), Peppers::new(1, old).unwrap());
    let during = KeyScheme::new(crate::support::ak(), Peppers::new(2, new).unwrap().accept(1, old).unwrap());
    let after = KeyScheme::new(crate::support::ak(), Peppers::new(2, new).unwrap());
    for (scheme, of_old, of_new) in [(&before, true, false), (&during, true, true), (&after, false, true)] {
        assert_eq!(opens(scheme, Table::of(at_rest(old, KEY))).await, of_old);
        assert_eq!(opens(scheme, Table::of(at_rest(new, KEY))).await, of_new);
        assert!(!opens(scheme, Table::of(Sha256::digest(KEY).to_vec())).await, "the plain digest opens nothing");
        assert!(!opens(scheme, Table::of(KEY.as_bytes().to_vec())).await, "nor does the key");
    }
    let memory = MemoryKeyStore::new().with(&before, KEY, KeyRecord::new("k1", "acme")).unwrap();
    assert!(opens(&during, memory).await);
}

#[test]
fn r081_the_first_digest_is_the_current_peppers() {
    let scheme = KeyScheme::new(crate::support::ak(), Peppers::new(7, [2; 32]).unwrap().accept(9, [1; 32]).unwrap());
    let digests = scheme.digests(KEY.as_bytes()).unwrap();
    assert_eq!(digests.as_slices(), [&at_rest([2; 32], KEY)[..], &at_rest([1; 32], KEY)]);
    let listed: Vec<&[u8]> = digests.iter().map(|digest| &digest.as_bytes()[..]).collect();
    assert_eq!(listed, digests.as_slices());
}

#[tokio::test]
async fn r081_a_table_of_plain_sha256_works_as_it_is() {
    let scheme = KeyScheme::sha256(KeyFormat::opaque(3));
    // FIPS 180-4's "abc".
    let digest = scheme.digests(b"abc").unwrap();
    assert_eq!(
        digest.iter().next().unwrap().to_hex(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(digest.as_slices().len(), 1);
    assert!(opens(&KeyScheme::sha256(crate::support::ak()), Table::of(Sha256::digest(KEY).to_vec())).await);
    // The upgrade that the page of the module tells: one HMAC over every stored digest.
    let upgraded = KeyScheme::new(crate::support::ak(), Peppers::new(1, [5; 32]).unwrap());
    assert!(opens(&upgraded, Table::of(at_rest([5; 32], KEY))).await);
}

#[tokio::test]
async fn r081_a_table_moves_under_a_pepper_row_by_row() {
    let plain = Sha256::digest(KEY);
    let after = KeyScheme::new(crate::support::ak(), Peppers::new(3, [5; 32]).unwrap());
    let during = after.clone().accept_sha256();
    let moved = during.move_under_pepper(&KeyDigest::from_bytes(plain.into())).unwrap();
    assert_eq!(moved.as_bytes()[..], at_rest([5; 32], KEY));
    for (scheme, of_plain) in [(&during, true), (&after, false)] {
        assert_eq!(opens(scheme, Table::of(plain.to_vec())).await, of_plain);
        assert!(opens(scheme, Table::of(moved.as_bytes().to_vec())).await);
    }
}

#[test]
fn r081_every_digest_names_the_version_of_its_pepper() {
    let peppers = || Peppers::new(7, [2; 32]).unwrap().accept(9, [1; 32]).unwrap();
    let peppered = KeyScheme::new(crate::support::ak(), peppers());
    let plain = KeyScheme::sha256(crate::support::ak());
    for (scheme, current, all) in [
        (peppered.clone(), Some(7), &[Some(7), Some(9)][..]),
        (peppered.accept_sha256().accept_sha256(), Some(7), &[Some(7), Some(9), None]),
        (plain.clone(), None, &[None]),
        (plain.clone().accept_sha256(), None, &[None]),
        (KeyScheme::ephemeral(crate::support::ak()), Some(1), &[Some(1)]),
    ] {
        let digests = scheme.digests(KEY.as_bytes()).unwrap();
        assert_eq!(scheme.current_version(), current);
        assert_eq!(scheme.versions().collect::<Vec<_>>(), all);
        assert_eq!(digests.versions().map(|(version, _)| version).collect::<Vec<_>>(), all);
        assert!(digests.versions().map(|(_, digest)| digest).eq(digests.iter()));
        assert_eq!(digests.as_slices().len(), all.len());
    }
    assert!(plain.move_under_pepper(&KeyDigest::from_bytes([1; 32])).is_none());
}

#[test]
fn r081_peppers_that_protect_nothing_are_refused() {
    let said = |peppers: Result<Peppers, tower_auth::ConfigError>| peppers.unwrap_err().to_string();
    assert!(said(Peppers::new(1, [0; 32])).contains("all zeros"));
    assert!(said(Peppers::new(1, [1; 32]).unwrap().accept(2, [0; 32])).contains("all zeros"));
    assert!(said(Peppers::new(1, [1; 32]).unwrap().accept(1, [2; 32])).contains("twice"));
}

#[test]
fn r082_minted_keys_have_their_form_and_are_never_alike() {
    let formats = [
        (crate::support::ak(), 43),
        (crate::support::halfred(), 36),
        (KeyFormat::opaque(20), 43),
        (KeyFormat::opaque(60), 60),
        (KeyFormat::prefixed("acme_live", 22).unwrap(), 10 + 22 + 6),
        (KeyFormat::prefixed("sk", 32).unwrap().alphabet(Alphabet::LowerHex).unwrap(), 35 + 6),
        (KeyFormat::prefixed("u", 22).unwrap().without_checksum().alphabet(Alphabet::UrlSafe).unwrap(), 24),
    ];
    for (format, length) in formats {
        let scheme = KeyScheme::ephemeral(format.clone());
        let keys: HashSet<String> = (0..500).map(|_| scheme.clone().generate().unwrap().expose().to_owned()).collect();
        assert_eq!(keys.len(), 500, "{format:?}");
        assert!(keys.iter().all(|key| key.len() == length && format.accepts(key.as_bytes())), "{format:?}");
    }
}

/// Every place takes every letter: nothing of a key is fixed but its prefix.
#[test]
fn r082_every_place_of_a_key_is_random() {
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let mut seen = vec![HashSet::new(); 43];
    for _ in 0..2000 {
        for (place, letter) in scheme.generate().unwrap().expose().bytes().enumerate() {
            seen[place].insert(letter);
        }
    }
    assert_eq!(seen[..3].iter().map(HashSet::len).collect::<Vec<_>>(), [1, 1, 1]);
    // That one of 62 letters is missing in 2000 draws has a chance of 5e-13.
    assert!(seen[3..].iter().all(|letters| letters.len() == 62));
}

#[test]
fn r082_formats_under_128_bits_are_refused() {
    let said = |format: Result<KeyFormat, tower_auth::ConfigError>| format.unwrap_err().to_string();
    assert!(said(KeyFormat::prefixed("ak", 21)).contains("128 bits"));
    assert!(said(KeyFormat::prefixed("ak", 31).unwrap().alphabet(Alphabet::LowerHex)).contains("128 bits"));
    assert!(KeyFormat::prefixed("ak", 22).is_ok());
    assert!(said(KeyFormat::prefixed("ak", 600)).contains("512"));
    for prefix in ["", "a b", "ä", "a.b"] {
        assert!(said(KeyFormat::prefixed(prefix, 40)).contains("prefix"), "{prefix:?}");
    }
    assert!(said(crate::support::ak().accept_lengths(10..=20)).contains("40"));
    assert!(crate::support::ak().accept_lengths(10..=40).unwrap().accepts(b"ak_0123456789"));
}

#[test]
fn r082_a_key_of_another_form_is_not_put_into_a_store() {
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let error = MemoryKeyStore::new().with(&scheme, "PLANTED", KeyRecord::new("k1", "acme")).unwrap_err().to_string();
    assert!(error.contains("\"k1\"") && !error.contains("PLANTED"), "{error}");
}

/// What a handler needs to check one object's owner is typed, and as the store tells it.
#[tokio::test]
async fn r091_the_handler_sees_account_and_organisations() {
    let record = || {
        KeyRecord::new("key_1", "acme")
            .subject("alice")
            .organizations(["org_1", "org_2"])
            .scopes(["read"])
            .roles(["admin"])
            .plan("premium")
    };
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let store = MemoryKeyStore::new().with(&scheme, KEY, record()).unwrap();
    let handler = strict(|request: Request<Body>| {
        let who = request.principal().unwrap();
        assert_eq!(who.method(), &AuthMethod::ApiKey);
        assert!(who.is_member_of("org_2") && !who.is_member_of("org_3") && !who.is_member_of("org"));
        assert_eq!((who.scopes(), who.roles()), (&["read".to_owned()][..], &["admin".to_owned()][..]));
        Response::new(Body::from(
            [Some(who.subject()), who.account(), who.plan(), who.credential_id(), who.credential_hint()]
                .map(Option::unwrap)
                .join(" "),
        ))
    });
    let request = || get("/", &[("x-api-key", KEY)]);
    let expected = "alice acme premium key_1 ak_…5678";
    let ready = ApiKeyLayer::new(scheme.clone(), store.clone()).layer(handler.clone());
    assert_eq!(text(answer(ready, request()).await).await, expected);
    let waited = ApiKeyLayer::new(scheme, Slow(store)).layer(handler);
    assert_eq!(text(answer(waited, request()).await).await, expected);
}
