//! Encrypts private keys for the store: XChaCha20-Poly1305, under a key that is derived from a pepper.
//!
//! The form is the version of the pepper (4 bytes, big-endian), the nonce (24 bytes) and the ciphertext. The id of the key and its
//! algorithm are authenticated too, so that the encrypted part of one row is useless in another.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use zeroize::Zeroizing;

use super::StoredSigningKey;
use crate::{
    BoxError, Peppers,
    key::random,
    token::{Algorithm, SigningKey},
};

const LABEL: &str = "tower-auth: private signing keys, encrypted at rest";
const VERSION: usize = 4;
const NONCE: usize = 24;

/// A cipher for each pepper.
pub(super) struct Sealer(Vec<(u32, XChaCha20Poly1305)>);

impl Sealer {
    pub(super) fn new(peppers: &Peppers) -> Self {
        let cipher = |secret: Zeroizing<[u8; 32]>| XChaCha20Poly1305::new((&*secret).into());
        Self(peppers.derive(LABEL).map(|(version, secret)| (version, cipher(secret))).collect())
    }

    /// Encrypts a key under the current pepper.
    pub(super) fn seal(&self, key: &SigningKey) -> Result<Vec<u8>, BoxError> {
        let (version, cipher) = self.0.first().ok_or("there is no pepper")?;
        let nonce = random::<NONCE>()?;
        let bound = bound_to(key.id(), key.algorithm());
        let payload = Payload { msg: key.to_pkcs8(), aad: &bound };
        let ciphertext = cipher.encrypt(&XNonce::from(*nonce), payload).map_err(|_| "the key cannot be encrypted")?;
        Ok([&version.to_be_bytes()[..], &nonce[..], &ciphertext].concat())
    }

    /// Decrypts a key of the store, and says why it cannot be decrypted.
    pub(super) fn open(&self, row: &StoredSigningKey) -> Result<SigningKey, String> {
        const DAMAGED: &str = "its encrypted part is damaged: it is too short";
        let (version, rest) = row.sealed.split_first_chunk::<VERSION>().ok_or(DAMAGED)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(DAMAGED)?;
        let version = u32::from_be_bytes(*version);
        let known = self.0.iter().find(|(known, _)| *known == version);
        let (_, cipher) = known.ok_or_else(|| self.unknown(version))?;
        let bound = bound_to(&row.id, row.algorithm);
        let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &bound });
        let pkcs8 = opened.map(Zeroizing::new).map_err(|_| {
            format!(
                "it cannot be decrypted: pepper {version} is not the one that encrypted it, or the row was changed; help: \
                 restore the pepper of this version, or the row"
            )
        })?;
        let key = SigningKey::from_pkcs8(row.algorithm, pkcs8).map_err(|error| error.to_string())?;
        if key.id() == row.id { Ok(key) } else { Err("its id is not that of the encrypted key".to_owned()) }
    }

    /// Returns whether this was encrypted under the current pepper.
    pub(super) fn is_current(&self, sealed: &[u8]) -> bool {
        let current = self.0.first().map(|(version, _)| version.to_be_bytes());
        sealed.first_chunk() == current.as_ref()
    }

    fn unknown(&self, version: u32) -> String {
        format!(
            "it is encrypted with pepper {version}, which is not among the peppers of this process ({self:?}); help: add \
             {version}:<64 hex digits> behind the current pepper, and remove it when no key needs it any more"
        )
    }
}

fn bound_to(id: &str, algorithm: Algorithm) -> Vec<u8> {
    [id.as_bytes(), b"\0", algorithm.name().as_bytes()].concat()
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(version, _)| version)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn row(key: &SigningKey, sealed: Vec<u8>) -> StoredSigningKey {
        StoredSigningKey::new(key.id(), key.algorithm(), key.public_jwk(), sealed, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn the_label_has_no_length_of_a_fingerprint() {
        assert_ne!(LABEL.len(), 32);
    }

    #[test]
    fn a_key_is_opened_with_the_pepper_that_sealed_it() {
        let old = Peppers::new(1, [7; 32]).unwrap();
        let both = Peppers::new(2, [8; 32]).unwrap().accept(1, [7; 32]).unwrap();
        for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519] {
            let key = SigningKey::generate(algorithm).unwrap();
            let sealed = Sealer::new(&old).seal(&key).unwrap();
            for part in key.to_pkcs8().windows(6) {
                assert!(!sealed.windows(6).any(|sealed| sealed == part), "a part of the key is not encrypted");
            }
            let (old, both) = (Sealer::new(&old), Sealer::new(&both));
            assert_eq!(both.open(&row(&key, sealed.clone())).unwrap().to_pkcs8(), key.to_pkcs8());
            assert!(old.is_current(&sealed) && !both.is_current(&sealed));
            let again = both.seal(&key).unwrap();
            assert!(both.is_current(&again));
            assert_eq!(both.open(&row(&key, again.clone())).unwrap().id(), key.id());
            let error = old.open(&row(&key, again)).unwrap_err();
            assert!(error.contains("pepper 2") && error.contains("([1])"), "{error}");
            assert_ne!(old.seal(&key).unwrap()[VERSION..], sealed[VERSION..], "a nonce of its own");
        }
    }

    #[test]
    fn every_bit_of_a_row_is_checked() {
        let sealer = Sealer::new(&Peppers::new(1, [7; 32]).unwrap());
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let stored = sealer.seal(&key).unwrap();
        for bit in 0..stored.len() * 8 {
            let mut changed = stored.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(&row(&key, changed)).is_err(), "bit {bit}");
        }
        for end in 0..stored.len() {
            assert!(sealer.open(&row(&key, stored[..end].to_vec())).is_err(), "{end}");
        }
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        assert!(sealer.open(&row(&other, stored.clone())).is_err(), "another id");
        let other = StoredSigningKey { algorithm: Algorithm::Es384, ..row(&key, stored) };
        assert!(sealer.open(&other).is_err(), "another algorithm");
    }
}
