//! Parses one JSON Web Key (RFC 7517, section 4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    algorithm::Algorithm,
    key::{VerifyingKey, faulty},
    shown::Shown,
};
use crate::ConfigError;

/// The members that are read. All others, such as certificates, have no effect and may have any value.
const MEMBERS: [&str; 11] = ["kty", "alg", "use", "key_ops", "kid", "n", "e", "crv", "x", "y", "k"];

/// Curves of which issuers have keys, and no backend.
const OTHER_CURVES: [&str; 2] = ["P-521", "secp256k1"];

impl VerifyingKey {
    /// Parses a JSON Web Key (RFC 7517). The `alg` of the key sets the algorithm. Without `alg`, the algorithm is ES256
    /// or ES384 by the curve, Ed25519, or RS256 for an RSA key. A secret (`oct`) must have an `alg`.
    ///
    /// # Errors
    /// If the key cannot be parsed, is not for signatures, or is too weak.
    pub fn from_jwk(jwk: &str) -> Result<Self, ConfigError> {
        let value = serde_json::from_str(jwk).map_err(|error| faulty(format!("it is not JSON: {error}")))?;
        Self::read_jwk(value, Algorithm::Rs256).map_err(faulty)
    }

    /// Parses one key of a set. An RSA key without `alg` gets the algorithm `rsa`.
    pub(super) fn read_jwk(mut value: Value, rsa: Algorithm) -> Result<Self, String> {
        let issuer = value.as_object_mut().and_then(|members| members.remove("issuer"));
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, value| MEMBERS.contains(&&**name) && !(name == "kid" && value.is_null()));
        }
        // `jsonwebtoken` does not know newer names of algorithms, and does not reject unknown names.
        let alg = match value.get("alg") {
            None => None,
            Some(Value::String(name)) if ["ES512", "ES256K"].contains(&&**name) => {
                return Err(format!("its alg {name} is not supported"));
            }
            Some(Value::String(name)) => {
                Some(Algorithm::from_name(name).ok_or_else(|| format!("its alg {} is not for tokens", Shown(name)))?)
            }
            Some(_) => return Err("its alg is not a string".to_owned()),
        };
        if value.get("kid").is_some_and(|kid| !kid.is_string()) {
            return Err("its kid is not a string".to_owned());
        }
        // `jsonwebtoken` parses `{"RSA":null}` as `"RSA"`.
        if ["kty", "crv"].iter().any(|name| value.get(name).is_some_and(|value| !value.is_string())) {
            return Err("its kty or crv is not a string".to_owned());
        }
        if value.get("kty").is_some_and(|kty| kty == "EC")
            && value.get("crv").is_some_and(|crv| OTHER_CURVES.iter().any(|other| crv == other))
        {
            return Err("its curve is P-521 or secp256k1 (ES512, ES256K), which is not supported".to_owned());
        }
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is not a JWK")?;
        let own = algorithm(&jwk, alg, rsa)?;
        let key = if let AlgorithmParameters::OctetKey(key) = &jwk.algorithm {
            let secret = URL_SAFE_NO_PAD.decode(&key.value).map_err(|_| "its secret is not base64url")?;
            Self::secret(own, &Zeroizing::new(secret))?
        } else {
            let key = DecodingKey::from_jwk(&jwk).map_err(|_| "it cannot be read")?;
            Self::public(own, &key)?
        };
        // A value that is not a string is the name of no issuer.
        let key = match issuer {
            None | Some(Value::Null) => key,
            Some(issuer) => key.bound_to(issuer.as_str().unwrap_or_default()),
        };
        Ok(match jwk.common.key_id {
            Some(id) => key.id(&id),
            None => key,
        })
    }
}

/// Returns the algorithm of the key.
fn algorithm(jwk: &Jwk, alg: Option<Algorithm>, rsa: Algorithm) -> Result<Algorithm, String> {
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
        // A secret can be for several algorithms, so `alg` is required.
        AlgorithmParameters::OctetKey(_) => alg.ok_or("it is a secret without alg")?,
        _ => return Err("its kty or crv is not supported".to_owned()),
    };
    if alg.is_some_and(|alg| alg != own) {
        return Err("its alg does not match its kty and crv".to_owned());
    }
    // `jsonwebtoken` concatenates the coordinates and does not check the length of each (RFC 7518, section 6.2.1.2).
    if let AlgorithmParameters::EllipticCurve(key) = &jwk.algorithm {
        let bytes = if own == Algorithm::Es384 { 48 } else { 32 };
        let whole = |part: &String| URL_SAFE_NO_PAD.decode(part).is_ok_and(|part| part.len() == bytes);
        if ![&key.x, &key.y].into_iter().all(whole) {
            return Err("its coordinates do not have the length that its curve requires".to_owned());
        }
    }
    Ok(own)
}
