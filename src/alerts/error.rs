use std::{error::Error, fmt, sync::Arc};

use crate::{BoxError, ConfigError, RegistryError, Rejection, base::error::with_causes, usage::UsageError};

/// A call of [`Alerts`](super::Alerts) failed. The text is for the log. As a [`Rejection`], rules that are wrong are a 400 that says
/// why, and everything else is a 503.
///
/// ```
/// use tower_auth::{Rejection, alerts::AlertError};
///
/// let error = AlertError::from(tower_auth::BoxError::from("connection refused"));
/// assert_eq!(Rejection::from(error).status().as_u16(), 503);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AlertError {
    /// The store failed or did not answer in time.
    Store(Arc<str>),
    /// An alert was not delivered, and is delivered again later.
    Delivery(Arc<str>),
    /// The rules cannot be set.
    Rules(ConfigError),
}

/// The error of a driver, with all of its causes.
impl From<BoxError> for AlertError {
    fn from(error: BoxError) -> Self {
        Self::Store(with_causes(&*error).into())
    }
}

impl From<ConfigError> for AlertError {
    fn from(error: ConfigError) -> Self {
        Self::Rules(error)
    }
}

impl From<RegistryError> for AlertError {
    fn from(error: RegistryError) -> Self {
        Self::from(BoxError::from(error))
    }
}

impl From<UsageError> for AlertError {
    fn from(error: UsageError) -> Self {
        Self::from(BoxError::from(error))
    }
}

impl fmt::Display for AlertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => write!(f, "alerts wait for a store: {why}"),
            Self::Delivery(why) => write!(f, "an alert was not delivered: {why}"),
            Self::Rules(why) => write!(f, "the alert rules cannot be set: {why}"),
        }
    }
}

impl Error for AlertError {}

impl From<AlertError> for Rejection {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::Rules(why) => {
                Self::custom(http::StatusCode::BAD_REQUEST, "INVALID_ALERT_RULES").message(why.to_string())
            }
            AlertError::Store(_) | AlertError::Delivery(_) => Self::unavailable(error),
        }
    }
}
