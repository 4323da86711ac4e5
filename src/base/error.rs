//! Configuration errors, and the boxed error type.

use std::{borrow::Cow, error::Error, fmt};

/// Any error, boxed. Stores, authenticators and policies return this type, so `?` works with every driver's error type.
///
/// ```
/// fn driver() -> Result<(), tower_auth::BoxError> {
///     "not a number".parse::<u32>()?;
///     Ok(())
/// }
/// assert!(driver().is_err());
/// ```
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// The error of a misconfigured part. Builders return it when the service starts.
///
/// The text says what is wrong and how to fix it. It never contains a secret. `ConfigError` is a different type from
/// [`Rejection`](crate::Rejection), which refuses one request. Neither converts into the other.
///
/// ```
/// use tower_auth::KeyFormat;
///
/// let error = KeyFormat::prefixed("ak", 8).unwrap_err();
/// assert!(error.to_string().contains("128 bits"), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: Cow<'static, str>,
    help: Cow<'static, str>,
}

impl ConfigError {
    /// Creates an error. `what` says what is wrong and `help` says how to fix it, both without a full stop.
    ///
    /// ```
    /// let error = tower_auth::ConfigError::new("REGION is not set", "export REGION=eu-1");
    /// assert_eq!(error.to_string(), "REGION is not set; help: export REGION=eu-1");
    /// ```
    pub fn new(what: impl Into<Cow<'static, str>>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), help: help.into() }
    }

    /// Rewrites what the error says is wrong.
    #[cfg(feature = "file")]
    pub(crate) fn reworded(self, what: impl FnOnce(&str) -> String) -> Self {
        Self { what: what(&self.what).into(), ..self }
    }

    /// Prefixes the error with the name of the whole that the misconfigured part belongs to.
    pub(crate) fn within(self, whole: impl fmt::Display) -> Self {
        Self { what: format!("{whole}: {}", self.what).into(), ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; help: {}", self.what, self.help)
    }
}

impl Error for ConfigError {}

/// Returns the text of an error and of all of its causes.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
