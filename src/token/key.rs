use std::{fmt, sync::Arc};

use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use zeroize::Zeroizing;

use super::{
    algorithm::{Algorithm, Family},
    backend,
    material::{Material, curve_of_spki, rsa_from_der},
    pem::{NotPublic, public_key},
};
use crate::{ConfigError, Secret};

/// A key that verifies tokens, and its only algorithm. Verification always uses the algorithm of the key, so a token
/// cannot choose how it is verified.
///
/// ```
/// use tower_auth::{Secret, token::{Algorithm, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?.id("2026");
/// assert_eq!(key.algorithm(), Algorithm::Hs256);
/// assert!(VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("too short")).is_err());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    id: Option<Arc<str>>,
    /// The issuer, or template of issuers, whose tokens alone the key may verify.
    issuer: Option<Arc<str>>,
    key: Arc<backend::Key>,
}

const SMALLEST_RSA: usize = 2048;
const LARGEST_RSA: usize = 8192;

impl VerifyingKey {
    /// Creates a key from a secret that is shared with the issuer. The bytes of the text are used without decoding.
    ///
    /// # Errors
    /// If the algorithm is not HMAC, or if the secret is shorter than the algorithm's hash: 32, 48 or 64 bytes (RFC
    /// 7518, section 3.2).
    pub fn hmac(algorithm: Algorithm, secret: &Secret) -> Result<Self, ConfigError> {
        Self::secret(algorithm, secret.expose().as_bytes()).map_err(faulty)
    }

    /// Creates a key from a binary secret that is shared with the issuer. If the issuer shows the secret in base64 or
    /// hex, decode the text first.
    ///
    /// ```
    /// use tower_auth::token::{Algorithm, VerifyingKey};
    ///
    /// let key = VerifyingKey::hmac_bytes(Algorithm::Hs256, &[0xd7; 32])?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`hmac`](Self::hmac).
    pub fn hmac_bytes(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        Self::secret(algorithm, secret).map_err(faulty)
    }

    /// Parses a public key in PEM (`BEGIN PUBLIC KEY`, `BEGIN RSA PUBLIC KEY`), or the public key of a certificate
    /// (`BEGIN CERTIFICATE`). Other contents of a certificate are not checked. If the text has several blocks, the
    /// first is read. Line breaks may be written as `\n`, which is common in environment variables.
    ///
    /// # Errors
    /// If the text contains no key for this algorithm, or contains a private key or an RSA key under 2048 bits.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, ConfigError> {
        if algorithm.family() == Family::Hmac {
            return Err(wrong(&format!("{algorithm} needs a secret, not a PEM"), "call VerifyingKey::hmac"));
        }
        let (pem, der) = public_key(pem).map_err(|NotPublic(what, help)| wrong(what, help))?;
        let read = |family| match family {
            Family::Rsa => DecodingKey::from_rsa_pem(pem.as_bytes()),
            Family::Ed25519 => DecodingKey::from_ed_pem(pem.as_bytes()),
            _ => DecodingKey::from_ec_pem(pem.as_bytes()),
        };
        // Points of two curves can have the same length, so the name of the curve decides, and not the length.
        let named = curve_of_spki(&der);
        let fits = algorithm.family().curve().is_none_or(|curve| named == Some(curve.oid));
        match read(algorithm.family()) {
            Ok(key) if fits => Self::public(algorithm, &key).map_err(faulty),
            _ => {
                let holds = [("an RSA", Family::Rsa), ("an EC", Family::P256), ("an Ed25519", Family::Ed25519)];
                let other = holds.iter().find(|(_, family)| read(*family).is_ok());
                let of = Family::of_curve(|curve| named == Some(curve.oid));
                let of = of.map_or_else(String::new, |of| format!(" for {of}"));
                let held = other.map_or_else(String::new, |(name, _)| format!(", but {name} key{of}"));
                Err(wrong(
                    &format!("the PEM holds no key for {algorithm}{held}"),
                    "use the issuer's algorithm (alg in the header of its tokens) and the key for it",
                ))
            }
        }
    }

    /// Sets the id of the key: the `kid` of the tokens that it signs.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Binds the key to an issuer or a template, as the member `issuer` of Microsoft Entra's keys does.
    pub(super) fn bound_to(self, issuer: &str) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(message, signature)
    }

    /// Returns whether the key is a secret. A published key set must not contain one.
    pub(super) const fn is_secret(&self) -> bool {
        self.algorithm.is_hmac()
    }

    pub(super) fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, String> {
        if algorithm.family() != Family::Hmac {
            return Err(format!("{algorithm} needs a public key, not a secret"));
        }
        let shortest = algorithm.shortest_secret();
        if secret.len() < shortest {
            return Err(format!(
                "a secret for {algorithm} has at least {shortest} bytes, and this one has {}",
                secret.len()
            ));
        }
        Self::parsed(algorithm, &Material::Secret(Zeroizing::new(secret.to_vec())))
    }

    pub(super) fn public(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, String> {
        let material = match (algorithm.family(), key.kind()) {
            (Family::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => Material::Rsa { n: n.clone(), e: e.clone() },
            (Family::Rsa, DecodingKeyKind::SecretOrDer(der)) => {
                let (n, e) = rsa_from_der(der).ok_or("it is not an RSA public key")?;
                Material::Rsa { n, e }
            }
            (Family::Ed25519, DecodingKeyKind::SecretOrDer(bytes)) => Material::Ed25519(bytes.clone()),
            (family, DecodingKeyKind::SecretOrDer(point)) if family.curve().is_some() => Material::Point(point.clone()),
            _ => return Err(format!("it is not a key for {algorithm}")),
        };
        Self::from_material(algorithm, &material)
    }

    /// Parses a public key.
    pub(super) fn from_material(algorithm: Algorithm, material: &Material) -> Result<Self, String> {
        if let Material::Rsa { n, .. } = material {
            let bits = Material::rsa_bits(n);
            if !(SMALLEST_RSA..=LARGEST_RSA).contains(&bits) {
                return Err(format!("an RSA key has {SMALLEST_RSA} to {LARGEST_RSA} bits, and this one has {bits}"));
            }
        }
        // AWS-LC would also accept a whole SubjectPublicKeyInfo here.
        if let Material::Ed25519(bytes) = material
            && bytes.len() != 32
        {
            return Err(format!("an Ed25519 key has 32 bytes, and this one has {}", bytes.len()));
        }
        Self::parsed(algorithm, material)
    }

    fn parsed(algorithm: Algorithm, material: &Material) -> Result<Self, String> {
        let key = backend::Key::new(algorithm, material)?;
        Ok(Self { algorithm, id: None, issuer: None, key: Arc::new(key) })
    }
}

fn wrong(what: &str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("the key for tokens cannot be used: {what}"), help)
}

pub(super) fn faulty(what: impl fmt::Display) -> ConfigError {
    wrong(
        &what.to_string(),
        "use the issuer's public key (RSA from 2048 bits, P-256, P-384, P-521, secp256k1, Ed25519), or a random secret \
         (openssl rand -hex 32 for HS256; VerifyingKey::hmac_bytes for a binary secret)",
    )
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
