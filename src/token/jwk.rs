//! Parses one JSON Web Key (RFC 7517, section 4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    algorithm::{Algorithm, Family},
    key::{VerifyingKey, faulty},
    material::Material,
    shown::Shown,
};
use crate::ConfigError;

/// The members that are read. All others, such as certificates, have no effect and may have any value.
const MEMBERS: [&str; 11] = ["kty", "alg", "use", "key_ops", "kid", "n", "e", "crv", "x", "y", "k"];

impl VerifyingKey {
    /// Parses a JSON Web Key (RFC 7517). The `alg` of the key sets the algorithm. Without `alg`, the algorithm is
    /// the one of its curve (ES256, ES384, ES512, ES256K, Ed25519), or RS256 for an RSA key. A secret (`oct`) must have an
    /// `alg`.
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
        let (key, id) = if value.get("kty").is_some_and(|kty| kty == "EC") {
            Self::read_point(&value, alg)?
        } else {
            let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is not a JWK")?;
            let own = algorithm(&jwk, alg, rsa)?;
            let key = if let AlgorithmParameters::OctetKey(key) = &jwk.algorithm {
                let secret = URL_SAFE_NO_PAD.decode(&key.value).map_err(|_| "its secret is not base64url")?;
                Self::secret(own, &Zeroizing::new(secret))?
            } else {
                let key = DecodingKey::from_jwk(&jwk).map_err(|_| "it cannot be read")?;
                Self::public(own, &key)?
            };
            (key, jwk.common.key_id)
        };
        // A value that is not a string is the name of no issuer.
        let key = match issuer {
            None | Some(Value::Null) => key,
            Some(issuer) => key.bound_to(issuer.as_str().unwrap_or_default()),
        };
        Ok(match id {
            Some(id) => key.id(&id),
            None => key,
        })
    }

    /// Parses an EC key. `jsonwebtoken` does not know secp256k1 (RFC 8812), and does not check the length of each coordinate (RFC
    /// 7518, section 6.2.1.2).
    fn read_point(value: &Value, alg: Option<Algorithm>) -> Result<(Self, Option<String>), String> {
        let common = CommonParameters::deserialize(value).map_err(|_| "it is not a JWK")?;
        check_usage(&common)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let crv = text("crv").ok_or("it is not a JWK")?;
        let own = Family::of_curve(|curve| curve.name == crv).ok_or("its kty or crv is not supported")?;
        check_alg(alg, own)?;
        let bytes = own.family().curve().map(|curve| curve.bytes);
        let coordinate = |name: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
            (Some(decoded.len()) == bytes).then_some(decoded)
        };
        let (x, y) = coordinate("x")
            .zip(coordinate("y"))
            .ok_or("its coordinates do not have the length that its curve requires")?;
        let point = [&[UNCOMPRESSED][..], &x, &y].concat();
        Ok((Self::from_material(own, &Material::Point(point))?, common.key_id))
    }
}

/// The first byte of a point whose coordinates follow (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

fn check_usage(common: &CommonParameters) -> Result<(), String> {
    if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return Err("it is not for signatures (use)".to_owned());
    }
    if common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
        return Err("it is not for verifying (key_ops)".to_owned());
    }
    Ok(())
}

fn check_alg(alg: Option<Algorithm>, own: Algorithm) -> Result<(), String> {
    if alg.is_some_and(|alg| alg != own) {
        return Err("its alg does not match its kty and crv".to_owned());
    }
    Ok(())
}

/// Returns the algorithm of a key that is not an EC key.
fn algorithm(jwk: &Jwk, alg: Option<Algorithm>, rsa: Algorithm) -> Result<Algorithm, String> {
    check_usage(&jwk.common)?;
    let own = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => alg.unwrap_or(rsa),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::Ed25519,
        // A secret can be for several algorithms, so `alg` is required.
        AlgorithmParameters::OctetKey(_) => alg.ok_or("it is a secret without alg")?,
        _ => return Err("its kty or crv is not supported".to_owned()),
    };
    check_alg(alg, own)?;
    Ok(own)
}
