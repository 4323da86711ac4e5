use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// One field that is not as documented: where it is, what is wrong with it, and what was probably meant.
///
/// In an error body it is `{"pointer":"/email_adress","reason":"unknown field","suggestion":"email"}`; the suggestion
/// is `null` where there is none.
///
/// A handler that checks more than a type can say answers in the same shape:
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
    /// What is wrong at this JSON Pointer (RFC 6901); the empty pointer is the whole document.
    pub fn new(pointer: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into(), suggestion: None }
    }

    /// What was probably meant.
    #[must_use]
    pub fn suggest(self, suggestion: impl Into<Cow<'static, str>>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }

    /// Where it is: a JSON Pointer. A name in it that is very long is cut, and ends in `…`; characters that nobody sees are
    /// written as `\u{…}`.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is wrong: `unknown field`, `missing field`, or a sentence such as `expected a string, found an array`.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What was probably meant, if anything documented is near.
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
