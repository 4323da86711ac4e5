//! Tokens as clients present them, and services that receive them in turn.

use std::{convert::Infallible, fmt};

use aws_lc_rs::{
    hmac,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256,
    },
};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};
use tower::Service;
use tower_auth::token::TokenVerifierBuilder;

use super::{
    harness::{Bench, Row},
    issuer::{AUDIENCE, ISSUER, KID, SECRET, now, verifier},
    prepared::{Prepare, Prepared},
    services::{Template, answer},
};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/tokens/", $name))
    };
}

/// An issuer that signs tokens with one key.
pub(crate) struct Issuer {
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    /// The tokens, the same for all rows, because the time of an ECDSA check depends on the token.
    tokens: Tokens,
}

impl Issuer {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::HS256 => Ok(EncodingKey::from_secret(SECRET)),
            Algorithm::RS256 | Algorithm::PS256 => EncodingKey::from_rsa_pem(pem!("rsa.pem")),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem!("p256.pem")),
            Algorithm::ES384 => EncodingKey::from_ec_pem(pem!("p384.pem")),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem!("ed25519.pem")),
            _ => panic!("no bench is about {algorithm:?}"),
        };
        let mut issuer = Self { algorithm, key: key.expect("the key is valid"), tokens: Tokens::new([]) };
        issuer.tokens = issuer.tokens_until(now() + 24 * 3600);
        issuer
    }

    /// Returns the verifying key as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> String {
        let mut jwk = self.jwk();
        for (name, value) in [("kid", KID), ("alg", &format!("{:?}", self.algorithm)), ("use", "sig")] {
            jwk[name] = value.into();
        }
        json!({ "keys": [jwk] }).to_string()
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("the key has a public part");
        serde_json::to_value(jwk).expect("a JWK is JSON")
    }

    /// Returns a builder of our verifier.
    pub(crate) fn verifier(&self) -> TokenVerifierBuilder {
        verifier(&self.jwks())
    }

    /// Returns tokens of different users, valid for a day.
    pub(crate) fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Returns tokens with another `exp`.
    pub(crate) fn tokens_until(&self, expires: u64) -> Tokens {
        Tokens::new((0..COUNT).map(|user| self.token(user, expires)))
    }

    fn token(&self, user: u64, expires: u64) -> String {
        let header = json!({ "alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": KID });
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": format!("user_{}", 4711 + 37 * user),
            "client_id": "web",
            "exp": expires,
            "iat": expires - 25 * 3600 - user,
            "jti": format!("{:08x}", 0x9e37_79b9 ^ (user << 20)),
            "scope": "read write",
        });
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("the key signs");
        format!("{signed}.{signature}")
    }

    /// Returns a check of the signatures alone, with decoded parts and a parsed key.
    pub(crate) fn raw(&self, bench: &mut Bench, name: &str) -> Row {
        let decoded = |token: &String| {
            let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
            (message.to_owned(), decode(signature))
        };
        let signed: Vec<_> = self.tokens.texts.iter().map(decoded).collect();
        let key = Raw::new(self);
        assert!(signed.iter().all(|(message, signature)| key.verify(message.as_bytes(), signature)));
        let mut turn = Turn::default();
        bench.work(name, move || {
            let (message, signature) = turn.of(&signed);
            key.verify(message.as_bytes(), signature)
        })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.algorithm)
    }
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("the part is base64url")
}

/// A key of AWS-LC.
enum Raw {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Raw {
    fn new(issuer: &Issuer) -> Self {
        let jwk = issuer.jwk();
        let part = |name: &str| decode(jwk[name].as_str().expect("the JWK has this member"));
        let point = || [vec![4], part("x"), part("y")].concat();
        let rsa = |algorithm| PublicKeyComponents { n: part("n"), e: part("e") }.to_parsed_public_key(algorithm);
        let key = match issuer.algorithm {
            Algorithm::HS256 => return Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, SECRET))),
            Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::ES256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()),
            Algorithm::ES384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()),
            _ => ParsedPublicKey::new(&ED25519, part("x")),
        };
        Self::Public(key.expect("the key is valid"))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// The number of tokens. It is large enough that no branch predictor learns them.
const COUNT: u64 = 16;

/// Tokens that are presented in turn.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) texts: Vec<String>,
}

impl Tokens {
    pub(crate) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        Self { texts: texts.into_iter().collect() }
    }

    /// Adds a service that must answer every request with one of these tokens with this status.
    pub(crate) fn row<S, R>(&self, bench: &mut Bench, name: &str, status: StatusCode, service: S) -> Row
    where
        S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + 'static,
    {
        let mut service = self.presented_to(service);
        for token in &self.texts {
            let answered = ask(&mut service, Request::new(Body::empty()));
            assert_eq!(answered, status, "{name} does not what is measured: {token}");
        }
        let headers = [
            ("host", "api.example.com"),
            ("user-agent", "curl/8.9.1"),
            ("accept", "*/*"),
            ("authorization", "Bearer of one of the tokens"),
        ];
        bench.row(name, &Template::new(Method::GET, PATH, &headers, Body::empty), status, service)
    }

    pub(crate) fn presented_to<S>(&self, inner: S) -> Presented<S> {
        let value = |token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("a token is ASCII");
            value.set_sensitive(true);
            value
        };
        Prepared { inner, prepare: InTurn { values: self.texts.iter().map(value).collect(), turn: Turn::default() } }
    }
}

/// The path of the handler in routers.
pub(crate) const PATH: &str = "/v1/models";

/// A client with several tokens, in front of a service.
pub(crate) type Presented<S> = Prepared<S, InTurn>;

#[derive(Clone)]
pub(crate) struct InTurn {
    values: Vec<HeaderValue>,
    turn: Turn,
}

impl Prepare for InTurn {
    #[inline]
    fn prepare<B>(&mut self, request: &mut Request<B>) {
        // The copy increments a reference count.
        request.headers_mut().insert(AUTHORIZATION, self.turn.of(&self.values).clone());
    }
}

#[derive(Clone, Copy, Default)]
struct Turn(usize);

impl Turn {
    #[inline]
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        self.0 = (self.0 + 1) % all.len();
        &all[self.0]
    }
}

/// Returns the status of the answer to a request.
#[inline]
pub(crate) fn ask<S, B, R>(service: &mut S, mut request: Request<B>) -> StatusCode
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    *request.uri_mut() = http::Uri::from_static(PATH);
    answer(service, request).status()
}
