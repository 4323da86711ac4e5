//! Which types can be read strictly, and that the others are never read. A type is loose where it keeps a value before
//! it knows what that is to be: nobody sees its fields then.
#![allow(dead_code, reason = "most types are asked what they are, and never looked into")]

use std::{
    any::type_name,
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt::{self, Debug, Display},
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU8, Wrapping},
    ops::{Bound, Range, RangeInclusive},
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Map, Number, Value};
use tower_auth::{
    Rejection, RejectionKind,
    json::{self, JsonError, JsonLimits},
};

use super::{
    Lenient, Wide, read,
    types::{Borrowed, Bytes, Colour, Denying, Name, Newtype, Other, Pair, Point, Shape, TEXTS, Tree, Unit, Wrapper},
};

#[derive(Debug, Default, Deserialize)]
struct Place {
    x: u8,
    y: u8,
}

#[derive(Debug, Default, Deserialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    place: Place,
}

#[derive(Debug, Deserialize)]
struct FlatOf<T> {
    #[serde(flatten)]
    inner: T,
}

#[derive(Debug, Deserialize)]
struct CatchAll {
    id: u8,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

/// One field that is left out is enough.
#[derive(Debug, Deserialize)]
enum FlatVariant {
    Empty,
    Place {
        #[serde(flatten)]
        place: Place,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Place(Place),
    #[default]
    Nothing,
}

#[derive(Debug, Deserialize)]
enum PartlyUntagged {
    Empty,
    #[serde(untagged)]
    Place(Place),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Empty,
    Circle { radius: u8 },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum InternalOf<T> {
    Empty,
    Circle { radius: T },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", content = "data")]
enum Adjacent {
    Empty,
    Newtype(Option<u8>),
    Pair(u8, u8),
    Point(Point),
    Circle { centre: Point, radius: u8 },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", content = "data")]
enum AdjacentOf<A, B> {
    Empty,
    New(A),
    Tuple(B, u8),
}

/// Says in its own words what it expects.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", content = "data", expecting = "a shape")]
enum AdjacentInWords {
    Empty,
    Place(Place),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", content = "data", deny_unknown_fields)]
enum AdjacentDenying {
    Empty,
    Place(Place),
}

/// Asks for what `serde_json::value::RawValue` asks for, which takes a feature of that crate.
#[derive(Debug)]
struct Raw;

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct("$serde_json::private::RawValue", IgnoredAny).map(|_| Self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(from = "Flat")]
struct From;

impl std::convert::From<Flat> for From {
    fn from(_: Flat) -> Self {
        Self
    }
}

#[derive(Debug, Deserialize)]
struct Two<A, B> {
    a: A,
    b: B,
}

#[derive(Debug, Deserialize)]
struct NewtypeOf<T>(T);

#[derive(Debug, Deserialize)]
struct TupleOf<T>(T, u8);

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct TransparentOf<T> {
    inner: T,
}

#[derive(Debug, Deserialize)]
enum Variants<A, B> {
    Empty,
    New(A),
    Tuple(B, u8),
}

#[derive(Debug, Deserialize)]
enum Structs<A, B> {
    First { data: A },
    Second { data: B },
}

const FLATTEN: &str = "#[serde(flatten)]";
const UNTAGGED: &str = "#[serde(untagged)] or another buffered value";
const TAGGED: &str = "an enum with #[serde(tag = \"…\")]";
const RAW: &str = "a RawValue";
const ENDLESS: &str = "a type that contains only itself";

/// Where a type is loose, or nothing.
fn looseness<'de, T: Deserialize<'de>>() -> Option<String> {
    json::check_type::<T>().err().map(|error| error.to_string())
}

fn assert_strict<'de, T: Deserialize<'de>>() {
    assert_eq!(looseness::<T>(), None, "{}", type_name::<T>());
}

/// That the error names what the type has, and where.
#[track_caller]
fn assert_loose<'de, T: Deserialize<'de>>(what: &str, place: &str) {
    let told = looseness::<T>().unwrap_or_else(|| panic!("{what} at {place:?} is not found"));
    let found = format!("{} cannot be read strictly: at {place:?} it has {what}, and its fields", type_name::<T>());
    assert!(told.starts_with(&found), "{told}\nand not\n{found}");
    assert!(told.contains("; help: "), "{told}");
}

#[test]
fn ordinary_types_can_be_read_strictly() {
    macro_rules! strict {
        ($($type:ty),* $(,)?) => { $(assert_strict::<$type>();)* };
    }
    strict![
        u8, i128, f32, bool, char, String, (), &'static str, Cow<'static, str>, Borrowed<'static>, Bytes, PathBuf,
        Point, Denying, Unit, Newtype, Name, Pair, Colour, Other, Shape, Tree, Wide, PhantomData<Flat>,
        Value, Map<String, Value>, Number, IgnoredAny, HashMap<String, Value>, Vec<Value>, Option<Value>,
        Option<Box<Point>>, Vec<Option<Point>>, HashMap<String, Vec<Point>>, BTreeMap<u8, Shape>,
        BTreeMap<Colour, Shape>, HashMap<bool, u8>, HashMap<char, u8>, (Point, Point), [Point; 2], HashSet<u8>,
        Wrapper<Wrapper<Point>>, Two<Wrapper<Point>, Wrapper<Tree>>, Two<Value, Shape>, TupleOf<Point>,
        NewtypeOf<Shape>, TransparentOf<Value>, Variants<Point, Shape>, Structs<Point, Tree>,
        Result<Point, Shape>, Bound<u8>, Range<u8>, RangeInclusive<u8>, Duration, SystemTime, IpAddr, SocketAddr,
        NonZeroU8, Wrapping<u8>,
    ];
}

/// Each kind of place, with each kind of type that reads a value before it knows what it is to be.
#[test]
fn loose_types_are_found_wherever_they_are() {
    fn everywhere<T: DeserializeOwned>(what: &str) {
        assert_loose::<T>(what, "");
        assert_loose::<Two<T, u8>>(what, "/a");
        assert_loose::<Two<u8, T>>(what, "/b");
        assert_loose::<Two<Point, Wrapper<T>>>(what, "/b/data");
        assert_loose::<Vec<T>>(what, "/0");
        assert_loose::<[T; 2]>(what, "/0");
        assert_loose::<(T, u8)>(what, "/0");
        assert_loose::<Option<T>>(what, "");
        assert_loose::<Box<T>>(what, "");
        assert_loose::<Two<Option<Box<T>>, u8>>(what, "/a");
        assert_loose::<HashMap<String, T>>(what, "/*");
        assert_loose::<BTreeMap<u8, Vec<T>>>(what, "/*/0");
        assert_loose::<HashMap<Colour, T>>(what, "/*");
        assert_loose::<HashMap<char, T>>(what, "/*");
        assert_loose::<NewtypeOf<T>>(what, "");
        assert_loose::<TupleOf<T>>(what, "/0");
        assert_loose::<TransparentOf<T>>(what, "");
        assert_loose::<Variants<T, u8>>(what, "/New");
        assert_loose::<Variants<u8, T>>(what, "/Tuple/0");
        assert_loose::<Structs<T, u8>>(what, "/First/data");
        assert_loose::<Structs<T, T>>(what, "/Second/data");
        assert_loose::<Result<T, u8>>(what, "/Ok");
        assert_loose::<Result<u8, T>>(what, "/Err");
        assert_loose::<Bound<T>>(what, "/Excluded");
        assert_loose::<Range<T>>(what, "/end");
    }
    everywhere::<Flat>(FLATTEN);
    everywhere::<CatchAll>(FLATTEN);
    everywhere::<FlatOf<Point>>(FLATTEN);
    everywhere::<From>(FLATTEN);
    everywhere::<Untagged>(UNTAGGED);
    everywhere::<PartlyUntagged>(UNTAGGED);
    everywhere::<Internal>(TAGGED);
    everywhere::<InternalOf<u8>>(TAGGED);
    everywhere::<Adjacent>(TAGGED);
    everywhere::<AdjacentDenying>(TAGGED);
    everywhere::<AdjacentOf<Point, Shape>>(TAGGED);
    everywhere::<Raw>(RAW);
    everywhere::<Loop>(ENDLESS);
    assert_loose::<FlatVariant>(FLATTEN, "/Place");
    assert_loose::<Vec<HashMap<String, FlatVariant>>>(FLATTEN, "/0/*/Place");
    // By its own words it is no tagged one; its contents are kept for later all the same.
    assert_loose::<AdjacentInWords>(UNTAGGED, "/data");
    assert_loose::<Two<u8, AdjacentInWords>>(UNTAGGED, "/b/data");
}

mod first {
    #[derive(Debug, serde::Deserialize)]
    pub(super) struct Same {
        data: u8,
    }

    #[derive(Debug, serde::Deserialize)]
    pub(super) enum Choice {
        New { data: u8 },
    }
}

mod second {
    #[derive(Debug, serde::Deserialize)]
    pub(super) struct Same {
        data: super::Flat,
    }

    #[derive(Debug, serde::Deserialize)]
    pub(super) enum Choice {
        New { data: super::Flat },
    }
}

/// The same struct with another type in it is another struct, and so is a variant with fields of the same names.
#[test]
fn loose_types_are_found_beside_strict_ones_of_the_same_name() {
    assert_loose::<Two<Wrapper<Flat>, Wrapper<Point>>>(FLATTEN, "/a/data");
    assert_loose::<Two<Wrapper<Point>, Wrapper<Flat>>>(FLATTEN, "/b/data");
    assert_loose::<Two<Variants<u8, Flat>, Variants<u8, u8>>>(FLATTEN, "/a/Tuple/0");
    assert_loose::<Two<Result<u8, u8>, Result<Flat, u8>>>(FLATTEN, "/b/Ok");
    assert_loose::<Structs<Flat, Point>>(FLATTEN, "/First/data");
    assert_loose::<Structs<Point, Flat>>(FLATTEN, "/Second/data");
    assert_loose::<Two<first::Same, second::Same>>(FLATTEN, "/b/data");
    assert_loose::<Two<second::Same, first::Same>>(FLATTEN, "/a/data");
    assert_loose::<Two<first::Choice, second::Choice>>(FLATTEN, "/b/New/data");
    assert_loose::<Two<second::Choice, first::Choice>>(FLATTEN, "/a/New/data");
    assert_loose::<Structs<Structs<u8, u8>, Structs<u8, Flat>>>(FLATTEN, "/Second/data/Second/data");
    assert_loose::<Structs<Structs<u8, Flat>, Structs<u8, u8>>>(FLATTEN, "/First/data/Second/data");
}

/// Whatever the keys of a map are.
#[test]
fn loose_types_are_found_behind_every_key() {
    assert_loose::<BTreeMap<i8, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<u64, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<Name, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<Cow<'static, str>, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<&'static str, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<u128, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<i128, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<bool, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<Option<u8>, Flat>>(FLATTEN, "/*");
    assert_loose::<BTreeMap<NonZeroU8, Flat>>(FLATTEN, "/*");
}

#[derive(Debug, Deserialize)]
struct Loop(Option<Box<Self>>);

#[derive(Debug, Deserialize)]
struct There(Box<Back>);

#[derive(Debug, Deserialize)]
struct Back(Option<There>);

#[derive(Debug, Deserialize)]
struct List(Vec<Self>);

#[derive(Debug, Deserialize)]
struct Members(HashMap<String, Self>);

#[derive(Debug, Deserialize)]
struct Once((Option<Box<Self>>,));

#[derive(Debug, Deserialize)]
struct Named {
    next: Option<Box<Self>>,
}

#[derive(Debug, Deserialize)]
enum Chosen {
    Next(Box<Self>),
    End,
}

/// Such a type would be read in a circle that takes nothing from the text, until there is no more memory for it.
#[test]
fn a_type_that_is_nothing_but_itself_is_refused() {
    assert_loose::<Loop>(ENDLESS, "");
    assert_loose::<There>(ENDLESS, "");
    assert_loose::<Back>(ENDLESS, "");
    assert_loose::<TransparentOf<Loop>>(ENDLESS, "");
    assert_loose::<Two<HashMap<String, There>, u8>>(ENDLESS, "/a/*");
    // Each of these takes a bracket or a brace from the text in every round.
    assert_strict::<List>();
    assert_strict::<Members>();
    assert_strict::<Once>();
    assert_strict::<Named>();
    assert_strict::<Chosen>();
    assert_strict::<Option<Option<NewtypeOf<Option<NewtypeOf<Option<NewtypeOf<Option<Box<Tree>>>>>>>>>>();
    assert!(read::<List>("[[],[[]]]").is_ok() && read::<Once>("[[[null]]]").is_ok());
}

/// Types that hold themselves and types of many fields are asked once each.
#[test]
fn checking_a_type_ends_soon() {
    let start = Instant::now();
    assert_strict::<Wide>();
    assert_strict::<Tree>();
    assert_strict::<Vec<Two<Wide, HashMap<String, Two<Wide, Tree>>>>>();
    assert!(looseness::<Two<Wide, Flat>>().is_some() && looseness::<Two<Flat, Wide>>().is_some());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// The same as an error that a client is answered with: 500, and not a word of what it is.
fn is_our_fault<T>(read: Result<T, JsonError>, what: &'static str) -> bool {
    let Err(error) = read else { return false };
    let expected = error == JsonError::Type(what);
    let refusal = Rejection::from(error);
    expected
        && refusal.status() == StatusCode::INTERNAL_SERVER_ERROR
        && refusal.kind() == RejectionKind::Internal
        && refusal.details().next().is_none()
        && !format!("{refusal} {refusal:?}").contains("serde")
}

/// Nobody has asked [`json::check_type`] before: whatever the text is, a loose type gets nothing out of it.
#[test]
fn r140_a_loose_type_is_never_read() {
    fn never<T: DeserializeOwned + Debug>(what: &'static str) {
        for text in TEXTS {
            let seen = |read: Result<(), JsonError>, place: &str| {
                assert!(is_our_fault(read.clone(), what), "{what} {place} of {text}: {read:?}");
            };
            seen(read::<T>(text).map(drop), "alone");
            seen(read::<Box<T>>(text).map(drop), "in a box");
            seen(read::<TransparentOf<T>>(text).map(drop), "in a transparent struct");
            // If the text is invalid before the type is asked, the error is about the text.
            if json::check(text.as_bytes(), &JsonLimits::new()).is_err() {
                continue;
            }
            seen(read::<NewtypeOf<T>>(text).map(drop), "in a newtype");
            if text.trim() != "null" {
                seen(read::<Option<T>>(text).map(drop), "in an option");
            }
            seen(read::<Vec<T>>(format!("[{text}]")).map(drop), "in a list");
            seen(read::<(u8, T)>(format!("[1,{text}]")).map(drop), "as the second of two");
            seen(read::<((u8, u8), (Value, T), u8)>(format!("[[1,2],[{{}},{text}],3]")).map(drop), "far in a tuple");
            seen(read::<[(u8, T); 1]>(format!("[[1,{text}]]")).map(drop), "in a tuple in an array");
            seen(read::<HashMap<String, T>>(format!("{{\"k\":{text}}}")).map(drop), "in a map");
            seen(read::<BTreeMap<IpAddr, T>>(format!("{{\"::1\":{text}}}")).map(drop), "behind a key");
            seen(read::<Two<u8, T>>(format!("{{\"a\":1,\"b\":{text}}}")).map(drop), "in a field");
            seen(read::<Variants<T, u8>>(format!("{{\"New\":{text}}}")).map(drop), "in a variant");
            seen(
                read::<Variants<u8, (u8, T)>>(format!("{{\"Tuple\":[[1,{text}],2]}}")).map(drop),
                "in a tuple variant",
            );
            seen(read::<Structs<T, u8>>(format!("{{\"First\":{{\"data\":{text}}}}}")).map(drop), "in a struct variant");
            // Whatever is wrong beside it.
            seen(read::<Two<u8, T>>(format!("{{\"q\":1,\"b\":{text},\"a\":\"\"}}")).map(drop), "beside errors");
        }
    }
    never::<Flat>(FLATTEN);
    never::<CatchAll>(FLATTEN);
    never::<FlatOf<Point>>(FLATTEN);
    never::<FlatOf<HashMap<String, Value>>>(FLATTEN);
    never::<From>(FLATTEN);
    never::<Untagged>(UNTAGGED);
    never::<PartlyUntagged>(UNTAGGED);
    never::<Internal>(TAGGED);
    never::<InternalOf<u8>>(TAGGED);
    never::<Raw>(RAW);
    for text in [r#"{"Place":{"x":1,"y":2}}"#, r#"{"Place":[]}"#, r#"{"Place":1}"#] {
        assert!(is_our_fault(read::<FlatVariant>(text), FLATTEN), "{text}");
    }
    let error = read::<Flat>("{}").unwrap_err();
    assert_eq!(error.to_string(), "the type cannot be read strictly: it has #[serde(flatten)]");
    assert!(std::error::Error::source(&error).is_none());
}

/// Contents that stand behind their tag are read as what they are. But nobody knows the order.
#[test]
fn r140_behind_a_tag_nothing_strange_is_read() {
    const POINT: &str = r#"{"x":1,"y":2}"#;
    // The contents first: they are kept, and it is the type's fault whatever they are.
    for contents in ["null", "1", "[1,2]", "[]", POINT, r#"{"x":1,"q":0}"#, r#"{"centre":{"x":1},"radius":1,"q":0}"#] {
        for kind in ["Empty", "Newtype", "Pair", "Point", "Circle", "Unknown"] {
            for text in [
                format!(r#"{{"data":{contents},"kind":"{kind}"}}"#),
                format!(r#"{{"data":{contents}}}"#),
                format!(r#"{{"q":1,"data":{contents},"kind":"{kind}"}}"#),
            ] {
                assert!(is_our_fault(read::<Adjacent>(&text), UNTAGGED), "{text}");
                assert!(is_our_fault(read::<Vec<Adjacent>>(format!("[{text}]")), UNTAGGED), "{text}");
                assert!(is_our_fault(read::<(u8, Adjacent)>(format!("[1,{text}]")), UNTAGGED), "{text}");
                assert!(is_our_fault(read::<AdjacentInWords>(&text), UNTAGGED), "{text}");
                assert!(is_our_fault(read::<AdjacentDenying>(&text), UNTAGGED), "{text}");
            }
        }
    }
    // A struct variant is asked for as any value is.
    for contents in
        [r#"{"centre":{"x":1},"radius":1}"#, r#"{"centre":{"x":1},"radius":1,"q":0}"#, r#"[{"x":1},1]"#, "1"]
    {
        let text = format!(r#"{{"kind":"Circle","data":{contents}}}"#);
        assert!(is_our_fault(read::<Adjacent>(&text), TAGGED), "{text}");
    }
    // All else that is strange is an error of some kind.
    for text in [
        r#"{"kind":"Point","data":{"x":1,"q":0}}"#,
        r#"{"kind":"Point","data":{"q":0,"x":1}}"#,
        r#"{"kind":"Point","data":[1,2]}"#,
        r#"{"kind":"Point","data":{"x":1},"q":0}"#,
        r#"{"q":0,"kind":"Point","data":{"x":1}}"#,
        r#"{"kind":"Point","q":0,"data":{"x":1}}"#,
        r#"{"kind":"Pair","data":[1]}"#,
        r#"{"kind":"Pair","data":[1,2,3]}"#,
        r#"{"kind":"Pair","data":{}}"#,
        r#"{"kind":"Empty","data":1}"#,
        r#"{"kind":"Empty","data":{"q":1}}"#,
        r#"{"kind":"Empty","data":[]}"#,
        r#"{"kind":"Empty","q":1}"#,
        r#"{"kind":"Empty","kind":"Empty"}"#,
        r#"{"kind":"Newtype","data":1,"data":1}"#,
        r#"{"kind":"Unknown"}"#,
        r#"{"kind":0}"#,
        "{}",
        "null",
        r#""Empty""#,
        r#"["Empty",null]"#,
        r#"["Point",{"x":1,"y":2}]"#,
        r#"["Circle",[{"x":1},1]]"#,
        r#"{"Point":{"x":1}}"#,
    ] {
        let read = read::<Adjacent>(text);
        assert!(read.is_err(), "{text}: {read:?}");
    }
}

/// What a type asks a deserializer for: the method, and the name of the visitor that it hands over.
#[derive(Debug, PartialEq)]
struct Asked(&'static str, String);

impl Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.0, self.1)
    }
}

impl std::error::Error for Asked {}

impl serde::de::Error for Asked {
    fn custom<T: Display>(words: T) -> Self {
        panic!("it has asked for nothing, and says {words}")
    }
}

struct Asking;

macro_rules! asked {
    ($($method:ident($($argument:ty),*))*) => { $(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Asked> {
            Err(Asked(stringify!($method), type_name::<V>().to_owned()))
        }
    )* };
}

impl<'de> Deserializer<'de> for Asking {
    type Error = Asked;

    asked! {
        deserialize_any()
        deserialize_map()
        deserialize_struct(&'static str, &'static [&'static str])
        deserialize_enum(&'static str, &'static [&'static str])
        deserialize_newtype_struct(&'static str)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct identifier ignored_any
    }
}

/// The strict reader knows loose types by these names and by nothing else. If this fails, serde has changed what it
/// derives: `src/json/loose.rs` has to learn the new names before that release may be used.
#[test]
fn the_names_that_serde_derives_are_still_the_same() {
    fn asked<T: DeserializeOwned + Debug>(method: &str, visitor: &str) {
        let Asked(by, name) = T::deserialize(Asking).unwrap_err();
        // Behind the name there is nothing, but for parameters.
        let rest = name.rsplit_once(visitor).map(|(_, rest)| rest);
        let same = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('<') && rest.ends_with('>'));
        assert!(by == method && same, "{}: {by} with {name}, and not {method} with {visitor}", type_name::<T>());
    }
    asked::<Untagged>("deserialize_any", "::ContentVisitor");
    asked::<PartlyUntagged>("deserialize_any", "::ContentVisitor");
    asked::<Internal>("deserialize_any", "::TaggedContentVisitor");
    asked::<InternalOf<Vec<Point>>>("deserialize_any", "::TaggedContentVisitor");
    asked::<Flat>("deserialize_map", "::__Visitor");
    asked::<CatchAll>("deserialize_map", "::__Visitor");
    asked::<FlatOf<Two<Vec<Point>, Point>>>("deserialize_map", "::__Visitor");
    // Enums with a tag and contents are distinguished from structs by what they say they expect.
    asked::<Adjacent>("deserialize_struct", "::__Visitor");
    asked::<AdjacentOf<u8, Point>>("deserialize_struct", "::__Visitor");
    asked::<Point>("deserialize_struct", "::__Visitor");
    asked::<Shape>("deserialize_enum", "::__Visitor");
    let said = serde_json::from_str::<Adjacent>("1").unwrap_err().to_string();
    assert!(said.contains("expected adjacently tagged enum Adjacent"), "{said}");
    // The contents are kept if they come first, and a struct variant is asked for as any value is.
    assert_eq!(read::<Adjacent>(r#"{"data":1}"#), Err(JsonError::Type(UNTAGGED)));
    assert_eq!(read::<Adjacent>(r#"{"kind":"Circle","data":{}}"#), Err(JsonError::Type(TAGGED)));
    // What takes any value as it comes has other names.
    for name in
        [Value::deserialize(Asking).unwrap_err().1, HashMap::<String, Value>::deserialize(Asking).unwrap_err().1]
    {
        assert!(!name.contains("__Visitor") && !name.contains("ContentVisitor"), "{name}");
    }
}

#[test]
fn r140_a_loose_type_is_never_read_where_errors_are_swallowed() {
    #[derive(Debug, Default, Deserialize)]
    struct Holds {
        id: Untagged,
    }
    for value in ["1", r#""x""#, "[]", r#"{"id":1}"#, r#"{"id":{"x":1,"y":2,"q":3}}"#, r#"[{"x":1,"y":2}]"#] {
        let text = format!(r#"{{"a":{value},"b":1}}"#);
        assert!(is_our_fault(read::<Two<Lenient<Untagged>, u8>>(&text), UNTAGGED), "{text}");
        assert!(is_our_fault(read::<Two<Lenient<Flat>, u8>>(&text), FLATTEN), "{text}");
        assert!(is_our_fault(read::<Lenient<Untagged>>(value), UNTAGGED), "{value}");
        assert!(is_our_fault(read::<Vec<Lenient<Flat>>>(format!("[{value}]")), FLATTEN), "{value}");
        if value.contains("id") {
            assert!(is_our_fault(read::<Two<Lenient<Holds>, u8>>(&text), UNTAGGED), "{text}");
        }
        if value.contains("[{") {
            assert!(is_our_fault(read::<Two<Lenient<Vec<Flat>>, u8>>(&text), FLATTEN), "{text}");
        }
    }
}
