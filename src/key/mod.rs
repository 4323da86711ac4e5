//! API keys: their format, minting, and the digests that may be stored.
//!
//! A [`KeyFormat`] rejects malformed keys before any lookup. [`Peppers`] are the secret HMAC keys of the digests. A
//! [`KeyScheme`] combines a format and peppers. Pass the same scheme to the layer *and* to the code that creates keys.
//! A store is queried by [`KeyDigests`] and never sees a key.
//!
//! ```
//! use tower_auth::{KeyFormat, KeyScheme, Peppers};
//!
//! let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, Peppers::ephemeral()?);
//! let key = scheme.generate()?;
//! assert!(key.expose().starts_with("ak_"));
//!
//! // What a database stores, and is queried by.
//! let digests = scheme.digests(key.expose().as_bytes()).expect("a minted key has the format");
//! assert_eq!(digests.as_slices()[0].len(), 32);
//! assert!(scheme.digests(b"ak_not-a-key").is_none());
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # At rest
//!
//! A store holds `HMAC-SHA-256(pepper, SHA-256(key))`. Minted keys have at least 128 bits of entropy, so a slow
//! password hash would add load and no security. The pepper makes a stolen table useless, even for keys that a person
//! chose. A table of plain SHA-256 digests works unchanged with [`KeyScheme::sha256`]. To upgrade it without re-issuing
//! keys, apply the HMAC to the stored digests once.
//!
//! # When not to use it
//!
//! Do not use it for passwords and other secrets that people choose: such secrets need a slow hash.

mod alphabet;
mod digest;
mod environments;
mod format;
mod mint;
mod pattern;
mod pepper;
mod pepper_file;
mod scheme;

pub(crate) use self::digest::sha256;
pub(crate) use self::digest::{Fingerprint, FingerprintHasher};
pub use self::{
    alphabet::Alphabet,
    digest::{KeyDigest, KeyDigests},
    format::KeyFormat,
    pepper::Peppers,
    scheme::KeyScheme,
};
