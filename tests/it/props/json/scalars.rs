//! Strings and numbers, which are read by hand.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::select};
use serde::de::IgnoredAny;
use serde_json::Value;
use tower_auth::json::{self, JsonError, JsonLimits};

use super::{cases, generate::spell};

const LIMITS: JsonLimits = JsonLimits::new().max_number_len(2_000);

/// Any character, the ones around the special ones more often than chance gives them.
fn character() -> impl Strategy<Value = char> {
    let near = "\"!#\\[]\u{0}\u{1}\u{1f} \u{7f}\u{80}é\u{7ff}€\u{d7ff}\u{e000}\u{ffff}𝄞\u{10ffff}aaaa/\n\t";
    prop_oneof![2 => select(near.chars().collect::<Vec<_>>()), 1 => any::<char>()]
}

/// A string as itself, and as JSON.
fn spelled(spelling: impl Strategy<Value = u8>) -> impl Strategy<Value = (String, String)> {
    vec((character(), spelling), 0..12).prop_map(|characters| {
        let mut text = String::new();
        for (character, spelling) in &characters {
            spell(*character, *spelling, &mut text);
        }
        (characters.iter().map(|(character, _)| character).collect(), text)
    })
}

/// Numbers as JSON writes them, of all lengths.
fn number() -> impl Strategy<Value = String> {
    let ends = [i64::MIN.into(), i64::MAX.into(), u64::MAX.into(), 1 << 53, 10_i128.pow(19), i128::MAX - 1, 0, 255];
    let float = any::<f64>().prop_filter("JSON has no other", |value| value.is_finite());
    prop_oneof![
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
        "-?[1-9][0-9]{17,20}",
        "-?[1-9][0-9]{300,310}",
        "-?(0|[1-9][0-9]{0,320})(\\.0{0,320}[0-9]{1,5})?[eE][+-]?[0-9]{1,25}",
        float.clone().prop_map(|value| value.to_string()),
        float.prop_map(|value| format!("{value:e}")),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u128>().prop_map(|value| value.to_string()),
        (select(ends.to_vec()), -2..=1_i128).prop_map(|(end, step)| (end + step).to_string()),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    /// The scanner goes eight bytes at a time, so every string is read from every place in a word.
    #[test]
    fn a_string_is_the_same_in_every_spelling((content, spelling) in spelled(any::<u8>())) {
        for padding in 0..24 {
            let padding = "a".repeat(padding);
            let (expected, text) = (format!("{padding}{content}"), format!("\"{padding}{spelling}\""));
            prop_assert_eq!(json::check(text.as_bytes(), &LIMITS), Ok(()), "{}", text);
            prop_assert_eq!(json::from_slice::<String>(text.as_bytes(), &LIMITS), Ok(expected.clone()), "{}", text);
            let object = format!("{{{text}:0}}");
            let names = json::from_slice::<HashMap<String, u8>>(object.as_bytes(), &LIMITS);
            prop_assert_eq!(names, Ok(HashMap::from([(expected, 0)])), "{}", object);
        }
    }

    /// What needs no escape is borrowed from the text, and nothing else is.
    #[test]
    fn a_string_without_escapes_is_borrowed((content, spelling) in spelled(select(vec![0_u8, 0, 0, 1]))) {
        let text = format!("\"{spelling}\"");
        let read = json::from_slice::<&str>(text.as_bytes(), &LIMITS);
        prop_assert_eq!(read.ok(), Some(&*content).filter(|_| !spelling.contains('\\')), "{}", text);
    }

    #[test]
    fn a_name_is_the_same_in_every_spelling(content in vec(character(), 0..5), spellings in vec(any::<[u8; 2]>(), 5)) {
        let [mut one, mut other] = [String::new(), String::new()];
        for (character, [first, second]) in content.iter().zip(spellings) {
            spell(*character, first, &mut one);
            spell(*character, second, &mut other);
        }
        let (twice, differs) = (format!("{{\"{one}\":0,\"{other}\":0}}"), format!("{{\"{one}\":0,\"{other}a\":0}}"));
        prop_assert!(json::check(twice.as_bytes(), &LIMITS).is_err(), "{}", twice);
        prop_assert_eq!(json::check(differs.as_bytes(), &LIMITS), Ok(()), "{}", differs);
    }

    /// Half a pair is refused wherever it stands, and two halves are one character only in their order.
    #[test]
    fn escapes_are_utf_16(units in vec(prop_oneof![0xd7f0..0xe010_u16, 0xd800..0xe000_u16, any::<u16>()], 0..5)) {
        let escapes = units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        let (text, object) = (format!("\"{escapes}\""), format!("{{\"{escapes}\":0}}"));
        let expected = String::from_utf16(&units).ok();
        prop_assert_eq!(json::from_slice::<String>(text.as_bytes(), &LIMITS).ok(), expected.clone(), "{}", text);
        for text in [text, object] {
            prop_assert_eq!(json::check(text.as_bytes(), &LIMITS).is_ok(), expected.is_some(), "{}", text);
        }
    }

    /// The first few names are compared one by one, the others are not.
    #[test]
    fn a_name_is_found_again_among_any_number(length in 1..40_usize, again in any::<prop::sample::Index>()) {
        let start = (0..length).map(|place| format!("\"name{place}\":0,")).collect::<Vec<_>>().concat();
        for (last, expected) in [(again.index(length), false), (length, true)] {
            let text = format!("{{{start}\"name{last}\":0}}");
            prop_assert_eq!(json::check(text.as_bytes(), &LIMITS).is_ok(), expected, "{}", text);
            let read = json::from_slice::<Value>(text.as_bytes(), &LIMITS);
            prop_assert_eq!(read.is_ok(), expected, "{}", text);
        }
    }

    #[test]
    fn numbers_are_those_of_the_standard_library(text in number()) {
        let float = text.parse::<f64>().unwrap();
        let bytes = text.as_bytes();
        prop_assert_eq!(json::check(bytes, &LIMITS).is_ok(), float.is_finite(), "{}", text);
        let read = json::from_slice::<f64>(bytes, &LIMITS).map(f64::to_bits);
        prop_assert_eq!(read.ok(), Some(float.to_bits()).filter(|_| float.is_finite()), "{}", text);
        // Minus zero is not a whole number; a type of 128 bits gets the digits.
        let narrow = text != "-0";
        prop_assert_eq!(json::from_slice::<u8>(bytes, &LIMITS).ok(), text.parse().ok(), "{}", text);
        prop_assert_eq!(json::from_slice::<u64>(bytes, &LIMITS).ok(), text.parse().ok(), "{}", text);
        prop_assert_eq!(json::from_slice::<i64>(bytes, &LIMITS).ok(), text.parse().ok().filter(|_| narrow), "{}", text);
        prop_assert_eq!(json::from_slice::<u128>(bytes, &LIMITS).ok(), text.parse().ok(), "{}", text);
        prop_assert_eq!(json::from_slice::<i128>(bytes, &LIMITS).ok(), text.parse().ok(), "{}", text);
    }

    /// A text of the characters of numbers is one if `serde_json` says so.
    #[test]
    fn what_is_no_number_is_refused(text in "[-+.eE0-9]{1,8}") {
        let expected = serde_json::from_str::<Value>(&text).is_ok();
        prop_assert_eq!(json::check(text.as_bytes(), &LIMITS).is_ok(), expected, "{}", text);
        prop_assert_eq!(json::from_slice::<f64>(text.as_bytes(), &LIMITS).is_ok(), expected, "{}", text);
    }
}

#[test]
fn a_control_character_is_found_at_every_place() {
    let words = ["a", "é", "𝄞", "!", "[", "]", "\u{7f}", " "];
    for control in '\0'..' ' {
        for (length, fill, behind) in
            (0..24).flat_map(|length| words.iter().map(move |fill| (length, fill, length % 9)))
        {
            let text = format!("\"{}{control}{}\"", fill.repeat(length), "b".repeat(behind));
            let error = json::check(text.as_bytes(), &LIMITS).unwrap_err();
            assert_eq!((error.line(), error.column()), (1, length as u64 + 2), "{text:?}");
            let ignored = json::from_slice::<IgnoredAny>(text.as_bytes(), &LIMITS).unwrap_err();
            let read = json::from_slice::<&str>(text.as_bytes(), &LIMITS).unwrap_err();
            assert_eq!((ignored, read), (JsonError::from(error), JsonError::from(error)), "{text:?}");
        }
    }
}
