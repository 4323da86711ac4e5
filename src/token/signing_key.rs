use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::{
    algorithm::Algorithm,
    backend::Signer,
    key::VerifyingKey,
    private_key::{self, NotPrivate},
    public_jwk::PublicJwk,
};
use crate::{BoxError, ConfigError, Secret};

/// A private key that signs tokens, and its only algorithm. Its id is the thumbprint of its public key (RFC 7638).
///
/// `Debug` shows the algorithm and the id. A clone is the same key in memory. [`session::signing`](crate::session::signing)
/// rotates keys.
///
/// ```
/// use tower_auth::token::{Algorithm, SigningKey, TokenVerifier};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// assert_eq!(key.id().len(), 43);
/// assert!(key.public_jwk().contains(key.id()));
///
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key.verifying_key()])
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    signer: Signer,
    pkcs8: Zeroizing<Vec<u8>>,
    verifying: VerifyingKey,
    public: PublicJwk,
}

impl SigningKey {
    /// The algorithms that sign.
    const ALGORITHMS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519, Algorithm::Rs256];

    /// Generates a key for ES256, ES384, Ed25519 or RS256. An RSA key has 3072 bits, and takes tenths of a second, or seconds with
    /// the feature `rust-crypto`; the others take microseconds.
    ///
    /// # Errors
    /// If the algorithm is another one, or if the operating system provides no random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        Self::check_algorithm(algorithm)?;
        loop {
            let pkcs8 = private_key::generate(algorithm)?;
            // One of about four billion random numbers is not a private key of P-256.
            if let Ok(key) = Self::parsed(algorithm, pkcs8) {
                return Ok(key);
            }
        }
    }

    /// Parses a private key in PEM (`BEGIN PRIVATE KEY`: PKCS#8), as `openssl genpkey` writes it. Line breaks may be written as `\n`.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, SigningKey}};
    ///
    /// // openssl genpkey -algorithm ed25519
    /// let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
    /// let key = SigningKey::from_pem(Algorithm::Ed25519, &Secret::new(pem))?;
    /// assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the text holds no private key for this algorithm, or an RSA key under 2048 bits. The error shows no part of the text.
    pub fn from_pem(algorithm: Algorithm, pem: &Secret) -> Result<Self, ConfigError> {
        Self::check_algorithm(algorithm)?;
        let pkcs8 = private_key::from_pem(pem.expose()).map_err(|NotPrivate(what, help)| wrong(what, help))?;
        Self::of(algorithm, pkcs8)
    }

    /// Parses what [`to_pkcs8`](Self::to_pkcs8) returned.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, ConfigError> {
        Self::check_algorithm(algorithm)?;
        Self::of(algorithm, pkcs8)
    }

    fn of(algorithm: Algorithm, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, ConfigError> {
        Self::parsed(algorithm, pkcs8).map_err(|what| {
            wrong(
                &what,
                "use a key of the algorithm, such as one that openssl genpkey has made, of at least 2048 bits for RSA",
            )
        })
    }

    fn parsed(algorithm: Algorithm, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, String> {
        let not_a_key = || format!("it is not a private key for {algorithm}");
        let signer = Signer::new(algorithm, &pkcs8).ok_or_else(not_a_key)?;
        let material = signer.public();
        let public = PublicJwk::of(algorithm, &material).ok_or_else(not_a_key)?;
        let verifying = VerifyingKey::from_material(algorithm, &material)?.id(public.id());
        Ok(Self(Arc::new(Inner { algorithm, signer, pkcs8, verifying, public })))
    }

    /// Rejects an algorithm for which there are no signing keys.
    pub(crate) fn check_algorithm(algorithm: Algorithm) -> Result<(), ConfigError> {
        if Self::ALGORITHMS.contains(&algorithm) {
            return Ok(());
        }
        Err(wrong(&format!("{algorithm} is not supported"), "use ES256, ES384, Ed25519 or RS256"))
    }

    /// Returns the id: the thumbprint of the public key (RFC 7638) in base64url, 43 characters.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.public.id()
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Returns the public key, which verifies what this key signs. It has the same id.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0.verifying.clone()
    }

    /// Returns the public key as a JSON Web Key (RFC 7517) with `kid`, `alg` and `use`. Ed25519 has the `alg` `EdDSA` (RFC 8037). It has
    /// no private member.
    #[must_use]
    pub fn public_jwk(&self) -> &str {
        self.0.public.text()
    }

    /// Returns the private key.
    pub(crate) fn to_pkcs8(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// Signs a message, and returns the signature as a token has it: R and S concatenated for ECDSA (RFC 7518, section 3.4). For a
    /// token, the message is the header, a dot and the claims, both in base64url.
    ///
    /// ```
    /// use tower_auth::token::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// assert_eq!(key.sign(b"eyJhbGciOiJFUzI1NiJ9.e30")?.len(), 64);
    /// # Ok::<_, tower_auth::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// If the backend fails, which has no known cause.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.0.signer.sign(message).ok_or_else(|| "the signature cannot be made: the backend failed".into())
    }
}

fn wrong(what: &str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("the key that signs tokens cannot be used: {what}"), help)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
