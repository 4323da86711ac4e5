use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use super::digest::DerivedMacs;
use super::{digest::PepperMac, mint};
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

const FORM: &str = "write each as `version:hex` with 64 hex digits (openssl rand -hex 32), the current pepper first, \
                    separated by commas or lines";

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

    /// Reads a text of the form `2:<64 hex digits>,1:<64 hex digits>`, the current pepper first: for a text from a secret
    /// manager. Lines may separate the peppers instead of commas, and spaces and empty lines are ignored.
    ///
    /// ```
    /// use tower_auth::Peppers;
    ///
    /// let text = format!("2:{}\n1:{}\n", "0b".repeat(32), "0c".repeat(32)); // from a secret manager
    /// assert_eq!(format!("{:?}", Peppers::parse(&text)?), "Peppers { versions: [2, 1] }");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the text has another form or holds no pepper. The error never shows a value.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::read(text, "the given text")
    }

    /// Reads an environment variable of the form that [`parse`](Self::parse) describes.
    ///
    /// # Errors
    /// If the variable is not set or has another form. The error never shows a value.
    ///
    /// ```
    /// let error = tower_auth::Peppers::from_env("NOBODY_SET_THESE_PEPPERS").unwrap_err();
    /// assert!(error.to_string().contains("NOBODY_SET_THESE_PEPPERS"));
    /// ```
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        Self::read(Secret::from_env(variable)?.expose(), &format!("the environment variable {variable}"))
    }

    /// Generates a pepper that only this process knows: for tests, demos, and keys that are not used after the process
    /// ends.
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn ephemeral() -> Result<Self, ConfigError> {
        let pepper = mint::random()?;
        Self::new(1, *pepper)
    }

    /// Derives a secret for another purpose from each pepper, with its version, the current one first. The label names the purpose
    /// and must not have 32 bytes. The secrets of two labels are independent of each other, and of the digests of keys.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn derive(&self, label: &'static str) -> impl Iterator<Item = (u32, Zeroizing<[u8; 32]>)> {
        self.0.iter().map(move |pepper| (pepper.version, pepper.derive(label)))
    }

    pub(super) const fn macs(&self) -> &Arc<[PepperMac]> {
        &self.0
    }

    /// Returns MACs under the secrets that are derived for this purpose.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn derive_macs(&self, label: &'static str) -> DerivedMacs {
        DerivedMacs::new(self.derive(label))
    }

    /// Reads peppers from a text. `place` says where the text is from.
    pub(super) fn read(text: &str, place: &str) -> Result<Self, ConfigError> {
        Self::entries(text)
            .map_err(|what| ConfigError::new(format!("the peppers in {place} cannot be used: {what}"), FORM))
    }

    fn entries(text: &str) -> Result<Self, String> {
        let mut all = Self(Arc::new([]));
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let wrong = |what: &str| format!("entry {} {what}", index + 1);
            let (version, digits) = entry.split_once(':').ok_or_else(|| wrong("has no version"))?;
            let version = version.parse().map_err(|_| wrong("has a version that is not an integer"))?;
            let digits = Zeroizing::new(digits.to_ascii_lowercase());
            let pepper = hex::decode(digits.as_bytes()).map(Zeroizing::new);
            let pepper = pepper.ok_or_else(|| wrong("is not 64 hex digits"))?;
            all = all.accept(version, *pepper).map_err(|error| error.to_string())?;
        }
        if all.0.is_empty() { Err("there is none".to_owned()) } else { Ok(all) }
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
        for (between, end) in [(", ", ""), (",", "\n"), ("\n", "\n"), ("\r\n", "\r\n"), (",\n\n", "\n\n")] {
            let two = Peppers::parse(&format!("2:{hex}{between}1:{}{end}", "0C".repeat(32))).unwrap();
            assert_eq!(format!("{two:?}"), "Peppers { versions: [2, 1] }");
        }
        for (text, said) in [
            ("", "there is none"),
            (" \n,\n", "there is none"),
            ("1", "no version"),
            ("x:00", "not an integer"),
            ("1:00", "64 hex"),
            (&format!("1:{}", "zz".repeat(32)), "64 hex"),
            (&format!("1:{}", "é".repeat(32)), "64 hex"),
            (&format!("1:{}", "00".repeat(32)), "all zeros"),
            (&format!("1:{hex},1:{hex}"), "twice"),
        ] {
            let error = Peppers::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
            assert!(!error.contains(&hex), "{error}");
        }
    }
}
