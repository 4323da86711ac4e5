use std::{error::Error, fmt};

use super::violation::FieldViolation;

/// Why bytes cannot be read into a type.
///
/// ```
/// use tower_auth::json::{self, JsonError, JsonLimits};
///
/// let Err(JsonError::Syntax(error)) = json::from_slice::<Vec<u8>>(b"[1,\n2,]", &JsonLimits::new()) else { panic!() };
/// assert_eq!((error.line(), error.column()), (2, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not JSON, or not JSON that every parser reads in the same way.
    Syntax(SyntaxError),
    /// The JSON has another shape than the type. Contains at most 32 unknown fields, the error that stopped the type,
    /// and one more entry if there are more unknown fields.
    Fields(Vec<FieldViolation>),
    /// The type can never be read strictly, for example because of `#[serde(flatten)]`. This is a fault of the service:
    /// [`check_type`](super::check_type) finds such a type at start-up.
    Type(&'static str),
}

/// What is wrong with bytes that are not JSON, with line and column.
///
/// ```
/// use tower_auth::json::{self, JsonLimits};
///
/// let error = json::check(br#"{"a":1,"\u0061":2}"#, &JsonLimits::new()).unwrap_err();
/// assert_eq!(error.reason(), "the name stands in the object already");
/// assert_eq!((error.line(), error.column()), (1, 8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) reason: &'static str,
}

impl SyntaxError {
    /// Returns the line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Returns the column in characters, counted from 1.
    #[must_use]
    pub const fn column(&self) -> u64 {
        self.column
    }

    /// Returns what is wrong. It is a fixed text that contains nothing from the bytes.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.reason, self.line, self.column)
    }
}

impl Error for SyntaxError {}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "invalid JSON: {error}"),
            Self::Type(what) => write!(f, "the type cannot be read strictly: it has {what}"),
            Self::Fields(fields) => {
                f.write_str("the JSON does not have the documented shape")?;
                fields.iter().try_for_each(|field| write!(f, "; {field}"))
            }
        }
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Syntax(error) => Some(error),
            Self::Fields(_) | Self::Type(_) => None,
        }
    }
}

impl From<SyntaxError> for JsonError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}
