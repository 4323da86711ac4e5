//! Reads bytes into a value, and explains what is wrong with them.

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
/// [`JsonError::Syntax`] if any part of the bytes is not JSON; [`JsonError::Fields`] if the JSON has another shape than
/// the type; [`JsonError::Type`] if the type cannot be read strictly.
#[inline]
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8], limits: &JsonLimits) -> Result<T, JsonError> {
    from_slice_seed(PhantomData, bytes, limits)
}

/// Like [`from_slice`], with a seed in place of a type.
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

/// Whether the value may be returned. A type may turn an error into a default; the text is then checked again, because
/// a part of it may have been skipped.
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

/// Checks that the bytes are JSON that every parser reads in the same way. The shape is not checked.
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
/// If the bytes are not such JSON. The error has the reason, the line and the column.
pub fn check(bytes: &[u8], limits: &JsonLimits) -> Result<(), SyntaxError> {
    check_text(utf8(bytes)?, limits)
}

fn check_text(text: &str, limits: &JsonLimits) -> Result<(), SyntaxError> {
    let mut cursor = Cursor::new(text, *limits);
    cursor.skip().and_then(|()| cursor.end()).map_err(|fault| located(text, fault))
}

/// Limits for a text that is already checked: nothing more is refused.
#[cfg(feature = "strict-body")]
const LOOSEST: JsonLimits =
    JsonLimits::new().max_depth(usize::MAX).max_string_len(usize::MAX).max_number_len(usize::MAX);

/// Returns the string member of this name in the top-level object. The text must be checked already.
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

/// Converts the byte offset into line and column.
#[cold]
fn located(text: &str, fault: Fault) -> SyntaxError {
    let before = text.get(..fault.at).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let from_one = |place: usize| u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
    SyntaxError { line: from_one(line), column: from_one(column), reason: fault.reason }
}

/// Builds the error. Syntax errors in the whole text take precedence over errors of shape.
#[cold]
fn explain(text: &str, limits: &JsonLimits, reader: &Reader<'_>, failure: Option<Failure>) -> JsonError {
    if let Some(why) = reader.loose {
        return JsonError::Type(why.words().0);
    }
    if let Err(error) = check_text(text, limits) {
        return error.into();
    }
    let mut wanted: Vec<usize> = reader.unknown.iter().map(|unknown| unknown.at).collect();
    // An error stops the type. Its place is after all noted fields, or an object that contains the last of them.
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

/// The documented names that may have been meant in an object: those that the object does not have.
struct Meant<'a> {
    text: &'a str,
    limits: &'a JsonLimits,
    /// The place of the object that was looked at last. `names` are the names that it lacks.
    object: usize,
    names: Known<'static>,
}

/// At most this many unknown fields get a suggestion: a client with more of them has not made a typing error.
const MOST_SUGGESTED: usize = 8;

impl Meant<'_> {
    fn by(&mut self, unknown: &Unknown) -> &Known<'static> {
        if self.object != unknown.object {
            self.object = unknown.object;
            let mut names = unknown.known.to_vec();
            // The text is checked already: there is an object at this place.
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
