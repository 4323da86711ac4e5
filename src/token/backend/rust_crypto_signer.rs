//! The pure Rust crates for private keys. ECDSA needs no random numbers (RFC 6979).

use p256::pkcs8::DecodePrivateKey as _;
use rsa::{
    RsaPrivateKey, pkcs1v15,
    pkcs8::EncodePrivateKey as _,
    rand_core::{CryptoRng, Error, RngCore, impls},
    sha2::{Digest as _, Sha256},
    signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _},
    traits::PublicKeyParts as _,
};
use zeroize::Zeroizing;

use crate::{
    key,
    token::{
        algorithm::{Algorithm, Family},
        material::Material,
    },
};

/// Boxed, because the keys have very different sizes.
pub(in crate::token) enum Signer {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Box<pkcs1v15::SigningKey<Sha256>>),
}

impl Signer {
    /// Parses a private key in PKCS#8.
    pub(in crate::token) fn new(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        Some(match algorithm.family() {
            Family::P256 => Self::P256(Box::new(p256::SecretKey::from_pkcs8_der(pkcs8).ok()?.into())),
            Family::P384 => Self::P384(Box::new(p384::SecretKey::from_pkcs8_der(pkcs8).ok()?.into())),
            Family::Ed25519 => Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_pkcs8_der(pkcs8).ok()?)),
            Family::Rsa => {
                let key = RsaPrivateKey::from_pkcs8_der(pkcs8).ok()?;
                Self::Rsa(Box::new(pkcs1v15::SigningKey::new(key)))
            }
            Family::Hmac | Family::P521 | Family::Secp256k1 => return None,
        })
    }

    /// Generates an RSA key of 3072 bits, in PKCS#8.
    pub(in crate::token) fn generate_rsa() -> Option<Zeroizing<Vec<u8>>> {
        let key = RsaPrivateKey::new(&mut Draws::new()?, 3072).ok()?;
        Some(Zeroizing::new(key.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    }

    pub(in crate::token) fn public(&self) -> Material {
        match self {
            Self::P256(key) => Material::Point(key.verifying_key().to_encoded_point(false).as_bytes().to_vec()),
            Self::P384(key) => Material::Point(key.verifying_key().to_encoded_point(false).as_bytes().to_vec()),
            Self::Ed25519(key) => Material::Ed25519(key.verifying_key().to_bytes().to_vec()),
            Self::Rsa(key) => {
                let key: &RsaPrivateKey = key.as_ref().as_ref();
                Material::Rsa { n: key.n().to_bytes_be(), e: key.e().to_bytes_be() }
            }
        }
    }

    /// Returns the signature as a token has it: R and S concatenated for ECDSA (RFC 7518, section 3.4).
    pub(in crate::token) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.to_bytes().to_vec()),
            // Blinded, so that the time it takes says nothing about the key.
            Self::Rsa(key) => Some(key.try_sign_with_rng(&mut Draws::new()?, message).ok()?.to_vec()),
        }
    }
}

/// Random bytes for RSA: SHA-256 of a seed and a counter. The crate needs a source that cannot fail, and the operating
/// system's can: only the seed is drawn from it.
struct Draws {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Draws {
    fn new() -> Option<Self> {
        Some(Self { seed: key::random().ok()?, counter: 0 })
    }
}

impl CryptoRng for Draws {}

impl RngCore for Draws {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::new().chain_update(*self.seed).chain_update(self.counter.to_be_bytes()).finalize();
            self.counter = self.counter.wrapping_add(1);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
