use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::digest::PepperMac;
use crate::{ConfigError, Secret, base::hex};

/// The secret HMAC keys of the digests, each with a version. A stolen table is useless without the peppers.
///
/// The first pepper is the current one and digests new keys. Older peppers are still accepted, so a pepper can be
/// replaced without re-issuing keys. Store peppers outside of the database, for example in the environment.
///
/// ```
/// use tower_auth::Peppers;
///
/// let peppers = Peppers::new(2, [7; 32])?.accept(1, [9; 32])?;
/// assert_eq!(format!("{peppers:?}"), "Peppers { versions: [2, 1] }");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Peppers(Arc<[PepperMac]>);

const FORM: &str = "set it to `version:hex` with 64 hex digits (openssl rand -hex 32), the current pepper first, \
                    separated by commas";

impl Peppers {
    /// Creates peppers with one current pepper: 32 bytes from a random source, and its version.
    ///
    /// # Errors
    /// If all bytes are zero: such a pepper does not come from a random source.
    pub fn new(version: u32, pepper: [u8; 32]) -> Result<Self, ConfigError> {
        Self(Arc::new([])).accept(version, pepper)
    }

    /// Also accepts keys that were digested with this older pepper.
    ///
    /// # Errors
    /// If there is a pepper of this version already, or all bytes are zero.
    pub fn accept(self, version: u32, pepper: [u8; 32]) -> Result<Self, ConfigError> {
        let pepper = Zeroizing::new(pepper);
        if *pepper == [0; 32] {
            return Err(ConfigError::new(
                format!("pepper {version} is all zeros"),
                "use 32 bytes from a random source",
            ));
        }
        if self.0.iter().any(|other| other.version == version) {
            return Err(ConfigError::new(
                format!("pepper version {version} is given twice"),
                "give each pepper a different version",
            ));
        }
        let newer = self.0.iter().cloned();
        Ok(Self(newer.chain([PepperMac::new(version, &pepper)]).collect()))
    }

    /// Reads an environment variable of the form `2:<64 hex digits>,1:<64 hex digits>`, the current pepper first.
    ///
    /// # Errors
    /// If the variable is not set or has another form. The error never shows a value.
    ///
    /// ```
    /// let error = tower_auth::Peppers::from_env("NOBODY_SET_THESE_PEPPERS").unwrap_err();
    /// assert!(error.to_string().contains("NOBODY_SET_THESE_PEPPERS"));
    /// ```
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        let text = Secret::from_env(variable)?;
        Self::parse(text.expose()).map_err(|what| {
            ConfigError::new(format!("the peppers in the environment variable {variable} cannot be used: {what}"), FORM)
        })
    }

    /// Generates a pepper that only this process knows: for tests, demos, and keys that are not used after the process
    /// ends.
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn ephemeral() -> Result<Self, ConfigError> {
        let mut pepper = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *pepper).map_err(super::mint::no_random)?;
        Self::new(1, *pepper)
    }

    pub(super) const fn macs(&self) -> &Arc<[PepperMac]> {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut all = Self(Arc::new([]));
        for (index, entry) in text.split(',').enumerate() {
            let wrong = |what: &str| format!("entry {} {what}", index + 1);
            let (version, hex) = entry.trim().split_once(':').ok_or_else(|| wrong("has no version"))?;
            let version = version.parse().map_err(|_| wrong("has a version that is not an integer"))?;
            let digits = Zeroizing::new(hex.to_ascii_lowercase());
            let pepper = hex::decode(digits.as_bytes()).ok_or_else(|| wrong("is not 64 hex digits"))?;
            all = all.accept(version, pepper).map_err(|error| error.to_string())?;
        }
        Ok(all)
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<u32> = self.0.iter().map(|pepper| pepper.version).collect();
        f.debug_struct("Peppers").field("versions", &versions).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peppers_of_the_environment_are_parsed_or_explained() {
        let hex = "0b".repeat(32);
        let two = Peppers::parse(&format!("2:{hex}, 1:{}", "0c".repeat(32))).unwrap();
        assert_eq!(format!("{two:?}"), "Peppers { versions: [2, 1] }");
        for (text, said) in [
            ("", "no version"),
            ("1", "no version"),
            ("x:00", "not an integer"),
            ("1:00", "64 hex"),
            (&format!("1:{}", "zz".repeat(32)), "64 hex"),
            (&format!("1:{}", "é".repeat(32)), "64 hex"),
            (&format!("1:{}", "00".repeat(32)), "all zeros"),
            (&format!("1:{hex},1:{hex}"), "twice"),
        ] {
            let error = Peppers::parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
            assert!(!error.contains(&hex), "{error}");
        }
    }
}
