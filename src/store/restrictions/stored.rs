//! Restrictions as one JSON object, for a column of a table.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

use super::value::Restrictions;
use crate::ConfigError;

impl Restrictions {
    /// Returns the restrictions as a JSON object, to be stored with the key. The members are `networks`, `origins` and
    /// `idle_after` (in seconds), and unchanged all members that [`from_json`](Self::from_json) did not understand.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut members = Vec::new();
        let mut add = |name: &str, text: String| members.push(format!("{}:{text}", Value::from(name)));
        if self.has_networks() {
            add("networks", self.allowed_networks().collect::<Value>().to_string());
        }
        if self.has_origins() {
            add("origins", self.allowed_origins().collect::<Value>().to_string());
        }
        if let Some(idle) = self.idle_limit() {
            add("idle_after", idle.as_secs().to_string());
        }
        self.unknown().for_each(|(name, text)| add(name, text.to_owned()));
        format!("{{{}}}", members.join(","))
    }

    /// Reads what [`to_json`](Self::to_json) has written, perhaps in a newer version.
    ///
    /// Members that this version does not know are kept and written back unchanged, and so are known members with a
    /// value that it cannot read. Every use of such a key is refused with 403, because a restriction that cannot be
    /// checked must not be ignored.
    ///
    /// # Errors
    /// If the text is not a JSON object. A store returns the error, and the request is refused with 503. The error does
    /// not show the text.
    ///
    /// ```
    /// use tower_auth::Restrictions;
    ///
    /// let newer = Restrictions::from_json(r#"{"networks":["192.0.2.7/32"],"countries":["CH"]}"#)?;
    /// assert!(newer.unknown_members().eq(["countries"]));
    /// assert_eq!(newer.to_json(), r#"{"networks":["192.0.2.7/32"],"countries":["CH"]}"#);
    /// assert!(Restrictions::from_json("[]").is_err());
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ConfigError::new(
                format!("the stored restrictions of a key are not a JSON object: line {line}, column {column}"),
                "store what Restrictions::to_json returns; `{}` is no restriction",
            )
        })?;
        let mut restrictions = Self::new();
        for (name, value) in members {
            if restrictions.read(&name, value.get()).is_none() {
                restrictions.keep(name, value.get().to_owned());
            }
        }
        Ok(restrictions)
    }

    /// Sets a stored member, if this version knows it and can read its value.
    fn read(&mut self, name: &str, text: &str) -> Option<()> {
        match name {
            "networks" => self.set_networks(serde_json::from_str::<Vec<String>>(text).ok()?).ok(),
            "origins" => self.set_origins(serde_json::from_str::<Vec<String>>(text).ok()?).ok(),
            "idle_after" => serde_json::from_str(text).ok().map(|seconds| self.set_idle_after(seconds)),
            _ => None,
        }
    }
}
