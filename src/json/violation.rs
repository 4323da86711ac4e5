use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// One field that does not match the documentation: its place, what is wrong, and the name that was probably meant.
///
/// Its form in an error body is `{"pointer":"/email_adress","reason":"unknown field","suggestion":"email"}`. Without a
/// suggestion, `suggestion` is `null`.
///
/// A handler can report its own checks in the same shape:
///
/// ```
/// use tower_auth::{Rejection, json::FieldViolation};
///
/// let refusal = Rejection::invalid_fields([FieldViolation::new("/count", "must be at most 10")]);
/// assert_eq!(refusal.status(), http::StatusCode::UNPROCESSABLE_ENTITY);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    pointer: Cow<'static, str>,
    reason: Cow<'static, str>,
    suggestion: Option<Cow<'static, str>>,
}

impl FieldViolation {
    /// Creates a violation at this JSON Pointer (RFC 6901). The empty pointer is the whole document.
    pub fn new(pointer: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into(), suggestion: None }
    }

    /// Sets the name or value that was probably meant.
    #[must_use]
    pub fn suggest(self, suggestion: impl Into<Cow<'static, str>>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }

    /// Returns the place as a JSON Pointer. A very long name in the pointer is cut and ends in `…`. Invisible
    /// characters are written as `\u{…}`.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns what is wrong: `unknown field`, `missing field`, or a sentence such as
    /// `expected a string, found an array`.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the documented name or value that was probably meant, if one is similar.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }
}

impl fmt::Display for FieldViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.pointer, self.reason)?;
        self.suggestion().map_or(Ok(()), |name| write!(f, " (did you mean {name:?}?)"))
    }
}

impl Serialize for FieldViolation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut field = serializer.serialize_struct("FieldViolation", 3)?;
        field.serialize_field("pointer", &self.pointer)?;
        field.serialize_field("reason", &self.reason)?;
        field.serialize_field("suggestion", &self.suggestion)?;
        field.end()
    }
}
