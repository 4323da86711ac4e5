//! Decoding and refusals for `StrictPath` and `StrictQuery`.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::{
    Rejection, RejectionKind,
    json::{FieldViolation, Pair, ParamsError, Place, from_pairs, parameter_pointer},
    strict_body::check_type_once,
};

/// Reads parameters into a type, which is first checked to be readable strictly.
pub(super) fn read<T: DeserializeOwned + 'static>(place: Place, pairs: Vec<Pair<'_>>) -> Result<T, Rejection> {
    check_type_once::<T>()?;
    from_pairs(place, pairs).map_err(|error| match error {
        ParamsError::Fields(fields) => {
            let words = match place {
                Place::Path => "Path does not match the documented parameters",
                Place::Query => "Query does not match the documented parameters",
            };
            Rejection::invalid_fields(fields).detail("in", name(place)).system_message(words)
        }
        ParamsError::Service(why) => Rejection::internal(format!("{}: {why}", std::any::type_name::<T>())),
    })
}

/// Returns the place as `OpenAPI` names it.
const fn name(place: Place) -> &'static str {
    match place {
        Place::Path => "path",
        Place::Query => "query",
    }
}

/// 400: the text cannot be decoded, or is ambiguous.
pub(super) fn malformed(place: Place, parameter: &str, why: &'static str) -> Rejection {
    let pointer = if parameter.is_empty() { String::new() } else { parameter_pointer(parameter) };
    let fields = vec![FieldViolation::new(pointer, why)];
    Rejection::new(RejectionKind::MalformedRequest).detail("fields", fields).detail("in", name(place))
}

const NO_DIGITS: &str = "a percent sign is not followed by two hexadecimal digits";

/// Decodes a name or a value of a form.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains(['%', '+']) {
        return Ok(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, behind) = behind.split_at_checked(2).ok_or(NO_DIGITS)?;
                rest = behind;
                byte(digits).ok_or(NO_DIGITS)?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| "the bytes are not UTF-8")
}

/// Whether every percent sign of a path is followed by two digits.
pub(super) fn well_encoded(path: &str) -> Result<(), &'static str> {
    let encoded = path.split('%').skip(1);
    let proper = encoded.into_iter().all(|behind| behind.as_bytes().get(..2).and_then(byte).is_some());
    if proper { Ok(()) } else { Err(NO_DIGITS) }
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match digits {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}
