//! Rules 140 and 151: JSON of another shape than the type, and what of it the client sees.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    num::NonZeroU8,
    ops::Range,
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::Value;
use tower_auth::json::FieldViolation;

use super::{Wide, line, read, told, violations};

#[derive(Debug, PartialEq, Deserialize)]
struct Point {
    x: u8,
    y: i8,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(default)]
    email_address: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Nothing {}

#[derive(Debug, PartialEq, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Deserialize)]
struct Newtype(Point);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Transparent {
    point: Point,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Pair(u8, Point);

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Colour {
    Red,
    DarkBlue,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Shape {
    Empty,
    Dot(Point),
    Line(Point, Point),
    Circle { centre: Point, radius: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Deep {
    points: Vec<Point>,
    shapes: HashMap<String, Option<Box<Shape>>>,
    next: Option<Box<Self>>,
}

const POINT: &str = r#"{"x":1,"q":0,"y":2}"#;

/// With `P` for a point that has an unknown name `q`.
fn odd(text: &str) -> String {
    text.replace('P', POINT)
}

/// With `P` for a point.
fn even(text: &str) -> String {
    text.replace('P', r#"{"x":1,"y":2}"#)
}

#[test]
fn r140_a_name_that_a_struct_does_not_have_is_refused_at_any_depth() {
    macro_rules! table {
        ($($type:ty: $text:literal => $($place:literal)+;)*) => { $(
            let good = read::<$type>(even($text));
            assert!(good.is_ok(), "{}: {good:?}", $text);
            let expected = [$(format!("{}: unknown field", $place)),+];
            assert_eq!(told::<$type>(odd($text)), expected, "{} {}", stringify!($type), $text);
        )* };
    }
    table! {
        Point: "P" => "/q";
        Vec<Point>: "[P,P]" => "/0/q" "/1/q";
        VecDeque<Point>: "[P]" => "/0/q";
        [Point; 2]: "[P,P]" => "/0/q" "/1/q";
        Option<Point>: "P" => "/q";
        Option<Option<Point>>: "P" => "/q";
        Box<Point>: "P" => "/q";
        Option<Box<Point>>: "P" => "/q";
        Vec<Option<Vec<Point>>>: "[null,[P]]" => "/1/0/q";
        HashMap<String, Point>: r#"{"k":P}"# => "/k/q";
        BTreeMap<u8, Vec<Point>>: r#"{"7":[P]}"# => "/7/0/q";
        HashMap<Colour, Point>: r#"{"dark_blue":P}"# => "/dark_blue/q";
        (u8, Point): "[1,P]" => "/1/q";
        (Point, (u8, Point)): "[P,[1,P]]" => "/0/q" "/1/1/q";
        Newtype: "P" => "/q";
        Transparent: "P" => "/q";
        Pair: "[1,P]" => "/1/q";
        Result<Point, String>: r#"{"Ok":P}"# => "/Ok/q";
        Shape: r#"{"Dot":P}"# => "/Dot/q";
        Shape: r#"{"Line":[P,P]}"# => "/Line/0/q" "/Line/1/q";
        Shape: r#"{"Circle":{"centre":P,"radius":1}}"# => "/Circle/centre/q";
        Vec<Shape>: r#"["Empty",{"Dot":P}]"# => "/1/Dot/q";
        Deep: r#"{"points":[P],"shapes":{"a":{"Dot":P},"b":null},"next":{"points":[P],"shapes":{},"next":null}}"#
            => "/points/0/q" "/shapes/a/Dot/q" "/next/points/0/q";
    }
    // What a struct variant or a type of the standard library itself does not have.
    for (told, expected) in [
        (told::<Shape>(r#"{"Circle":{"centre":{"x":1,"y":2},"q":[],"radius":1}}"#), "/Circle/q: unknown field"),
        (told::<Duration>(r#"{"secs":1,"q":2,"nanos":3}"#), "/q: unknown field"),
        (told::<Range<u8>>(r#"{"start":1,"end":3,"q":2}"#), "/q: unknown field"),
        (told::<Nothing>(r#"{"q":{"x":[{"y":null}]}}"#), "/q: unknown field"),
    ] {
        assert_eq!(told, [expected]);
    }
    // Where a type takes anything, anything is known.
    assert!(read::<HashMap<String, Value>>(odd(r#"{"q":P}"#)).is_ok());
    assert!(read::<(Value, IgnoredAny)>(odd("[P,P]")).is_ok());
}

#[test]
fn r140_fifty_objects_deep() {
    let depth = 50;
    let text = r#"{"points":[],"shapes":{},"next":"#.repeat(depth)
        + r#"{"points":[],"shapes":{},"next":null,"q":1}"#
        + &"}".repeat(depth);
    assert_eq!(told::<Deep>(text), [format!("{}/q: unknown field", "/next".repeat(depth))]);
}

#[test]
fn r140_pointers_are_escaped() {
    for (name, token) in [
        ("a/b", "a~1b"),
        ("m~n", "m~0n"),
        ("~1", "~01"),
        ("~0/", "~00~1"),
        ("/", "~1"),
        ("//~~", "~1~1~0~0"),
        ("", ""),
        (" ", " "),
        ("a.b[0]", "a.b[0]"),
        ("%2F", "%2F"),
        ("0", "0"),
        ("-", "-"),
        ("ключ", "ключ"),
        ("😀", "😀"),
    ] {
        let quoted = serde_json::to_string(name).unwrap();
        assert_eq!(violations::<Nothing>(format!("{{{quoted}:1}}"))[0].pointer(), format!("/{token}"));
        let text = format!("{{{quoted}:{{\"x\":1,\"y\":\"\"}}}}");
        assert_eq!(violations::<HashMap<String, Point>>(&text)[0].pointer(), format!("/{token}/y"));
        // The pointer leads to the value.
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap().pointer(&format!("/{token}/y")).unwrap(), "");
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Slashed {
    #[serde(rename = "a/b~c")]
    field: Point,
}

#[test]
fn r140_pointers_of_documented_names_are_escaped_too() {
    assert_eq!(told::<Slashed>("{}"), ["/a~1b~0c: missing field"]);
    assert_eq!(told::<Slashed>(r#"{"a/b~c":{"x":1}}"#), ["/a~1b~0c/y: missing field"]);
    assert_eq!(told::<Slashed>(r#"{"a/b~c":[]}"#), ["/a~1b~0c: expected an object, found an array"]);
    assert_eq!(told::<Slashed>(r#"{"a/b":1}"#), ["/a~1b: unknown field -> a/b~c", "/a~1b~0c: missing field"]);
}

#[test]
fn r140_all_that_is_unknown_is_told_up_to_the_first_error_and_that() {
    for (text, expected) in [
        (
            r#"{"u1":0,"points":[{"x":1,"u2":0,"y":1}],"u3":{"q":0},"shapes":{"s":{"u4":[]}},"u5":1,"next":null}"#,
            &[
                "/u1: unknown field",
                "/points/0/u2: unknown field",
                "/u3: unknown field",
                r#"/shapes/s/u4: unknown value, expected "Empty" or "Dot" or "Line" or "Circle""#,
            ][..],
        ),
        (
            r#"{"u1":0,"points":[{"u2":0,"x":"","u3":0}],"u4":0}"#,
            &[
                "/u1: unknown field",
                "/points/0/u2: unknown field",
                "/points/0/x: expected an integer from 0 to 255, found a string",
            ],
        ),
        (r#"{"points":[{"x":1,"u1":0}],"u2":0}"#, &["/points/0/u1: unknown field", "/points/0/y: missing field"]),
        (
            r#"{"u1":0,"next":{"u2":0,"points":[]},"u3":0}"#,
            &["/u1: unknown field", "/next/u2: unknown field", "/next/shapes: missing field"],
        ),
        (
            r#"{"u1":0,"points":[],"u2":0,"shapes":{}, "u3":0}"#,
            &["/u1: unknown field", "/u2: unknown field", "/u3: unknown field"],
        ),
        (r#"{"points":{},"u1":0}"#, &["/points: expected an array, found an object"]),
        (r#"[{"u1":0}]"#, &[": expected an object, found an array"]),
    ] {
        assert_eq!(told::<Deep>(text), expected, "{text}");
    }
}

#[test]
fn another_shape_is_told_where_it_is() {
    macro_rules! table {
        ($($type:ty: $text:literal => $told:literal;)*) => { $(
            assert_eq!(told::<$type>($text), [$told], "{} {}", stringify!($type), $text);
        )* };
    }
    table! {
        Point: "{}" => "/x: missing field";
        Point: r#"{"x":1}"# => "/y: missing field";
        Vec<Point>: r#"[{"x":1,"y":1},{"y":1}]"# => "/1/x: missing field";
        HashMap<String, Point>: r#"{"a b":{"x":1}}"# => "/a b/y: missing field";
        Shape: r#"{"Circle":{"centre":{"x":1,"y":2}}}"# => "/Circle/radius: missing field";
        Duration: r#"{"secs":1}"# => "/nanos: missing field";

        Point: "null" => ": expected an object, found null";
        Point: "true" => ": expected an object, found a boolean";
        Point: "-1.5" => ": expected an object, found a number";
        Point: r#""x""# => ": expected an object, found a string";
        Vec<Point>: "[1]" => "/0: expected an object, found a number";
        Point: r#"{"x":"1","y":1}"# => "/x: expected an integer from 0 to 255, found a string";
        Point: r#"{"x":1,"y":null}"# => "/y: expected an integer from -128 to 127, found null";
        Point: r#"{"x":1.0,"y":1}"# => "/x: expected an integer from 0 to 255, found a number";
        Point: r#"{"x":256,"y":1}"# => "/x: expected an integer from 0 to 255, found another number";
        Point: r#"{"x":-1,"y":1}"# => "/x: expected an integer from 0 to 255, found another number";
        Point: r#"{"x":[1],"y":1}"# => "/x: expected an integer from 0 to 255, found an array";
        Point: r#"{"x":{"q":1},"y":1}"# => "/x: expected an integer from 0 to 255, found an object";
        Point: r#"{"x":true,"y":1}"# => "/x: expected an integer from 0 to 255, found a boolean";
        u64: "-1" => ": expected an integer from 0, found another number";
        i128: "1e3" => ": expected an integer, found a number";
        String: "1" => ": expected a string, found an integer";
        String: "null" => ": expected a string, found null";
        bool: "1" => ": expected a boolean, found an integer";
        bool: r#""true""# => ": expected a boolean, found a string";
        f64: r#""1""# => ": expected a number, found a string";
        char: r#""ab""# => ": expected a string of one character, found another string";
        char: r#""""# => ": expected a string of one character, found another string";
        (): "0" => ": expected null, found an integer";
        Unit: "{}" => ": expected null, found an object";
        Vec<u8>: "{}" => ": expected an array, found an object";
        Vec<u8>: r#"[1,2,"3"]"# => "/2: expected an integer from 0 to 255, found a string";
        HashSet<Colour>: r#"["red","red",[]]"# => "/2: expected one of the documented values, found an array";
        HashMap<String, u8>: "[]" => ": expected an object, found an array";
        HashMap<String, u8>: r#"{"a":1,"b":""}"# => "/b: expected an integer from 0 to 255, found a string";
        HashMap<u8, u8>: r#"{"1":1,"x":1}"# => "/x: expected an integer from 0 to 255, found a string";
        HashMap<u8, u8>: r#"{"256":1}"# => "/256: expected an integer from 0 to 255, found another number";
        HashMap<bool, u8>: r#"{"True":1}"# => "/True: expected a boolean, found a string";
        HashMap<Colour, u8>: r#"{"darkblue":1}"#
            => "/darkblue: unknown value, expected \"red\" or \"dark_blue\" -> dark_blue";
        HashMap<Colour, u8>: r#"{"red":[]}"# => "/red: expected an integer from 0 to 255, found an array";
        (u8, u8): "[1]" => ": expected an array of 2, found an array of 1";
        (u8, (u8, u8, u8)): "[1,[]]" => "/1: expected an array of 3, found an array of 0";
        Vec<[u8; 2]>: "[[1,2],[1]]" => "/1: expected an array of length 2, found an array of 1";
        Pair: "[1]" => ": expected an array of the documented length, found an array of 1";
        (u8, u8): "[1,2,3]" => ": the array has more elements than the type reads";
        Vec<[u8; 2]>: "[[1,2],[1,2,3]]" => "/1: the array has more elements than the type reads";
        (u8, Vec<(u8, u8)>): r#"[1,[[1,2],[3,"4"]]]"# => "/1/1/1: expected an integer from 0 to 255, found a string";
        Pair: r#"[1,{"x":"","y":1}]"# => "/1/x: expected an integer from 0 to 255, found a string";
        Newtype: "[]" => ": expected an object, found an array";
        NonZeroU8: "0" => ": expected a nonzero u8, found another number";
        Vec<IpAddr>: r#"["127.0.0.1","127.0.0"]"# => "/1: invalid IP address syntax";
        HashMap<String, SocketAddr>: r#"{"a":"localhost"}"# => "/a: invalid socket address syntax";

        Colour: "null" => ": expected one of the documented values, found null";
        Colour: "1" => ": expected one of the documented values, found a number";
        Colour: "[]" => ": expected one of the documented values, found an array";
        Shape: "{}" => ": expected an object with one member, which names a documented value";
        Shape: r#"{"Empty":null,"Dot":null}"# => ": expected an object with one member, which names a documented value";
        Shape: r#"{"Empty":1}"# => "/Empty: expected null, found an integer";
        Shape: r#""Dot""# => ": this value has contents: expected an object with one member, named by it";
        Shape: r#""Circle""# => ": this value has contents: expected an object with one member, named by it";
        Shape: r#"{"Dot":[]}"# => "/Dot: expected an object, found an array";
        Shape: r#"{"Dot":{"x":1,"y":[]}}"# => "/Dot/y: expected an integer from -128 to 127, found an array";
        Shape: r#"{"Line":{}}"# => "/Line: expected an array, found an object";
    }
}

/// An array would fill a struct by position, and no name would be looked at.
#[test]
fn r140_an_array_is_no_object() {
    let refused = |told: Vec<String>, place: &str| {
        assert_eq!(told, [format!("{place}: expected an object, found an array")]);
    };
    refused(told::<Point>("[1,2]"), "");
    refused(told::<Nothing>("[]"), "");
    refused(told::<Vec<Point>>("[[1,2]]"), "/0");
    refused(told::<Option<Point>>("[1,2]"), "");
    refused(told::<HashMap<String, Point>>(r#"{"a":[1,2]}"#), "/a");
    refused(told::<(u8, Point)>("[1,[1,2]]"), "/1");
    refused(told::<Newtype>("[1,2]"), "");
    refused(told::<Transparent>("[1,2]"), "");
    refused(told::<Shape>(r#"{"Dot":[1,2]}"#), "/Dot");
    refused(told::<Shape>(r#"{"Line":[[1,2],[3,4]]}"#), "/Line/0");
    refused(told::<Shape>(r#"{"Circle":[{"x":1,"y":2},1]}"#), "/Circle");
    refused(told::<Shape>(r#"{"Circle":{"centre":[1,2],"radius":1}}"#), "/Circle/centre");
    refused(told::<Deep>(r#"{"points":[],"shapes":{},"next":[[],{},null]}"#), "/next");
    refused(told::<Duration>("[1,2]"), "");
    refused(told::<Range<u8>>("[1,2]"), "");
    refused(told::<Wide>("[1,2]"), "");
}

#[test]
fn r140_the_name_that_was_probably_meant_is_told() {
    for (text, expected) in [
        (
            r#"{"email_adress":"","password":""}"#,
            &["/email_adress: unknown field -> email_address", "/email: missing field"][..],
        ),
        (r#"{"emailAddress":"","email":"","password":""}"#, &["/emailAddress: unknown field -> email_address"]),
        (r#"{"e-mail":"","password":""}"#, &["/e-mail: unknown field -> email", "/email: missing field"]),
        (r#"{"email":"","PASSWORD":""}"#, &["/PASSWORD: unknown field -> password", "/password: missing field"]),
        (r#"{"email":"","passwort":""}"#, &["/passwort: unknown field -> password", "/password: missing field"]),
        (r#"{"email":"","password":"","admin":true}"#, &["/admin: unknown field"]),
        (r#"{"email":"","password":"","__proto__":{}}"#, &["/__proto__: unknown field"]),
        // What stands there itself was not meant.
        (r#"{"email":"","password":"","emial":""}"#, &["/emial: unknown field"]),
        (r#"{"emial":"","email":"","password":""}"#, &["/emial: unknown field"]),
        (
            r#"{"emial":"","password":"","email":"","passwrd":"","email_address":null}"#,
            &["/emial: unknown field", "/passwrd: unknown field"],
        ),
        (r#"{"email":"","password":"","email_adress":""}"#, &["/email_adress: unknown field -> email_address"]),
    ] {
        assert_eq!(told::<Login>(text), expected, "{text}");
    }
    // Of each object, its own names.
    assert_eq!(
        told::<Vec<Login>>(r#"[{"email":"","password":""},{"emial":"","password":""}]"#),
        ["/1/emial: unknown field -> email", "/1/email: missing field"]
    );
    assert_eq!(
        told::<Vec<Deep>>(r#"[{"point":[],"points":[],"shapes":{},"next":null},{"point":[]}]"#),
        ["/0/point: unknown field", "/1/point: unknown field -> points", "/1/points: missing field"]
    );
}

#[derive(Debug, PartialEq, Deserialize)]
struct Short {
    email: String,
    password: String,
}

#[test]
fn r140_a_shorter_name_is_told_too() {
    assert_eq!(
        told::<Short>(r#"{"email_adress":"a@b.c","password":""}"#),
        ["/email_adress: unknown field -> email", "/email: missing field"]
    );
}

/// More unknown fields than that, or longer ones, are no typing error.
#[test]
fn r140_only_the_first_few_names_are_suggested() {
    let expected = |place: usize, name: &str| (place < 8).then(|| name.to_owned());
    let names: Vec<String> = (0..12).map(|place| format!("\"f{place:03}x\":1")).collect();
    let fields = violations::<Wide>(format!("{{{}}}", names.join(",")));
    assert_eq!(fields.len(), 12);
    for (place, field) in fields.iter().enumerate() {
        assert_eq!(field.suggestion().map(str::to_owned), expected(place, &format!("f{place:03}")), "{field}");
    }
    // Over many objects as in one, and one that has no neighbour counts too.
    let fields = violations::<Vec<Wide>>(format!("[{}]", [r#"{"unrelated":1,"f299x":1}"#; 10].join(",")));
    assert_eq!(fields.len(), 20);
    for (place, field) in fields.iter().enumerate() {
        let meant = expected(place, "f299").filter(|_| place % 2 == 1);
        assert_eq!(field.suggestion().map(str::to_owned), meant, "{field}");
    }
}

#[test]
fn r140_a_name_of_more_than_forty_letters_means_nothing() {
    for (name, expected) in [
        (format!("password{}", "a".repeat(32)), Some("password")),
        (format!("password{}", "a".repeat(33)), None),
        (format!("password{}", "é".repeat(32)), Some("password")),
        (format!("password{}", "é".repeat(33)), None),
        (format!("password{}", "a".repeat(1 << 18)), None),
        // Letters and digits alone count.
        (format!("pass-word{}", "_".repeat(1000)), Some("password")),
        ("_".repeat(10), None),
    ] {
        let fields = violations::<Short>(format!("{{{}:1}}", quoted(&name)));
        assert_eq!((fields[0].reason(), fields[0].suggestion()), ("unknown field", expected), "{name}");
    }
    // A value as a name.
    let told = |letters: usize| violations::<Colour>(quoted(&format!("dark_blue{}", "e".repeat(letters))));
    assert_eq!((told(32)[0].suggestion(), told(33)[0].suggestion()), (Some("dark_blue"), None));
}

/// Also where the object is not read to its end.
#[test]
fn r140_a_name_that_stands_in_the_object_is_never_suggestion() {
    for text in [
        r#"{"emial":"","email":5}"#,
        r#"{"emial":"","email":"","password":5}"#,
        r#"{"emial":"","password":5,"email":""}"#,
        r#"{"emial":"","password":{"q":1},"email":""}"#,
        r#"{"emial":5,"password":[],"email":5}"#,
    ] {
        let fields = violations::<Short>(text);
        assert_eq!((fields[0].pointer(), fields[0].suggestion()), ("/emial", None), "{text}");
    }
    let fields = violations::<Deep>(r#"{"point":[],"points":[],"shapes":{},"next":{"point":[],"shapes":1}}"#);
    assert_eq!((fields[0].pointer(), fields[0].suggestion()), ("/point", None));
    assert_eq!((fields[1].pointer(), fields[1].suggestion()), ("/next/point", Some("points")));
}

/// However many names the struct has.
#[test]
fn r140_a_name_of_many_that_stands_in_the_object_is_never_suggestion() {
    for name in ["f000", "f063", "f064", "f065", "f299"] {
        for text in [format!(r#"{{"{name}x":1,"{name}":1}}"#), format!(r#"{{"{name}":1,"{name}x":1}}"#)] {
            let fields = violations::<Wide>(&text);
            assert_eq!((fields.len(), fields[0].pointer()), (1, format!("/{name}x").as_str()));
            assert_ne!(fields[0].suggestion(), Some(name), "{text}");
        }
        assert_eq!(violations::<Wide>(format!(r#"{{"{name}x":1}}"#))[0].suggestion(), Some(name));
    }
}

#[test]
fn r140_an_unknown_value_is_told_with_the_one_that_was_probably_meant() {
    const COLOURS: &str = r#"expected "red" or "dark_blue""#;
    const SHAPES: &str = r#"expected "Empty" or "Dot" or "Line" or "Circle""#;
    assert_eq!(told::<Colour>(r#""reed""#), [format!(": unknown value, {COLOURS} -> red")]);
    assert_eq!(told::<Colour>(r#""darkBlue""#), [format!(": unknown value, {COLOURS} -> dark_blue")]);
    assert_eq!(told::<Colour>(r#""DarkBlue""#), [format!(": unknown value, {COLOURS} -> dark_blue")]);
    assert_eq!(told::<Colour>(r#""green""#), [format!(": unknown value, {COLOURS}")]);
    assert_eq!(told::<Vec<Colour>>(r#"["red","green"]"#), [format!("/1: unknown value, {COLOURS}")]);
    assert_eq!(told::<Shape>(r#""empty""#), [format!(": unknown value, {SHAPES} -> Empty")]);
    assert_eq!(told::<Shape>(r#"{"dot":{"x":1,"y":2}}"#), [format!("/dot: unknown value, {SHAPES} -> Dot")]);
    assert_eq!(told::<Shape>(r#"{"Cirle":{"q":1}}"#), [format!("/Cirle: unknown value, {SHAPES} -> Circle")]);
    assert_eq!(
        told::<HashMap<String, Shape>>(r#"{"a/b":{"dot":1}}"#),
        [format!("/a~1b/dot: unknown value, {SHAPES} -> Dot")]
    );
    assert_eq!(told::<Result<u8, u8>>(r#"{"ok":1}"#), [r#"/ok: unknown value, expected "Ok" or "Err" -> Ok"#]);
    assert_eq!(told::<Single>(r#""Any""#), [r#": unknown value, expected "Only""#]);
}

#[derive(Debug, PartialEq, Deserialize)]
enum Single {
    Only,
}

macro_rules! variants {
    ($name:ident: $($variant:ident)*) => {
        #[derive(Debug, PartialEq, Deserialize)]
        enum $name {
            $($variant,)*
        }
    };
}

variants!(Eight: A B C D E F G Eighth);
variants!(Nine: A B C D E F G Eighth Ninth);

/// The first eight are enough to see what kind of value is meant.
#[test]
fn r140_a_long_list_of_values_is_cut() {
    let eight = r#""A" or "B" or "C" or "D" or "E" or "F" or "G" or "Eighth""#;
    assert_eq!(told::<Eight>(r#""what""#), [format!(": unknown value, expected {eight}")]);
    let nine = format!("{eight} or another of the documented values");
    assert_eq!(told::<Nine>(r#""what""#), [format!(": unknown value, expected {nine}")]);
    // What is not listed may have been meant all the same.
    assert_eq!(told::<Nine>(r#"{"ninht":1}"#), [format!("/ninht: unknown value, expected {nine} -> Ninth")]);
}

fn even_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let number = u8::deserialize(deserializer)?;
    if number.is_multiple_of(2) { Ok(number) } else { Err(D::Error::custom("must be even")) }
}

mod minutes {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|minutes| Duration::from_secs(u64::from(minutes) * 60))
    }
}

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct Email(String);

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains('@') { Ok(Self(text)) } else { Err("must be an address") }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attributes {
    first_name: String,
    #[serde(rename = "type")]
    kind: Option<Colour>,
    #[serde(alias = "mail", alias = "e-mail")]
    email: Option<Email>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "nine")]
    count: u8,
    #[serde(skip)]
    cache: u8,
    #[serde(skip_deserializing)]
    computed: u8,
    #[serde(with = "minutes", default)]
    timeout: Duration,
    #[serde(deserialize_with = "even_number", default)]
    even: u8,
}

fn nine() -> u8 {
    9
}

#[test]
fn attributes_of_serde_are_kept() {
    let least: Attributes = read(r#"{"firstName":"Ada"}"#).unwrap();
    assert_eq!((least.first_name.as_str(), least.count, least.kind, least.email), ("Ada", 9, None, None));
    assert_eq!((least.cache, least.computed, least.even, least.timeout), (0, 0, 0, Duration::ZERO));
    let all = r#"{"firstName":"Ada","type":"red","mail":"a@b.c","tags":["x"],"count":1,"timeout":2,"even":4}"#;
    let all: Attributes = read(all).unwrap();
    assert_eq!((all.kind, all.email), (Some(Colour::Red), Some(Email("a@b.c".to_owned()))));
    assert_eq!((all.tags.len(), all.count, all.timeout, all.even), (1, 1, Duration::from_secs(120), 4));
    // Null is nothing where there may be nothing, and only there.
    assert_eq!(read::<Attributes>(r#"{"firstName":"","type":null,"e-mail":null}"#).unwrap().email, None);
    for (text, expected) in [
        (r#"{"firstName":null}"#, &["/firstName: expected a string, found null"][..]),
        (r#"{"firstName":"","tags":null}"#, &["/tags: expected an array, found null"]),
        (r#"{"firstName":"","count":null}"#, &["/count: expected an integer from 0 to 255, found null"]),
        (r#"{"first_name":""}"#, &["/first_name: unknown field -> firstName", "/firstName: missing field"]),
        (r#"{"firstName":"","cache":1}"#, &["/cache: unknown field"]),
        (r#"{"firstName":"","computed":1}"#, &["/computed: unknown field"]),
        (r#"{"firstName":"","kind":"red"}"#, &["/kind: unknown field"]),
        (r#"{"firstName":"","email":null,"mail":null}"#, &["/email: the field is given twice, by two names"]),
        (r#"{"mail":null,"e-mail":null}"#, &["/email: the field is given twice, by two names"]),
        (r#"{"firstName":"","timeout":"1"}"#, &["/timeout: expected an integer from 0 to 4294967295, found a string"]),
    ] {
        assert_eq!(told::<Attributes>(text), expected, "{text}");
    }
    // A name that a struct denies itself is no other error than one that it would ignore.
    assert_eq!(
        told::<Attributes>(r#"{"u1":1,"firstName":"","u2":1,"even":"x","u3":1}"#),
        ["/u1: unknown field", "/u2: unknown field", "/even: expected an integer from 0 to 255, found a string"]
    );
}

#[derive(Debug, PartialEq, Deserialize)]
enum Contact {
    #[serde(deserialize_with = "even_number")]
    Even(u8),
    Both(#[serde(deserialize_with = "even_number")] u8, Email),
    Named {
        #[serde(deserialize_with = "even_number")]
        even: u8,
        email: Email,
    },
}

/// An error of a type after it has read the value is reported at the value.
#[test]
fn r140_a_refusal_of_the_types_own_is_told_at_its_value() {
    assert_eq!(told::<Email>(r#""ab""#), [": must be an address"]);
    assert_eq!(told::<Vec<Email>>(r#"["a@b.c","ab"]"#), ["/1: must be an address"]);
    assert_eq!(told::<HashMap<String, Email>>(r#"{"a":"a@b.c","b":"ab"}"#), ["/b: must be an address"]);
    assert_eq!(told::<(u8, Email)>(r#"[1,"ab"]"#), ["/1: must be an address"]);
    assert_eq!(told::<Attributes>(r#"{"firstName":"","email":"ab"}"#), ["/email: must be an address"]);
    assert_eq!(told::<Attributes>(r#"{"firstName":"","even":3}"#), ["/even: must be even"]);
    assert_eq!(told::<Vec<Attributes>>(r#"[{"u1":1,"even":3}]"#), ["/0/u1: unknown field", "/0/even: must be even"]);
    assert_eq!(told::<Result<u8, Email>>(r#"{"Err":"ab"}"#), ["/Err: must be an address"]);
    assert_eq!(told::<Vec<Option<Box<Email>>>>(r#"[null,"ab"]"#), ["/1: must be an address"]);
    assert_eq!(told::<HashMap<String, Vec<Email>>>(r#"{"a/b":["a@b.c","ab"]}"#), ["/a~1b/1: must be an address"]);
    assert_eq!(told::<HashMap<Email, u8>>(r#"{"a@b.c":1,"ab":1}"#), ["/ab: must be an address"]);
    for (text, expected) in [
        (r#"{"Even":3}"#, "/Even: must be even"),
        (r#"{"Both":[4,"ab"]}"#, "/Both/1: must be an address"),
        (r#"{"Both":[3,"ab"]}"#, "/Both/0: must be even"),
        (r#"{"Named":{"even":4,"email":"ab"}}"#, "/Named/email: must be an address"),
        (r#"{"Named":{"even":3}}"#, "/Named/even: must be even"),
    ] {
        assert_eq!(told::<Contact>(text), [expected]);
        assert_eq!(told::<Vec<Contact>>(format!("[{text}]")), [format!("/0{expected}")]);
        assert_eq!(told::<HashMap<String, Contact>>(format!("{{\"k\":{text}}}")), [format!("/k{expected}")]);
    }
    assert_eq!(
        told::<Vec<Duration>>(r#"[{"secs":18446744073709551615,"nanos":1000000000}]"#),
        ["/0: overflow deserializing Duration"]
    );
}

#[test]
fn names_in_any_order_and_with_escapes_are_the_documented_ones() {
    let expected = Point { x: 1, y: 2 };
    for text in [r#"{"x":1,"y":2}"#, r#"{"y":2,"x":1}"#, r#"{"\u0078":1,"\u0079":2}"#, "\n{ \"y\" :\t2 ,\r\n\"x\":1 } "]
    {
        assert_eq!(read::<Point>(text).unwrap(), expected, "{text}");
    }
}

/// Quoted as a name in JSON.
fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap()
}

/// As it is written in the pointer, and not as it is given.
#[test]
fn r151_a_long_name_is_cut() {
    for (letter, shown, most) in [
        ("a", "a", 64),
        ("é", "é", 64),
        ("日", "日", 64),
        ("😀", "😀", 64),
        ("~", "~0", 32),
        ("/", "~1", 32),
        ("\u{1}", r"\u{1}", 12),
        ("\u{ad}", r"\u{ad}", 10),
        ("\u{202e}", r"\u{202e}", 8),
        ("\u{e0001}", r"\u{e0001}", 7),
    ] {
        let longest = (1 << 20) / (quoted(letter).len() - 2);
        for length in [most - 1, most, most + 1, 1000, longest] {
            let name = quoted(&letter.repeat(length));
            let cut = if length > most { "…" } else { "" };
            let pointer = format!("/{}{cut}", shown.repeat(length.min(most)));
            assert_eq!(told::<Nothing>(format!("{{{name}:1}}")), [format!("{pointer}: unknown field")]);
            let told = violations::<HashMap<String, Point>>(format!("{{{name}:{{\"x\":1,\"q\":0,\"y\":\"\"}}}}"));
            let pointers: Vec<&str> = told.iter().map(FieldViolation::pointer).collect();
            assert_eq!(pointers, [format!("{pointer}/q"), format!("{pointer}/y")]);
        }
    }
    // Nothing that is escaped is cut in two.
    for (start, rest, shown) in
        [(62, "~", "~0"), (63, "~", "…"), (63, "~a", "…"), (60, "\n", "…"), (58, "\n", r"\u{a}")]
    {
        let name = quoted(&format!("{}{rest}", "a".repeat(start)));
        assert_eq!(
            violations::<Nothing>(format!("{{{name}:1}}"))[0].pointer(),
            format!("/{}{shown}", "a".repeat(start))
        );
    }
}

/// An unknown value is not repeated, whatever it is.
#[test]
fn r151_a_value_is_not_repeated() {
    let long = "PLANTED".repeat(1 << 17);
    for text in [quoted(&long), format!("[{}]", quoted(&long)), format!("{{\"kind\":{}}}", quoted(&long))] {
        let told = [
            told::<Vec<Shape>>(format!("[{text}]")),
            told::<Vec<HashMap<String, Colour>>>(format!("[{text}]")),
            told::<(u8, Email)>(format!("[{text},1]")),
        ];
        for line in told.concat() {
            assert!(line.len() < 200 && !line.contains("PLANTED"), "{line}");
        }
    }
}

#[test]
fn r151_a_pointer_has_a_longest() {
    for letter in ["a", "\u{1}", "\u{202e}", "~", "é", "\n"] {
        let name = quoted(&letter.repeat(500));
        let text = format!("{{{name}:").repeat(60) + "{\"q\":0,\"x\":1}" + &"}".repeat(60);
        let told = violations::<Nest>(&text);
        assert_eq!(told.len(), 2);
        for field in told {
            let field_name = if field.reason() == "missing field" { "/y".len() } else { 0 };
            assert!(field.pointer().chars().count() <= 512 + 1 + field_name, "{field}");
            assert!(field.pointer().contains('…'), "{field}");
        }
    }
}

/// Objects in each other, and a point in the innermost.
#[derive(Debug)]
struct Nest;

impl<'de> Deserialize<'de> for Nest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NEST_DEPTH.with(|depth| {
            depth.set(depth.get() + 1);
            let innermost = depth.get() > 60;
            let read = if innermost {
                Point::deserialize(deserializer).map(drop)
            } else {
                HashMap::<String, Self>::deserialize(deserializer).map(drop)
            };
            depth.set(depth.get() - 1);
            read.map(|()| Self)
        })
    }
}

thread_local! {
    static NEST_DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Every character that would break a line, that nobody sees, or that turns the direction of what follows.
#[test]
fn r151_a_name_breaks_no_line_and_turns_no_text() {
    let controls = ('\0'..' ').chain('\u{7f}'..'\u{a0}');
    let single = ['\u{ad}', '\u{61c}', '\u{115f}', '\u{180e}', '\u{feff}'];
    let marks = ('\u{200b}'..='\u{200f}').chain('\u{2028}'..='\u{202e}').chain('\u{2060}'..='\u{206f}');
    let others = single.into_iter().chain(marks).chain('\u{fff9}'..='\u{fffb}').chain('\u{e0000}'..='\u{e007f}');
    for character in controls.chain(others) {
        let name = format!("a{character}b");
        let text = format!("{{{}:1}}", quoted(&name));
        let told = violations::<Nothing>(&text);
        assert_eq!(told[0].pointer(), format!("/a\\u{{{:x}}}b", u32::from(character)));
        let text = format!("{{{}:{{}}}}", quoted(&name));
        let told = violations::<HashMap<String, Point>>(&text);
        assert_eq!(told[0].pointer(), format!("/a\\u{{{:x}}}b/x", u32::from(character)));
        assert!(!format!("{told:?} {}", line(&told[0])).contains(character));
    }
    // What stands beside them is seen.
    for character in "\u{ac}\u{ae}\u{2010}\u{2027}\u{202f}\u{2070}\u{fffc}\u{fffd}".chars() {
        let told = violations::<Nothing>(format!("{{\"a{character}b\":1}}"));
        assert_eq!(told[0].pointer(), format!("/a{character}b"));
    }
    let told = violations::<Nothing>(r#"{"a\"b'<script>\\":1}"#);
    assert_eq!(told[0].pointer(), r#"/a"b'<script>\"#);
    assert_eq!(told[0].to_string(), r#""/a\"b'<script>\\": unknown field"#);
}

/// The words of a type's own refusal come from it, and may repeat what it was given.
#[derive(Debug)]
struct Echo;

impl<'de> Deserialize<'de> for Echo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(String::deserialize(deserializer)?))
    }
}

#[test]
fn r151_words_of_a_type_are_cut_and_break_no_line() {
    for (given, expected) in [
        ("a\nb\u{0}", r"a\u{a}b\u{0}".to_owned()),
        ("\u{202e}abc", r"\u{202e}abc".to_owned()),
        (&"é".repeat(200), "é".repeat(200)),
        (&"é".repeat(201), "é".repeat(200) + "…"),
        (&"a".repeat(1 << 20), "a".repeat(200) + "…"),
    ] {
        let told = violations::<Echo>(quoted(given));
        assert_eq!(told[0].reason(), expected);
    }
}

#[test]
fn r151_the_list_has_an_end() {
    let more = ": more fields are unknown than are listed here";
    for (count, told_of) in [(31, 31), (32, 32), (33, 33), (34, 33), (50_000, 33)] {
        let mut text = String::from("{");
        for place in 0..count {
            write!(text, "\"k{place}\":0,").unwrap();
        }
        let good = told::<Point>(format!("{text}\"x\":1,\"y\":2}}"));
        assert_eq!(good.len(), told_of, "{count}");
        for (place, line) in good.iter().enumerate() {
            let expected = if place == 32 { more.to_owned() } else { format!("/k{place}: unknown field") };
            assert_eq!(*line, expected, "{count}");
        }
        // The error that stops the type stands there all the same.
        let stopped = told::<Point>(format!("{text}\"x\":\"\"}}"));
        assert_eq!(stopped.len(), told_of + 1);
        assert_eq!(stopped.iter().filter(|line| line.starts_with("/x: expected")).count(), 1);
        assert_eq!(stopped.iter().filter(|line| *line == more).count(), usize::from(count > 32));
        assert!(stopped[..count.min(32)].iter().all(|line| line.ends_with("unknown field")), "{stopped:?}");
    }
    // Over many objects as in one.
    let many = format!("[{}]", [r#"{"x":1,"y":2,"q":0}"#; 40].join(","));
    let told = told::<Vec<Point>>(many);
    assert_eq!((told.len(), told[31].as_str(), told[32].as_str()), (33, "/31/q: unknown field", more));
}

#[test]
fn a_struct_of_many_fields_is_a_struct() {
    let all: Vec<String> = (0..300).map(|place| format!("\"f{place:03}\":{place}")).collect();
    let read: Wide = read(format!("{{{}}}", all.join(","))).unwrap();
    assert_eq!([read.f000, read.f063, read.f064, read.f128, read.f299], [0, 63, 64, 128, 299]);
    assert_eq!(
        told::<Wide>(r#"{"f299":1,"f300":1,"f064":""}"#)[1..],
        ["/f064: expected an integer from 0 to 65535, found a string"]
    );
    assert_eq!(violations::<Wide>(r#"{"f299":1,"f300":1}"#)[0].pointer(), "/f300");
}

/// `serde_json` says things to itself under such names, by which a text could be read that nobody has looked at.
#[test]
fn r145_names_that_serde_json_keeps_for_itself_are_refused() {
    const RESERVED: &str = "a name that starts so is reserved";
    for (name, value) in [
        ("$serde_json::private::RawValue", r#""{\"a\":1,\"a\":2}""#),
        ("$serde_json::private::RawValue", r#""no JSON""#),
        ("$serde_json::private::Number", r#""1e400""#),
        (r"\u0024serde_json::private\u003a:Number", r#""NaN""#),
        ("$serde_json::private::", "1"),
        ("$serde_json::private::x", "{}"),
    ] {
        let text = format!("{{\"{name}\":{value}}}");
        let pointer = format!("/{}", name.replace("\\u0024", "$").replace("\\u003a", ":"));
        assert_eq!(told::<Value>(&text), [format!("{pointer}: {RESERVED}")]);
        assert_eq!(told::<HashMap<String, Value>>(&text), [format!("{pointer}: {RESERVED}")]);
        assert_eq!(told::<serde_json::Map<String, Value>>(&text), [format!("{pointer}: {RESERVED}")]);
        assert_eq!(told::<HashMap<String, Option<IgnoredAny>>>(&text), [format!("{pointer}: {RESERVED}")]);
        assert_eq!(told::<Value>(format!("[{{\"a\":{text}}}]")), [format!("/0/a{pointer}: {RESERVED}")]);
        assert_eq!(
            told::<(u8, Value)>(format!("[1,{{\"a\":1,{}", &text[1..]) + "]"),
            [format!("/1{pointer}: {RESERVED}")]
        );
        // A struct does not have such a name, and what nobody reads may be called as it likes.
        assert_eq!(told::<Nothing>(&text), [format!("{pointer}: unknown field")]);
        assert!(read::<IgnoredAny>(&text).is_ok());
    }
    for name in
        ["$serde_json::private", "$serde_json", "serde_json::private::RawValue", "a$serde_json::private::Number"]
    {
        assert!(read::<Value>(format!("{{\"{name}\":1}}")).is_ok(), "{name}");
    }
}
