//! Bytes to a value, and what is wrong with them if they are none.

use std::{marker::PhantomData, str};

use serde::de::{Deserialize, DeserializeSeed};

use super::{
    cursor::{Cursor, Fault},
    error::{JsonError, SyntaxError},
    failure::Failure,
    limits::JsonLimits,
    pointer::places,
    state::{Reader, Unknown},
    suggest::Known,
    violation::FieldViolation,
};

/// Reads bytes into a type.
///
/// See the [module page](crate::json) for what is accepted.
///
/// # Errors
/// [`JsonError::Syntax`] where the bytes are no JSON, wherever in them that is; [`JsonError::Fields`] where the JSON has
/// another shape than the type; [`JsonError::Type`] where the type cannot be read strictly.
#[inline]
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8], limits: &JsonLimits) -> Result<T, JsonError> {
    from_slice_seed(PhantomData, bytes, limits)
}

/// The same by a seed, which knows more than a type does.
#[inline]
pub(crate) fn from_slice_seed<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
    limits: &JsonLimits,
) -> Result<S::Value, JsonError> {
    let text = utf8(bytes)?;
    let mut reader = Reader::new(Cursor::new(text, *limits));
    let failure = match read(&mut reader, seed) {
        Ok(value) if is_clean(&reader) => return Ok(value),
        Ok(_) => None,
        Err(failure) => Some(failure),
    };
    Err(explain(text, limits, &reader, failure))
}

/// Whether a value that was read may be given out. A type may turn errors into defaults, and then nobody has looked at all
/// of the text yet.
#[inline]
fn is_clean(reader: &Reader<'_>) -> bool {
    let Cursor { text, limits, failed, .. } = &reader.cursor;
    reader.unknown.is_empty() && reader.loose.is_none() && (!failed || check_text(text, limits).is_ok())
}

#[inline]
fn read<'de, S: DeserializeSeed<'de>>(reader: &mut Reader<'de>, seed: S) -> Result<S::Value, Failure> {
    let value = reader.own_value(seed)?;
    reader.cursor.end()?;
    Ok(value)
}

/// Whether bytes are JSON that every parser reads in the same way, of whatever shape.
///
/// ```
/// use tower_auth::json::{self, JsonLimits};
///
/// let limits = JsonLimits::new();
/// assert!(json::check(br#"{"a":[1,2.5,null]}"#, &limits).is_ok());
/// assert!(json::check(br#"{"a":1,"a":2}"#, &limits).is_err());
/// assert!(json::check(b"01", &limits).is_err());
/// ```
///
/// # Errors
/// What is wrong, and where.
pub fn check(bytes: &[u8], limits: &JsonLimits) -> Result<(), SyntaxError> {
    check_text(utf8(bytes)?, limits)
}

fn check_text(text: &str, limits: &JsonLimits) -> Result<(), SyntaxError> {
    let mut cursor = Cursor::new(text, *limits);
    cursor.skip().and_then(|()| cursor.end()).map_err(|fault| located(text, fault))
}

/// For a text that has been checked: nothing more is refused.
#[cfg(feature = "strict-body")]
const LOOSEST: JsonLimits =
    JsonLimits::new().max_depth(usize::MAX).max_string_len(usize::MAX).max_number_len(usize::MAX);

/// The string under this name, directly in the object that the text is. The text has been checked.
#[cfg(feature = "strict-body")]
pub(crate) fn string_member(bytes: &[u8], wanted: &str) -> Option<String> {
    let mut cursor = Cursor::new(str::from_utf8(bytes).ok()?, LOOSEST);
    if cursor.value().ok()? != b'{' {
        return None;
    }
    cursor.enter().ok()?;
    let mut first = true;
    while cursor.another(first, b'}').ok()? {
        first = false;
        let (_, name) = cursor.name().ok()?;
        let value = cursor.value().ok()?;
        if name == wanted {
            return (value == b'"').then(|| cursor.string().ok().map(Into::into)).flatten();
        }
        cursor.skip().ok()?;
    }
    None
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, SyntaxError> {
    let text = str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    if text.starts_with('\u{FEFF}') {
        return Err(located(text, Fault { at: 0, reason: "the text starts with a byte order mark" }));
    }
    Ok(text)
}

#[cold]
fn not_utf8(bytes: &[u8], at: usize) -> SyntaxError {
    let good = bytes.get(..at).and_then(|good| str::from_utf8(good).ok()).unwrap_or_default();
    located(good, Fault { at, reason: "the text is not UTF-8" })
}

/// With line and column instead of the byte.
#[cold]
fn located(text: &str, fault: Fault) -> SyntaxError {
    let before = text.get(..fault.at).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let from_one = |place: usize| u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
    SyntaxError { line: from_one(line), column: from_one(column), reason: fault.reason }
}

/// The bytes come first, for the whole text; only then its shape.
#[cold]
fn explain(text: &str, limits: &JsonLimits, reader: &Reader<'_>, failure: Option<Failure>) -> JsonError {
    if let Some(why) = reader.loose {
        return JsonError::Type(why.words().0);
    }
    if let Err(error) = check_text(text, limits) {
        return error.into();
    }
    let mut wanted: Vec<usize> = reader.unknown.iter().map(|unknown| unknown.at).collect();
    // An error stops the type, so it stands behind all that was noted, or in an object around the last of it.
    let stop = failure.as_ref().map(Failure::at);
    let stop_place = stop.map(|at| wanted.partition_point(|other| *other < at));
    if let (Some(at), Some(place)) = (stop, stop_place) {
        wanted.insert(place, at);
    }
    let mut found = places(text, *limits, &wanted);
    let stopped = failure.zip(stop_place).map(|(failure, place)| failure.violation(found.remove(place).pointer));
    let mut meant = Meant { text, limits, object: usize::MAX, names: Known::new([]) };
    let unknown = reader.unknown.iter().zip(found).enumerate().map(|(count, (unknown, place))| {
        let violation = FieldViolation::new(place.pointer, "unknown field");
        if count >= MOST_SUGGESTED {
            return violation;
        }
        match meant.by(unknown).nearest(&place.name) {
            Some(name) => violation.suggest(name),
            None => violation,
        }
    });
    let more = reader.more.then(|| FieldViolation::new("", "more fields are unknown than are listed here"));
    JsonError::Fields(unknown.chain(stopped).chain(more).collect())
}

/// The names that may have been meant in an object: those that do not stand in it themselves.
struct Meant<'a> {
    text: &'a str,
    limits: &'a JsonLimits,
    /// The object that was looked at last, and what is missing in it.
    object: usize,
    names: Known<'static>,
}

/// Whoever has more unknown fields than this has no typing error.
const MOST_SUGGESTED: usize = 8;

impl Meant<'_> {
    fn by(&mut self, unknown: &Unknown) -> &Known<'static> {
        if self.object != unknown.object {
            self.object = unknown.object;
            let mut names = unknown.known.to_vec();
            // The text has been checked: it has an object there.
            let _ = self.strike_out(&mut names);
            self.names = Known::new(names);
        }
        &self.names
    }

    fn strike_out(&self, names: &mut Vec<&'static str>) -> Result<(), Fault> {
        let mut cursor = Cursor::new(self.text, *self.limits);
        cursor.at = self.object;
        cursor.enter()?;
        let mut first = true;
        while cursor.another(first, b'}')? {
            first = false;
            let (_, name) = cursor.name()?;
            names.retain(|known| *known != name);
            cursor.skip()?;
        }
        Ok(())
    }
}
