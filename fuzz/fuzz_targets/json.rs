//! Reads arbitrary bytes as strict JSON and compares the result with `check` and with `serde_json`.
#![no_main]

#[path = "parts/strict.rs"]
mod strict;

use std::{collections::BTreeMap, fmt::Debug};

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;
use tower_auth::json::{self, FieldViolation, JsonError, JsonLimits, SyntaxError};

use self::strict::Strict;

/// The most violations: unknown fields, the error that stops the type, and the note that there are more.
const MOST_VIOLATIONS: usize = 32 + 1 + 1;
/// The longest pointer: the length to which it is cut, the sign that it is cut, and the name of a missing field of the types below.
const LONGEST_POINTER: usize = 512 + 1 + "/level".len();
/// The longest reason: two hundred characters of a type's message, each escaped, and the text around them.
const LONGEST_REASON: usize = 200 * "\\u{2028}".len() + 100;
/// The longest error: every character of a pointer may be escaped.
const LONGEST_ERROR: usize = MOST_VIOLATIONS * (LONGEST_POINTER * "\\u{10ffff}".len() + LONGEST_REASON + 100);

// `deny_unknown_fields` makes `serde_json` refuse unknown fields too. No name is longer than `LONGEST_POINTER` allows.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Order {
    id: u64,
    sum: i128,
    sign: char,
    note: Option<String>,
    lines: Vec<Line>,
    state: State,
    tags: BTreeMap<String, Self>,
    pair: Option<(u8, f64)>,
    more: Option<Box<Self>>,
    raw: Value,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Line {
    level: u8,
    #[serde(alias = "price")]
    at: Option<f64>,
    #[serde(default)]
    on: bool,
}

#[derive(Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum State {
    #[default]
    Open,
    Paid(u32),
    Both(i8, Option<Box<Self>>),
    Sent {
        by: String,
    },
}

/// A type that accepts any value, as some services write it with `deserialize_with`.
struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).ok()))
    }
}

/// The bytes, and the verdict of `check` on them.
struct Text<'a> {
    bytes: &'a [u8],
    limits: JsonLimits,
    checked: Result<(), SyntaxError>,
}

impl<'a> Text<'a> {
    fn new(bytes: &'a [u8], limits: JsonLimits) -> Self {
        let checked = json::check(bytes, &limits);
        if let Err(error) = checked {
            assert!(error.line() >= 1 && error.column() >= 1, "{error}");
            assert!(error.line() as usize <= bytes.len() + 1 && error.column() as usize <= bytes.len() + 1, "{error}");
            assert!(error.to_string().len() <= 200, "{error}");
        }
        Self { bytes, limits, checked }
    }

    /// Reads the value or its violations if the bytes are JSON. Asserts that the verdict on the JSON is the same for every type.
    fn read<T: Deserialize<'a>>(&self) -> Option<Result<T, Vec<FieldViolation>>> {
        match json::from_slice::<T>(self.bytes, &self.limits) {
            Err(JsonError::Syntax(error)) => {
                assert_eq!(self.checked, Err(error), "the verdict differs from that of `check`");
                None
            }
            Err(JsonError::Fields(fields)) => {
                assert_eq!(self.checked, Ok(()), "the bytes are not JSON, and the error lists only fields: {fields:?}");
                self.look_at(&fields);
                Some(Err(fields))
            }
            Ok(value) => {
                assert_eq!(self.checked, Ok(()), "the bytes are not JSON, and the type accepts them");
                Some(Ok(value))
            }
            Err(error) => panic!("this target does not know this kind of error: {error}"),
        }
    }

    fn look_at(&self, fields: &[FieldViolation]) {
        assert!(!fields.is_empty() && fields.len() <= MOST_VIOLATIONS, "{} violations", fields.len());
        let error = JsonError::Fields(fields.to_vec()).to_string();
        assert!(error.len() <= LONGEST_ERROR, "an error of {} bytes", error.len());
        let document: Value = serde_json::from_slice(self.bytes).unwrap();
        for field in fields {
            let (pointer, reason) = (field.pointer(), field.reason());
            assert!(pointer.chars().count() <= LONGEST_POINTER && reason.len() <= LONGEST_REASON, "{field}");
            // A name that is cut or escaped cannot be looked up.
            if !pointer.contains(['…', '\\']) {
                assert_eq!(document.pointer(pointer).is_none(), reason == "missing field", "{field}");
            }
        }
    }

    /// Asserts that `serde_json` reads the same value, and refuses what this crate refuses.
    fn compare<T: Deserialize<'a> + Debug + PartialEq>(&self, other: impl FnOnce() -> serde_json::Result<T>) {
        match self.read::<T>() {
            Some(Ok(value)) => assert_eq!(value, other().expect("serde_json refuses this")),
            Some(Err(fields)) => {
                // Only this crate refuses an array for a struct, and the names that `serde_json` reserves.
                let stricter = ["expected an object, found an array", "a name that starts so is reserved"];
                let stricter = fields.iter().any(|field| stricter.contains(&field.reason()));
                let other = other();
                assert!(other.is_err() || stricter, "{fields:?}, and serde_json reads {other:?}");
            }
            None => {}
        }
    }

    fn compare_types(&self) {
        let Self { bytes, .. } = *self;
        self.compare::<Order>(|| serde_json::from_slice(bytes));
        self.compare::<Vec<Order>>(|| serde_json::from_slice(bytes));
        self.compare::<Line>(|| serde_json::from_slice(bytes));
        self.compare::<State>(|| serde_json::from_slice(bytes));
        self.compare::<Value>(|| serde_json::from_slice(bytes));
        self.compare::<&str>(|| serde_json::from_slice(bytes));
        self.compare::<String>(|| serde_json::from_slice(bytes));
        self.compare::<Vec<Vec<Option<i64>>>>(|| serde_json::from_slice(bytes));
        self.compare::<(char, [u128; 2], Option<()>)>(|| serde_json::from_slice(bytes));
        self.compare::<BTreeMap<State, Line>>(|| serde_json::from_slice(bytes));
        // From bytes, `serde_json` reads no number from a name with escapes.
        self.compare::<BTreeMap<i32, BTreeMap<bool, u8>>>(|| {
            serde_json::from_slice::<Value>(bytes).and_then(serde_json::from_value)
        });
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = Text::new(bytes, JsonLimits::new());
    text.compare_types();
    let _ = text.read::<IgnoredAny>();
    // A type that ignores an error does not change the verdict on the bytes.
    let _ = text.read::<Lenient<Order>>();
    if let Some(Ok(lines)) = text.read::<Vec<Lenient<Line>>>() {
        let values: Vec<Value> = serde_json::from_slice(bytes).unwrap();
        assert_eq!(lines.len(), values.len());
        for (Lenient(line), value) in lines.into_iter().zip(values) {
            let other = serde_json::from_value(value.clone()).ok().filter(|_| !value.is_array());
            assert_eq!(line, other, "{value}");
        }
    }
    let _ = text.read::<BTreeMap<String, Lenient<State>>>();
    let _ = text.read::<Lenient<BTreeMap<u8, Lenient<Vec<u8>>>>>();

    let strict = serde_json::from_slice::<Strict>(bytes);
    assert!(text.checked.is_err() || strict.is_ok(), "accepted, but serde_json refuses it: {:?}", strict.err());
    let loosest = json::check(
        bytes,
        &JsonLimits::new().max_depth(usize::MAX).max_string_len(usize::MAX).max_number_len(usize::MAX),
    );
    assert!(loosest.is_ok() || strict.is_err(), "refused, but serde_json reads it: {loosest:?}");

    let tight = Text::new(bytes, JsonLimits::new().max_depth(3).max_string_len(6).max_number_len(4));
    assert!(tight.checked.is_err() || text.checked.is_ok(), "tighter limits accept more");
    tight.compare_types();
});
