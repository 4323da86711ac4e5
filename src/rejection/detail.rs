use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::json::FieldViolation;

/// One value in the public details of a [`Rejection`](crate::Rejection).
///
/// ```
/// use tower_auth::{Detail, Rejection, RejectionKind};
///
/// let refusal = Rejection::new(RejectionKind::InvalidJson).detail("line", 3_u64).detail("hint", "a comma is missing");
/// assert_eq!(refusal.details().next(), Some(("line", &Detail::Number(3))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(u64),
    /// A list of texts.
    List(Vec<String>),
    /// The invalid fields of a body.
    Fields(Vec<FieldViolation>),
}

impl From<&'static str> for Detail {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u64> for Detail {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<String>> for Detail {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl From<Vec<FieldViolation>> for Detail {
    fn from(fields: Vec<FieldViolation>) -> Self {
        Self::Fields(fields)
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::List(list) => serializer.collect_seq(list),
            Self::Fields(fields) => serializer.collect_seq(fields),
        }
    }
}
