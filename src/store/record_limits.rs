//! The limits of a record, as a store keeps them.

use serde_json::Value;

use super::KeyRecord;
use crate::{ConfigError, limit::Limits};

impl KeyRecord {
    /// Sets limits for this key only from the JSON text of [`Limits::to_json`], perhaps written by a newer version.
    ///
    /// Limits that this version cannot read are kept to the letter ([`unread_limits`](Self::unread_limits)), so that a
    /// registry writes them back unchanged. An unknown member or an unknown time zone is such a case. [`ApiKeyLayer`](
    /// crate::ApiKeyLayer) then refuses every use of the key with 403, because a limit that cannot be counted must not be ignored. [`Principal::limits`](
    /// crate::Principal::limits) of the record is `None`.
    ///
    /// # Errors
    /// If the text is not JSON. A store returns the error, and the request is refused with 503. The error does not show the
    /// text.
    ///
    /// ```
    /// use tower_auth::KeyRecord;
    ///
    /// let newer = r#"[{"events":100,"calendar":"decade","name":"decade"}]"#;
    /// let record = KeyRecord::new("key_1", "acme").limits_from_json(newer)?;
    /// assert_eq!(record.unread_limits(), Some(newer));
    /// assert_eq!(record.limits(None).unread_limits(), None);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn limits_from_json(self, text: &str) -> Result<Self, ConfigError> {
        let stored: Value = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ConfigError::new(
                format!("the stored limits of a key are not JSON: line {line}, column {column}"),
                "store what Limits::to_json returns; no limits are a column without a value",
            )
        })?;
        let limits = Limits::from_json(&stored).ok();
        let unread = limits.is_none().then(|| text.into());
        let mut record = self.limits(limits);
        record.unread_limits = unread;
        Ok(record)
    }

    /// Returns the stored limits as JSON, if this version cannot read them. [`ApiKeyLayer`](crate::ApiKeyLayer)
    /// refuses every use of the key while it has such limits; code of yours that admits keys by their
    /// [`status`](Self::status) must do the same.
    #[must_use]
    pub fn unread_limits(&self) -> Option<&str> {
        self.unread_limits.as_deref()
    }

    /// Returns the limits as a store keeps them.
    pub(crate) fn stored_limits(&self) -> Option<String> {
        let unread = self.unread_limits().map(str::to_owned);
        unread.or_else(|| self.principal().limits().map(|limits| limits.to_json().to_string()))
    }

    /// Returns why the limits cannot be read.
    pub(crate) fn limits_fault(&self) -> Option<String> {
        let stored: Value = serde_json::from_str(self.unread_limits()?).unwrap_or_default();
        let why = Limits::from_json(&stored).err().map(|error| error.to_string());
        Some(why.unwrap_or_else(|| "they were not readable when the record was read".to_owned()))
    }
}
