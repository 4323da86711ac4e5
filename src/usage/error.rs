use std::{error::Error, fmt, sync::Arc};

use crate::{BoxError, Rejection, base::error::with_causes};

/// The store of the usage failed or did not answer in time. The text is for the log. As a [`Rejection`], it is a 503.
///
/// ```
/// use tower_auth::{Rejection, usage::UsageError};
///
/// let error = UsageError::from(tower_auth::BoxError::from("connection refused"));
/// assert_eq!(Rejection::from(error).status().as_u16(), 503);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(Arc<str>);

/// The error of a driver, with all of its causes.
impl From<BoxError> for UsageError {
    fn from(error: BoxError) -> Self {
        Self(with_causes(&*error).into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of the usage failed: {}", self.0)
    }
}

impl Error for UsageError {}

impl From<UsageError> for Rejection {
    fn from(error: UsageError) -> Self {
        Self::unavailable(error)
    }
}
