use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::{BoxError, ConfigError, Rejection, base::error::with_causes, json::FieldViolation};

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
        reason: Cow<'static, str>,
    },
    /// The scheme of the registry cannot do it, such as generate a key without random bytes: 503.
    Unavailable(ConfigError),
    /// The store failed or did not answer in time: 503. The text is for the log. A change may or may not have been carried
    /// out: read the key before you repeat the call. A key that was created without an answer is harmless: nobody has its secret.
    Store(Arc<str>),
    /// The change was carried out, but it could not be waited for the caches of the store, so they may answer by what was before
    /// for a while yet: 503. Repeat the call.
    NotAwaited {
        /// What was carried out, such as "the key is revoked".
        done: &'static str,
        /// Why the caches could not be waited for, for the log.
        why: Arc<str>,
    },
}

impl RegistryError {
    pub(super) fn invalid(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// The error of a store that does not know a kind of [`Change`](super::Change) or of [`Forget`](super::Forget), because
    /// a later version of this crate has added it.
    #[must_use]
    pub fn unsupported(change: &impl fmt::Debug) -> Self {
        let text = format!("{change:?}");
        let kind = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        Self::Store(format!("the store cannot carry out the change {kind}; update its implementation").into())
    }
}

/// The error of a driver, with all of its causes.
impl From<BoxError> for RegistryError {
    fn from(error: BoxError) -> Self {
        Self::Store(with_causes(&*error).into())
    }
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
            Self::Store(error) => write!(f, "the key registry's store failed: {error}"),
            Self::NotAwaited { done, why } => {
                write!(f, "{done}, but caches may answer by what was before for a while yet: {why}")
            }
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
            RegistryError::Store(_) | RegistryError::NotAwaited { .. } => Self::unavailable(error),
        }
    }
}
