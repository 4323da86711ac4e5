//! Keys at rest: what a stolen table shows, what a changed row does, and how peppers change.

use std::fmt::Write as _;

use tower_auth::{BoxError, ConfigError, Secret, token::Algorithm};

use super::*;
use crate::no_leak::Logs;

/// Of pepper 1 first, and of pepper 2.
fn old_first() -> Peppers {
    Peppers::new(1, [7; 32]).unwrap().accept(2, [8; 32]).unwrap()
}

fn new_first() -> Peppers {
    Peppers::new(2, [8; 32]).unwrap().accept(1, [7; 32]).unwrap()
}

fn new_alone() -> Peppers {
    Peppers::new(2, [8; 32]).unwrap()
}

async fn open_with(rows: &Rows, peppers: &Peppers, hand: &ManualClock) -> Result<SigningKeys, ConfigError> {
    SigningKeys::open(rows.clone(), peppers, SigningPolicy::new(), hand).await
}

fn versions(rows: &Rows) -> Vec<u32> {
    rows.change(|rows| rows.iter().map(|row| u32::from_be_bytes(*row.sealed.first_chunk().unwrap())).collect())
}

#[tokio::test]
async fn a_pepper_is_replaced_without_new_keys() {
    let (rows, hand) = (Rows::default(), hand());
    let first = signer(&open_with(&rows, &peppers(), &hand).await.unwrap(), &hand);
    let before = rows.change(|rows| rows.clone());
    open_with(&rows, &old_first(), &hand).await.unwrap();
    assert_eq!(rows.change(|rows| rows.clone()), before, "nothing changes while the old pepper is the current one");
    let keys = open_with(&rows, &new_first(), &hand).await.unwrap();
    assert_eq!((versions(&rows), signer(&keys, &hand)), (vec![2], first.clone()));
    let keys = open_with(&rows, &new_alone(), &hand).await.unwrap();
    assert_eq!((signer(&keys, &hand), published(&keys)), (first.clone(), vec![first]));
}

/// While the order is changed, replicas of both orders run.
#[tokio::test]
async fn replicas_do_not_undo_each_others_work() {
    let (store, hand) = (Remote::default(), hand());
    let policy = SigningPolicy::new;
    let one = SigningKeys::open(store.clone(), &old_first(), policy(), &hand).await.unwrap();
    let other = SigningKeys::open(store.clone(), &new_first(), policy(), &hand).await.unwrap();
    assert_eq!(store.reseals(), 1);
    for _ in 0..5 {
        hand.advance(MINUTE);
        one.refresh().await.unwrap();
        other.refresh().await.unwrap();
    }
    assert_eq!(store.reseals(), 0);
    // A key that the old order makes meanwhile is encrypted anew as well.
    hand.advance(29 * DAY);
    one.refresh().await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(store.reseals(), 1);
    let current = |row: &StoredSigningKey| row.sealed.starts_with(&2_u32.to_be_bytes());
    assert!(store.rows().await.iter().all(current));
}

#[tokio::test]
async fn a_lost_pepper_makes_a_new_key_that_signs_at_once() {
    let (rows, hand) = (Rows::default(), hand());
    let lost = open_with(&rows, &peppers(), &hand).await.unwrap();
    let token = issued(&lost, &hand, HOUR);
    hand.advance(MINUTE);
    let logs = Logs::capture();
    let keys = open_with(&rows, &new_alone(), &hand).await.unwrap();
    let (first, new) = (signer(&lost, &hand), signer(&keys, &hand));
    assert_ne!(first, new);
    assert_eq!(published(&keys), [first.as_str(), &new], "tokens of the lost key can be verified");
    assert_eq!(verify(&verifier(&keys), &token, &hand).await.unwrap(), "alice");
    assert_eq!(verify(&verifier(&keys), &issued(&keys, &hand, HOUR), &hand).await.unwrap(), "alice");
    let text = logs.text();
    assert!(text.contains("it is encrypted with pepper 1") && text.contains("([2])"), "{text}");
    assert!(text.contains("a new one signs at once"), "{text}");
    for _ in 0..3 {
        hand.advance(MINUTE);
        keys.refresh().await.unwrap();
    }
    assert_eq!(rows.change(|rows| rows.len()), 2, "one new key is enough");
    assert_eq!(logs.text().matches("it is encrypted with pepper 1").count(), 1, "once");
    hand.advance(2 * DAY);
    keys.refresh().await.unwrap();
    assert_eq!(published(&keys), [new.as_str()]);
}

/// The pepper of a version is not the one that the other processes have.
#[tokio::test]
async fn processes_with_different_peppers_stop_adding_keys() {
    let (rows, hand) = (Rows::default(), hand());
    let one = open_with(&rows, &peppers(), &hand).await.unwrap();
    let other = open_with(&rows, &Peppers::new(1, [9; 32]).unwrap(), &hand).await.unwrap();
    let mut failure: Option<BoxError> = None;
    for _ in 0..100 {
        hand.advance(2 * MINUTE);
        failure = one.refresh().await.err().or(other.refresh().await.err());
    }
    assert_eq!(rows.change(|rows| rows.len()), 32);
    let failure = failure.unwrap().to_string();
    assert!(failure.contains("different peppers"), "{failure}");
    for keys in [&one, &other] {
        // One of them has made the last key, and the other may add none.
        drop(keys.refresh().await);
        let tokens = verifier(keys);
        assert_eq!(
            verify(&tokens, &issued(&one, &hand, HOUR), &hand).await.unwrap(),
            "alice",
            "all keys are published"
        );
        assert_eq!(verify(&tokens, &issued(&other, &hand, HOUR), &hand).await.unwrap(), "alice");
    }
    hand.advance(2 * DAY);
    drop(one.refresh().await);
    one.refresh().await.unwrap();
    assert!(rows.change(|rows| rows.len()) < 5, "old keys are removed all the same");
}

type Change = fn(&mut StoredSigningKey, &SigningKey);

#[tokio::test]
async fn a_changed_row_is_not_used() {
    let hand = hand();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    // What is changed, and whether the key is still published.
    let changes: [(&str, Change, bool); 6] = [
        ("the version", |row, _| row.sealed[3] ^= 2, true),
        ("the nonce", |row, _| row.sealed[4] ^= 1, true),
        ("the ciphertext", |row, _| *row.sealed.last_mut().unwrap() ^= 1, true),
        ("the whole encrypted part", |row, _| row.sealed.clear(), true),
        ("the algorithm", |row, _| row.algorithm = Algorithm::Ed25519, false),
        (
            "the id, and the public part",
            |row, other| {
                (row.id, row.public) = (other.id().to_owned(), other.public_jwk().to_owned());
            },
            true,
        ),
    ];
    for (what, change, is_published) in changes {
        let rows = Rows::default();
        open_with(&rows, &peppers(), &hand).await.unwrap();
        let id = rows.change(|rows| {
            change(&mut rows[0], &other);
            rows[0].id.clone()
        });
        let keys = open_with(&rows, &peppers(), &hand).await.unwrap();
        assert_ne!(signer(&keys, &hand), id, "{what}");
        assert_eq!(published(&keys).contains(&id), is_published, "{what}");
    }
}

/// What is published of a key is made from the key, if it can be opened.
#[tokio::test]
async fn a_changed_public_part_is_not_published() {
    let (rows, hand) = (Rows::default(), hand());
    let keys = open_with(&rows, &peppers(), &hand).await.unwrap();
    let document = keys.key_set_json();
    let mine = SigningKey::generate(Algorithm::Es256).unwrap();
    rows.change(|rows| rows[0].public = mine.public_jwk().replace(mine.id(), &rows[0].id));
    let again = open_with(&rows, &peppers(), &hand).await.unwrap();
    assert_eq!(again.key_set_json(), document);
    // It cannot be opened, and its id is not that of the public part.
    let lost = open_with(&rows, &new_alone(), &hand).await.unwrap();
    assert_eq!(published(&lost), [signer(&lost, &hand)]);
    let forged = token(&mine, hand.now(), HOUR);
    verify(&verifier(&lost), &forged, &hand).await.unwrap_err();
}

/// Two rows change places.
#[tokio::test]
async fn the_encrypted_part_of_another_row_is_not_used() {
    let (rows, hand) = (Rows::default(), hand());
    let keys = open_with(&rows, &peppers(), &hand).await.unwrap();
    hand.advance(29 * DAY);
    keys.refresh().await.unwrap();
    rows.change(|rows| {
        let (one, other) = rows.split_at_mut(1);
        std::mem::swap(&mut one[0].sealed, &mut other[0].sealed);
    });
    let before: Vec<String> = rows.change(|rows| rows.iter().map(|row| row.id.clone()).collect());
    let keys = open_with(&rows, &peppers(), &hand).await.unwrap();
    assert!(!before.contains(&signer(&keys, &hand)));
}

/// The private number of RFC 8037, appendix A.1.
const NUMBER: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn nothing_that_is_printed_or_published_shows_a_private_key() {
    let logs = Logs::capture();
    let (rows, hand) = (Rows::default(), hand());
    let key = SigningKey::from_pem(Algorithm::Ed25519, &Secret::new(PEM)).unwrap();
    let policy = SigningPolicy::new().algorithm(Algorithm::Ed25519);
    let keys = SigningKeys::open(rows.clone(), &peppers(), policy, &hand).await.unwrap();
    let mut out = format!("{key:?} {key:#?} {} {:?} {keys:?} {keys:#?}", key.public_jwk(), key.verifying_key());
    for fault in ["PRIVATE KEY-----\nMC4", "ED", "=====", "-----END PRIVATE KEY-----"] {
        let text = PEM.replace(fault, "x");
        out += &SigningKey::from_pem(Algorithm::Ed25519, &Secret::new(text))
            .map_or_else(|error| error.to_string(), |_| String::new());
    }
    out += &SigningKey::from_pem(Algorithm::Es256, &Secret::new(PEM)).unwrap_err().to_string();
    let row = rows.change(|rows| rows[0].clone());
    let sealed = format!("{:?}", row.sealed);
    write!(out, "{row:?} {} {:?}", row.public, keys.key_set_json()).unwrap();
    out += &logs.text();
    assert!(!out.contains(&sealed[1..20]), "the encrypted part is not printed");
    let hex = NUMBER.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let bytes = format!("{NUMBER:?}");
    for secret in [&hex, &bytes[1..], "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v"] {
        for part in 0..secret.len() - 12 {
            assert!(!out.contains(&secret[part..part + 12]), "{} came out", &secret[part..part + 12]);
        }
    }
    assert!(!out.contains(r#""d""#), "no private member");
}
