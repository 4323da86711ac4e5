use serde_json::Value;

use super::store::FileKeyStore;
use crate::{ConfigError, KeyScheme, Secret};

impl FileKeyStore {
    /// Mints a key, and returns it with the table for the file. The file is not changed: show the key to its holder once, and
    /// paste the table.
    ///
    /// ```
    /// use tower_auth::{FileKeyStore, KeyFormat, KeyScheme, Peppers};
    ///
    /// let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, Peppers::ephemeral()?);
    /// let (key, table) = FileKeyStore::mint(&scheme, "ci", "acme")?;
    /// assert!(key.expose().starts_with("ak_"));
    /// assert!(table.starts_with("[keys.\"ci\"]\ndigest = \""));
    /// assert!(!table.contains(key.expose()));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn mint(scheme: &KeyScheme, id: &str, account: &str) -> Result<(Secret, String), ConfigError> {
        let key = scheme.generate()?;
        let digests = scheme.digests(key.expose().as_bytes());
        let digest = digests.as_ref().and_then(|digests| digests.iter().next()).ok_or_else(|| {
            ConfigError::new("a new key does not have the format of its scheme", "report this as a bug of tower-auth")
        })?;
        let pepper = scheme.current_version().map(|version| format!("pepper = {version}\n")).unwrap_or_default();
        let environment = scheme.format().environment_of(key.expose().as_bytes());
        let environment = environment.map(|name| format!("environment = {}\n", quoted(name))).unwrap_or_default();
        let table = format!(
            "[keys.{}]\ndigest = \"{}\"\n{pepper}{environment}account = {}\nhint = {}\n",
            quoted(id),
            digest.to_hex(),
            quoted(account),
            quoted(&scheme.format().hint(key.expose()))
        );
        Ok((key, table))
    }
}

/// Every string of JSON is one of TOML, except that TOML escapes DEL.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
