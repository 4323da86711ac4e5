//! Rules 141 and 145 to 148: what is no JSON, and where in the text that is.

use std::collections::{BTreeMap, HashMap};

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;
use tower_auth::json::{self, JsonError, JsonLimits};

use super::{Lenient, Wide, fault, fault_of, read, violations};

#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    a: u8,
    #[serde(default)]
    list: Vec<Value>,
}

const COMMA: &str = "a comma or the end of the array or object is expected";
const DIGIT: &str = "a digit is expected";
const DIGITS: &str = "four hexadecimal digits are expected";
const ESCAPE: &str = "there is no such escape";
const CONTROL: &str = "a control character has to be escaped";
const COLON: &str = "a colon is expected";
const FOLLOWS: &str = "something follows the value";
const HALF: &str = "an escape names half of a surrogate pair";
const INSIDE: &str = "the text ends inside an array or object";
const IN_STRING: &str = "the text ends inside a string";
const LARGE: &str = "the number is too large";
const LONG: &str = "a string or number is longer than is read here";
const NAME: &str = "a name in quotes is expected";
const NO_VALUE: &str = "the text ends where a value is expected";
const NOTHING: &str = "nothing follows the comma";
const DEEP: &str = "arrays and objects are nested deeper than is read here";
const REPEATED: &str = "the name stands in the object already";
const UTF8: &str = "the text is not UTF-8";
const VALUE: &str = "a value is expected";
const ZERO: &str = "a number has no leading zero";

/// Texts that are no JSON, with the line and the column where that shows.
pub(super) const BROKEN: &[(&str, u64, u64, &str)] = &[
    // Nothing, and more than one.
    ("", 1, 1, NO_VALUE),
    (" \t\r\n ", 2, 2, NO_VALUE),
    ("1 2", 1, 3, FOLLOWS),
    ("{}\n{}", 2, 1, FOLLOWS),
    ("[1]\n\n  x", 3, 3, FOLLOWS),
    ("[]]", 1, 3, FOLLOWS),
    ("{}}", 1, 3, FOLLOWS),
    ("\"a\"\0", 1, 4, FOLLOWS),
    ("{}//", 1, 3, FOLLOWS),
    // Comments.
    ("[1, // one\n2]", 1, 5, VALUE),
    ("[1 /* one */, 2]", 1, 4, COMMA),
    ("# all\n[]", 1, 1, VALUE),
    ("{/**/\"a\":1}", 1, 2, NAME),
    ("{\"a\":1}\n// end", 2, 1, FOLLOWS),
    ("<!-- -->", 1, 1, VALUE),
    // Commas and colons.
    ("[1,]", 1, 4, NOTHING),
    ("[1,\n2,\n]", 3, 1, NOTHING),
    ("{\"a\":1,}", 1, 8, NOTHING),
    ("{\"a\":1,\n \"b\":2 ,\n }", 3, 2, NOTHING),
    ("[,1]", 1, 2, VALUE),
    ("[1,,2]", 1, 4, VALUE),
    ("[,]", 1, 2, VALUE),
    ("{,}", 1, 2, NAME),
    ("[1 2]", 1, 4, COMMA),
    ("[1;2]", 1, 3, COMMA),
    ("[1}", 1, 3, COMMA),
    ("{\"a\":1]", 1, 7, COMMA),
    ("{\"a\":1 \"b\":2}", 1, 8, COMMA),
    ("[\"a\":1]", 1, 5, COMMA),
    ("{\"a\" 1}", 1, 6, COLON),
    ("{\"a\",1}", 1, 5, COLON),
    ("{\"a\"=1}", 1, 5, COLON),
    ("{\"a\"}", 1, 5, COLON),
    ("{\"a\"", 1, 5, COLON),
    ("{\"a\":}", 1, 6, VALUE),
    ("{\"a\"::1}", 1, 6, VALUE),
    // Names.
    ("{a:1}", 1, 2, NAME),
    ("{'a':1}", 1, 2, NAME),
    ("{1:1}", 1, 2, NAME),
    ("{null:1}", 1, 2, NAME),
    ("{[]:1}", 1, 2, NAME),
    ("{\"a\":1,b:2}", 1, 8, NAME),
    // Words.
    ("NaN", 1, 1, VALUE),
    ("[NaN]", 1, 2, VALUE),
    ("{\"a\":\n  Infinity}", 2, 3, VALUE),
    ("-Infinity", 1, 2, DIGIT),
    ("-NaN", 1, 2, DIGIT),
    ("+Infinity", 1, 1, VALUE),
    ("undefined", 1, 1, VALUE),
    ("True", 1, 1, VALUE),
    ("TRUE", 1, 1, VALUE),
    ("tru", 1, 1, VALUE),
    ("[fals]", 1, 2, VALUE),
    ("nul", 1, 1, VALUE),
    ("nulll", 1, 5, FOLLOWS),
    ("[truefalse]", 1, 6, COMMA),
    ("None", 1, 1, VALUE),
    // Numbers.
    ("01", 1, 1, ZERO),
    ("-01", 1, 2, ZERO),
    ("[1,00]", 1, 4, ZERO),
    ("00.5", 1, 1, ZERO),
    ("+1", 1, 1, VALUE),
    ("--1", 1, 2, DIGIT),
    ("-", 1, 2, DIGIT),
    ("[-]", 1, 3, DIGIT),
    (".5", 1, 1, VALUE),
    ("-.5", 1, 2, DIGIT),
    ("[1.]", 1, 4, DIGIT),
    ("1.e5", 1, 3, DIGIT),
    ("1e", 1, 3, DIGIT),
    ("1e+", 1, 4, DIGIT),
    ("1E-x", 1, 4, DIGIT),
    ("1e1.5", 1, 4, FOLLOWS),
    ("0x10", 1, 2, FOLLOWS),
    ("0b1", 1, 2, FOLLOWS),
    ("1_000", 1, 2, FOLLOWS),
    ("[1,000]", 1, 4, ZERO),
    ("1n", 1, 2, FOLLOWS),
    ("１", 1, 1, VALUE),
    ("[1e400]", 1, 2, LARGE),
    ("{\"a\":\n-1e400}", 2, 1, LARGE),
    // Strings.
    ("'a'", 1, 1, VALUE),
    ("`a`", 1, 1, VALUE),
    ("“a”", 1, 1, VALUE),
    ("\"", 1, 2, IN_STRING),
    ("\"abc", 1, 5, IN_STRING),
    ("[\"a\n\"]", 1, 4, CONTROL),
    ("\"a\tb\"", 1, 3, CONTROL),
    ("\"\u{0}\"", 1, 2, CONTROL),
    ("\"\u{1f}\"", 1, 2, CONTROL),
    ("\"0123456789\u{1}\"", 1, 12, CONTROL),
    ("{\"a\nb\":1}", 1, 4, CONTROL),
    ("\"\\a\"", 1, 2, ESCAPE),
    ("\"\\'\"", 1, 2, ESCAPE),
    ("\"\\x41\"", 1, 2, ESCAPE),
    ("\"\\U0041\"", 1, 2, ESCAPE),
    ("\"\\0\"", 1, 2, ESCAPE),
    ("\"\\\n\"", 1, 2, ESCAPE),
    ("\"\\é\"", 1, 2, ESCAPE),
    ("\"\\", 1, 2, ESCAPE),
    ("\"\\u\"", 1, 2, DIGITS),
    ("\"\\u12\"", 1, 2, DIGITS),
    ("\"\\u123", 1, 2, DIGITS),
    ("\"\\u12G4\"", 1, 2, DIGITS),
    ("\"\\u+123\"", 1, 2, DIGITS),
    ("\"\\u{41}\"", 1, 2, DIGITS),
    ("\"\\u00é\"", 1, 2, DIGITS),
    ("{\"\\q\":1}", 1, 3, ESCAPE),
    // Half a pair.
    ("\"\\ud800\"", 1, 2, HALF),
    ("\"ab\\udc00\"", 1, 4, HALF),
    ("\"\\ud800\\ud800\"", 1, 2, HALF),
    ("\"\\udc00\\ud800\"", 1, 2, HALF),
    ("\"\\ud800\\u0041\"", 1, 2, HALF),
    ("\"\\ud800\\n\"", 1, 2, HALF),
    ("\"\\ud800x\"", 1, 2, HALF),
    ("\"\\ud800\\u12\"", 1, 8, DIGITS),
    ("{\"\\udfff\":1}", 1, 3, HALF),
    ("{\"a\":{\"b\\uDBFF\":1}}", 1, 9, HALF),
    // Ends.
    ("[", 1, 2, INSIDE),
    ("{", 1, 2, INSIDE),
    ("[1", 1, 3, INSIDE),
    ("[1,", 1, 4, NO_VALUE),
    ("[[1]", 1, 5, INSIDE),
    ("{\"a\":", 1, 6, NO_VALUE),
    ("{\"a\":1", 1, 7, INSIDE),
    ("{\"a\":1,", 1, 8, NAME),
    ("{\"a\":[1", 1, 8, INSIDE),
    ("]", 1, 1, VALUE),
    ("}", 1, 1, VALUE),
    (",", 1, 1, VALUE),
    // White space that is none.
    ("\u{a0}1", 1, 1, VALUE),
    ("[1,\u{b}2]", 1, 4, VALUE),
    ("[1\u{c}]", 1, 3, COMMA),
    ("1\u{2028}", 1, 2, FOLLOWS),
    ("[\u{feff}1]", 1, 2, VALUE),
    ("\u{0}", 1, 1, VALUE),
    // Columns are characters and not bytes; lines end at a line feed.
    ("[\"é\",x]", 1, 6, VALUE),
    ("[\"日本\",\"😀\",]", 1, 11, NOTHING),
    ("{\"ключ\":\n\"значение\" x}", 2, 12, COMMA),
    ("[\r\n1,\r\n x]", 3, 2, VALUE),
    ("[\r1,\rx]", 1, 6, VALUE),
    ("\t\tx", 1, 3, VALUE),
    ("{\"a\":1,\n\"é\":{\n\"b\":[1,\n2]],\n}", 4, 3, COMMA),
];

#[test]
fn r148_what_is_no_json_is_told_with_its_place() {
    for (text, line, column, reason) in BROKEN {
        let error = fault(text);
        assert_eq!((error.line(), error.column(), error.reason()), (*line, *column, *reason), "{text:?}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text:?} is JSON after all");
    }
}

/// Types of every kind: some read the text, some read over it, some give up before the place where it is broken.
#[test]
fn r141_what_is_no_json_is_so_for_every_type() {
    let texts = BROKEN.iter().map(|(text, ..)| *text);
    let more = [r#"{"a":1,"a":2}"#, r#"{"x":{"y":1,"y":2}}"#, r#"[[{"\u0061":1,"a":2}]]"#];
    for text in texts.chain(more) {
        let error = fault(text);
        let all = [
            fault_of::<Known>(text),
            fault_of::<Wide>(text),
            fault_of::<Vec<Known>>(text),
            fault_of::<HashMap<String, Known>>(text),
            fault_of::<Option<BTreeMap<u8, u8>>>(text),
            fault_of::<u8>(text),
            fault_of::<i128>(text),
            fault_of::<f64>(text),
            fault_of::<bool>(text),
            fault_of::<String>(text),
            fault_of::<char>(text),
            fault_of::<()>(text),
            fault_of::<(String, [u8; 2])>(text),
            fault_of::<Result<u8, Known>>(text),
            fault_of::<IgnoredAny>(text),
        ];
        assert_eq!(all, [error; 15], "{text:?}");
    }
}

/// The bytes come first: 400 and not 422, also where the shape is wrong long before.
#[test]
fn r141_a_wrong_shape_is_told_of_json_alone() {
    for (text, line, column) in [
        (r#"{"nope":1,}"#, 1, 11),
        ("{\"a\":\"wrong\",\n\"list\":[}", 2, 9),
        ("[1,2,3\n", 2, 1),
        ("\"wrong\" 1", 1, 9),
        ("{\"a\":256,\n\n\"a\":256}", 3, 1),
        ("{\"list\":{},\"z\":\"\\ud800\"}", 1, 17),
    ] {
        let error = fault_of::<Known>(text);
        assert_eq!((error.line(), error.column()), (line, column), "{text:?}");
    }
    assert_eq!(violations::<Known>(r#"{"nope":1}"#).len(), 1);
}

#[test]
fn syntax_errors_are_written_with_their_place() {
    let error = fault("[1,\n2,]");
    assert_eq!(error.to_string(), "nothing follows the comma at line 2 column 3");
    let error = JsonError::from(error);
    assert_eq!(error.to_string(), "invalid JSON: nothing follows the comma at line 2 column 3");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), fault("[1,\n2,]").to_string());
}

#[test]
fn r145_a_name_stands_in_an_object_once() {
    for (text, column) in [
        (r#"{"a":1,"a":2}"#, 8),
        (r#"{"a":1,"a":1}"#, 8),
        (r#"{"a":1,"b":2,"a":3}"#, 14),
        (r#"{"a":1,"\u0061":2}"#, 8),
        (r#"{"\u0061":1,"a":2}"#, 13),
        (r#"{"\u0061":1,"\u0061":2}"#, 13),
        (r#"{"":1,"":2}"#, 7),
        (r#"{"/":1,"\/":2}"#, 8),
        (r#"{"é":1,"\u00E9":2,"\u00e9":3}"#, 8),
        (r#"{"😀":1,"\ud83D\uDe00":2}"#, 8),
        (r#"{"\u0000":1,"\u0000":2}"#, 13),
        (r#"{"\"":1,"\u0022":2}"#, 9),
        (r#"[[{"a":1,"a":2}]]"#, 10),
        (r#"{"list":[{"a":1,"a":2}]}"#, 17),
        (r#"{"x":{"y":{"a":[],"a":{}}}}"#, 19),
        (r#"{"a":{"a":1},"a":2}"#, 14),
    ] {
        let error = fault(text);
        assert_eq!((error.line(), error.column(), error.reason()), (1, column, REPEATED), "{text}");
        assert_eq!(fault_of::<IgnoredAny>(text), error);
        assert_eq!(fault_of::<HashMap<String, Value>>(text), error);
        assert_eq!(fault_of::<BTreeMap<String, Option<IgnoredAny>>>(text), error);
        assert_eq!(fault_of::<Known>(text), error);
        assert_eq!(fault_of::<Vec<Known>>(text), error);
        assert_eq!(fault_of::<HashMap<String, Known>>(text), error);
    }
}

#[test]
fn r145_names_that_differ_are_two() {
    for text in [
        r#"{"a":1,"A":2}"#,
        r#"{"a":1,"a ":2,"":3}"#,
        // Composed and decomposed.
        "{\"\u{e9}\":1,\"e\u{301}\":2}",
        r#"{"a\u0000":1,"a":2}"#,
        r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#,
        r#"[{"a":1},{"a":2}]"#,
        r#"{"1":1,"01":2,"1.0":3}"#,
    ] {
        assert_eq!(read::<Value>(text).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        json::check(text.as_bytes(), &JsonLimits::new()).unwrap();
    }
}

/// Few names are compared and many are hashed; a struct counts its first 64 fields in another way than the others.
#[test]
fn r145_of_many_names_none_stands_twice() {
    for count in [2, 15, 16, 17, 18, 40, 64, 65, 66, 300] {
        let names: Vec<String> = (0..count).map(|place| format!("f{place:03}")).collect();
        for again in [0, 1, 14, 15, 16, 17, 63, 64, 65, 128, 299] {
            let Some(name) = names.get(again) else { continue };
            for name in [name.clone(), name.replace('f', "\\u0066")] {
                let members = names.iter().map(|name| format!("\"{name}\":1"));
                let text: Vec<String> = members.chain([format!("\"{name}\":1")]).collect();
                let text = format!("{{{}}}", text.join(","));
                let error = fault(&text);
                assert_eq!(error.reason(), REPEATED);
                assert_eq!(usize::try_from(error.column()).unwrap(), 2 + count * 9, "{again} of {count}");
                assert_eq!(fault_of::<Wide>(&text), error, "{again} of {count}");
                assert_eq!(fault_of::<Known>(&text), error, "{again} of {count}");
                assert_eq!(fault_of::<BTreeMap<String, u8>>(&text), error, "{again} of {count}");
                assert_eq!(fault_of::<IgnoredAny>(&text), error, "{again} of {count}");
            }
        }
        let all: Vec<String> = names.iter().rev().map(|name| format!("\"{name}\":1")).collect();
        let read: Wide = read(format!("{{{}}}", all.join(","))).unwrap();
        assert_eq!((read.f000, read.f001, read.f299), (1, 1, u16::from(count == 300)));
    }
}

#[test]
fn r146_the_text_is_utf8_without_a_mark() {
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf32 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<u8>>();
    for text in ["{}", "[1]", "\"a\"", "{\"é\":\"日本\"}", "1"] {
        json::check(text.as_bytes(), &JsonLimits::new()).unwrap();
        let marked = format!("\u{feff}{text}");
        let error = fault(&marked);
        assert_eq!(
            (error.line(), error.column(), error.reason()),
            (1, 1, "the text starts with a byte order mark"),
            "{text}"
        );
        for text in [text, &marked] {
            for bytes in [utf16(text, u16::to_le_bytes), utf16(text, u16::to_be_bytes), utf32(text)] {
                assert_eq!(fault(&bytes).line(), 1, "{bytes:?}");
            }
        }
    }
    // As a character of a string it is one like any other.
    assert_eq!(read::<String>("\"\u{feff}\"").unwrap(), "\u{feff}");
}

#[test]
fn r146_bytes_that_are_no_utf8_are_refused_where_they_are() {
    let wrong: [&[u8]; 14] = [
        b"\x80",
        b"\xbf",
        b"\xc0\xaf",
        b"\xc1\x81",
        b"\xc3",
        b"\xe0\x80\xaf",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xfe",
        b"\xff",
    ];
    for wrong in wrong {
        let around: [(&[u8], &[u8], u64, u64); 6] = [
            (b"\"", b"\"", 1, 2),
            ("[\n\"日é".as_bytes(), b"\"]", 2, 4),
            (b"{\"", b"\":1}", 1, 3),
            (b"{\"nope\":\"", b"\"}", 1, 10),
            (b"[]", b"", 1, 3),
            // The bytes come first: it does not matter what else is broken before them.
            (b"[1,,]\n\n", b"", 3, 1),
        ];
        for (before, after, line, column) in around {
            let text = [before, wrong, after].concat();
            let error = fault(&text);
            assert_eq!((error.line(), error.column(), error.reason()), (line, column, UTF8), "{text:x?}");
            assert_eq!(fault_of::<Known>(&text), error);
            assert_eq!(fault_of::<Lenient<Known>>(&text), error);
        }
    }
}

#[test]
fn r146_pairs_and_noncharacters_are_characters() {
    for (text, expected) in [
        (r#""\ud83d\ude00""#, "😀"),
        (r#""\uD800\uDC00\uDBFF\uDFFF""#, "\u{10000}\u{10ffff}"),
        (r#""\uFFFF\uFFFE\uFDD0""#, "\u{ffff}\u{fffe}\u{fdd0}"),
        (r#""\uD83F\uDFFE""#, "\u{1fffe}"),
        ("\"\u{ffff}\u{10ffff}\u{7f}\u{85}\"", "\u{ffff}\u{10ffff}\u{7f}\u{85}"),
        (r#""\u0000\u001f\uD7FF\uE000""#, "\0\u{1f}\u{d7ff}\u{e000}"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u00e9\u00E9""#, "éé"),
    ] {
        assert_eq!(read::<String>(text).unwrap(), expected, "{text}");
        assert_eq!(
            read::<BTreeMap<String, u8>>(format!("{{{text}:1}}")).unwrap().into_keys().next().unwrap(),
            expected
        );
    }
}

/// Holds itself, in arrays and in objects.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Tree {
    #[serde(default)]
    a: Vec<Self>,
}

fn nested(depth: usize, open: &str, close: &str) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

#[test]
fn r147_depth_has_an_end() {
    let (wanted, most) = (JsonLimits::new(), JsonLimits::new().max_depth(usize::MAX));
    assert_eq!(most, JsonLimits::new().max_depth(128));
    let none = JsonLimits::new().max_depth(0);
    for (limits, depth) in [(none, 0), (none.max_depth(1), 1), (wanted.max_depth(7), 7), (wanted, 64), (most, 128)] {
        for (open, close, width) in [("[", "]", 1), ("[ ", "]", 2), ("{\"a\":[", "]}", 3)] {
            // The last opens two.
            let step = if width == 3 { 2 } else { 1 };
            let good = nested(depth / step, open, close);
            let good = if good.is_empty() { "1".to_owned() } else { good };
            json::check(good.as_bytes(), &limits).unwrap_or_else(|error| panic!("{depth}: {error}"));
            json::from_slice::<Value>(good.as_bytes(), &limits).unwrap();
            let deep = nested(depth / step + 1, open, close);
            let error = json::check(deep.as_bytes(), &limits).unwrap_err();
            assert_eq!(error.reason(), DEEP);
            for far in [deep, nested(100_000, open, close), open.repeat(100_000)] {
                assert_eq!(json::check(far.as_bytes(), &limits), Err(error), "{depth}");
                assert_all_refuse(&far, &limits, &error.into());
            }
        }
    }
    let error = fault(nested(65, "[", "]"));
    assert_eq!((error.line(), error.column()), (1, 65));
    assert!(read::<Tree>(nested(32, "{\"a\":[", "]}")).is_ok());
    // What stands beside each other is not deeper.
    json::check(format!("[{}1]", "[[]],{},".repeat(10_000)).as_bytes(), &wanted.max_depth(3)).unwrap();
}

fn assert_all_refuse(text: &str, limits: &JsonLimits, error: &JsonError) {
    fn refusal<T: DeserializeOwned>(text: &str, limits: &JsonLimits) -> JsonError {
        json::from_slice::<T>(text.as_bytes(), limits).err().unwrap()
    }
    let all = [
        refusal::<Value>(text, limits),
        refusal::<IgnoredAny>(text, limits),
        refusal::<Tree>(text, limits),
        refusal::<Vec<Tree>>(text, limits),
        refusal::<HashMap<String, Value>>(text, limits),
        refusal::<Known>(text, limits),
        refusal::<String>(text, limits),
        refusal::<Lenient<Vec<Value>>>(text, limits),
    ];
    assert!(all.iter().all(|other| other == error), "{all:?}");
}

#[test]
fn r147_strings_and_names_have_a_longest() {
    let three = JsonLimits::new().max_string_len(3);
    for (text, good) in [
        (r#""""#, true),
        (r#""abc""#, true),
        (r#""abcd""#, false),
        (r#"{"abc":1}"#, true),
        (r#"{"abcd":1}"#, false),
        (r#"["abc",["abc"],{"abc":"abc"}]"#, true),
        (r#"["abc",["abc"],{"abc":"abcd"}]"#, false),
        // As it stands in the text: bytes, and escapes before they are read.
        ("\"éa\"", true),
        ("\"éé\"", false),
        (r#""a\n""#, true),
        (r#""\n\n""#, false),
        (r#""\u0061""#, false),
        (r#"{"\n\n":1}"#, false),
    ] {
        let checked = json::check(text.as_bytes(), &three);
        let read = json::from_slice::<Value>(text.as_bytes(), &three);
        let skipped = json::from_slice::<IgnoredAny>(text.as_bytes(), &three);
        match checked {
            Ok(()) => assert!(good && read.is_ok() && skipped.is_ok(), "{text}"),
            Err(error) => {
                assert!(!good, "{text}");
                assert_eq!(error.reason(), LONG);
                assert_eq!((read.unwrap_err(), skipped.unwrap_err()), (error.into(), error.into()), "{text}");
            }
        }
    }
    for (length, good) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let long = "a".repeat(length);
        for text in [format!("\"{long}\""), format!("{{\"{long}\":1}}"), format!("[1,\n\"{long}\"]")] {
            assert_eq!(json::check(text.as_bytes(), &JsonLimits::new()).is_ok(), good);
            assert_eq!(read::<Value>(&text).is_ok(), good);
        }
    }
    let error = fault(format!("[1,\n \"{}\"]", "a".repeat(1 << 21)));
    assert_eq!((error.line(), error.column(), error.reason()), (2, 2, LONG));
}

#[test]
fn r147_numbers_have_a_longest() {
    let three = JsonLimits::new().max_number_len(3);
    for (text, good) in [
        ("123", true),
        ("1234", false),
        ("-12", true),
        ("-123", false),
        ("1.5", true),
        ("1.25", false),
        ("1e9", true),
        ("1e10", false),
        ("{\"a\":[123]}", true),
        ("{\"a\":[1234]}", false),
    ] {
        for outcome in [
            json::check(text.as_bytes(), &three).map_err(Into::into),
            json::from_slice::<Value>(text.as_bytes(), &three).map(drop),
            json::from_slice::<IgnoredAny>(text.as_bytes(), &three).map(drop),
        ] {
            match outcome {
                Ok(()) => assert!(good, "{text}"),
                Err(JsonError::Syntax(error)) => assert!(!good && error.reason() == LONG, "{text}: {error}"),
                Err(other) => panic!("{text}: {other}"),
            }
        }
    }
    for (length, good) in [(128, true), (129, false)] {
        for text in
            ["1".repeat(length), format!("0.{}", "1".repeat(length - 2)), format!("-{}", "9".repeat(length - 1))]
        {
            assert_eq!(json::check(text.as_bytes(), &JsonLimits::new()).is_ok(), good, "{text}");
            assert_eq!(read::<f64>(&text).is_ok(), good, "{text}");
        }
    }
    let error = fault(format!("[0,\n  {}]", "1".repeat(1 << 20)));
    assert_eq!((error.line(), error.column(), error.reason()), (2, 3, LONG));
}

#[test]
fn r147_whole_numbers_are_exact_as_far_as_the_type_holds_them() {
    for number in [0, 1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX.cast_unsigned(), u64::MAX - 1, u64::MAX] {
        let text = number.to_string();
        assert_eq!(read::<u64>(&text).unwrap(), number);
        assert_eq!(read::<i128>(&text).unwrap(), i128::from(number));
        assert_eq!(read::<i128>(format!("-{text}")).unwrap(), -i128::from(number));
        assert_eq!(read::<Value>(&text).unwrap().as_u64(), Some(number));
    }
    for number in [-1, -(1 << 53) - 1, i64::MIN + 1, i64::MIN] {
        let text = number.to_string();
        assert_eq!(read::<i64>(&text).unwrap(), number);
        assert_eq!(read::<Value>(&text).unwrap().as_i64(), Some(number));
    }
    for number in [i128::MIN, i128::MIN + 1, i128::MAX, i128::from(u64::MAX) + 1] {
        assert_eq!(read::<i128>(number.to_string()).unwrap(), number);
    }
    assert_eq!(read::<u128>(u128::MAX.to_string()).unwrap(), u128::MAX);
    // Beyond the type it is JSON, of another shape.
    for text in ["18446744073709551616", "-1", "340282366920938463463374607431768211456", "1e30", "1.5"] {
        assert_eq!(violations::<u64>(text).len(), 1, "{text}");
    }
    assert_eq!(violations::<i64>("9223372036854775808").len(), 1);
    assert_eq!(violations::<i64>("-9223372036854775809").len(), 1);
    assert_eq!(violations::<u128>("340282366920938463463374607431768211456").len(), 1);
    assert_eq!(violations::<i128>("170141183460469231731687303715884105728").len(), 1);
    assert_eq!(violations::<i128>("-170141183460469231731687303715884105729").len(), 1);
    let beyond: Value = read("18446744073709551616").unwrap();
    assert_eq!(beyond.as_f64(), Some(18_446_744_073_709_551_616.0));
}

#[test]
fn r147_a_number_beyond_a_double_is_no_json_and_one_below_is_zero() {
    let loose = JsonLimits::new().max_number_len(2000);
    let digits = "9".repeat(400);
    for number in ["1e400", "-1e400", "1E+400", "0.1e310", "1e99999999999999999999", "1.8e308", "18e307", &digits] {
        let error = json::check(number.as_bytes(), &loose).unwrap_err();
        assert_eq!((error.line(), error.column(), error.reason()), (1, 1, LARGE), "{number}");
        assert_all_refuse(number, &loose, &error.into());
        assert_eq!(json::from_slice::<f64>(number.as_bytes(), &loose), Err(error.into()));
        assert_eq!(json::from_slice::<u64>(number.as_bytes(), &loose), Err(error.into()));
        assert_eq!(json::from_slice::<i128>(number.as_bytes(), &loose), Err(error.into()));
        assert_eq!(json::from_slice::<u128>(number.as_bytes(), &loose), Err(error.into()));
    }
    for (text, expected) in [
        ("1e-400", 0.0),
        ("-1e-400", -0.0),
        ("0e400", 0.0),
        ("-0", -0.0),
        ("-0.0", -0.0),
        ("5e-324", f64::from_bits(1)),
        ("2e-324", 0.0),
        ("1.7976931348623157e308", f64::MAX),
        ("-1.7976931348623157e308", f64::MIN),
        ("0.0000000001e309", 1e299),
    ] {
        let read: f64 = json::from_slice(text.as_bytes(), &loose).unwrap();
        assert_eq!(read.to_bits(), expected.to_bits(), "{text}");
        json::check(text.as_bytes(), &loose).unwrap();
    }
    // The largest whole number that is a double, with its 309 digits.
    let largest = format!("{:.0}", f64::MAX);
    assert_eq!(json::from_slice::<f64>(largest.as_bytes(), &loose).unwrap().to_bits(), f64::MAX.to_bits());
    json::check(largest.as_bytes(), &loose).unwrap();
}

/// Nobody has to work out what a number is that is read over, but for those that may be too large.
#[test]
fn r147_a_number_that_is_read_over_is_refused_as_one_that_is_read() {
    let loose = JsonLimits::new().max_number_len(2000);
    let zeros = "0".repeat(400);
    let mut numbers = vec![
        format!("0.{zeros}1e400"),
        format!("0.{zeros}1e710"),
        format!("0.{zeros}1e308"),
        format!("0.{zeros}e99999999999999999999"),
        format!("1{zeros}"),
        format!("1{zeros}e-400"),
        format!("1{zeros}.5e-92"),
        format!("1{zeros}e-99999999999999999999"),
        format!("1.{zeros}e308"),
        format!("1e{zeros}308"),
        format!("1e{zeros}309"),
        format!("1e-{zeros}309"),
        "9".repeat(300),
        "9".repeat(308),
        "9".repeat(309),
    ];
    let exponents = ["9223372036854775807", "9223372036854775808", "18446744073709551616", "99999999999999999999"];
    let near = ["0", "1", "290", "298", "299", "300", "301", "307", "308", "309", "310", "400", "999"];
    for mantissa in ["0", "0.0", "1", "1.7976931348623157", "1.7976931348623159", "17.9", "9.99", "123", "1234567890.5"]
    {
        for exponent in near.iter().chain(&exponents) {
            for sign in ["e", "E+", "e-"] {
                numbers.push(format!("{mantissa}{sign}{exponent}"));
            }
        }
    }
    let mut refused = 0;
    for number in numbers.iter().flat_map(|number| [number.clone(), format!("-{number}")]) {
        let finite = number.parse::<f64>().unwrap().is_finite();
        refused += usize::from(!finite);
        for text in [number.clone(), format!("[0,{number}]"), format!("{{\"nobody\":{{\"a\":[{number}]}}}}")] {
            let column = u64::try_from(text.find(&number).unwrap() + 1).unwrap();
            let expected = if finite { Ok(()) } else { Err((1, column, LARGE)) };
            let checked = json::check(text.as_bytes(), &loose);
            let place = checked.map_err(|error| (error.line(), error.column(), error.reason()));
            assert_eq!(place, expected, "{text}");
            let checked = checked.map_err(JsonError::from);
            let read = json::from_slice::<Value>(text.as_bytes(), &loose).map(drop);
            let skipped = json::from_slice::<IgnoredAny>(text.as_bytes(), &loose).map(drop);
            assert_eq!((read, skipped), (checked.clone(), checked.clone()), "{text}");
            // As the value of a name that the type does not have, which is noted and read over.
            let unknown = json::from_slice::<Known>(text.as_bytes(), &loose).unwrap_err();
            assert_eq!(matches!(unknown, JsonError::Fields(_)), finite, "{text}: {unknown}");
        }
        // As a key of a map, a number that is too large is none.
        let key = format!("{{\"{number}\":0}}");
        let read = json::from_slice::<HashMap<i128, u8>>(key.as_bytes(), &loose);
        assert_eq!(read.is_ok(), number.len() <= 128 && number.parse::<i128>().is_ok(), "{key}: {read:?}");
    }
    assert!(refused > 200 && refused < numbers.len(), "{refused} of {}", numbers.len());
}

/// Every double is read as the nearest, which is what the standard library takes.
#[test]
fn r147_doubles_are_the_nearest() {
    let hard = [
        "9007199254740993.0",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.00000000000000011102230246251565",
        "7.2057594037927933e16",
        "123456789012345680000",
        "0.1",
        "0.30000000000000004",
        "8.41e21",
        "9.109e-31",
        "6.02214076E+23",
        "18446744073709551617",
    ];
    let many = (0..2000_u64).map(|seed| f64::from_bits(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1 & !(1 << 62)));
    for text in hard.iter().map(ToString::to_string).chain(many.map(|double| format!("{double:e}"))) {
        let expected: f64 = text.parse().unwrap();
        assert_eq!(read::<f64>(&text).unwrap().to_bits(), expected.to_bits(), "{text}");
    }
}
