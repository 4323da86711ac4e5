//! Tokens that are bound to a certificate (RFC 8705).

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tower_auth::{AuthStack, BearerLayer, BoxError, ClientCertificate, MaybeReady, TokenVerifier, token::KeySource};

use super::{Proof, jkt, request, sha256, stack as stack_with_dpop, token};
use crate::{
    support::Body,
    tokens::{
        INVALID, NOW, Told, ask, hand,
        mint::{AUDIENCE, ISSUER, KIDS, jwks, key},
        stack_of,
    },
};

const MINE: &[u8] = b"my certificate in DER";
const YOURS: &[u8] = b"yours";

fn over(mut request: Request<Body>, certificate: Option<&[u8]>) -> Request<Body> {
    if let Some(der) = certificate {
        request.extensions_mut().insert(ClientCertificate::from_der(der));
    }
    request
}

async fn bearer(stack: &AuthStack, cnf: &Value, certificate: Option<&[u8]>) -> Told {
    ask(stack, over(request("Bearer", &token(cnf), &[]), certificate)).await
}

#[tokio::test]
async fn a_token_needs_the_certificate_to_which_it_is_bound() {
    for cached in [false, true] {
        let builder = crate::tokens::strict();
        let builder = if cached { builder.cache(100) } else { builder };
        let stack = stack_of(BearerLayer::new(builder.build().unwrap()));
        let cnf = json!({ "x5t#S256": sha256(MINE) });
        for _ in 0..2 {
            bearer(&stack, &cnf, Some(MINE)).await.assert_accepted();
            for (certificate, why) in [(Some(YOURS), "another certificate"), (None, "ClientCertificate")] {
                let told = bearer(&stack, &cnf, certificate).await;
                told.assert(401, "TOKEN_INVALID", &[INVALID]);
                let cause = told.cause.unwrap();
                assert!(cause.contains("x5t#S256") && cause.contains(why), "{cause}");
            }
        }
        // A certificate proves nothing else.
        for cnf in [
            json!({ "x5t#S256": sha256(MINE), "x5t": "a" }),
            json!({ "x5t#S256": [sha256(MINE)] }),
            json!({ "x5t#S256": format!("{}=", sha256(MINE)) }),
            json!({ "x5t#s256": sha256(MINE) }),
            json!({ "jkt": sha256(MINE) }),
            json!({ "jkt": jkt(key("es256")), "x5t#S256": sha256(MINE) }),
        ] {
            assert_eq!(bearer(&stack, &cnf, Some(MINE)).await.short(), (401, "TOKEN_INVALID"), "{cnf}");
        }
        let plain = key("rs512").token(NOW);
        ask(&stack, over(request("Bearer", &plain, &[]), Some(YOURS))).await.assert_accepted();
    }
}

#[tokio::test]
async fn a_token_with_two_bindings_needs_both() {
    let stack = stack_with_dpop();
    let token = token(&json!({ "jkt": jkt(key("es256")), "x5t#S256": sha256(MINE) }));
    let proof = |client| Proof::of(client, &token).sealed();
    let request = |client| request("DPoP", &token, &[&proof(client)]);
    ask(&stack, over(request("es256"), Some(MINE))).await.assert_accepted();
    ask(&stack, over(request("es256"), Some(YOURS))).await.assert_bad_binding("another certificate");
    ask(&stack, over(request("es256"), None)).await.assert_bad_binding("ClientCertificate");
    ask(&stack, over(request("ed25519"), Some(MINE))).await.assert_bad_binding("another key");
    // Nothing of that was remembered but the first proof.
    ask(&stack, over(request("es256"), Some(MINE))).await.assert_accepted();
}

/// Keys that come after a while.
struct Later(String);

impl KeySource for Later {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let document = self.0.clone();
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            Ok(document.into())
        })
    }
}

/// The keys of the issuer come later, when the request is gone; its certificate is kept.
#[tokio::test]
async fn a_token_that_waits_for_keys_keeps_its_evidence() {
    let cnf = json!({ "x5t#S256": sha256(MINE) });
    for (certificate, status) in [(Some(MINE), 200), (Some(YOURS), 401), (None, 401)] {
        let tokens = TokenVerifier::source(ISSUER, Later(jwks(&KIDS[3..]))).audience(AUDIENCE).build().unwrap();
        let stack = AuthStack::builder().auth(BearerLayer::new(tokens)).clock(&hand()).build().unwrap();
        assert_eq!(bearer(&stack, &cnf, certificate).await.status, status);
    }
}
