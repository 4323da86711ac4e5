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
//! chose.
//!
//! # Rotate a pepper
//!
//! Store the version of the pepper next to each digest: [`KeyScheme::current_version`] for a new key.
//!
//! 1. Put the new pepper in front of the old one: `2:<new>,1:<old>`. New keys are stored under version 2, and a store that
//!    is queried with all [`KeyDigests`] still finds keys of version 1.
//! 2. Re-digest keys on use. [`KeyDigests::versions`] says under which version a row was found. If that is not the current
//!    one, write the first digest and its version into the row. A key that is never used keeps its old digest, because a
//!    digest under a pepper cannot be moved without the key.
//! 3. Remove the old pepper when no row has its version, and keep it for `SessionPolicy::idle` after the order was changed,
//!    if sessions are used. Keys that were still stored under it are refused from then on. So are refresh tokens that were
//!    made under it, and a log-out with one of them ends nothing.
//!
//! All replicas need the new pepper before one of them stores a key under it: first deploy `1:<old>,2:<new>`, then change
//! the order.
//!
//! # Move a table of SHA-256
//!
//! A table of plain SHA-256 digests works unchanged with [`KeyScheme::sha256`]. To move it under a pepper without
//! re-issuing keys:
//!
//! 1. Change the scheme of every replica to [`KeyScheme::new`] with [`accept_sha256`](KeyScheme::accept_sha256).
//! 2. Replace each stored digest by [`move_under_pepper`](KeyScheme::move_under_pepper), and store the version with it.
//!    This needs no key.
//! 3. Remove `accept_sha256` when every row has a version.
//!
//! ```
//! use tower_auth::{KeyDigest, KeyFormat, KeyScheme, Peppers};
//!
//! let scheme = KeyScheme::new(KeyFormat::opaque(20), Peppers::new(1, [7; 32])?).accept_sha256();
//! let mut rows: Vec<(Option<u32>, [u8; 32])> = vec![(None, [3; 32]), (None, [4; 32])];
//! for (version, digest) in rows.iter_mut().filter(|(version, _)| version.is_none()) {
//!     if let Some(moved) = scheme.move_under_pepper(&KeyDigest::from_bytes(*digest)) {
//!         (*version, *digest) = (scheme.current_version(), *moved.as_bytes());
//!     }
//! }
//! assert!(rows.iter().all(|(version, _)| *version == Some(1)));
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
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
#[cfg(feature = "cache")]
pub(crate) use self::digest::{Accepted, Kept};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) use self::digest::{DerivedMacs, Tags};
pub(crate) use self::digest::{Fingerprint, FingerprintHasher};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) use self::mint::random;
pub use self::{
    alphabet::Alphabet,
    digest::{KeyDigest, KeyDigests},
    format::KeyFormat,
    pepper::Peppers,
    scheme::KeyScheme,
};
