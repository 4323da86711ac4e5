//! The pattern for secret scanners, read by a regular expression engine with RE2's syntax.

use proptest::{collection::vec, prelude::*, sample::select};
use regex::bytes::{Regex, RegexBuilder};
use tower_auth::{Alphabet, KeyFormat, KeyScheme};

use super::cases;

const ALPHABETS: [Alphabet; 4] = [Alphabet::Alphanumeric, Alphabet::LowerHex, Alphabet::UrlSafe, Alphabet::Visible];

/// As RE2 reads it: `\b` and classes know ASCII only.
fn scanner(format: &KeyFormat) -> Regex {
    RegexBuilder::new(&format.scanner_pattern().unwrap()).unicode(false).build().unwrap()
}

/// The keys that a scanner finds in a text.
fn found(scanner: &Regex, text: &str) -> Vec<String> {
    let keys = scanner.captures_iter(text.as_bytes()).map(|found| found.get(1).or(found.get(0)).unwrap().as_bytes());
    keys.map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

fn format() -> impl Strategy<Value = KeyFormat> {
    let environments = vec("[a-zA-Z0-9]{1,9}", 0..3);
    ("[a-zA-Z0-9_-]{1,9}", environments, 32..60_usize, select(ALPHABETS.to_vec()), 0..3_u8).prop_map(
        |(prefix, environments, random, alphabet, checksum)| {
            let format = KeyFormat::prefixed(&prefix, random).unwrap().alphabet(alphabet).unwrap();
            let format = format.clone().environments(environments).unwrap_or(format);
            match checksum {
                0 => format,
                1 => format.without_checksum(),
                _ => format.accept_unchecked(),
            }
        },
    )
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_scanner_finds_minted_keys_and_no_others(
        format in format(),
        (before, after) in select(vec![("", ""), (" ", " "), ("\"", "\""), ("=", "\n"), ("é", "é"), ("Bearer ", ";")]),
        place in any::<prop::sample::Index>(),
        letter in select(vec!['.', ' ', '"', 'é']),
    ) {
        let scanner = scanner(&format);
        let key = KeyScheme::sha256(format.clone()).generate().unwrap().expose().to_owned();
        let around = |key: &str| format!("{before}{key}{after}");
        prop_assert_eq!(found(&scanner, &around(&key)), vec![key.clone()], "{:?}", &scanner);
        prop_assert_eq!(found(&scanner, &around(&format!("{key} {key}"))).len(), 2);

        let mut mistyped: Vec<char> = key.chars().collect();
        mistyped[place.index(key.len())] = letter;
        let mistyped: String = mistyped.into_iter().collect();
        // A wrong first character of the checksum leaves a key of the time before checksums, where those are accepted.
        let left = found(&scanner, &around(&mistyped)).into_iter().filter(|key| !format.accepts(key.as_bytes()));
        prop_assert_eq!(left.count(), 0, "{} {:?}", mistyped, &scanner);
        for wrong in [format!("{key}0"), key[..key.len() - 1].to_owned()] {
            prop_assert!(found(&scanner, &around(&wrong)).is_empty(), "{wrong} {:?}", &scanner);
        }
    }
}

#[test]
fn a_scanner_finds_every_length_and_environment_and_keys_without_the_checksum() {
    let format = KeyFormat::prefixed("sk", 32).unwrap().accept_lengths(30..=32).unwrap();
    let format = format.environments(["live", "test"]).unwrap().accept_unchecked();
    let scanner = scanner(&format);
    for environment in ["live", "test", "prod"] {
        for length in 20..50 {
            let key = format!("sk_{environment}_{}", "a".repeat(length));
            let expected = environment != "prod" && ((30..=32).contains(&length) || (36..=38).contains(&length));
            assert_eq!(found(&scanner, &key) == [key.clone()], expected, "{key}");
        }
    }
}

/// What somebody hands to a scanner is text that they read first.
#[test]
fn patterns_are_short() {
    let of = |format: KeyFormat| format.scanner_pattern().unwrap();
    let ak = || KeyFormat::prefixed("ak", 40).unwrap();
    assert_eq!(of(ak()), r"\bak_[0-9A-Za-z]{40}[0-9A-Za-z]{6}\b");
    assert_eq!(of(ak().accept_unchecked()), r"\bak_[0-9A-Za-z]{40}(?:[0-9A-Za-z]{6})?\b");
    assert_eq!(of(crate::support::ak()), r"\bak_[0-9A-Za-z]{39,40}\b");
    assert_eq!(of(ak().alphabet(Alphabet::LowerHex).unwrap()), r"\bak_[0-9a-f]{40}[0-9A-Za-z]{6}\b");
    assert_eq!(of(ak().environments(["live"]).unwrap()), r"\bak_live_[0-9A-Za-z]{40}[0-9A-Za-z]{6}\b");
    let safe = ak().alphabet(Alphabet::UrlSafe).unwrap().without_checksum();
    assert_eq!(of(safe), r"\b(ak_[0-9A-Za-z_-]{40})(?:[^0-9A-Za-z_-]|$)");
    assert_eq!(KeyFormat::opaque(20).alphabet(Alphabet::UrlSafe).unwrap().scanner_pattern(), None);
}
