//! What fits into which type: the same as with `serde_json`, but for what is refused on purpose.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    ffi::CString,
    fmt::{self, Debug, Write as _},
    hash::{Hash, Hasher},
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroI16, NonZeroU8, Saturating, Wrapping},
    ops::{Bound, Range, RangeInclusive},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use tower_auth::json::{self, FieldViolation, JsonError, JsonLimits};

use super::read;

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Point {
    x: u8,
    y: Option<i8>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Denying {
    x: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Unit;

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Newtype(u8);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Name(String);

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Pair(u8, String);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub(super) enum Colour {
    #[serde(rename = "a")]
    Red,
    #[serde(alias = "c")]
    B,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) enum Other {
    B,
    #[serde(other)]
    Else,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) enum Shape {
    Empty,
    Newtype(Option<u8>),
    Pair(u8, u8),
    Struct { x: u8 },
    Nothing {},
    Unit(()),
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Tree {
    value: u8,
    left: Option<Box<Self>>,
    #[serde(default)]
    all: Vec<Self>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Borrowed<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Wrapper<T> {
    data: T,
}

/// Bytes from a string or from an array, as `serde_bytes` takes them.
#[derive(Debug, PartialEq)]
pub(super) struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = elements.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

/// Texts of every kind; each goes into each type.
pub(super) const TEXTS: &[&str] = &[
    "null",
    "true",
    "false",
    " \n\ttrue\r\n ",
    "0",
    "-0",
    "1",
    "-1",
    "7",
    "127",
    "128",
    "-128",
    "-129",
    "255",
    "256",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "170141183460469231731687303715884105727",
    "170141183460469231731687303715884105728",
    "-170141183460469231731687303715884105728",
    "-170141183460469231731687303715884105729",
    "340282366920938463463374607431768211455",
    "340282366920938463463374607431768211456",
    "0.0",
    "-0.0",
    "1.0",
    "1.5",
    "-2.5e-3",
    "1e2",
    "1E+2",
    "5e-324",
    "1e-400",
    "3.5e38",
    "1e300",
    "1.7976931348623157e308",
    r#""""#,
    r#""a""#,
    r#""c""#,
    r#""B""#,
    r#""é""#,
    r#""😀""#,
    r#""\u00e9""#,
    r#""\ud83d\ude00""#,
    r#""e\u0301""#,
    r#""ab""#,
    r#""a\"b\\c\/\n""#,
    r#""a\u0000b""#,
    r#""7""#,
    r#""true""#,
    r#""null""#,
    r#""Empty""#,
    r#""Newtype""#,
    r#""Struct""#,
    r#""Unbounded""#,
    r#""127.0.0.1""#,
    r#""::1""#,
    r#""[::1]:80""#,
    r#""127.0.0.1:80""#,
    r#""/tmp/x""#,
    "[]",
    "[ ]",
    "[1]",
    "[1,2]",
    "[1,2,3]",
    "[1,2,3,4]",
    "[[],[1]]",
    "[null]",
    "[null,1]",
    "[true,false]",
    "[1,\"a\"]",
    "[\"a\",1]",
    "[\"a\",\"B\",\"a\"]",
    "[256]",
    "[1.5,2]",
    "[[1,2],[3,4]]",
    "[{}]",
    r#"["Empty",null]"#,
    "{}",
    "{ }",
    r#"{"x":1}"#,
    r#"{"x":1,"y":2}"#,
    r#"{"y":-2,"x":1}"#,
    r#"{"x":1,"y":null}"#,
    r#"{"\u0078":1}"#,
    r#"{"x":1,"z":{"a":[1,{}]}}"#,
    r#"{"x":"1"}"#,
    r#"{"a":1}"#,
    r#"{"a":1,"B":2}"#,
    r#"{"a":1,"c":2}"#,
    r#"{"a":1,"\u0062":2}"#,
    r#"{"a":null}"#,
    r#"{"a":[1,2]}"#,
    r#"{"a":{"x":1}}"#,
    r#"{"é":1,"😀":2}"#,
    r#"{"1":1}"#,
    r#"{"1":1,"-1":2}"#,
    r#"{"-0":1}"#,
    r#"{"01":1}"#,
    r#"{" 1":1}"#,
    r#"{"1 ":1}"#,
    r#"{"1.0":1}"#,
    r#"{"1e2":1}"#,
    r#"{"":1}"#,
    r#"{"\u0031":1}"#,
    r#"{"300":1}"#,
    r#"{"18446744073709551616":1}"#,
    r#"{"340282366920938463463374607431768211456":1}"#,
    r#"{"true":1,"false":0}"#,
    r#"{"tru\u0065":1}"#,
    r#"{"null":1}"#,
    r#"{"Empty":null}"#,
    r#"{"Empty":1}"#,
    r#"{"Empty":null,"x":1}"#,
    r#"{"Newtype":1}"#,
    r#"{"Newtype":null}"#,
    r#"{"Newtype":[1]}"#,
    r#"{"Pair":[1,2]}"#,
    r#"{"Pair":[1]}"#,
    r#"{"Pair":[1,2,3]}"#,
    r#"{"Struct":{"x":1}}"#,
    r#"{"Struct":{}}"#,
    r#"{"Struct":[1]}"#,
    r#"{"Nothing":{}}"#,
    r#"{"Nothing":[]}"#,
    r#"{"Unit":null}"#,
    r#"{"Unknown":1}"#,
    r#"{"kind":"Empty"}"#,
    r#"{"kind":"Empty","data":null}"#,
    r#"{"kind":"Empty","data":1}"#,
    r#"{"kind":"Newtype","data":1}"#,
    r#"{"data":1,"kind":"Newtype"}"#,
    r#"{"kind":"Newtype"}"#,
    r#"{"kind":"Pair","data":[1,2]}"#,
    r#"{"kind":"Pair","data":[1]}"#,
    r#"{"data":[1,2],"kind":"Pair"}"#,
    r#"{"kind":"Point","data":{"x":1}}"#,
    r#"{"data":{"y":1,"x":1},"kind":"Point"}"#,
    r#"{"kind":"Unknown"}"#,
    r#"{"kind":{"Empty":null}}"#,
    r#"{"data":1}"#,
    r#"{"secs":1,"nanos":5}"#,
    r#"{"secs":1,"nanos":2000000000}"#,
    r#"{"secs_since_epoch":1,"nanos_since_epoch":5}"#,
    r#"{"start":1,"end":2}"#,
    r#"{"Included":1}"#,
    r#"{"Ok":1}"#,
    r#"{"Err":"a"}"#,
    r#"{"Unix":[1,2]}"#,
    r#"{"value":1}"#,
    r#"{"value":1,"left":{"value":2,"left":null},"all":[{"value":3,"left":null}]}"#,
    r#"{"text":"a"}"#,
    r#"{"text":"a\n"}"#,
    r#"{"text":"\u0061","text2":1}"#,
    r#"{"data":"a"}"#,
    // No JSON.
    "",
    "01",
    "[1,]",
    "{\"a\":1,}",
    "1 2",
    "nul",
    "\"a",
    "1e400",
    r#"{"a":1,"a":2}"#,
    r#"{"x":1,"x":2}"#,
    r#"[{"b":1,"\u0062":2}]"#,
    r#""\ud800""#,
];

/// What `serde_json` reads and this does not: the only such differences that there may be.
const REFUSED: &[(&str, &[&str])] = &[
    // An array that fills a struct by position.
    ("Point", &["[1,2]"]),
    ("Denying", &["[1]"]),
    ("Vec<Point>", &["[[1,2],[3,4]]"]),
    ("HashMap<String, Point>", &[r#"{"a":[1,2]}"#, r#"{"Pair":[1,2]}"#, r#"{"Unix":[1,2]}"#]),
    ("Wrapper<u8>", &["[1]"]),
    ("Shape", &[r#"{"Struct":[1]}"#, r#"{"Nothing":[]}"#]),
    ("Range<u8>", &["[1,2]"]),
    ("RangeInclusive<u8>", &["[1,2]"]),
    ("Duration", &["[1,2]"]),
    ("SystemTime", &["[1,2]"]),
    // A name that a struct does not have.
    ("Point", &[r#"{"x":1,"z":{"a":[1,{}]}}"#, r#"{"Empty":null,"x":1}"#]),
    ("Borrowed<'static>", &[r#"{"text":"\u0061","text2":1}"#]),
    (
        "Wrapper<u8>",
        &[r#"{"kind":"Empty","data":1}"#, r#"{"kind":"Newtype","data":1}"#, r#"{"data":1,"kind":"Newtype"}"#],
    ),
];

/// What `serde_json` does not read: numbers and words as keys whose characters are escaped, which are the same names.
const READ: &[(&str, &[&str])] = &[
    ("BTreeMap<bool, u8>", &[r#"{"tru\u0065":1}"#]),
    ("BTreeMap<u8, u8>", &[r#"{"\u0031":1}"#]),
    ("BTreeMap<i64, u8>", &[r#"{"\u0031":1}"#]),
    ("BTreeMap<u64, u8>", &[r#"{"\u0031":1}"#]),
    ("BTreeMap<i128, u8>", &[r#"{"\u0031":1}"#]),
    ("BTreeMap<u128, u8>", &[r#"{"\u0031":1}"#]),
    ("BTreeMap<Option<u8>, u8>", &[r#"{"\u0031":1}"#]),
];

/// A text as this crate and as `serde_json` read it.
#[derive(Debug)]
enum Outcome {
    Same,
    /// Both refuse it.
    NoValue(JsonError),
    /// Only this crate does.
    Refused(JsonError),
    /// Only `serde_json` does.
    Read,
    Different(#[allow(dead_code, reason = "it is shown where it should not be")] String),
}

fn compare<T: Deserialize<'static> + PartialEq + Debug>(text: &'static str) -> Outcome {
    let ours = json::from_slice::<T>(text.as_bytes(), &JsonLimits::new());
    match (ours, serde_json::from_slice::<T>(text.as_bytes())) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Outcome::Same,
        (Ok(ours), Ok(theirs)) => Outcome::Different(format!("{ours:?} and {theirs:?}")),
        (Ok(_), Err(_)) => Outcome::Read,
        (Err(error), Ok(_)) => Outcome::Refused(error),
        (Err(error), Err(_)) => Outcome::NoValue(error),
    }
}

macro_rules! table {
    ($($type:ty),* $(,)?) => {
        &[$((stringify!($type), compare::<$type> as Compare)),*]
    };
}

type Compare = fn(&'static str) -> Outcome;

const TYPES: &[(&str, Compare)] = table![
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    String,
    &'static str,
    Box<str>,
    Cow<'static, str>,
    Borrowed<'static>,
    &'static [u8],
    Bytes,
    CString,
    PathBuf,
    (),
    Unit,
    PhantomData<Point>,
    IgnoredAny,
    Value,
    Number,
    Option<u8>,
    Option<Option<u8>>,
    Option<()>,
    Option<String>,
    Option<Vec<Option<u8>>>,
    Box<u8>,
    Newtype,
    Name,
    Pair,
    (u8,),
    (u8, u8),
    (u8, String),
    (i8, i8, i8),
    [u8; 0],
    [u8; 2],
    [[u8; 2]; 2],
    Vec<u8>,
    Vec<f64>,
    Vec<Option<u8>>,
    Vec<Vec<u8>>,
    Vec<bool>,
    Vec<Value>,
    VecDeque<u8>,
    LinkedList<u8>,
    BTreeSet<String>,
    HashSet<u8>,
    BTreeSet<Colour>,
    BTreeMap<String, u8>,
    BTreeMap<String, Option<u8>>,
    HashMap<String, Value>,
    BTreeMap<String, Option<IgnoredAny>>,
    BTreeMap<Name, u8>,
    BTreeMap<char, u8>,
    BTreeMap<bool, u8>,
    BTreeMap<u8, u8>,
    BTreeMap<i64, u8>,
    BTreeMap<u64, u8>,
    BTreeMap<i128, u8>,
    BTreeMap<u128, u8>,
    BTreeMap<Option<u8>, u8>,
    BTreeMap<Option<String>, u8>,
    BTreeMap<Colour, u8>,
    BTreeMap<(), u8>,
    BTreeMap<Vec<u8>, u8>,
    BTreeMap<IpAddr, u8>,
    HashMap<String, Vec<u8>>,
    HashMap<String, Point>,
    Point,
    Denying,
    Vec<Point>,
    Tree,
    Wrapper<u8>,
    Wrapper<Wrapper<String>>,
    Colour,
    Other,
    Shape,
    Vec<Shape>,
    Result<u8, String>,
    Bound<u8>,
    Range<u8>,
    RangeInclusive<u8>,
    Duration,
    SystemTime,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    NonZeroU8,
    NonZeroI16,
    Wrapping<u8>,
    Saturating<u8>,
];

#[test]
fn types_take_what_serde_json_gives_them() {
    let (differ, values) = assert_same(TYPES);
    // Nothing is listed that does not differ, and the types have read something.
    let listed: usize = REFUSED.iter().chain(READ).map(|(_, texts)| texts.len()).sum();
    assert_eq!(differ, listed);
    assert!(values > 4 * TYPES.len(), "{values} values of {} types", TYPES.len());
}

#[test]
fn types_with_borrowed_keys_do_so_too() {
    assert_same(table![BTreeMap<&'static str, u8>, HashMap<&'static str, Value>, BTreeMap<Option<&'static str>, u8>]);
}

/// `null` is an empty one to nobody.
#[test]
fn maps_of_serde_json_do_so_too() {
    assert_same(table![Map<String, Value>, Vec<Map<String, Value>>]);
}

/// How often a text was read otherwise, as listed, and how often as a value.
fn assert_same(types: &[(&str, Compare)]) -> (usize, usize) {
    let listed = |list: &[(&str, &[&str])], name: &str, text: &str| {
        list.iter().any(|(other, texts)| *other == name && texts.contains(&text))
    };
    let (mut wrong, mut differ, mut values) = (String::new(), 0, 0);
    for (name, compare) in types {
        for text in TEXTS {
            let outcome = compare(text);
            let good = match (&outcome, json::check(text.as_bytes(), &JsonLimits::new())) {
                // No type makes JSON of what is none, whatever another parser does.
                (Outcome::NoValue(error) | Outcome::Refused(error), Err(expected)) => *error == expected.into(),
                (_, Err(_)) | (Outcome::Different(_), _) => false,
                (Outcome::Same, Ok(())) => {
                    values += 1;
                    true
                }
                (Outcome::NoValue(error), Ok(())) => matches!(error, JsonError::Fields(fields) if !fields.is_empty()),
                (Outcome::Refused(_), Ok(())) => {
                    differ += 1;
                    listed(REFUSED, name, text)
                }
                (Outcome::Read, Ok(())) => {
                    differ += 1;
                    listed(READ, name, text)
                }
            };
            // The first of them are enough to see what is wrong.
            if !good && wrong.len() < 1000 {
                writeln!(wrong, "{name} of {text}: {outcome:?}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    (differ, values)
}

/// A client knows nothing of the types behind an interface.
#[test]
fn r140_no_word_of_rust_is_told() {
    for (name, compare) in TYPES {
        for text in TEXTS {
            let Outcome::NoValue(JsonError::Fields(fields)) = compare(text) else { continue };
            for reason in fields.iter().map(FieldViolation::reason) {
                let rust = ["::", "struct ", "enum ", "variant", "<", "`"].iter().any(|word| reason.contains(word));
                assert!(!rust, "{name} of {text}: {reason}");
            }
        }
    }
}

/// A string that cannot be borrowed, because something in it is escaped, is not told to be what it should be.
#[test]
fn a_reason_does_not_contradict_itself() {
    for (name, compare) in TYPES {
        for text in TEXTS {
            let Outcome::NoValue(JsonError::Fields(fields)) = compare(text) else { continue };
            for reason in fields.iter().map(FieldViolation::reason) {
                let same = reason.strip_prefix("expected ").and_then(|words| words.split_once(", found "));
                assert!(same.is_none_or(|(expected, found)| expected != found), "{name} of {text}: {reason}");
            }
        }
    }
}

#[test]
fn strings_are_borrowed_where_nothing_in_them_is_escaped() {
    let text = br#"{"text":"plain"}"#;
    let borrowed: Borrowed<'_> = json::from_slice(text, &JsonLimits::new()).unwrap();
    assert!(matches!(borrowed.text, Cow::Borrowed("plain")), "{borrowed:?}");
    let escaped: Borrowed<'_> = json::from_slice(br#"{"text":"pl\u0061in"}"#, &JsonLimits::new()).unwrap();
    assert!(matches!(&escaped.text, Cow::Owned(text) if text == "plain"), "{escaped:?}");
    let bytes: &[u8] = json::from_slice(br#""plain""#, &JsonLimits::new()).unwrap();
    assert_eq!(bytes, b"plain");
}

#[test]
fn floats_keep_their_sign_and_all_their_bits() {
    for text in ["0", "-0", "0.0", "-0.0", "5e-324", "-5e-324", "1.7976931348623157e308", "1e-400", "-1e-400", "3.5e38"]
    {
        let double: f64 = text.parse().unwrap();
        assert_eq!(read::<f64>(text).unwrap().to_bits(), double.to_bits(), "{text}");
        #[allow(clippy::cast_possible_truncation, reason = "a double becomes a float as serde makes it one")]
        let single = double as f32;
        assert_eq!(read::<f32>(text).unwrap().to_bits(), single.to_bits(), "{text}");
        assert_eq!(read::<HashMap<String, f64>>(format!("{{\"a\":{text}}}")).unwrap()["a"].to_bits(), double.to_bits());
    }
}

/// A key of a map that is a number with a fraction.
#[derive(Debug, Deserialize)]
struct Float(f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl Hash for Float {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.to_bits().hash(hasher);
    }
}

#[test]
fn keys_may_be_floats() {
    for text in [r#"{"1.5":1}"#, r#"{"-2e-3":1}"#, r#"{"7":1}"#, r#"{"-0":1}"#] {
        let theirs = serde_json::from_str(text).unwrap();
        assert_eq!(read::<HashMap<Float, u8>>(text).unwrap(), theirs, "{text}");
    }
    for text in
        [r#"{"":1}"#, r#"{"x":1}"#, r#"{"01":1}"#, r#"{"1.":1}"#, r#"{"NaN":1}"#, r#"{"1e400":1}"#, r#"{" 1":1}"#]
    {
        assert!(serde_json::from_str::<HashMap<Float, u8>>(text).is_err(), "{text}");
        assert!(matches!(read::<HashMap<Float, u8>>(text), Err(JsonError::Fields(_))), "{text}");
    }
}
