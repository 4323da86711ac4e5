//! What a key looks like, how it is minted, and what of it may be stored.
//!
//! A [`KeyFormat`] rejects garbage before any look-up. [`Peppers`] are the secrets under which keys are digested; the
//! two together are a [`KeyScheme`], one value that is handed to the layer *and* to whatever creates keys. A store is
//! asked for [`KeyDigests`]: it never sees a key.
//!
//! ```
//! use tower_auth::{KeyFormat, KeyScheme, Peppers};
//!
//! let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?.checksummed(), Peppers::ephemeral()?);
//! let key = scheme.generate()?;
//! assert!(key.expose().starts_with("ak_"));
//!
//! // What a database holds, and is asked for.
//! let digests = scheme.digests(key.expose().as_bytes()).expect("a minted key has the format");
//! assert_eq!(digests.as_slices()[0].len(), 32);
//! assert!(scheme.digests(b"ak_not-a-key").is_none());
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! # At rest
//!
//! A store holds `HMAC-SHA-256(pepper, SHA-256(key))`. The keys have at least 128 bits of entropy, so a slow password
//! hash would add nothing but a way to keep the server busy; the pepper makes a stolen table worthless even for keys
//! that somebody chose. A table of plain SHA-256 digests works as it is with [`KeyScheme::sha256`], and is upgraded
//! without re-issuing a key: run HMAC over the stored digests once.
//!
//! # When not to use it
//!
//! For passwords, or anything else that a person thinks up: those need a slow hash.

mod digest;
mod format;
mod mint;
mod pepper;
mod scheme;

pub(crate) use self::digest::sha256;
pub(crate) use self::digest::{Fingerprint, FingerprintHasher};
pub use self::{
    digest::{KeyDigest, KeyDigests},
    format::{Alphabet, KeyFormat},
    pepper::Peppers,
    scheme::KeyScheme,
};
