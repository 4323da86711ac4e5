use std::collections::{BTreeMap, HashSet};

use proptest::{collection::vec, prelude::*, sample::select};
use sha2::{Digest as _, Sha256};
use tower_auth::{Alphabet, KeyDigest, KeyFormat, KeyScheme, Peppers};

use super::cases;

const DIGITS: &str = "0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

/// A format as the documentation describes it.
#[derive(Clone, Debug)]
struct Described {
    format: KeyFormat,
    /// What opens a new key: the prefix, and the first environment.
    prefix: String,
    /// What opens a key of the second environment.
    other: Option<String>,
    shortest: usize,
    longest: usize,
    minted: usize,
    accepted: String,
    drawn: String,
    checksum: bool,
    /// Whether keys without the checksum are accepted too.
    unchecked: bool,
}

impl Described {
    fn new(format: KeyFormat, prefix: &str, lengths: (usize, usize), minted: usize) -> Self {
        let letters = format!("{DIGITS}{UPPER}{LOWER}");
        Self {
            format,
            prefix: prefix.to_owned(),
            other: None,
            shortest: lengths.0,
            longest: lengths.1,
            minted,
            accepted: letters.clone(),
            drawn: letters,
            checksum: false,
            unchecked: false,
        }
    }

    fn accepting(self, alphabet: &str) -> Self {
        Self { accepted: alphabet.to_owned(), ..self }
    }

    fn of(self, alphabet: &str) -> Self {
        Self { accepted: alphabet.to_owned(), drawn: alphabet.to_owned(), ..self }
    }

    fn with_checksum(self) -> Self {
        Self { checksum: true, ..self }
    }

    fn or_without(self) -> Self {
        Self { format: self.format.accept_unchecked(), unchecked: true, ..self }
    }

    fn or_opened_by(self, other: &str) -> Self {
        Self { other: Some(other.to_owned()), ..self }
    }

    fn openings(&self) -> Vec<&str> {
        [&self.prefix].into_iter().chain(&self.other).map(String::as_str).collect()
    }

    fn minted_length(&self) -> usize {
        self.prefix.len() + self.minted + if self.checksum { 6 } else { 0 }
    }

    /// Whether this is a key of the format.
    fn describes(&self, bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        self.openings().into_iter().any(|opening| self.describes_behind(opening, text))
    }

    fn describes_behind(&self, opening: &str, text: &str) -> bool {
        let Some(behind) = text.strip_prefix(opening) else { return false };
        let sum = behind.len().checked_sub(6).and_then(|at| behind.split_at_checked(at));
        let checked =
            sum.is_some_and(|(random, sum)| self.is_random(random) && sum == checksum(&format!("{opening}{random}")));
        if self.checksum { checked || self.unchecked && self.is_random(behind) } else { self.is_random(behind) }
    }

    fn is_random(&self, text: &str) -> bool {
        let length = text.chars().count();
        length >= self.shortest && length <= self.longest && text.chars().all(|c| self.accepted.contains(c))
    }
}

/// CRC-32 bit by bit, in base 62.
fn checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let (mut left, mut digits) = (!crc, Vec::new());
    let alphabet: Vec<char> = format!("{DIGITS}{UPPER}{LOWER}").chars().collect();
    for _ in 0..6 {
        digits.push(alphabet[left as usize % 62]);
        left /= 62;
    }
    digits.iter().rev().collect()
}

fn visible() -> String {
    ('!'..='~').collect()
}

fn formats() -> Vec<Described> {
    let (hex, safe) = (format!("{DIGITS}abcdef"), format!("{DIGITS}{UPPER}{LOWER}-_"));
    let sk = || KeyFormat::prefixed("sk_live", 32).unwrap();
    let bare = || sk().without_checksum();
    let described = |format, lengths| Described::new(format, "sk_live_", lengths, 32);
    let two = KeyFormat::prefixed("sk", 32).unwrap().environments(["live", "test"]).unwrap();
    let checked = KeyFormat::prefixed("ak", 40).unwrap().accept_lengths(39..=40).unwrap();
    vec![
        Described::new(crate::support::ak(), "ak_", (39, 40), 40),
        Described::new(checked, "ak_", (39, 40), 40).with_checksum(),
        Described::new(crate::support::halfred(), "halfred_", (28, 28), 28),
        Described::new(KeyFormat::opaque(20), "", (20, 512), 43).accepting(&visible()),
        Described::new(KeyFormat::opaque(60), "", (60, 512), 60).accepting(&visible()),
        Described::new(KeyFormat::opaque(0), "", (1, 512), 43).accepting(&visible()),
        described(sk(), (32, 32)).with_checksum(),
        described(two.clone(), (32, 32)).with_checksum().or_opened_by("sk_test_"),
        described(two.without_checksum(), (32, 32)).or_opened_by("sk_test_"),
        described(sk(), (32, 32)).with_checksum().or_without(),
        described(bare().alphabet(Alphabet::LowerHex).unwrap(), (32, 32)).of(&hex),
        described(sk().alphabet(Alphabet::UrlSafe).unwrap(), (32, 32)).of(&safe).with_checksum(),
        described(bare().accept_lengths(0..=40).unwrap(), (0, 40)),
        described(sk().accept_lengths(0..=40).unwrap(), (0, 40)).with_checksum(),
        described(sk().accept_lengths(0..=40).unwrap(), (0, 40)).with_checksum().or_without(),
    ]
}

/// Bytes that are a key, nearly a key, or anything.
fn presented() -> impl Strategy<Value = (Described, Vec<u8>)> {
    let anything = vec(any::<u8>(), 0..80);
    let change = (any::<prop::sample::Index>(), select(vec![b'0', b'Z', b'_', b'~', b' ', 0, 0x7f, 0xc3, 0xff]));
    (select(formats()), anything, vec(change, 0..3), 0..8_u8, 0..600_usize).prop_map(
        |(described, anything, changes, kind, length)| {
            let minted = KeyScheme::sha256(described.format.clone()).generate().unwrap().expose().as_bytes().to_vec();
            let length = if kind == 5 { length } else { length % 60 };
            let random: String = described.accepted.chars().cycle().take(length).collect();
            let openings = described.openings();
            let whole = format!("{}{random}", openings[anything.len() % openings.len()]);
            let mut bytes = match kind {
                0 | 1 => minted,
                2 => [minted.as_slice(), &anything].concat(),
                3 => minted[..minted.len() - anything.len().min(minted.len())].to_vec(),
                4 => [described.prefix.as_bytes(), &anything].concat(),
                5 | 6 => format!("{whole}{}", if described.checksum { checksum(&whole) } else { String::new() }).into(),
                _ => anything,
            };
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            (described, bytes)
        },
    )
}

/// HMAC-SHA-256 as RFC 2104 writes it down.
fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let pad = |with: u8| [key.map(|byte| byte ^ with), [with; 32]].concat();
    let inner = Sha256::digest([&pad(0x36), text].concat());
    Sha256::digest([&pad(0x5c), &inner[..]].concat()).into()
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_format_accepts_what_its_documentation_describes((described, bytes) in presented()) {
        prop_assert_eq!(described.format.accepts(&bytes), described.describes(&bytes));
    }

    #[test]
    fn digests_are_those_of_what_the_format_accepts(
        (described, bytes) in presented(),
        [one, other] in any::<[[u8; 32]; 2]>(),
    ) {
        prop_assume!(one != [0; 32] && other != [0; 32]);
        let accepted = described.describes(&bytes);
        let fast: [u8; 32] = Sha256::digest(&bytes).into();

        let plain = KeyScheme::sha256(described.format.clone()).digests(&bytes);
        prop_assert_eq!(plain.is_some(), accepted);
        if let Some(digests) = plain {
            prop_assert_eq!(digests.as_slices(), vec![&fast[..]]);
        }

        let peppers = Peppers::new(2, one).unwrap().accept(1, other).unwrap();
        let scheme = KeyScheme::new(described.format, peppers);
        let (keyed, moving) = (scheme.digests(&bytes), scheme.accept_sha256());
        prop_assert_eq!(keyed.is_some(), accepted);
        if let Some(digests) = keyed {
            let expected = [hmac(&one, &fast), hmac(&other, &fast)];
            let versions: Vec<_> = digests.versions().map(|(version, digest)| (version, *digest.as_bytes())).collect();
            prop_assert_eq!(versions, vec![(Some(2), expected[0]), (Some(1), expected[1])]);
            let moved = moving.move_under_pepper(&KeyDigest::from_bytes(fast)).unwrap();
            prop_assert_eq!(moved.as_bytes(), &expected[0]);
            let both = moving.digests(&bytes).unwrap();
            prop_assert_eq!(both.as_slices(), vec![&expected[0][..], &expected[1], &fast]);
            prop_assert_eq!(digests.as_slices(), expected.iter().map(|digest| &digest[..]).collect::<Vec<_>>());
        }
    }

    /// Whatever text is taken for a key, no more than its last four characters are shown, and of a short one none.
    #[test]
    fn a_hint_shows_four_characters_at_the_most(described in select(formats()), text in any::<String>()) {
        let hint = described.format.hint(&text);
        let (start, shown) = hint.split_once('…').unwrap();
        prop_assert!(start == described.prefix || described.other.is_some() && start == "sk_", "{hint:?}");
        prop_assert!(shown.len() <= 4 && text.ends_with(shown), "{hint:?}");
        prop_assert!(shown.is_empty() || text.len() >= 20, "{hint:?}");
    }

    /// Any combination of settings is refused when it is built, or mints keys that it accepts itself.
    #[test]
    fn a_format_accepts_what_it_mints(
        prefix in "[a-zA-Z0-9_-]{0,9}",
        environments in vec("[a-zA-Z0-9]{1,9}", 0..3),
        random in 0..540_usize,
        lengths in (0..540_usize, 0..540_usize),
        alphabet in select(vec![Alphabet::Alphanumeric, Alphabet::LowerHex, Alphabet::UrlSafe, Alphabet::Visible]),
        checksum in any::<bool>(),
    ) {
        let format = KeyFormat::prefixed(&prefix, random).and_then(|format| format.alphabet(alphabet));
        let format = format.map(|format| format.clone().accept_lengths(lengths.0..=lengths.1).unwrap_or(format));
        let format = format.map(|format| format.clone().environments(environments).unwrap_or(format));
        if let Ok(format) = format {
            let format = if checksum { format } else { format.without_checksum() };
            let key = KeyScheme::sha256(format.clone()).generate().unwrap();
            prop_assert!(format.accepts(key.expose().as_bytes()), "{format:?}");
            prop_assert!(key.expose().len() <= 512);
            let safe = if alphabet == Alphabet::LowerHex { 32 } else { 22 };
            prop_assert!(random >= safe);
        }
    }
}

/// CRC-32's published check value, CBF43926, which is 3jZRME in base 62.
#[test]
fn the_reference_knows_the_published_checksum() {
    assert_eq!(checksum("123456789"), "3jZRME");
}

#[test]
fn minted_keys_have_the_documented_form() {
    for described in formats() {
        let scheme = KeyScheme::sha256(described.format.clone());
        for _ in 0..100 {
            let key = scheme.generate().unwrap();
            let (key, format) = (key.expose(), &described.format);
            assert_eq!(key.len(), described.minted_length(), "{format:?}");
            assert!(format.accepts(key.as_bytes()) && described.describes(key.as_bytes()), "{format:?}");
            let random = &key[described.prefix.len()..][..described.minted];
            assert!(random.chars().all(|c| described.drawn.contains(c)), "{format:?}");
            assert_eq!(format.hint(key), format!("{}…{}", described.prefix, &key[key.len() - 4..]));
        }
    }
    assert_eq!(KeyScheme::ephemeral(crate::support::ak()).generate().unwrap().expose().len(), 43);
    assert_eq!(KeyScheme::ephemeral(crate::support::halfred()).generate().unwrap().expose().len(), 36);
}

#[test]
fn p10_a_thousand_minted_keys_differ() {
    for described in formats() {
        let scheme = KeyScheme::sha256(described.format);
        // A clone of the scheme has no random source of its own either.
        let keys = (0..1_000).map(|_| scheme.clone().generate().unwrap().expose().to_owned());
        assert_eq!(keys.collect::<HashSet<_>>().len(), 1_000);
    }
}

/// Chi-square over 80,000 characters. The bound is twelve standard deviations above the mean, so chance does not fail
/// it, and a draw by remainder (256 is no multiple of 62) does: it gives about 590 where the bound is 193.
#[test]
fn every_character_is_minted_as_often_as_every_other() {
    for described in formats() {
        let scheme = KeyScheme::sha256(described.format.clone());
        let mut counts: BTreeMap<char, u32> = described.drawn.chars().map(|c| (c, 0)).collect();
        let mut total = 0;
        while total < 80_000 {
            let key = scheme.generate().unwrap();
            for c in key.expose()[described.prefix.len()..][..described.minted].chars() {
                *counts.get_mut(&c).unwrap() += 1;
                total += 1;
            }
        }
        let expected = f64::from(total) / f64::from(u32::try_from(counts.len()).unwrap());
        let chi_square: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        let freedom = f64::from(u32::try_from(counts.len() - 1).unwrap());
        assert!(chi_square < freedom + 12.0 * (2.0 * freedom).sqrt(), "{:?}: {chi_square}", described.format);
    }
}

#[test]
fn a_checksummed_key_with_one_character_changed_is_refused() {
    for described in formats().into_iter().filter(|described| described.checksum && !described.unchecked) {
        let scheme = KeyScheme::sha256(described.format.clone());
        for _ in 0..5 {
            let key = scheme.generate().unwrap().expose().as_bytes().to_vec();
            for place in 0..key.len() {
                let mut changed = key.clone();
                for byte in (0..=255).filter(|byte| *byte != key[place]) {
                    changed[place] = byte;
                    assert!(!described.format.accepts(&changed), "{place} {byte} {:?}", described.format);
                }
            }
            for place in 0..key.len() - 1 {
                let mut swapped = key.clone();
                swapped.swap(place, place + 1);
                assert!(swapped == key || !described.format.accepts(&swapped), "{place}");
            }
        }
    }
}

/// The page of `KeyFormat::alphabet` names one error, and this is not it.
#[test]
fn an_opaque_format_takes_another_alphabet() {
    let format = KeyFormat::opaque(43).alphabet(Alphabet::UrlSafe).unwrap();
    assert!(format.accepts(&[b'a'; 43]) && !format.accepts(&[b'~'; 43]));
}

/// The page of `KeyFormat::prefixed` says 512 bytes, with the checksum.
#[test]
fn a_key_of_512_bytes_is_not_too_long() {
    let longest = KeyFormat::prefixed("ak", 503).unwrap();
    assert_eq!(KeyScheme::sha256(longest.clone()).generate().unwrap().expose().len(), 512);
    assert!(KeyFormat::prefixed("ak", 504).is_err());
    assert!(longest.clone().accept_lengths(503..=504).is_err());
    assert!(longest.without_checksum().accept_lengths(503..=509).is_ok());
}
