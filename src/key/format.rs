use std::{borrow::Cow, ops::RangeInclusive};

use super::alphabet::{Alphabet, CHECKSUM, checksum};
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
            lengths: if least == 0 { 1..=LONGEST } else { least..=LONGEST },
            minted: if least > 43 { least } else { 43 },
            alphabet: Alphabet::Visible,
            checksum: Checksum::Absent,
            leading_hint: false,
        }
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
        presented.starts_with(self.prefix.as_bytes()) && {
            let start = self.prefix.len();
            match self.checksum {
                Checksum::Absent => self.is_random(&presented[start..]),
                Checksum::Minted => self.is_checked(presented, start) || self.is_random(&presented[start..]),
                Checksum::Required => self.is_checked(presented, start),
            }
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

    /// Returns a hint by which the owner recognises the key: the prefix and the last four characters, such as
    /// `ak_…x9Yz`. The hint of a key under 20 bytes is the prefix only.
    #[must_use]
    pub fn hint(&self, key: &str) -> String {
        let long = key.len() >= 20;
        if self.leading_hint {
            let first = key.strip_prefix(&*self.prefix).filter(|_| long).and_then(|random| random.get(..4));
            return format!("{}{}…", self.prefix, first.unwrap_or_default());
        }
        let last = key.len().checked_sub(4).filter(|_| long).and_then(|at| key.get(at..));
        format!("{}…{}", self.prefix, last.unwrap_or_default())
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn minted_from(&self) -> &'static [u8] {
        self.alphabet.minted()
    }

    pub(super) const fn minted_length(&self) -> usize {
        self.minted
    }

    pub(super) fn longest(&self) -> usize {
        self.lengths.end().saturating_add(self.prefix.len() + self.checksum_length())
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
