//! The public part of a signing key, as it is published.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    algorithm::{Algorithm, Family},
    key::VerifyingKey,
    material::{Material, without_leading_zeros},
};
use crate::key::sha256;

/// A public key as a JSON Web Key, and its id. It has no private member.
#[derive(Debug)]
pub(crate) struct PublicJwk {
    id: Box<str>,
    text: Box<str>,
}

impl PublicJwk {
    pub(super) fn of(algorithm: Algorithm, material: &Material) -> Option<Self> {
        Some(Self::new(algorithm, &Members::of(algorithm, material)?))
    }

    /// Reads a public key that a store holds. Its id must be that of the key, which is computed.
    pub(crate) fn read(algorithm: Algorithm, id: &str, text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|_| "its public part is not JSON")?;
        let members = Members::read(algorithm, &value).ok_or("its public part is incomplete")?;
        let jwk = Self::new(algorithm, &members);
        if *jwk.id != *id {
            return Err("its id is not that of its public part".to_owned());
        }
        let key = VerifyingKey::from_jwk(&jwk.text).map_err(|error| error.to_string())?;
        if key.algorithm() == algorithm { Ok(jwk) } else { Err(format!("its public part is not for {algorithm}")) }
    }

    fn new(algorithm: Algorithm, members: &Members) -> Self {
        let id = members.thumbprint();
        let alg = algorithm.header_name();
        let text = format!(r#"{{{},"kid":"{id}","alg":"{alg}","use":"sig"}}"#, members.inside());
        Self { id: id.into(), text: text.into() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the JSON.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Returns the thumbprint of a public key (RFC 7638) for this algorithm, as it is written. The key may be invalid.
pub(super) fn thumbprint(algorithm: Algorithm, jwk: &Value) -> Option<String> {
    Members::read(algorithm, jwk).map(|members| members.thumbprint())
}

/// The members that make a key, in base64url.
enum Members {
    Ec { curve: &'static str, x: String, y: String },
    Ed25519 { x: String },
    Rsa { n: String, e: String },
}

impl Members {
    fn of(algorithm: Algorithm, material: &Material) -> Option<Self> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(match material {
            Material::Point(point) => {
                let (_, point) = point.split_first()?;
                let (x, y) = point.split_at(point.len() / 2);
                Self::Ec { curve: algorithm.family().curve()?.name, x: encode(x), y: encode(y) }
            }
            Material::Ed25519(x) => Self::Ed25519 { x: encode(x) },
            Material::Rsa { n, e } => {
                Self::Rsa { n: encode(without_leading_zeros(n)), e: encode(without_leading_zeros(e)) }
            }
            Material::Secret(_) => return None,
        })
    }

    fn read(algorithm: Algorithm, jwk: &Value) -> Option<Self> {
        let member = |name: &str| {
            // In base64url, no character needs an escape.
            let text = jwk.get(name)?.as_str()?;
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)).then(|| text.to_owned())
        };
        Some(match algorithm.family() {
            Family::Ed25519 => Self::Ed25519 { x: member("x")? },
            Family::Rsa => Self::Rsa { n: member("n")?, e: member("e")? },
            family => Self::Ec { curve: family.curve()?.name, x: member("x")?, y: member("y")? },
        })
    }

    /// RFC 7638, section 3: the required members, in the order of their names, without white space.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.sorted().as_bytes()))
    }

    fn sorted(&self) -> String {
        match self {
            Self::Ec { curve, x, y } => format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        }
    }

    fn inside(&self) -> String {
        match self {
            Self::Ec { curve, x, y } => format!(r#""kty":"EC","crv":"{curve}","x":"{x}","y":"{y}""#),
            Self::Ed25519 { x } => format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#),
            Self::Rsa { n, e } => format!(r#""kty":"RSA","n":"{n}","e":"{e}""#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of RFC 7638, section 3.1, and of RFC 8037, appendix A.2 and A.3.
    #[test]
    fn thumbprints_equal_the_published_ones() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
                 oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu\
                 6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw\
                 apJzKnqDKgw";
        let rsa = format!(r#"{{"n":"{n}","e":"AQAB"}}"#);
        let read = PublicJwk::read(Algorithm::Rs256, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", &rsa).unwrap();
        assert!(read.text().ends_with(r#","alg":"RS256","use":"sig"}"#), "{}", read.text());
        let okp = r#"{"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"secret"}"#;
        let read = PublicJwk::read(Algorithm::Ed25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", okp).unwrap();
        assert_eq!(
            read.text(),
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","alg":"EdDSA","use":"sig"}"#
        );
    }

    /// The required members of RFC 7638, section 3.2, with the curves of RFC 7518 and RFC 8812.
    #[test]
    fn thumbprints_name_the_curve() {
        let one = |algorithm, x: &str, y: &str| {
            let jwk = serde_json::json!({ "y": y, "x": x, "crv": "P-256", "kty": "EC" });
            thumbprint(algorithm, &jwk).unwrap()
        };
        let digest = |text: &str| URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()));
        assert_eq!(one(Algorithm::Es256k, "AA", "AQ"), digest(r#"{"crv":"secp256k1","kty":"EC","x":"AA","y":"AQ"}"#));
        assert_eq!(one(Algorithm::Es512, "AA", "AQ"), digest(r#"{"crv":"P-521","kty":"EC","x":"AA","y":"AQ"}"#));
    }

    #[test]
    fn a_row_that_is_not_the_key_of_its_id_is_refused() {
        let okp = r#"{"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let id = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let short = PublicJwk::new(Algorithm::Ed25519, &Members::Ed25519 { x: "AAAA".to_owned() });
        for (algorithm, id, text, said) in [
            (Algorithm::Ed25519, id, "", "not JSON"),
            (Algorithm::Ed25519, id, "[]", "incomplete"),
            (Algorithm::Es256, id, okp, "incomplete"),
            (Algorithm::Hs256, id, okp, "incomplete"),
            (Algorithm::Ed25519, "other", okp, "not that"),
            (Algorithm::Ed25519, id, r#"{"x":"21qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#, "not that"),
            (Algorithm::Ed25519, id, r#"{"x":"11\",\"k\":\"a"}"#, "incomplete"),
            (Algorithm::Ed25519, &short.id, r#"{"x":"AAAA"}"#, "32 bytes"),
        ] {
            let error = PublicJwk::read(algorithm, id, text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
