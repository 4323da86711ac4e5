use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use zeroize::Zeroizing;

use super::{
    algorithm::{Algorithm, Family},
    backend,
    material::{Material, rsa_from_der},
};
use crate::{ConfigError, Secret};

/// A key that verifies tokens, and the one algorithm that it is for. No call takes a key and an algorithm apart, so no
/// token can choose how it is verified.
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
    key: Arc<backend::Key>,
}

const SMALLEST_RSA: usize = 2048;
const LARGEST_RSA: usize = 8192;
const LONGEST_PEM: usize = 8 * 1024;

impl VerifyingKey {
    /// A secret that the issuer has too, as its bytes are.
    ///
    /// # Errors
    /// When the algorithm takes no secret, or the secret is shorter than the algorithm's hash: 32, 48 or 64 bytes
    /// (RFC 7518, section 3.2).
    pub fn hmac(algorithm: Algorithm, secret: &Secret) -> Result<Self, ConfigError> {
        Self::secret(algorithm, secret.expose().as_bytes()).map_err(faulty)
    }

    /// A public key in PEM (`BEGIN PUBLIC KEY`, or `BEGIN RSA PUBLIC KEY`).
    ///
    /// # Errors
    /// When it is no key for this algorithm, or an RSA key under 2048 bits.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, ConfigError> {
        // What reads it goes as deep as it is nested.
        if pem.len() > LONGEST_PEM {
            return Err(faulty("a PEM of one key is not so long"));
        }
        let key = match algorithm.family() {
            Family::Hmac => return Err(faulty(format!("{algorithm} takes a secret and no PEM"))),
            Family::Rsa => DecodingKey::from_rsa_pem(pem.as_bytes()),
            Family::P256 | Family::P384 => DecodingKey::from_ec_pem(pem.as_bytes()),
            Family::Ed25519 => DecodingKey::from_ed_pem(pem.as_bytes()),
        };
        let key = key.map_err(|_| faulty(format!("the PEM holds no key for {algorithm}")))?;
        Self::public(algorithm, &key).map_err(faulty)
    }

    /// A JSON Web Key (RFC 7517). Its algorithm is that of its `alg`, or the one that its type leaves no choice of: ES256
    /// and ES384 by the curve, Ed25519; an RSA key without `alg` is for RS256.
    ///
    /// # Errors
    /// When it cannot be read, is not for signatures, or is too weak.
    pub fn from_jwk(jwk: &str) -> Result<Self, ConfigError> {
        let value = serde_json::from_str(jwk).map_err(|error| faulty(format!("it is no JSON: {error}")))?;
        Self::read_jwk(value, Algorithm::Rs256).map_err(faulty)
    }

    /// The id by which tokens name the key (`kid`).
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// What it is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(message, signature)
    }

    /// Whether it is a secret, which nobody publishes.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self.algorithm.family(), Family::Hmac)
    }

    /// One key of a set; a set's RSA keys without `alg` are for `rsa`.
    pub(super) fn read_jwk(value: serde_json::Value, rsa: Algorithm) -> Result<Self, String> {
        // The library knows older names only; what it does not know it takes for any.
        let alg = match value.get("alg") {
            None => None,
            Some(serde_json::Value::String(name)) => {
                Some(Algorithm::from_name(name).ok_or_else(|| format!("its alg {name:?} is not for tokens"))?)
            }
            Some(_) => return Err("its alg is no string".to_owned()),
        };
        if value.get("kid").is_some_and(|kid| !kid.is_string()) {
            return Err("its kid is no string".to_owned());
        }
        // The library reads `{"RSA":null}` as `"RSA"`.
        if ["kty", "crv"].iter().any(|name| value.get(name).is_some_and(|value| !value.is_string())) {
            return Err("its kty or crv is no string".to_owned());
        }
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no JWK")?;
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return Err("it is not for signatures (use)".to_owned());
        }
        if common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return Err("it is not for verifying (key_ops)".to_owned());
        }
        let own = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => alg.unwrap_or(rsa),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::Es256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::Es384,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::Ed25519,
            // What a secret is for has to be said.
            AlgorithmParameters::OctetKey(_) => alg.ok_or("it is a secret without alg")?,
            _ => return Err("its kty or crv is not known".to_owned()),
        };
        if alg.is_some_and(|alg| alg != own) {
            return Err("its alg is not one of its type's".to_owned());
        }
        // The library puts one behind the other, wherever the border between them is (RFC 7518, section 6.2.1.2).
        if let AlgorithmParameters::EllipticCurve(key) = &jwk.algorithm {
            let bytes = if own == Algorithm::Es384 { 48 } else { 32 };
            let whole = |part: &String| URL_SAFE_NO_PAD.decode(part).is_ok_and(|part| part.len() == bytes);
            if ![&key.x, &key.y].into_iter().all(whole) {
                return Err("its coordinates are not as long as those of its curve".to_owned());
            }
        }
        let id = common.key_id.clone();
        let key = if let AlgorithmParameters::OctetKey(key) = &jwk.algorithm {
            let secret = URL_SAFE_NO_PAD.decode(&key.value).map_err(|_| "its secret is no base64url")?;
            Self::secret(own, &Zeroizing::new(secret))?
        } else {
            let key = DecodingKey::from_jwk(&jwk).map_err(|_| "it cannot be read")?;
            Self::public(own, &key)?
        };
        Ok(Self { id: id.map(Into::into), ..key })
    }

    fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, String> {
        if algorithm.family() != Family::Hmac {
            return Err(format!("{algorithm} takes a public key and no secret"));
        }
        let shortest = algorithm.shortest_secret();
        if secret.len() < shortest {
            return Err(format!(
                "a secret for {algorithm} has at least {shortest} bytes, and this one {}",
                secret.len()
            ));
        }
        Self::parsed(algorithm, &Material::Secret(Zeroizing::new(secret.to_vec())))
    }

    fn public(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, String> {
        let material = match (algorithm.family(), key.kind()) {
            (Family::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => Material::Rsa { n: n.clone(), e: e.clone() },
            (Family::Rsa, DecodingKeyKind::SecretOrDer(der)) => {
                let (n, e) = rsa_from_der(der).ok_or("it is no RSA public key")?;
                Material::Rsa { n, e }
            }
            (Family::P256 | Family::P384, DecodingKeyKind::SecretOrDer(point)) => Material::Point(point.clone()),
            (Family::Ed25519, DecodingKeyKind::SecretOrDer(bytes)) => Material::Ed25519(bytes.clone()),
            _ => return Err(format!("it is no key for {algorithm}")),
        };
        if let Material::Rsa { n, .. } = &material {
            let bits = Material::rsa_bits(n);
            if !(SMALLEST_RSA..=LARGEST_RSA).contains(&bits) {
                return Err(format!("an RSA key has {SMALLEST_RSA} to {LARGEST_RSA} bits, and this one {bits}"));
            }
        }
        // AWS-LC takes a whole SubjectPublicKeyInfo in its place.
        if let Material::Ed25519(bytes) = &material
            && bytes.len() != 32
        {
            return Err(format!("an Ed25519 key has 32 bytes, and this one {}", bytes.len()));
        }
        Self::parsed(algorithm, &material)
    }

    fn parsed(algorithm: Algorithm, material: &Material) -> Result<Self, String> {
        let key = backend::Key::new(algorithm, material)?;
        Ok(Self { algorithm, id: None, key: Arc::new(key) })
    }
}

fn faulty(what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        format!("the key for tokens cannot be used: {what}"),
        "take the issuer's public key (RSA from 2048 bits, P-256, P-384, Ed25519), or a random secret \
         (openssl rand -hex 32 for HS256)",
    )
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
