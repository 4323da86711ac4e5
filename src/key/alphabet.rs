//! The characters of keys, and the checksum.

/// The characters that may follow the prefix of a key.
///
/// ```
/// use tower_auth::{Alphabet, KeyFormat};
///
/// let hex = KeyFormat::prefixed("sk", 64)?.without_checksum().alphabet(Alphabet::LowerHex)?;
/// assert!(hex.accepts(format!("sk_{}", "c".repeat(64)).as_bytes()));
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
/// Base-62 digits of a CRC-32.
pub(super) const CHECKSUM: usize = 6;

impl Alphabet {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::LowerHex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::UrlSafe => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Visible => byte.is_ascii_graphic(),
        }
    }

    /// Checks every byte without branches, so that the compiler can vectorize the loop.
    pub(super) fn has_all(self, bytes: &[u8]) -> bool {
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

    pub(super) fn minted(self) -> &'static [u8] {
        match self {
            Self::LowerHex => HEX,
            Self::UrlSafe => CHARACTERS,
            Self::Alphanumeric | Self::Visible => &CHARACTERS[..62],
        }
    }

    /// Returns how many characters hold 128 bits.
    pub(super) const fn safe_length(self) -> usize {
        match self {
            Self::LowerHex => 32,
            Self::UrlSafe | Self::Alphanumeric | Self::Visible => 22,
        }
    }
}

/// Returns the CRC-32 of a text in base 62, the highest digit first.
pub(super) fn checksum(text: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(text) as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = CHARACTERS[rest % 62];
        rest /= 62;
    }
    digits
}
