//! A token forge: keys of every algorithm, and whatever bytes one likes under their signatures.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokens/", $name))
    };
}
pub(crate) use fixture;

pub(crate) const ISSUER: &str = "https://issuer.test/";
pub(crate) const AUDIENCE: &str = "freddy";

/// The public halves as an attacker finds them.
pub(crate) const RSA: &str = fixture!("rsa.pub.pem");
pub(crate) const RSA_PKCS1: &str = fixture!("rsa.pkcs1.pub.pem");
pub(crate) const P256: &str = fixture!("p256.pub.pem");
pub(crate) const P384: &str = fixture!("p384.pub.pem");
pub(crate) const P521: &str = fixture!("p521.pub.pem");
pub(crate) const SECP256K1: &str = fixture!("secp256k1.pub.pem");
pub(crate) const ED25519: &str = fixture!("ed25519.pub.pem");

/// A key and the one algorithm that it is for.
pub(crate) struct Key {
    /// The algorithm in lower case; an attacker's key says so.
    pub(crate) kid: &'static str,
    pub(crate) alg: &'static str,
    signer: Signer,
}

enum Signer {
    Common(EncodingKey, Algorithm),
    /// On a curve that `jsonwebtoken` does not sign with, and its name in a JWK.
    Curve(EcdsaKeyPair, &'static str),
}

/// One key for every algorithm, in the order of [`KIDS`].
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let hmac = |kid, alg, algorithm| {
        let secret = EncodingKey::from_secret(secret(kid).as_bytes());
        Key { kid, alg, signer: Signer::Common(secret, algorithm) }
    };
    let rsa = |kid, alg, algorithm| {
        let signer = EncodingKey::from_rsa_pem(fixture!("rsa.pem").as_bytes()).unwrap();
        Key { kid, alg, signer: Signer::Common(signer, algorithm) }
    };
    let ec = |kid, alg, algorithm, pem: &str| {
        let signer = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        Key { kid, alg, signer: Signer::Common(signer, algorithm) }
    };
    let curve = |kid, alg, scheme, pem: &str, name| {
        let signer = EcdsaKeyPair::from_pkcs8(scheme, &der(pem)).unwrap();
        Key { kid, alg, signer: Signer::Curve(signer, name) }
    };
    let ed25519 = EncodingKey::from_ed_pem(fixture!("ed25519.pem").as_bytes()).unwrap();
    vec![
        hmac("hs256", "HS256", Algorithm::HS256),
        hmac("hs384", "HS384", Algorithm::HS384),
        hmac("hs512", "HS512", Algorithm::HS512),
        rsa("rs256", "RS256", Algorithm::RS256),
        rsa("rs384", "RS384", Algorithm::RS384),
        rsa("rs512", "RS512", Algorithm::RS512),
        rsa("ps256", "PS256", Algorithm::PS256),
        rsa("ps384", "PS384", Algorithm::PS384),
        rsa("ps512", "PS512", Algorithm::PS512),
        ec("es256", "ES256", Algorithm::ES256, fixture!("p256.pem")),
        ec("es384", "ES384", Algorithm::ES384, fixture!("p384.pem")),
        curve("es512", "ES512", &ECDSA_P521_SHA512_FIXED_SIGNING, fixture!("p521.pem"), "P-521"),
        curve("es256k", "ES256K", &ECDSA_P256K1_SHA256_FIXED_SIGNING, fixture!("secp256k1.pem"), "secp256k1"),
        Key { kid: "ed25519", alg: "EdDSA", signer: Signer::Common(ed25519, Algorithm::EdDSA) },
    ]
});

/// Keys that no verifier is given.
static ATTACKERS: LazyLock<[Key; 2]> = LazyLock::new(|| {
    let rsa = EncodingKey::from_rsa_pem(fixture!("attacker-rsa.pem").as_bytes()).unwrap();
    let p256 = EncodingKey::from_ec_pem(fixture!("attacker-p256.pem").as_bytes()).unwrap();
    [
        Key { kid: "attacker-rsa", alg: "RS256", signer: Signer::Common(rsa, Algorithm::RS256) },
        Key { kid: "attacker-p256", alg: "ES256", signer: Signer::Common(p256, Algorithm::ES256) },
    ]
});

pub(crate) const KIDS: [&str; 14] = [
    "hs256", "hs384", "hs512", "rs256", "rs384", "rs512", "ps256", "ps384", "ps512", "es256", "es384", "es512",
    "es256k", "ed25519",
];

pub(crate) fn key(kid: &str) -> &'static Key {
    KEYS.iter().find(|key| key.kid == kid).unwrap()
}

pub(crate) fn attackers() -> &'static [Key; 2] {
    &ATTACKERS
}

/// The secret of an HMAC key: 64 bytes, long enough for each of the three.
pub(crate) fn secret(kid: &str) -> String {
    format!("{kid}: a secret of the tests and of nothing else, of 64 bytes ==")
}

/// An HMAC under any bytes at all.
pub(crate) fn hmac(alg: &str, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let algorithm = match alg {
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        _ => Algorithm::HS256,
    };
    unb64(&crypto::sign(message, &EncodingKey::from_secret(secret), algorithm).unwrap())
}

impl Key {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Common(key, algorithm) => unb64(&crypto::sign(message, key, *algorithm).unwrap()),
            Signer::Curve(key, _) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
        }
    }

    /// The header that a good token of this key has.
    pub(crate) fn header(&self) -> Object {
        Object::default().text("alg", self.alg).text("kid", self.kid).text("typ", "at+jwt")
    }

    /// The public key, or the secret, as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.signer {
            Signer::Common(key, algorithm) => {
                serde_json::to_value(Jwk::from_encoding_key(key, *algorithm).unwrap()).unwrap()
            }
            Signer::Curve(key, crv) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": crv, "x": b64(x), "y": b64(y) })
            }
        };
        for (name, value) in [("kid", self.kid), ("alg", self.alg), ("use", "sig")] {
            jwk[name] = value.into();
        }
        jwk
    }

    /// A token of any header and any claims with a good signature.
    pub(crate) fn seal(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.seal_parts(&b64(header), &b64(claims))
    }

    /// The same of parts that are encoded already, rightly or not.
    pub(crate) fn seal_parts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{header}.{claims}");
        let signature = b64(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A good token at this time.
    pub(crate) fn token(&self, now: u64) -> String {
        self.seal(self.header(), claims(now))
    }
}

/// All keys but the attacker's, as a document.
pub(crate) fn jwks(kids: &[&str]) -> String {
    json!({ "keys": kids.iter().map(|kid| key(kid).jwk()).collect::<Vec<_>>() }).to_string()
}

/// The claims of a good token at this time.
pub(crate) fn claims(now: u64) -> Object {
    Object::default()
        .text("iss", ISSUER)
        .text("aud", AUDIENCE)
        .text("sub", "user_1")
        .text("client_id", "the tests")
        .text("jti", "token_1")
        .raw("iat", now - 60)
        .raw("exp", now + 3600)
        .text("scope", "read")
        .text("plan", "premium")
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// What stands between the lines of a PEM.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let inside: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(inside).unwrap()
}

/// A JSON object as text: names and values stand in it as they were given, good or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    members: Vec<(String, String)>,
    text: String,
}

#[allow(clippy::needless_pass_by_value, reason = "a value is a number, a text, or JSON, as it comes")]
impl Object {
    /// Sets a member to a value that is JSON, or is meant not to be.
    pub(crate) fn raw(mut self, name: &str, value: impl ToString) -> Self {
        match self.members.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.to_string(),
            None => self.members.push((name.to_owned(), value.to_string())),
        }
        self.written()
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, Value::from(value))
    }

    /// Adds a member in front of all others, whether its name stands there already or not.
    pub(crate) fn first(mut self, name: &str, value: impl ToString) -> Self {
        self.members.insert(0, (name.to_owned(), value.to_string()));
        self.written()
    }

    /// The same behind all others.
    pub(crate) fn last(mut self, name: &str, value: impl ToString) -> Self {
        self.members.push((name.to_owned(), value.to_string()));
        self.written()
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.members.retain(|(other, _)| other != name);
        self.written()
    }

    fn written(mut self) -> Self {
        let members = self.members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
        self.text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl AsRef<[u8]> for Object {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
