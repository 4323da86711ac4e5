use std::{borrow::Cow, ops::RangeInclusive};

use super::{
    alphabet::{Alphabet, CHECKSUM, checksum},
    environments::Environments,
    pattern::{self, Parts},
};
use crate::ConfigError;

/// The format of keys: prefix, length, alphabet, and checksum.
///
/// A format rejects malformed keys before any hash or lookup, and never panics. Only a store knows whether a key is
/// *valid*.
///
/// ```
/// use tower_auth::KeyFormat;
///
/// let format = KeyFormat::prefixed("ak", 32)?;
/// assert!(format.accepts(b"ak_1234567890abcdef1234567890abcdef3kxugd"));
/// assert!(!format.accepts(b"ak_1234567890abcdef1234567890abcdee3kxugd")); // mistyped
/// assert!(!format.accepts(b"ak_tooshort"));
/// assert!(!format.accepts("ak_ünïcode".as_bytes()));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFormat {
    prefix: Cow<'static, str>,
    environments: Environments,
    lengths: RangeInclusive<usize>,
    minted: usize,
    alphabet: Alphabet,
    checksum: Checksum,
    leading_hint: bool,
}

/// Longer values are refused without inspection.
const LONGEST: usize = 512;

/// Whether keys end with a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksum {
    Absent,
    /// New keys have it, and keys of the time before do not.
    Minted,
    Required,
}

impl KeyFormat {
    /// Creates a format of `prefix_`, this number of random letters and digits, and a checksum.
    ///
    /// The checksum is six base-62 digits of the CRC-32 of everything before them. A mistyped key is refused without a
    /// lookup, and secret scanners recognise a leaked key. Use [`without_checksum`](Self::without_checksum) for a format
    /// that a document fixes.
    ///
    /// # Errors
    /// If the prefix is empty or has other characters than `a-z A-Z 0-9 _ -`, if the random part holds less than
    /// 128 bits, or if the key would be longer than 512 bytes with its checksum.
    pub fn prefixed(prefix: &str, random: usize) -> Result<Self, ConfigError> {
        if prefix.is_empty() || !prefix.bytes().all(|byte| Alphabet::UrlSafe.has(byte)) {
            return Err(ConfigError::new(
                format!("the key prefix {prefix:?} cannot be used"),
                "use a few letters and digits, such as `ak` or `acme_live`",
            ));
        }
        Self {
            prefix: Cow::Owned(format!("{prefix}_")),
            environments: Environments::NONE,
            lengths: random..=random,
            minted: random,
            alphabet: Alphabet::Alphanumeric,
            checksum: Checksum::Required,
            leading_hint: false,
        }
        .checked()
    }

    /// Creates a format for keys that another system has minted: visible ASCII characters, at least `at_least` and at
    /// most 512 bytes.
    ///
    /// New keys of this format have 43 letters and digits, or `at_least` if that is more.
    #[must_use]
    pub const fn opaque(at_least: usize) -> Self {
        let least = if at_least > LONGEST { LONGEST } else { at_least };
        Self {
            prefix: Cow::Borrowed(""),
            environments: Environments::NONE,
            lengths: if least == 0 { 1..=LONGEST } else { least..=LONGEST },
            minted: if least > 43 { least } else { 43 },
            alphabet: Alphabet::Visible,
            checksum: Checksum::Absent,
            leading_hint: false,
        }
    }

    /// Puts the name of an environment between the prefix and the random part: `sk_live_<random>`. Every key names one of
    /// these environments, and new keys the first unless [`KeyScheme::generate_in`](crate::KeyScheme::generate_in) names
    /// another. The checksum covers the environment.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme};
    ///
    /// let format = KeyFormat::prefixed("sk", 32)?.environments(["live", "test"])?;
    /// let key = KeyScheme::ephemeral(format).generate()?;
    /// assert!(key.expose().starts_with("sk_live_"));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no environment, if one is given twice, is empty or has other characters than `a-z A-Z 0-9`, if the
    /// format is [opaque](Self::opaque), or if the key would be longer than 512 bytes.
    pub fn environments(
        mut self,
        environments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, ConfigError> {
        if self.prefix.is_empty() {
            return Err(ConfigError::new(
                "an opaque format has no environments",
                "use KeyFormat::prefixed, or remove the environments",
            ));
        }
        self.environments = Environments::new(environments.into_iter().map(Into::into))?;
        self.checked()
    }

    /// Returns the names of the environments; none if keys name no environment.
    #[must_use]
    pub fn environment_names(&self) -> &[String] {
        self.environments.names()
    }

    /// Returns the environment of a key. Returns `None` if the bytes do not have the format, or the format has no
    /// environments.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme};
    ///
    /// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("sk", 32)?.environments(["live", "test"])?);
    /// let key = scheme.generate_in("test")?;
    /// assert_eq!(scheme.format().environment_of(key.expose().as_bytes()), Some("test"));
    /// assert_eq!(scheme.format().environment_of(b"sk_test_"), None);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn environment_of(&self, presented: &[u8]) -> Option<&str> {
        let behind = presented.strip_prefix(self.prefix.as_bytes()).filter(|_| self.accepts(presented))?;
        self.environments.opening(behind)
    }

    /// Removes the checksum: for a format that a document fixes, such as `ak_` and 40 characters.
    ///
    /// ```
    /// use tower_auth::KeyFormat;
    ///
    /// let format = KeyFormat::prefixed("ak", 40)?.without_checksum();
    /// assert!(format.accepts(b"ak_1234567890abcdef1234567890abcdef12345678"));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn without_checksum(mut self) -> Self {
        self.checksum = Checksum::Absent;
        self
    }

    /// Also accepts keys of the same prefix and lengths that have no checksum: for a service that turns checksums on and
    /// keeps its older keys. New keys have the checksum.
    ///
    /// A mistyped key then costs a lookup if its length is that of a key without a checksum: every mistyped older key,
    /// and a mistyped new key if [`accept_lengths`](Self::accept_lengths) includes the checksum's six characters. Nothing
    /// changes for a format that has no checksum.
    ///
    /// ```
    /// use tower_auth::KeyFormat;
    ///
    /// let format = KeyFormat::prefixed("ak", 32)?.accept_unchecked();
    /// assert!(format.accepts(b"ak_1234567890abcdef1234567890abcdef3kxugd"));
    /// assert!(format.accepts(b"ak_1234567890abcdef1234567890abcdef"));
    /// assert!(!format.accepts(b"ak_1234567890abcdef1234567890abcdee3kxugd")); // still too long for an older key
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn accept_unchecked(mut self) -> Self {
        if matches!(self.checksum, Checksum::Required) {
            self.checksum = Checksum::Minted;
        }
        self
    }

    /// Also accepts random parts of other lengths, such as those of an older generation of keys.
    ///
    /// # Errors
    /// If the range does not contain the length of new keys, or exceeds 512 bytes with the prefix and the checksum.
    pub fn accept_lengths(mut self, lengths: RangeInclusive<usize>) -> Result<Self, ConfigError> {
        self.lengths = lengths;
        self.checked()
    }

    /// Sets the alphabet of the random part.
    ///
    /// # Errors
    /// If the random part then holds less than 128 bits.
    pub fn alphabet(mut self, alphabet: Alphabet) -> Result<Self, ConfigError> {
        self.alphabet = alphabet;
        self.checked()
    }

    /// Returns whether these bytes have the format. Does not hash, look up or panic.
    #[must_use]
    #[inline]
    pub fn accepts(&self, presented: &[u8]) -> bool {
        let Some(start) = self.random_start(presented) else { return false };
        match self.checksum {
            Checksum::Absent => self.is_random(&presented[start..]),
            Checksum::Minted => self.is_checked(presented, start) || self.is_random(&presented[start..]),
            Checksum::Required => self.is_checked(presented, start),
        }
    }

    /// Makes hints from the first four random characters instead of the last four, such as `ak_x9Yz…`. Use it for APIs
    /// that identify a key by its start.
    ///
    /// ```
    /// use tower_auth::KeyFormat;
    ///
    /// let format = KeyFormat::prefixed("ak", 40)?.without_checksum().leading_hint();
    /// assert_eq!(format.hint("ak_1234567890abcdef1234567890abcdef12345678"), "ak_1234…");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn leading_hint(mut self) -> Self {
        self.leading_hint = true;
        self
    }

    /// Returns a hint by which the owner recognises the key: the prefix, the environment and the last four characters,
    /// such as `ak_…x9Yz` or `sk_live_…x9Yz`. The hint of a key under 20 bytes has no such characters.
    #[must_use]
    pub fn hint(&self, key: &str) -> String {
        let start = self.random_start(key.as_bytes()).and_then(|start| key.split_at_checked(start));
        let long = key.len() >= 20;
        let shown = start.map_or(&*self.prefix, |(start, _)| start);
        if self.leading_hint {
            let first = start.filter(|_| long).and_then(|(_, random)| random.get(..4));
            return format!("{shown}{}…", first.unwrap_or_default());
        }
        let last = key.len().checked_sub(4).filter(|_| long).and_then(|at| key.get(at..));
        format!("{shown}…{}", last.unwrap_or_default())
    }

    /// Returns a regular expression that finds keys of this format in source text, for secret scanners such as GitHub's,
    /// gitleaks and trufflehog. The syntax is that of RE2. Returns `None` for an [opaque](Self::opaque) format, whose keys
    /// nothing distinguishes from other text.
    ///
    /// A scanner checks the length and characters of the checksum and cannot compute it. If a key can end with `-`, a word
    /// boundary cannot mark its end: then the pattern includes the next character, and its first group is the key. With
    /// [`Alphabet::Visible`], the pattern finds keys of letters and digits, as they are minted.
    ///
    /// ```
    /// use tower_auth::KeyFormat;
    ///
    /// let format = KeyFormat::prefixed("sk", 32)?.environments(["live", "test"])?;
    /// assert_eq!(format.scanner_pattern().unwrap(), r"\bsk_(?:live|test)_[0-9A-Za-z]{32}[0-9A-Za-z]{6}\b");
    /// assert_eq!(KeyFormat::opaque(20).scanner_pattern(), None);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn scanner_pattern(&self) -> Option<String> {
        let parts = Parts {
            prefix: &self.prefix,
            environments: self.environments.names(),
            lengths: &self.lengths,
            alphabet: self.alphabet,
            checksum: self.checksum != Checksum::Absent,
            unchecked: self.checksum == Checksum::Minted,
        };
        (!self.prefix.is_empty()).then(|| pattern::pattern(&parts))
    }

    /// Returns what stands before the random part of a new key, in the first environment or in this one.
    pub(super) fn opening(&self, environment: Option<&str>) -> Result<[&str; 3], ConfigError> {
        let name = self.environments.choose(environment)?;
        Ok([&self.prefix, name.unwrap_or_default(), name.map_or("", |_| "_")])
    }

    pub(super) fn minted_from(&self) -> &'static [u8] {
        self.alphabet.minted()
    }

    pub(super) const fn minted_length(&self) -> usize {
        self.minted
    }

    pub(super) fn longest(&self) -> usize {
        let rest = self.prefix.len() + self.environments.longest() + self.checksum_length();
        self.lengths.end().saturating_add(rest)
    }

    /// Appends the checksum to a minted key, if the format has one.
    pub(super) fn close(&self, key: &mut String) {
        if self.checksum != Checksum::Absent {
            key.extend(checksum(key.as_bytes()).map(char::from));
        }
    }

    const fn checksum_length(&self) -> usize {
        if matches!(self.checksum, Checksum::Absent) { 0 } else { CHECKSUM }
    }

    /// Returns where the random part begins: behind the prefix and the environment.
    #[inline]
    fn random_start(&self, presented: &[u8]) -> Option<usize> {
        let behind = presented.strip_prefix(self.prefix.as_bytes())?;
        if self.environments.is_none() {
            return Some(self.prefix.len());
        }
        Some(self.prefix.len() + self.environments.opening(behind)?.len() + 1)
    }

    fn is_random(&self, part: &[u8]) -> bool {
        self.lengths.contains(&part.len()) && self.alphabet.has_all(part)
    }

    /// Returns whether the bytes from `start` are a random part and the checksum of everything before it.
    fn is_checked(&self, presented: &[u8], start: usize) -> bool {
        let Some(end) = presented.len().checked_sub(CHECKSUM).filter(|end| *end >= start) else { return false };
        self.is_random(&presented[start..end]) && presented[end..] == checksum(&presented[..end])
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let safe = self.alphabet.safe_length();
        if self.minted < safe {
            return Err(ConfigError::new(
                format!("{} random characters of this alphabet hold less than 128 bits", self.minted),
                format!("use at least {safe}"),
            ));
        }
        if !self.lengths.contains(&self.minted) || self.longest() > LONGEST {
            return Err(ConfigError::new(
                format!("random parts of {:?} characters cannot be accepted", self.lengths),
                format!("use a range that contains {} and allows at most {LONGEST} bytes in all", self.minted),
            ));
        }
        Ok(self)
    }
}
