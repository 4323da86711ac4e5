//! AWS-LC for private keys.

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use zeroize::Zeroizing;

use crate::token::{
    algorithm::{Algorithm, Family},
    material::{Material, rsa_from_der},
};

pub(in crate::token) enum Signer {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// Parses a private key in PKCS#8.
    pub(in crate::token) fn new(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8);
        match algorithm.family() {
            Family::P256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(Self::Ecdsa),
            Family::P384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING).ok().map(Self::Ecdsa),
            Family::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::Ed25519),
            Family::Rsa => RsaKeyPair::from_pkcs8(pkcs8).ok().map(Self::Rsa),
            Family::Hmac | Family::P521 | Family::Secp256k1 => None,
        }
    }

    /// Generates an RSA key of 3072 bits, in PKCS#8.
    pub(in crate::token) fn generate_rsa() -> Option<Zeroizing<Vec<u8>>> {
        let key = RsaKeyPair::generate(KeySize::Rsa3072).ok()?;
        Some(Zeroizing::new(key.as_der().ok()?.as_ref().to_vec()))
    }

    pub(in crate::token) fn public(&self) -> Material {
        match self {
            Self::Ecdsa(key) => Material::Point(key.public_key().as_ref().to_vec()),
            Self::Ed25519(key) => Material::Ed25519(key.public_key().as_ref().to_vec()),
            Self::Rsa(key) => {
                // A key without a modulus is refused, because it is too short.
                let (n, e) = rsa_from_der(key.public_key().as_ref()).unwrap_or_default();
                Material::Rsa { n, e }
            }
        }
    }

    /// Returns the signature as a token has it: R and S concatenated for ECDSA (RFC 7518, section 3.4).
    pub(in crate::token) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        // AWS-LC has its own random source and does not use this one.
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "rust-crypto")]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING};

    use super::*;
    use crate::token::{
        backend::{aws_lc, rust_crypto, rust_crypto_signer},
        private_key::generate,
    };

    /// Each backend signs with one key, and each verifies both signatures.
    fn agree(algorithm: Algorithm, pkcs8: &[u8], length: usize) {
        let (one, other) =
            (Signer::new(algorithm, pkcs8).unwrap(), rust_crypto_signer::Signer::new(algorithm, pkcs8).unwrap());
        for material in [one.public(), other.public()] {
            let (fast, pure) = (aws_lc::Key::new(algorithm, &material), rust_crypto::Key::new(algorithm, &material));
            let (fast, pure) = (fast.unwrap(), pure.unwrap());
            for signature in [one.sign(b"a message").unwrap(), other.sign(b"a message").unwrap()] {
                assert_eq!(signature.len(), length, "{algorithm}");
                assert!(fast.verify(b"a message", &signature) && pure.verify(b"a message", &signature), "{algorithm}");
                assert!(
                    !fast.verify(b"b message", &signature) && !pure.verify(b"b message", &signature),
                    "{algorithm}"
                );
            }
        }
    }

    #[test]
    fn both_backends_sign_alike() {
        for (algorithm, length) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96), (Algorithm::Ed25519, 64)] {
            for _ in 0..4 {
                agree(algorithm, &generate(algorithm).unwrap(), length);
            }
        }
        agree(Algorithm::Rs256, &Signer::generate_rsa().unwrap(), 384);
        agree(Algorithm::Rs256, &rust_crypto_signer::Signer::generate_rsa().unwrap(), 384);
    }

    /// The crate signs with neither curve, so AWS-LC does it here.
    #[test]
    fn both_backends_verify_on_the_other_curves() {
        let random = SystemRandom::new();
        for (algorithm, scheme, length) in [
            (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED_SIGNING, 132),
            (Algorithm::Es256k, &ECDSA_P256K1_SHA256_FIXED_SIGNING, 64),
        ] {
            for _ in 0..4 {
                let signer = EcdsaKeyPair::generate(scheme).unwrap();
                let material = Material::Point(signer.public_key().as_ref().to_vec());
                let fast = aws_lc::Key::new(algorithm, &material).unwrap();
                let pure = rust_crypto::Key::new(algorithm, &material).unwrap();
                let signature = signer.sign(&random, b"a message").unwrap().as_ref().to_vec();
                assert_eq!(signature.len(), length);
                let verify = |message: &[u8], signature: &[u8]| {
                    let (fast, pure) = (fast.verify(message, signature), pure.verify(message, signature));
                    assert_eq!(fast, pure, "{algorithm}");
                    fast
                };
                assert!(verify(b"a message", &signature) && !verify(b"b message", &signature));
                assert!(!verify(b"a message", &signature[1..]) && !verify(b"a message", &vec![0; length]));
                if algorithm == Algorithm::Es256k {
                    // Both of the two signatures, whichever of them was made.
                    let made = k256::ecdsa::Signature::from_slice(&signature).unwrap();
                    let other = k256::ecdsa::Signature::from_scalars(*made.r(), -*made.s()).unwrap();
                    assert!(verify(b"a message", &other.to_bytes()));
                }
            }
        }
    }

    #[test]
    fn neither_backend_parses_a_key_of_another_algorithm() {
        let all = [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519];
        for (one, other) in all.into_iter().flat_map(|one| all.map(|other| (one, other))) {
            let pkcs8 = generate(one).unwrap();
            assert_eq!(Signer::new(other, &pkcs8).is_some(), one == other, "{one} {other}");
            assert_eq!(rust_crypto_signer::Signer::new(other, &pkcs8).is_some(), one == other, "{one} {other}");
        }
    }
}
