//! The forms in which claims have values: lists with separators, names of members, booleans.

use std::borrow::Cow;

use serde::de::Error;
use serde_json::Value;

use super::{claim_source::Shape, raw::Part, want::Want};

/// Reads a string.
pub(super) fn text<E: Error>(want: &Want, found: &Value) -> Result<Option<String>, E> {
    match found.as_str() {
        Some(text) => Ok(prefixed(want, text.to_owned())),
        None => odd(want, "a string", kind(found)).map(|()| None),
    }
}

/// Reads a list.
pub(super) fn list<'a, E: Error>(want: &Want, found: &Value) -> Result<Vec<Cow<'a, str>>, E> {
    let mut values = Vec::new();
    match (want.form.shape, found) {
        (Shape::NameIfTrue, Value::Bool(granted)) => {
            if *granted {
                values.push(want.name.last().into_owned());
            }
        }
        (Shape::NameIfTrue, other) => odd(want, "a boolean", kind(other))?,
        (Shape::MemberNames, Value::Array(objects)) => {
            for object in objects {
                member_names(want, object, &mut values)?;
            }
        }
        (Shape::MemberNames, other) => member_names(want, other, &mut values)?,
        (_, Value::Array(elements)) => {
            for element in elements {
                match element.as_str() {
                    Some(text) => split(want.form.shape, text, &mut values),
                    None => odd(want, "a list of strings", element_kind(element))?,
                }
            }
        }
        (shape, Value::String(text)) => split(shape, text, &mut values),
        (_, other) => odd(want, "a string or a list of strings", kind(other))?,
    }
    if want.form.shape == Shape::MemberNames {
        // The order in which an object is read depends on the features of another crate.
        values.sort_unstable();
        values.dedup();
    }
    // A scope with a space would be read as two.
    if want.part == Part::Scopes && values.iter().any(|value| value.contains(' ')) {
        odd(want, "scopes without spaces", "one with a space")?;
        values.retain(|value| !value.contains(' '));
    }
    Ok(values.into_iter().filter_map(|value| prefixed(want, value)).map(Cow::Owned).collect())
}

fn member_names<E: Error>(want: &Want, object: &Value, values: &mut Vec<String>) -> Result<(), E> {
    let Value::Object(members) = object else { return odd(want, "an object or a list of objects", kind(object)) };
    let granted = members.iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)));
    values.extend(granted.map(|(name, _)| name.clone()));
    Ok(())
}

fn split(shape: Shape, text: &str, values: &mut Vec<String>) {
    let separator = match shape {
        Shape::Spaces => ' ',
        Shape::Commas => ',',
        _ => return values.push(text.to_owned()),
    };
    values.extend(
        text.split(separator).map(|value| value.trim_matches(' ')).filter(|value| !value.is_empty()).map(str::to_owned),
    );
}

/// Returns the value with its prefix. A prefix without a value would be the same for all tokens that have none.
fn prefixed(want: &Want, text: String) -> Option<String> {
    match want.form.prefix.as_deref() {
        None => Some(text),
        Some(_) if text.trim().is_empty() => None,
        Some(prefix) => Some([prefix, &text].concat()),
    }
}

/// Decides about a value of another type: it is left out, or the token is refused.
fn odd<E: Error>(want: &Want, expected: &'static str, found: &'static str) -> Result<(), E> {
    let claim = &want.name;
    if want.form.ignores {
        tracing::debug!(target: "tower_auth", %claim, expected, found, "a value of another type is left out of a token");
        return Ok(());
    }
    Err(E::custom(format_args!("{claim}: expected {expected}, found {found}")))
}

const fn element_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null in a list",
        Value::Bool(_) => "a boolean in a list",
        Value::Number(_) => "a number in a list",
        Value::String(_) => "a string in a list",
        Value::Array(_) => "a list in a list",
        Value::Object(_) => "an object in a list",
    }
}

/// Returns the type of a value, for messages.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
