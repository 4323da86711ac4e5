use std::{borrow::Cow, ops::RangeInclusive};

use crate::ConfigError;

/// The format of keys: prefix, length, alphabet, and an optional checksum.
///
/// A format rejects malformed keys before any hash or lookup, and never panics. Only a store knows whether a key is
/// *valid*.
///
/// ```
/// use tower_auth::KeyFormat;
///
/// let format = KeyFormat::prefixed("ak", 40)?;
/// assert!(format.accepts(b"ak_1234567890abcdef1234567890abcdef12345678"));
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
    checksum: bool,
    leading_hint: bool,
}

/// The characters that may follow the prefix of a key.
///
/// ```
/// use tower_auth::{Alphabet, KeyFormat};
///
/// let hex = KeyFormat::prefixed("sk", 64)?.alphabet(Alphabet::LowerHex)?;
/// assert!(!hex.accepts(format!("sk_{}", "G".repeat(64)).as_bytes()));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alphabet {
    /// `0-9 A-Z a-z`.
    Alphanumeric,
    /// `0-9 a-f`.
    LowerHex,
    /// `0-9 A-Z a-z - _`.
    UrlSafe,
    /// Every visible ASCII character, `!` to `~`. Minted keys use `0-9 A-Z a-z` only.
    Visible,
}

const CHARACTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const HEX: &[u8] = b"0123456789abcdef";
/// Longer values are refused without inspection.
const LONGEST: usize = 512;
/// Base-62 digits of a CRC-32.
const CHECKSUM: usize = 6;

impl Alphabet {
    const fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::LowerHex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::UrlSafe => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Visible => byte.is_ascii_graphic(),
        }
    }

    /// Checks every byte without branches, so that the compiler can vectorize the loop.
    fn has_all(self, bytes: &[u8]) -> bool {
        fn all(bytes: &[u8], has: impl Fn(u8) -> bool) -> bool {
            bytes.iter().fold(0, |missed, byte| missed | u8::from(!has(*byte))) == 0
        }
        match self {
            Self::Alphanumeric => all(bytes, |byte| Self::Alphanumeric.has(byte)),
            Self::LowerHex => all(bytes, |byte| Self::LowerHex.has(byte)),
            Self::UrlSafe => all(bytes, |byte| Self::UrlSafe.has(byte)),
            Self::Visible => all(bytes, |byte| Self::Visible.has(byte)),
        }
    }

    fn minted(self) -> &'static [u8] {
        match self {
            Self::LowerHex => HEX,
            Self::UrlSafe => CHARACTERS,
            Self::Alphanumeric | Self::Visible => &CHARACTERS[..62],
        }
    }

    /// Returns how many characters hold 128 bits.
    const fn safe_length(self) -> usize {
        match self {
            Self::LowerHex => 32,
            Self::UrlSafe | Self::Alphanumeric | Self::Visible => 22,
        }
    }
}

impl KeyFormat {
    /// Creates a format of `prefix_` followed by this number of random letters and digits.
    ///
    /// # Errors
    /// If the prefix is empty or has other characters than `a-z A-Z 0-9 _ -`, if the random part holds less than
    /// 128 bits, or if the key would be longer than 512 bytes.
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
            checksum: false,
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
            checksum: false,
            leading_hint: false,
        }
    }

    /// Appends a checksum: six base-62 digits of the CRC-32 of everything before them. A mistyped key is then refused
    /// without a lookup, and secret scanners can recognise a leaked key.
    #[must_use]
    pub const fn checksummed(mut self) -> Self {
        self.checksum = true;
        self
    }

    /// Also accepts random parts of other lengths, such as those of an older generation of keys.
    ///
    /// # Errors
    /// If the range does not contain the length of new keys, or exceeds 512 bytes with the prefix.
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
        let Some(behind) = presented.strip_prefix(self.prefix.as_bytes()) else { return false };
        let Some(length) = behind.len().checked_sub(self.checksum_length()) else { return false };
        self.lengths.contains(&length)
            && self.alphabet.has_all(&behind[..length])
            && (!self.checksum || behind[length..] == checksum(&presented[..self.prefix.len() + length]))
    }

    /// Makes hints from the first four random characters instead of the last four, such as `ak_x9Yz…`. Use it for APIs
    /// that identify a key by its start.
    ///
    /// ```
    /// use tower_auth::KeyFormat;
    ///
    /// let format = KeyFormat::prefixed("ak", 40)?.leading_hint();
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
        self.prefix.len() + self.lengths.end() + self.checksum_length()
    }

    /// Appends the checksum to a minted key, if the format has one.
    pub(super) fn close(&self, key: &mut String) {
        if self.checksum {
            key.extend(checksum(key.as_bytes()).map(char::from));
        }
    }

    const fn checksum_length(&self) -> usize {
        if self.checksum { CHECKSUM } else { 0 }
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let safe = self.alphabet.safe_length();
        if self.minted < safe {
            return Err(ConfigError::new(
                format!("{} random characters of this alphabet hold less than 128 bits", self.minted),
                format!("use at least {safe}"),
            ));
        }
        if !self.lengths.contains(&self.minted) || self.lengths.end().saturating_add(self.prefix.len()) > LONGEST {
            return Err(ConfigError::new(
                format!("random parts of {:?} characters cannot be accepted", self.lengths),
                format!("use a range that contains {} and allows at most {LONGEST} bytes in all", self.minted),
            ));
        }
        Ok(self)
    }
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(text) as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = CHARACTERS[rest % 62];
        rest /= 62;
    }
    digits
}
