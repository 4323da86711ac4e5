//! Tokens that are bound to a key or a certificate; rules 071 to 075, and pitfall 87.

mod certificates;
mod configured;
mod hostile;
mod nonces;
mod plain;
mod props;
mod protocol;
mod replays;
mod rules;

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Request};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower_auth::{AuthStack, BearerLayer, Dpop, TokenVerifier};

use crate::{
    support::Body,
    tokens::{
        NOW, Told, ask,
        mint::{Key, Object, b64, claims, key},
        stack_of, strict,
    },
};

pub(crate) const ORIGIN: &str = "https://api.test";
pub(crate) const ALGS: &str = "ES256 EdDSA Ed25519 ES384 PS256 RS256";

/// The keys of clients. Tokens are signed by another one.
pub(crate) const CLIENTS: [&str; 5] = ["es256", "ed25519", "es384", "ps256", "rs256"];

pub(crate) fn challenge(error: &str, description: &str) -> String {
    format!(r#"DPoP realm="api", algs="{ALGS}", error="{error}", error_description="{description}""#)
}

pub(crate) fn bad_proof() -> String {
    challenge("invalid_dpop_proof", "The DPoP proof is invalid")
}

pub(crate) fn bad_token() -> String {
    challenge("invalid_token", "The access token is invalid")
}

/// The public key of a client, with the members that a key has and no others.
pub(crate) fn jwk(key: &Key) -> Value {
    let mut jwk = key.jwk();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    jwk
}

/// The thumbprint as another implementation computes it.
pub(crate) fn jkt(key: &Key) -> String {
    serde_json::from_value::<Jwk>(jwk(key)).unwrap().thumbprint(ThumbprintHash::SHA256).unwrap()
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    b64(Sha256::digest(bytes))
}

/// A token with this `cnf`.
pub(crate) fn token(cnf: &Value) -> String {
    key("rs512").seal(key("rs512").header(), claims(NOW).raw("cnf", cnf))
}

pub(crate) fn token_of(client: &str) -> String {
    token(&json!({ "jkt": jkt(key(client)) }))
}

/// A proof that can be spoilt.
#[derive(Clone)]
pub(crate) struct Proof {
    pub(crate) client: &'static str,
    pub(crate) header: Object,
    pub(crate) claims: Object,
}

impl Proof {
    /// A good proof for `GET https://api.test/things`. Each has an id of its own.
    pub(crate) fn of(client: &'static str, token: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let header =
            Object::default().text("typ", "dpop+jwt").text("alg", key(client).alg).raw("jwk", jwk(key(client)));
        let claims = Object::default()
            .text("jti", &format!("proof-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
            .text("htm", "GET")
            .text("htu", "https://api.test/things")
            .raw("iat", NOW)
            .text("ath", &sha256(token));
        Self { client, header, claims }
    }

    pub(crate) fn header(self, change: impl FnOnce(Object) -> Object) -> Self {
        Self { header: change(self.header), ..self }
    }

    pub(crate) fn claim(self, change: impl FnOnce(Object) -> Object) -> Self {
        Self { claims: change(self.claims), ..self }
    }

    pub(crate) fn sealed(&self) -> String {
        key(self.client).seal(&self.header, &self.claims)
    }
}

pub(crate) fn layer() -> BearerLayer {
    layer_of(Dpop::new(ORIGIN))
}

pub(crate) fn verifier() -> TokenVerifier {
    strict().build().unwrap()
}

pub(crate) fn layer_of(dpop: Dpop) -> BearerLayer {
    BearerLayer::new(verifier()).dpop(dpop)
}

pub(crate) fn stack() -> AuthStack {
    stack_of(layer())
}

/// `GET /things` with a token, and with each of these proofs in a line of its own.
pub(crate) fn request(scheme: &str, token: &str, proofs: &[&str]) -> Request<Body> {
    request_for("GET", "/things", scheme, token, proofs)
}

pub(crate) fn request_for(method: &str, path: &str, scheme: &str, token: &str, proofs: &[&str]) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("{scheme} {token}"));
    let line = |proof: &&str| HeaderValue::from_str(proof).unwrap();
    let request = proofs.iter().fold(request, |request, proof| request.header("dpop", line(proof)));
    request.body(Body::default()).unwrap()
}

/// What is said to a token with a proof.
pub(crate) async fn prove(stack: &AuthStack, token: &str, proof: &str) -> Told {
    ask(stack, request("DPoP", token, &[proof])).await
}

impl Told {
    pub(crate) fn assert_bad_proof(&self, why: &str) {
        self.assert(401, "TOKEN_INVALID", &[&bad_proof()]);
        let cause = self.cause.as_deref().unwrap_or_default();
        assert!(cause.contains(why), "{cause}, and not {why}");
    }

    pub(crate) fn assert_bad_binding(&self, why: &str) {
        self.assert(401, "TOKEN_INVALID", &[&bad_token()]);
        let cause = self.cause.as_deref().unwrap_or_default();
        assert!(cause.contains("cnf") && cause.contains(why), "{cause}, and not {why}");
    }
}
