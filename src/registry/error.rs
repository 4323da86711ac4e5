use std::{error::Error, fmt};

use http::StatusCode;

use crate::{ConfigError, Rejection, json::FieldViolation};

/// Why an operation on a key failed. The error converts into a [`Rejection`], so handlers can use `?`.
///
/// ```
/// use tower_auth::{RegistryError, Rejection};
///
/// let refusal = Rejection::from(RegistryError::NotFound);
/// assert_eq!((refusal.status().as_u16(), refusal.code()), (404, Some("API_KEY_NOT_FOUND")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no key with this id: 404.
    NotFound,
    /// The id or the secret belongs to a key already: 409.
    AlreadyExists,
    /// The key is revoked and cannot be restored: 409.
    Revoked,
    /// The key has expired: 409. Create another key.
    Expired,
    /// The key has a successor already: 409. Rotate the successor.
    Rotated {
        /// The id of the successor.
        successor: String,
    },
    /// A field of a new key, or of a change, is invalid: 422.
    Invalid {
        /// The field, as a JSON pointer.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No key could be generated: 503.
    Unavailable(ConfigError),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no key with this id"),
            Self::AlreadyExists => f.write_str("the id or the secret belongs to a key already"),
            Self::Revoked => f.write_str("the key is revoked and cannot be restored"),
            Self::Expired => f.write_str("the key has expired"),
            Self::Rotated { successor } => write!(f, "the key has been rotated already, into {successor}"),
            Self::Invalid { field, reason } => write!(f, "{field} {reason}"),
            Self::Unavailable(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for RegistryError {}

impl From<RegistryError> for Rejection {
    fn from(error: RegistryError) -> Self {
        let conflict =
            |code: &'static str, message: &'static str| Self::custom(StatusCode::CONFLICT, code).message(message);
        match error {
            RegistryError::NotFound => {
                Self::custom(StatusCode::NOT_FOUND, "API_KEY_NOT_FOUND").message("There is no such API key.")
            }
            RegistryError::AlreadyExists => conflict("API_KEY_EXISTS", "There is such an API key already."),
            RegistryError::Revoked => conflict("API_KEY_REVOKED", "This API key is revoked, which cannot be undone."),
            RegistryError::Expired => {
                conflict("API_KEY_EXPIRED", "This API key has expired. Please create another one.")
            }
            RegistryError::Rotated { successor } => {
                conflict("API_KEY_ROTATED", "This API key has been rotated already.").detail("successor", successor)
            }
            RegistryError::Invalid { field, reason } => Self::invalid_fields([FieldViolation::new(field, reason)]),
            RegistryError::Unavailable(error) => Self::unavailable(error),
        }
    }
}
