//! Strict JSON against a reader that is written a second time, as plainly as the manual page says it, and against
//! `serde_json`.

mod generate;
mod reference;
mod scalars;
mod schema;

use std::fmt;

use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::Value;
use tower_auth::json::{self, JsonError, JsonLimits};

use self::{
    generate::Choices,
    reference::{Expected, Limits},
    schema::{Read, Record, Schema, Width},
};
use super::cases;

const DEFAULT: Limits = Limits { depth: 64, string: 1 << 20, number: 128 };

/// A type, a text that nearly fits it, and limits.
#[derive(Clone)]
struct Case {
    schema: Schema,
    bytes: Vec<u8>,
    limits: Limits,
}

/// On one line, however long.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:?} as {:?}", self.text(), self.limits, self.schema)
    }
}

impl Case {
    fn limits(&self) -> JsonLimits {
        JsonLimits::new()
            .max_depth(self.limits.depth)
            .max_string_len(self.limits.string)
            .max_number_len(self.limits.number)
    }

    fn read(&self) -> Result<Read, JsonError> {
        schema::read(&self.schema, &self.bytes, &self.limits())
    }

    /// For messages.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn case(entropy: &[u8], lenient: bool) -> Case {
    let choices = &mut Choices(entropy);
    let schema = match choices.below(4) {
        // What goes on after an error goes on in something.
        0 if lenient => Schema::List(generate::schema(choices, 2, true).into()),
        0 => generate::schema(choices, 3, false),
        _ => Schema::Struct(generate::record(choices, 2, lenient)),
    };
    let small = Limits { depth: choices.below(6), string: choices.below(12), number: choices.below(5) };
    let limits = if choices.once_in(20) { small } else { DEFAULT };
    Case { bytes: generate::document(choices, &schema), schema, limits }
}

fn some_case() -> impl Strategy<Value = Case> {
    (vec(any::<u8>(), 0..400), select(vec![false, false, true])).prop_map(|(entropy, lenient)| case(&entropy, lenient))
}

/// The whole may go on after an error too.
fn lenient_case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 0..200).prop_map(|entropy| {
        let case = case(&entropy, true);
        Case { schema: Schema::Lenient(case.schema.into()), ..case }
    })
}

/// Pointer and reason of everything that has to be told, and `None` where the reason is the type's own words.
fn told(expected: &Expected) -> Vec<(&str, Option<&'static str>)> {
    let unknown = expected.unknown.iter().map(|unknown| (&*unknown.pointer, Some("unknown field"))).take(32);
    let stop = expected.value.as_ref().err().map(|pointer| (&**pointer, None));
    let more = ("", Some("more fields are unknown than are listed here"));
    unknown.chain(stop).chain((expected.unknown.len() > 32).then_some(more)).collect()
}

/// Whether all names in the text are such as a pointer shows unchanged.
fn shown_unchanged(value: &Value) -> bool {
    let plain = |name: &String| name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' '..='~' | '€' | '𝄞'));
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| plain(name) && shown_unchanged(value)),
        Value::Array(all) => all.iter().all(shown_unchanged),
        _ => true,
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn a_type_reads_what_the_reference_reads(case in some_case()) {
        let read = case.read();
        let checked = json::check(&case.bytes, &case.limits());
        let Some(tree) = reference::parse(&case.bytes, case.limits) else {
            let text = case.text();
            let Err(error) = checked else { return Err(TestCaseError::fail(format!("accepted: {text}"))) };
            prop_assert_eq!(read, Err(error.into()), "{}", text);
            // What is wrong is a character of the text, or stands at its end.
            let line = text.split('\n').nth(usize::try_from(error.line() - 1).unwrap());
            let columns = line.map(|line| 1..=line.chars().count() as u64 + 1);
            prop_assert!(columns.is_some_and(|columns| columns.contains(&error.column())), "{error}: {text}");
            return Ok(());
        };
        prop_assert_eq!(checked, Ok(()), "{}", case.text());
        let expected = reference::expected(&case.schema, &tree);
        let told = told(&expected);
        let fields = match read {
            Ok(read) => {
                prop_assert!(told.is_empty(), "read all the same: {:?}: {}", told, case.text());
                prop_assert_eq!(Ok(read), expected.value, "{}", case.text());
                return Ok(());
            }
            Err(JsonError::Fields(fields)) => fields,
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {}", case.text()))),
        };
        let document: Value = serde_json::from_slice(&case.bytes).unwrap();
        prop_assert_eq!(fields.len(), told.len(), "{:?}: {}", fields, case.text());
        for (field, (pointer, reason)) in fields.iter().zip(&told) {
            let missing = *reason != Some("unknown field") && field.reason() == "missing field";
            prop_assert!(reason.is_none_or(|reason| field.reason() == reason), "{}: {}", field, case.text());
            prop_assert!(reason.is_some() || field.reason() != "unknown field", "{}: {}", field, case.text());
            if shown_unchanged(&document) {
                prop_assert_eq!(field.pointer(), *pointer, "{}: {}", field, case.text());
                prop_assert_eq!(document.pointer(pointer).is_none(), missing, "{}: {}", field, case.text());
            }
        }
        for (field, unknown) in fields.iter().zip(expected.unknown).take(32) {
            let free = |name| unknown.free.contains(&name);
            prop_assert!(field.suggestion().is_none_or(free), "{}: {}", field, case.text());
        }
    }

    /// A type that goes on after an error gets nothing out of a text that is no JSON either.
    #[test]
    fn what_is_refused_as_no_json_is_refused_for_every_type(case in lenient_case()) {
        let told = match case.read() {
            Err(JsonError::Syntax(error)) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        };
        prop_assert_eq!(told, json::check(&case.bytes, &case.limits()), "{}", case.text());
    }

    /// What it does not take it reads over, whatever that is, and goes on behind it.
    #[test]
    fn a_type_that_goes_on_after_an_error_reads_what_the_reference_reads(case in lenient_case()) {
        let schema = Schema::Tuple(vec![case.schema, Schema::Ignored]);
        let bytes = [b"[", &*case.bytes, b",{\"behind\":[]}]"].concat();
        let case = Case { schema, bytes, limits: DEFAULT };
        let Some(tree) = reference::parse(&case.bytes, case.limits) else {
            prop_assert!(matches!(case.read(), Err(JsonError::Syntax(_))), "{}", case.text());
            return Ok(());
        };
        let expected = reference::expected(&case.schema, &tree);
        let told = told(&expected);
        match case.read() {
            Ok(read) => {
                prop_assert!(told.is_empty(), "read all the same: {:?}: {}", told, case.text());
                prop_assert_eq!(Ok(read), expected.value, "{}", case.text());
            }
            Err(JsonError::Fields(fields)) => {
                prop_assert_eq!(fields.len(), told.len(), "{:?}: {}", fields, case.text());
                for (field, (_, reason)) in fields.iter().zip(&told) {
                    prop_assert!(reason.is_none_or(|reason| field.reason() == reason), "{}: {}", field, case.text());
                }
            }
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {}", case.text()))),
        }
    }

    #[test]
    fn whatever_is_accepted_serde_json_reads_as_the_same(case in some_case()) {
        let limits = case.limits();
        let checked = json::check(&case.bytes, &limits);
        match json::from_slice::<Value>(&case.bytes, &limits) {
            Ok(read) => {
                prop_assert_eq!(checked, Ok(()), "{}", case.text());
                let other: Value = serde_json::from_slice(&case.bytes).unwrap();
                prop_assert!(same(&read, &other), "{read} is not {other}");
            }
            Err(JsonError::Fields(fields)) => {
                prop_assert_eq!(checked, Ok(()), "{}", case.text());
                let reserved = fields.iter().all(|field| field.pointer().contains("/$serde_json::private::"));
                prop_assert!(reserved, "{fields:?}: {}", case.text());
            }
            Err(error) => prop_assert_eq!(Err(error), checked.map_err(JsonError::from), "{}", case.text()),
        }
    }
}

/// Floats may be a little apart: `serde_json` is not exact unless a feature makes it so.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let bits = |number: &serde_json::Number| number.as_f64().unwrap().to_bits();
            bits(one).abs_diff(bits(other)) <= 1
        }
        (one, other) => one == other,
    }
}

/// What chance finds seldom: a type that leaves a value unread takes what follows for something else.
#[test]
fn a_type_that_goes_on_after_an_error_is_not_led_astray() {
    let number = || Schema::Lenient(Schema::Integer(Width::U8).into());
    let list = || Schema::Lenient(Schema::List(Schema::Bool.into()).into());
    let record = |schema| Schema::Struct(Record { names: &["id"], fields: vec![(false, schema)] });
    let lenient_record = || Schema::Lenient(record(Schema::Bool).into());
    let lists = |schema: Schema| Schema::List(schema.into());
    let refused = [
        (list(), "[0"),
        (list(), "[true,0"),
        (lists(list()), "[[0]"),
        (lenient_record(), "{\"id\":0"),
        (record(list()), "{\"id\":[0}"),
        (lists(lenient_record()), "[,{\"id\":true}]"),
        (lists(lenient_record()), "[]]"),
        (Schema::Lenient(Schema::Map(Schema::Integer(Width::U8).into(), Schema::Any.into()).into()), "{\"a\":"),
    ];
    for (schema, text) in refused {
        let refused = matches!(schema::read(&schema, text.as_bytes(), &JsonLimits::new()), Err(JsonError::Syntax(_)));
        assert!(refused, "{text} as {schema:?}");
    }
    let read = schema::read(&lists(number()), b"[\"\",true,0]", &JsonLimits::new());
    let expected = vec![Read::Nothing, Read::Nothing, Read::Integer("0".to_owned())];
    assert_eq!(read, Ok(Read::List(expected)));
}

/// The properties above say little if nearly every case is of one kind.
#[test]
fn cases_of_every_kind_are_generated() {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut no_json, mut unknown, mut stopped, mut both, mut more) = (0, 0, 0, 0, 0, 0);
    for _ in 0..1_000 {
        let case = some_case().new_tree(&mut runner).unwrap().current();
        let Some(tree) = reference::parse(&case.bytes, case.limits) else {
            no_json += 1;
            continue;
        };
        let expected = reference::expected(&case.schema, &tree);
        match (expected.value.is_ok(), expected.unknown.len()) {
            (true, 0) => accepted += 1,
            (true, _) => unknown += 1,
            (false, 0) => stopped += 1,
            (false, _) => both += 1,
        }
        more += usize::from(expected.unknown.len() > 32);
    }
    let counted = (accepted, no_json, unknown, stopped, both, more);
    assert!(accepted > 300 && no_json > 120 && unknown > 70 && stopped > 80 && both > 15 && more > 5, "{counted:?}");
}
