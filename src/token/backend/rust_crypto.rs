//! The pure Rust crates of the `RustCrypto` project. They are slower than AWS-LC and need no C compiler.

use rsa::{BigUint, RsaPublicKey, pkcs1v15, pss, signature::Verifier};

use super::mac::MacKey;
use crate::token::{algorithm::Algorithm, material::Material};

// The public-key crates use an older version of the hash crates.
type Sha256 = rsa::sha2::Sha256;
type Sha384 = rsa::sha2::Sha384;
type Sha512 = rsa::sha2::Sha512;

/// Returns whether the signature of a message is valid. Arguments: message, signature.
type Verify = Box<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;

pub(in crate::token) enum Key {
    Secret(MacKey),
    Public(Verify),
}

impl Key {
    pub(in crate::token) fn new(algorithm: Algorithm, material: &Material) -> Result<Self, &'static str> {
        const UNREADABLE: &str = "the key cannot be parsed";
        match material {
            Material::Secret(secret) => MacKey::new(algorithm, secret).map(Self::Secret).ok_or(UNREADABLE),
            Material::Rsa { n, e } => {
                let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
                let key = RsaPublicKey::new_with_max_size(n, e, 8192).map_err(|_| UNREADABLE)?;
                Ok(Self::Public(rsa(algorithm, key)))
            }
            Material::Point(point) => ecdsa(algorithm, point).map(Self::Public).ok_or(UNREADABLE),
            Material::Ed25519(bytes) => {
                let bytes = bytes.as_slice().try_into().map_err(|_| UNREADABLE)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| UNREADABLE)?;
                Ok(Self::Public(verifier(key, |bytes| ed25519_dalek::Signature::from_slice(bytes).ok())))
            }
        }
    }

    pub(in crate::token) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => key.verify(message, signature),
            Self::Public(verify) => verify(message, signature),
        }
    }
}

fn ecdsa(algorithm: Algorithm, point: &[u8]) -> Option<Verify> {
    Some(match algorithm {
        Algorithm::Es384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            verifier(key, |bytes| p384::ecdsa::Signature::from_slice(bytes).ok())
        }
        Algorithm::Es512 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            verifier(key, |bytes| p521::ecdsa::Signature::from_slice(bytes).ok())
        }
        Algorithm::Es256k => {
            let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            // The crate accepts one of the two signatures that ECDSA has for a message, as some blockchains require. JWS does not
            // choose between them (RFC 8812, section 3.2), and signers make both.
            verifier(key, |bytes| {
                let signature = k256::ecdsa::Signature::from_slice(bytes).ok()?;
                Some(signature.normalize_s().unwrap_or(signature))
            })
        }
        _ => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            verifier(key, |bytes| p256::ecdsa::Signature::from_slice(bytes).ok())
        }
    })
}

fn rsa(algorithm: Algorithm, key: RsaPublicKey) -> Verify {
    let pkcs1 = |bytes: &[u8]| pkcs1v15::Signature::try_from(bytes).ok();
    let pss = |bytes: &[u8]| pss::Signature::try_from(bytes).ok();
    match algorithm {
        Algorithm::Rs384 => verifier(pkcs1v15::VerifyingKey::<Sha384>::new(key), pkcs1),
        Algorithm::Rs512 => verifier(pkcs1v15::VerifyingKey::<Sha512>::new(key), pkcs1),
        Algorithm::Ps256 => verifier(pss::VerifyingKey::<Sha256>::new(key), pss),
        Algorithm::Ps384 => verifier(pss::VerifyingKey::<Sha384>::new(key), pss),
        Algorithm::Ps512 => verifier(pss::VerifyingKey::<Sha512>::new(key), pss),
        _ => verifier(pkcs1v15::VerifyingKey::<Sha256>::new(key), pkcs1),
    }
}

fn verifier<S: 'static>(
    key: impl Verifier<S> + Send + Sync + 'static,
    read: impl Fn(&[u8]) -> Option<S> + Send + Sync + 'static,
) -> Verify {
    Box::new(move |message, signature| read(signature).is_some_and(|signature| key.verify(message, &signature).is_ok()))
}
