//! Rule 141 for types that go on after an error: they get nothing out of a text that is no JSON, and of JSON what they
//! would get elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::Value;
use tower_auth::json::JsonError;

use super::{
    Lenient, Wide, fault, fault_of, read,
    syntax::{BROKEN, Known},
    told,
};

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Forgiving {
    #[serde(default)]
    a: Lenient<u8>,
    #[serde(default)]
    list: Lenient<Vec<Lenient<u8>>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
enum Choice {
    #[default]
    None,
    One(u8),
    Both(Lenient<Point>, Lenient<u8>),
    Named {
        a: Lenient<Point>,
        b: u8,
    },
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Point {
    x: u8,
    y: u8,
}

/// A lenient field, and one behind it that shows where reading went on.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Around<T: Default> {
    #[serde(bound = "T: Deserialize<'de>")]
    a: Lenient<T>,
    b: u8,
}

/// Broken where a type may have given up already.
const SWALLOWED: &[&str] = &[
    r#"{"a":1,"a":2}"#,
    r#"{"a":{"b":1,"b":2}}"#,
    r#"{"list":[{"b":1,"b":2}]}"#,
    r#"{"a":{"x":"bad","x":1},"b":1}"#,
    r#"{"a":["x",{"p":1,"p":2}],"b":1}"#,
    // A type that has given up inside an array or object leaves it open.
    r#"[1,"x""#,
    r#"{"a":"x""#,
    r#"{"a":[}"#,
    r#"{"a":{}"#,
    r#"{"list":[1,"x"}"#,
    r#"{"list":[1,[]"#,
    r#"{"a":{"x":"bad","b":1}"#,
    r#"{"a":["x","b":1}"#,
    r#"{"a":{"x":"bad"],"b":1}"#,
    r#"{"a":["x"},"b":1}"#,
    r#"[["x"]"#,
    r#"[{"x":"bad"]"#,
    // One that has not even started to read is at no value.
    "[",
    "{",
    r#"{"a":}"#,
    r#"{"a":,"b":1}"#,
    r#"{"a":,"b":{}}"#,
    r#"[,{"a":1}]"#,
    r#"[,{"id":true}]"#,
    "[,\"a\"]",
    "[[[}",
    // Or gives up where the text is broken behind what it would have taken.
    r#"{"a":5"b":1}"#,
    r#"{"a":"x" "b":1}"#,
    r#"{"a":{"x":1,},"b":1}"#,
    r#"{"a":{"x":"bad","y":01},"b":1}"#,
    r#"{"a":["x",1e400],"b":1}"#,
    r#"{"a":["x","\ud800"],"b":1}"#,
];

#[test]
fn r141_a_type_that_swallows_errors_makes_no_json_of_what_is_none() {
    for text in BROKEN.iter().map(|(text, ..)| *text).chain(SWALLOWED.iter().copied()) {
        let error = fault(text);
        let all = [
            fault_of::<Lenient<Known>>(text),
            fault_of::<Lenient<Wide>>(text),
            fault_of::<Lenient<Point>>(text),
            fault_of::<Lenient<Vec<u8>>>(text),
            fault_of::<Option<Lenient<Vec<u8>>>>(text),
            fault_of::<Vec<Lenient<Value>>>(text),
            fault_of::<Vec<Lenient<Known>>>(text),
            fault_of::<Vec<Lenient<Point>>>(text),
            fault_of::<Vec<Lenient<Vec<u8>>>>(text),
            fault_of::<(Lenient<u8>, Lenient<Point>)>(text),
            fault_of::<HashMap<String, Lenient<Known>>>(text),
            fault_of::<HashMap<String, Lenient<Point>>>(text),
            fault_of::<HashMap<String, Lenient<Choice>>>(text),
            fault_of::<Lenient<Vec<Lenient<Choice>>>>(text),
            fault_of::<Lenient<Vec<Lenient<Value>>>>(text),
            fault_of::<Lenient<HashMap<String, Lenient<Value>>>>(text),
            fault_of::<Lenient<String>>(text),
            fault_of::<Lenient<u64>>(text),
            fault_of::<Lenient<i128>>(text),
            fault_of::<Lenient<()>>(text),
            fault_of::<Lenient<IgnoredAny>>(text),
            fault_of::<Lenient<Option<Lenient<bool>>>>(text),
            fault_of::<Forgiving>(text),
            fault_of::<Lenient<Forgiving>>(text),
            fault_of::<Around<u8>>(text),
            fault_of::<Around<Point>>(text),
            fault_of::<Around<Vec<u8>>>(text),
            fault_of::<Around<Around<Vec<Point>>>>(text),
            fault_of::<Lenient<Around<Vec<u8>>>>(text),
            fault_of::<Vec<Lenient<Around<Point>>>>(text),
        ];
        assert!(all.iter().all(|other| *other == error), "{text:?}: {error} and {all:?}");
    }
}

/// Values that are no point, no number below 256 and no list of such; none of their names is documented.
const OTHERS: &[&str] = &[
    "null",
    "true",
    "-1",
    "1.5",
    "256",
    r#""x""#,
    r#""\u00e9\"}]""#,
    r#"["x",[1,{"y":[]}],2]"#,
    r#"[[[[{"b":[1,2,3]}]]]]"#,
    r#"[1,2,"]"]"#,
    r#"{"x":"bad"}"#,
    r#"{"x":[{}],"b":2}"#,
    r#"{"x":1,"y":{"a":5,"b":{"x":1}}}"#,
    r#"{"x":{"x":"}"},"a":[1]}"#,
];

/// What the type does not take is read over, and what stands behind it is read as if nothing had been.
#[test]
fn r141_a_default_takes_the_place_of_the_value_and_of_nothing_else() {
    fn defaults<T: Default + PartialEq + fmt::Debug + serde::de::DeserializeOwned>(value: &str) {
        let lenient = || Lenient(T::default());
        for text in [format!(r#"{{"a":{value},"b":1}}"#), format!("{{ \"b\" : 1 , \"a\" : {value} }}")] {
            assert_eq!(read::<Around<T>>(&text).unwrap(), Around { a: lenient(), b: 1 }, "{text}");
            let text = format!("[{text},{text}]");
            assert_eq!(read::<Vec<Around<T>>>(&text).unwrap().len(), 2, "{text}");
        }
        let text = format!("[{value},{value}]");
        assert_eq!(read::<Vec<Lenient<T>>>(&text).unwrap(), [lenient(), lenient()], "{text}");
        assert_eq!(read::<(Lenient<T>, Lenient<T>)>(&text).unwrap(), (lenient(), lenient()), "{text}");
        assert_eq!(read::<[Lenient<T>; 2]>(&text).unwrap(), [lenient(), lenient()], "{text}");
        let text = format!(r#"{{"k":{value},"l":{value}}}"#);
        assert_eq!(read::<BTreeMap<String, Lenient<T>>>(&text).unwrap().into_values().count(), 2, "{text}");
        let text = format!(r#"{{"a":[{value},{value}],"b":7}}"#);
        let nested = read::<Around<Vec<Lenient<T>>>>(&text).unwrap();
        assert_eq!(nested, Around { a: Lenient(vec![lenient(), lenient()]), b: 7 }, "{text}");
        let text = format!(r#"{{"a":{{"a":{value},"b":256}},"b":7}}"#);
        assert_eq!(read::<Around<Around<T>>>(&text).unwrap(), Around { b: 7, ..Around::default() }, "{text}");
    }
    for value in OTHERS {
        defaults::<Point>(value);
        defaults::<u8>(value);
        defaults::<Vec<Point>>(value);
        let both = format!(r#"[{{"Both":[{value},{value}]}},{{"One":3}}]"#);
        let expected = [Choice::Both(Lenient(Point::default()), Lenient(0)), Choice::One(3)];
        assert_eq!(read::<Vec<Choice>>(&both).unwrap(), expected, "{both}");
        let named = format!(r#"[{{"Named":{{"a":{value},"b":2}}}},"None"]"#);
        let expected = [Choice::Named { a: Lenient(Point::default()), b: 2 }, Choice::None];
        assert_eq!(read::<Vec<Choice>>(&named).unwrap(), expected, "{named}");
    }
    // What it takes, it has.
    let good = read::<Around<Point>>(r#"{"a":{"x":1,"y":2},"b":1}"#).unwrap();
    assert_eq!(good, Around { a: Lenient(Point { x: 1, y: 2 }), b: 1 });
    assert_eq!(
        read::<Forgiving>(r#"{"a":"x","list":[1,null,[2],3]}"#).unwrap(),
        Forgiving { a: Lenient(0), list: Lenient(vec![Lenient(1), Lenient(0), Lenient(0), Lenient(3)]) }
    );
    for text in [r#"{"a":[1,{"b":2}]}"#, r#"{"a":{},"list":{}}"#, r#"{"list":{"x":[1,2]}}"#, r#"{"a":256,"list":7}"#] {
        assert_eq!(read::<Forgiving>(text).unwrap(), Forgiving::default(), "{text}");
    }
}

/// The one error does not hide the next.
#[test]
fn r140_what_is_wrong_behind_a_default_is_told() {
    for (text, expected) in [
        (r#"{"a":5,"b":""}"#, &["/b: expected an integer from 0 to 255, found a string"][..]),
        (r#"{"a":["x",{"q":1}]}"#, &["/b: missing field"]),
        (r#"{"a":{"x":"bad","q":1},"q":1,"b":1}"#, &["/q: unknown field"]),
        (r#"{"a":[],"aa":1,"b":[]}"#, &["/aa: unknown field", "/b: expected an integer from 0 to 255, found an array"]),
    ] {
        assert_eq!(told::<Around<Point>>(text), expected, "{text}");
    }
    // An undocumented name is reported wherever it stands; a value that was skipped is not.
    assert_eq!(told::<Around<Point>>(r#"{"a":{"q":1,"x":"bad"},"b":1}"#), ["/a/q: unknown field"]);
    assert_eq!(told::<Vec<Lenient<Point>>>(r#"["x",{"q":1,"x":1,"y":1},"x"]"#), ["/1/q: unknown field"]);
}

/// At the root nothing follows: a value that is read to its end is the type's business there too.
#[test]
fn a_default_at_the_root_is_read_behind_a_scalar() {
    assert_eq!(read::<Lenient<u8>>(r#""x""#).unwrap(), Lenient(0));
    assert_eq!(read::<Lenient<u8>>(" 256 ").unwrap(), Lenient(0));
    assert_eq!(read::<Lenient<Vec<u8>>>("[]").unwrap(), Lenient(vec![]));
    assert!(matches!(read::<Lenient<u8>>("256 x"), Err(JsonError::Syntax(_))));
}

#[test]
fn r141_a_default_takes_the_place_of_the_whole_text() {
    for value in OTHERS {
        for text in [(*value).to_owned(), format!(" {value}\n")] {
            assert_eq!(read::<Lenient<u8>>(&text), Ok(Lenient(0)), "{text}");
            assert_eq!(read::<Lenient<Point>>(&text), Ok(Lenient(Point::default())), "{text}");
            assert_eq!(read::<Lenient<Vec<Point>>>(&text), Ok(Lenient(vec![])), "{text}");
            let nothing = matches!(*value, "null");
            let expected = (!nothing).then(|| Lenient(Point::default()));
            assert_eq!(read::<Option<Lenient<Point>>>(&text), Ok(expected), "{text}");
        }
    }
}

/// Leaves out the elements that it cannot read.
#[derive(Debug, Default, PartialEq)]
struct Picky<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Picky<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PickyVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for PickyVisitor<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
                let mut all = Vec::new();
                // No text of these tests has more, and what stands still may not be asked for ever.
                for _ in 0..20 {
                    match elements.next_element() {
                        Ok(Some(element)) => all.push(element),
                        Ok(None) => break,
                        Err(_) => {}
                    }
                }
                Ok(all)
            }
        }

        deserializer.deserialize_seq(PickyVisitor(PhantomData)).map(Self)
    }
}

#[test]
fn r141_an_element_that_is_left_out_takes_none_with_it() {
    for (text, expected) in [
        (r#"[["x"],[2]]"#, &[&[2][..]][..]),
        (r#"[[1],["x"],[2]]"#, &[&[1], &[2]]),
        (r#"["x",[1]]"#, &[&[1]]),
        (r#"[["x",[7]]]"#, &[]),
        (r#"[["x",1],[2]]"#, &[&[2]]),
        (r#"[{"a":["x"]},[2]]"#, &[&[2]]),
        (r"[[[1]],[2]]", &[&[2]]),
    ] {
        let expected = Picky(expected.iter().map(|element| element.to_vec()).collect::<Vec<Vec<u8>>>());
        assert_eq!(read::<Picky<Vec<u8>>>(text), Ok(expected), "{text}");
        assert_eq!(read::<Vec<Picky<Vec<u8>>>>(format!("[{text},[[3]]]")).unwrap()[1], Picky(vec![vec![3]]), "{text}");
    }
    for broken in [r#"[["x",[7]]"#, r#"[["x",],[2]]"#, r#"[["x"],[2],]"#, r#"[["x" 1],[2]]"#, r#"[{"a":1,"a":2}]"#] {
        let told = read::<Picky<Vec<u8>>>(broken);
        assert!(matches!(told, Err(JsonError::Syntax(_))), "{broken}: {told:?}");
    }
}
