//! The errors of a type that refuses a value.

use std::{borrow::Cow, fmt};

use serde::de::{self, Expected, Unexpected};

use super::{cursor::Fault, loose::Loose, suggest::Known, violation::FieldViolation};

/// Why reading stopped. It is boxed to keep the `Result` of every step small.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    /// The byte at which the refused value starts.
    at: Option<usize>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The text is not JSON.
    Fault(&'static str),
    Expected {
        expected: String,
        found: &'static str,
    },
    Variant {
        given: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    Repeated(&'static str),
    Custom(String),
    /// The type is at fault, not the text.
    Loose(Loose),
}

/// Messages of a type, and values of the client, are cut to this many characters.
const LONGEST: usize = 200;

impl Failure {
    fn new(what: What) -> Self {
        Self(Box::new(Inner { at: None, what }))
    }

    /// A value of another kind than the documented struct, enum or array.
    #[cold]
    pub(super) fn expected(expected: &'static str, found: u8) -> Self {
        Self::new(What::Expected { expected: expected.to_owned(), found: kind_of(found) })
    }

    #[cold]
    pub(super) fn shape(words: &str) -> Self {
        Self::new(What::Custom(words.to_owned()))
    }

    #[cold]
    pub(super) fn loose(why: Loose) -> Self {
        Self::new(What::Loose(why))
    }

    /// Sets the place, unless an inner value has set it.
    #[inline]
    pub(super) fn located(mut self, at: usize) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// Returns the place, or zero if it is not set.
    pub(super) fn at(&self) -> usize {
        self.place().unwrap_or_default()
    }

    /// Returns the place, if it is set.
    pub(super) fn place(&self) -> Option<usize> {
        self.0.at
    }

    /// Returns the name of the missing field, if that is the error.
    #[cfg(feature = "axum")]
    pub(super) fn missing(&self) -> Option<&'static str> {
        match self.0.what {
            What::Missing(name) => Some(name),
            _ => None,
        }
    }

    /// Converts the failure for the client. The pointer is that of the refused value.
    pub(super) fn violation(self, pointer: String) -> FieldViolation {
        match self.0.what {
            What::Fault(words) => FieldViolation::new(pointer, words),
            What::Expected { expected, found } => {
                FieldViolation::new(pointer, format!("expected {expected}, found {found}"))
            }
            What::Variant { given, known } => {
                let known = Known::new(known.iter().copied());
                let violation = FieldViolation::new(pointer, format!("unknown value, expected {known}"));
                match known.nearest(&given) {
                    Some(name) => violation.suggest(name),
                    None => violation,
                }
            }
            What::Missing(name) => FieldViolation::new(format!("{pointer}/{}", escaped(name)), "missing field"),
            What::Repeated(name) => {
                FieldViolation::new(format!("{pointer}/{}", escaped(name)), "the field is given twice, by two names")
            }
            What::Custom(words) => FieldViolation::new(pointer, words),
            What::Loose(why) => FieldViolation::new(pointer, why.words().0),
        }
    }
}

/// Escapes a name as a part of a JSON Pointer (RFC 6901, section 3).
pub(super) fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

const fn kind_of(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    }
}

impl From<Fault> for Failure {
    #[cold]
    fn from(fault: Fault) -> Self {
        Self::new(What::Fault(fault.reason)).located(fault.at)
    }
}

impl de::Error for Failure {
    #[cold]
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::new(What::Custom(capped(&words.to_string())))
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Expected { expected: in_json_words(&expected.to_string()), found: found_in_json_words(&found) })
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // The value itself is never repeated to the client.
        let found = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "another number",
            Unexpected::Str(_) | Unexpected::Char(_) | Unexpected::Bytes(_) => "another string",
            ref other => found_in_json_words(other),
        };
        Self::new(What::Expected { expected: in_json_words(&expected.to_string()), found })
    }

    #[cold]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = in_json_words(&expected.to_string());
        Self::new(What::Custom(format!("expected {expected}, found an array of {length}")))
    }

    #[cold]
    fn unknown_variant(given: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::Variant { given: capped(given), known })
    }

    #[cold]
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::new(What::Custom("unknown field".to_owned()))
    }

    #[cold]
    fn missing_field(name: &'static str) -> Self {
        Self::new(What::Missing(name))
    }

    #[cold]
    fn duplicate_field(name: &'static str) -> Self {
        Self::new(What::Repeated(name))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.what, f)
    }
}

impl std::error::Error for Failure {}

/// Translates serde's expectation into JSON's terms, because Rust's type names mean nothing to a client.
fn in_json_words(expected: &str) -> String {
    macro_rules! range {
        ($type:ident) => {
            return format!("an integer from {} to {}", $type::MIN, $type::MAX)
        };
    }
    let words = match expected {
        "u8" => range!(u8),
        "u16" => range!(u16),
        "u32" => range!(u32),
        "u64" => "an integer from 0",
        "i8" => range!(i8),
        "i16" => range!(i16),
        "i32" => range!(i32),
        "i64" | "usize" | "isize" | "u128" | "i128" => "an integer",
        "f32" | "f64" => "a number",
        "string" | "a string" | "a formatted string" => "a string",
        "a borrowed string" => "a string without escapes",
        "a character" => "a string of one character",
        "a sequence" | "seq" | "tuple" => "an array",
        "a map" | "map" => "an object",
        "unit" | "option" => "null",
        "variant identifier" => "one of the documented values",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("enum ") => "one of the documented values",
        other if other.starts_with("tuple ") => "an array of the documented length",
        other if other.starts_with("a tuple of size ") => return other.replacen("a tuple of size", "an array of", 1),
        other if other.starts_with("unit struct ") || other.starts_with("unit variant ") => "null",
        other => return capped(other),
    };
    words.to_owned()
}

const fn found_in_json_words(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) | Unexpected::UnitVariant => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map | Unexpected::NewtypeVariant | Unexpected::TupleVariant | Unexpected::StructVariant => {
            "an object"
        }
        _ => "another value",
    }
}

fn capped(words: &str) -> String {
    let mut capped: String = words.chars().take(LONGEST).flat_map(visible).collect();
    if words.chars().nth(LONGEST).is_some() {
        capped.push('…');
    }
    capped
}

/// Escapes control characters, invisible characters, and characters that change the direction of text.
pub(super) fn visible(character: char) -> impl Iterator<Item = char> {
    let turns = matches!(
        character,
        '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
    );
    let hidden = character.is_control() || turns;
    let plain = (!hidden).then_some(character);
    plain.into_iter().chain(hidden.then(|| character.escape_unicode()).into_iter().flatten())
}
