//! A secret that cannot be printed by accident.

use std::{env, fmt};

use zeroize::Zeroizing;

use crate::ConfigError;

/// A secret in memory, such as a static key or a key that was just created.
///
/// `Secret` has no `Display`, no `Serialize` and no `Clone`. `Debug` prints `[REDACTED]`. The memory is zeroized on
/// drop. Only [`expose`](Self::expose) returns the text, so every use is easy to search for.
///
/// ```
/// use tower_auth::Secret;
///
/// let secret = Secret::new("correct horse battery staple");
/// assert_eq!(format!("{secret:?}"), "Secret([REDACTED])");
/// assert_eq!(secret.expose(), "correct horse battery staple");
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Creates a secret from this text and takes ownership of it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Reads a secret from an environment variable.
    ///
    /// # Errors
    /// If the variable is not set, empty, or not UTF-8. The error names the variable and does not show its value.
    ///
    /// ```
    /// let missing = tower_auth::Secret::from_env("A_VARIABLE_THAT_NOBODY_SET").unwrap_err();
    /// assert!(missing.to_string().contains("A_VARIABLE_THAT_NOBODY_SET"));
    /// ```
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        let wrong = |what| {
            ConfigError::new(
                format!("the environment variable {variable} {what}"),
                format!("export {variable}=<the secret> before the service starts"),
            )
        };
        match env::var(variable) {
            Ok(text) if text.is_empty() => Err(wrong("is empty")),
            Ok(text) => Ok(Self::new(text)),
            Err(env::VarError::NotPresent) => Err(wrong("is not set")),
            Err(env::VarError::NotUnicode(_)) => Err(wrong("is not UTF-8")),
        }
    }

    /// Returns the secret text. Do not store a copy of it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([REDACTED])")
    }
}
