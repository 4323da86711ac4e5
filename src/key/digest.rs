//! The only place where secrets are hashed and compared.

use std::{
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Arc, OnceLock},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::base::hex;

/// Returns the SHA-256 of a token, which is its index in memory and never leaves the process, or of a public key.
pub(crate) fn sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The digest of a key: 32 bytes, compared in constant time. A store holds the digest, never the key.
///
/// ```
/// use tower_auth::{KeyFormat, KeyScheme};
///
/// let scheme = KeyScheme::sha256(KeyFormat::opaque(20));
/// let digests = scheme.digests(b"a-key-of-at-least-twenty-bytes").unwrap();
/// let digest = digests.iter().next().unwrap();
/// assert_eq!(digest.to_hex().len(), 64);
/// assert_eq!(format!("{digest:?}"), "KeyDigest([REDACTED])");
/// ```
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Creates a digest from the bytes that a store holds.
    ///
    /// ```
    /// use tower_auth::KeyDigest;
    ///
    /// let stored = [7; 32];
    /// assert_eq!(KeyDigest::from_bytes(stored).as_bytes(), &stored);
    /// ```
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the bytes of the digest, for a `bytea` column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the digest in lower-case hex, for a text column.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().flat_map(|byte| hex::digits(*byte)).map(char::from).collect()
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for KeyDigest {}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest([REDACTED])")
    }
}

/// The digests of one presented key, one for each accepted pepper, and the plain SHA-256 if the scheme accepts it. A
/// store looks for all of them in one query.
///
/// The first digest uses the current pepper: store this digest for a new key. The digests are computed once, when a
/// store first reads them.
///
/// ```
/// use tower_auth::{KeyFormat, KeyScheme, Peppers};
///
/// let peppers = Peppers::new(2, [7; 32])?.accept(1, [9; 32])?;
/// let scheme = KeyScheme::new(KeyFormat::opaque(20), peppers);
/// let digests = scheme.digests(b"a-key-of-at-least-twenty-bytes").unwrap();
/// assert_eq!(digests.as_slices().len(), 2);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct KeyDigests {
    fingerprint: Fingerprint,
    peppers: Option<Arc<[PepperMac]>>,
    /// Whether the plain SHA-256 is the last digest.
    sha256: bool,
    keyed: OnceLock<Box<[KeyDigest]>>,
}

impl KeyDigests {
    pub(super) fn of(key: &[u8], peppers: Option<&Arc<[PepperMac]>>, sha256: bool) -> Self {
        Self { fingerprint: Fingerprint::of(key), peppers: peppers.cloned(), sha256, keyed: OnceLock::new() }
    }

    /// Returns the digests of a key whose plain SHA-256 is known: those of the key itself.
    pub(super) fn of_sha256(sha256: &KeyDigest, peppers: Option<&Arc<[PepperMac]>>, accepted: bool) -> Self {
        let fingerprint = Fingerprint(sha256.0);
        Self { fingerprint, peppers: peppers.cloned(), sha256: accepted, keyed: OnceLock::new() }
    }

    /// Iterates over the digests. The first digest is that of the current pepper.
    pub fn iter(&self) -> impl Iterator<Item = &KeyDigest> {
        self.keyed().iter()
    }

    /// Iterates over the digests with the version of the pepper of each, the current one first. The version is `None` for
    /// a plain SHA-256. Store the version next to the digest, to see which keys still need an old pepper.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyScheme, Peppers};
    ///
    /// let peppers = Peppers::new(2, [7; 32])?.accept(1, [9; 32])?;
    /// let scheme = KeyScheme::new(KeyFormat::opaque(20), peppers).accept_sha256();
    /// let digests = scheme.digests(b"a-key-of-at-least-twenty-bytes").unwrap();
    /// let versions: Vec<Option<u32>> = digests.versions().map(|(version, _)| version).collect();
    /// assert_eq!(versions, [Some(2), Some(1), None]);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn versions(&self) -> impl Iterator<Item = (Option<u32>, &KeyDigest)> {
        versions(self.peppers.as_deref(), self.sha256).zip(self.keyed())
    }

    /// Returns the digests as a list of byte strings for a database driver: `WHERE digest = ANY($1)`.
    #[must_use]
    pub fn as_slices(&self) -> Vec<&[u8]> {
        self.keyed().iter().map(|digest| &digest.0[..]).collect()
    }

    /// Returns the index of an in-memory store or cache, without a second hash. The index never leaves the process.
    #[inline]
    pub(crate) const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns which digests the scheme accepts, for a cache: what one scheme has found, another may not know.
    #[cfg(feature = "cache")]
    #[inline]
    pub(crate) fn accepted(&self) -> Accepted {
        let peppers = self.peppers.as_ref().map(|peppers| Arc::as_ptr(peppers).cast::<PepperMac>().addr());
        Accepted { peppers, sha256: self.sha256 }
    }

    /// Keeps the peppers in memory, so that no others get their address.
    #[cfg(feature = "cache")]
    pub(crate) fn kept(&self) -> Kept {
        Kept { accepted: self.accepted(), _peppers: self.peppers.clone() }
    }

    fn keyed(&self) -> &[KeyDigest] {
        self.keyed.get_or_init(|| {
            let peppers = self.peppers.iter().flat_map(|peppers| peppers.iter());
            let plain = self.sha256.then_some(KeyDigest(self.fingerprint.0));
            peppers.map(|pepper| pepper.digest(&self.fingerprint)).chain(plain).collect()
        })
    }
}

/// Which digests a scheme accepts, as long as somebody has [`Kept`] it: the address of its peppers, and whether a plain SHA-256.
#[cfg(feature = "cache")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    peppers: Option<usize>,
    sha256: bool,
}

/// See [`KeyDigests::kept`].
#[cfg(feature = "cache")]
pub(crate) struct Kept {
    pub(crate) accepted: Accepted,
    _peppers: Option<Arc<[PepperMac]>>,
}

/// Returns the versions of the digests of a scheme, in their order.
pub(super) fn versions(peppers: Option<&[PepperMac]>, sha256: bool) -> impl Iterator<Item = Option<u32>> {
    let peppers = peppers.into_iter().flatten().map(|pepper| Some(pepper.version));
    peppers.chain(sha256.then_some(None))
}

impl fmt::Debug for KeyDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigests([REDACTED])")
    }
}

/// SHA-256 of a key: its index in the memory of this process. It is used nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    #[inline]
    fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl PartialEq for Fingerprint {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Fingerprint {}

impl Hash for Fingerprint {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(words(&self.0)[0]);
    }
}

/// Uses eight bytes of a digest as the hash. They are evenly distributed already, and only a party that may insert keys
/// can choose them.
#[derive(Default)]
pub(crate) struct Identity(u64);

/// The hasher of a map that is keyed by fingerprints.
pub(crate) type FingerprintHasher = BuildHasherDefault<Identity>;

impl Hasher for Identity {
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |n, byte| n.rotate_left(8) ^ u64::from(*byte));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// HMAC-SHA-256 with one pepper. The key schedule is computed once.
#[derive(Clone)]
pub(super) struct PepperMac {
    pub(super) version: u32,
    state: Hmac<Sha256>,
}

impl PepperMac {
    pub(super) fn new(version: u32, pepper: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros up to its block size (RFC 2104, section 2). A key of exactly one block
        // cannot have a wrong length.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(pepper);
        Self { version, state: Hmac::new((&*block).into()) }
    }

    /// Returns the digest of a key from its plain SHA-256.
    pub(super) fn digest_of(&self, sha256: &KeyDigest) -> KeyDigest {
        self.digest(&Fingerprint(sha256.0))
    }

    /// Returns a secret for another purpose, which the label names. A label of 32 bytes could be the SHA-256 of a key, whose
    /// digest stands in a database.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        debug_assert_ne!(label.len(), 32, "a label as long as a fingerprint");
        Zeroizing::new(self.state.clone().chain_update(label).finalize().into_bytes().into())
    }

    fn digest(&self, fingerprint: &Fingerprint) -> KeyDigest {
        self.mac(&fingerprint.0)
    }

    fn mac(&self, message: &[u8]) -> KeyDigest {
        KeyDigest(self.state.clone().chain_update(message).finalize().into_bytes().into())
    }
}

/// MACs for one purpose, such as refresh tokens, under secrets that are derived from all accepted peppers.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[derive(Clone)]
pub(crate) struct DerivedMacs(Arc<[PepperMac]>);

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
impl DerivedMacs {
    pub(super) fn new(secrets: impl Iterator<Item = (u32, Zeroizing<[u8; 32]>)>) -> Self {
        Self(secrets.map(|(version, secret)| PepperMac::new(version, &secret)).collect())
    }

    /// Returns the MACs of a message, that of the current pepper first.
    pub(crate) fn all(&self, message: &[u8]) -> impl Iterator<Item = KeyDigest> {
        self.0.iter().map(move |pepper| pepper.mac(message))
    }
}

/// MACs under a key that no other purpose has: of what the crate gives out and takes back, such as nonces.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[derive(Clone)]
pub(crate) struct Tags(PepperMac);

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
impl Tags {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(PepperMac::new(0, key))
    }

    /// Returns the MAC of a message. Two are compared in constant time.
    pub(crate) fn of(&self, message: &[u8]) -> KeyDigest {
        self.0.mac(message)
    }
}

#[inline]
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        *word = u64::from_ne_bytes(bytes);
    }
    words
}

/// Compares in constant time.
#[inline]
fn equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    words(one).ct_eq(&words(other)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_equal_the_published_vectors() {
        // FIPS 180-4's "abc".
        let plain = KeyDigests::of(b"abc", None, true);
        assert_eq!(
            plain.iter().next().unwrap().to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        // HMAC-SHA-256 under a 32-byte key, over SHA-256("abc"), computed with another implementation.
        let keyed = KeyDigests::of(b"abc", Some(&Arc::from([PepperMac::new(1, &[0x0b; 32])])), false);
        assert_eq!(
            keyed.iter().next().unwrap().to_hex(),
            "1e18c60af672a9a88fc69f853427d3283774b9f9672a5f83833ea5a463a47ccf"
        );
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[test]
    fn a_derived_secret_depends_on_pepper_and_label() {
        let derive = |pepper, label| *PepperMac::new(1, &[pepper; 32]).derive(label);
        // RFC 4231, test case 1, has a key of 20 bytes; the rest of the block is zero anyway.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let published = KeyDigest::from_bytes(*PepperMac::new(1, &key).derive("Hi There")).to_hex();
        assert_eq!(published, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        assert_eq!(derive(7, "one"), derive(7, "one"));
        assert_ne!(derive(7, "one"), derive(7, "other"));
        assert_ne!(derive(7, "one"), derive(8, "one"));
    }

    #[test]
    fn every_differing_bit_makes_digests_unequal() {
        let one = [0x5a_u8; 32];
        assert!(equal(&one, &one));
        for bit in 0..256 {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!equal(&one, &other), "bit {bit}");
        }
    }
}
