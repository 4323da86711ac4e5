//! The key that a proof of possession carries in its header (RFC 9449, section 4.2), and the parts of such a proof.

use serde_json::Value;

use super::{
    algorithm::{Algorithm, Family},
    compact::{Compact, Padding},
    error::TokenError,
    key::VerifyingKey,
    public_jwk::thumbprint,
};

/// The parts of a proof, decoded. Nothing is verified.
pub(crate) struct ProofParts<'a> {
    pub(crate) signed: &'a [u8],
    pub(crate) header: Vec<u8>,
    pub(crate) claims: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> ProofParts<'a> {
    /// Splits a proof in compact form after a check of its length.
    pub(crate) fn split(proof: &'a [u8], longest: usize) -> Result<Self, &'static str> {
        let told = |error| match error {
            TokenError::Malformed(what) => what,
            _ => "it cannot be read",
        };
        let compact = Compact::split(proof, longest).map_err(told)?;
        Ok(Self {
            signed: compact.signed,
            header: Padding::None.decode(compact.header).map_err(told)?,
            claims: Padding::None.decode(compact.claims).map_err(told)?,
            signature: Padding::None.decode(compact.signature).map_err(told)?,
        })
    }
}

/// A public key that its holder has sent. It proves nothing until its thumbprint is compared with that in a token.
#[derive(Clone, Debug)]
pub(crate) struct ProofKey {
    algorithm: Algorithm,
    jwk: Value,
    thumbprint: String,
}

/// The members of private keys (RFC 7518, section 6), and of secrets.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl ProofKey {
    /// Reads a key for this algorithm. No arithmetic is done: the numbers of the key are checked when it verifies.
    pub(crate) fn read(algorithm: Algorithm, jwk: Value) -> Result<Self, &'static str> {
        if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
            return Err("its jwk has a private member");
        }
        let (kty, crv) = match algorithm.family() {
            Family::Hmac => return Err("its alg is not asymmetric"),
            Family::Rsa => ("RSA", None),
            Family::Ed25519 => ("OKP", Some("Ed25519")),
            family => ("EC", family.curve().map(|curve| curve.name)),
        };
        let is = |name: &str, wanted: &str| jwk.get(name).and_then(Value::as_str) == Some(wanted);
        if !is("kty", kty) || crv.is_some_and(|crv| !is("crv", crv)) {
            return Err("its jwk is not a key for its alg");
        }
        let thumbprint = thumbprint(algorithm, &jwk).ok_or("its jwk is incomplete")?;
        Ok(Self { algorithm, jwk, thumbprint })
    }

    /// Returns the SHA-256 thumbprint (RFC 7638) in base64url.
    pub(crate) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// If the key cannot be used, or the signature is not one of it.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let key = VerifyingKey::read_jwk(self.jwk.clone(), self.algorithm).map_err(|_| "its jwk cannot be used")?;
        if key.algorithm() != self.algorithm {
            return Err("the alg of its jwk is not that of its header");
        }
        if key.verify(message, signature) { Ok(()) } else { Err("its signature is invalid") }
    }
}
