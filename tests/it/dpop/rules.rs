//! Rules 071 to 075.

use serde_json::json;
use tower_auth::{Dpop, dpop::Nonces};

use super::{
    CLIENTS, ORIGIN, Proof, bad_proof, jkt, jwk, layer_of, prove, request, request_for, sha256, stack, token, token_of,
};
use crate::tokens::{
    NOW, ask,
    mint::{b64, key},
    stack_of,
};

#[tokio::test]
async fn r071_one_proof_of_the_right_form() {
    let stack = stack();
    for client in CLIENTS {
        let token = token_of(client);
        prove(&stack, &token, &Proof::of(client, &token).sealed()).await.assert_accepted();
    }
    let token = token_of("es256");
    let good = || Proof::of("es256", &token);
    ask(&stack, request("DPoP", &token, &[])).await.assert_bad_proof("no header DPoP");
    ask(&stack, request("DPoP", &token, &[""])).await.assert_bad_proof("no header DPoP");
    let (one, other) = (good().sealed(), good().sealed());
    ask(&stack, request("DPoP", &token, &[&one, &other])).await.assert_bad_proof("more than one");
    ask(&stack, request("DPoP", &token, &[&one, &one])).await.assert_bad_proof("more than one");
    for joined in [format!("{one},{other}"), format!("{one}, {other}"), format!("{one},")] {
        prove(&stack, &token, &joined).await.assert_bad_proof("more than one");
    }
    for (name, value, why) in [
        ("typ", json!("jwt"), "typ"),
        ("typ", json!("at+jwt"), "typ"),
        ("typ", json!("DPOP+JWT"), "typ"),
        ("typ", json!("application/dpop+jwt"), "typ"),
        ("typ", json!("dpop+jwt "), "typ"),
        ("typ", json!(""), "typ"),
        ("typ", json!(1), "header cannot be read"),
        ("alg", json!("none"), "alg"),
        ("alg", json!("None"), "alg"),
        ("alg", json!(""), "alg"),
        ("alg", json!("HS256"), "alg"),
        ("alg", json!("es256"), "alg"),
        ("alg", json!("ES384"), "jwk is not a key for its alg"),
        ("alg", json!("EdDSA"), "jwk is not a key for its alg"),
        ("alg", json!("RS256"), "jwk is not a key for its alg"),
        ("alg", json!("RS512"), "alg"),
        ("alg", json!(["ES256"]), "header cannot be read"),
    ] {
        let proof = good().header(|header| header.raw(name, &value)).sealed();
        prove(&stack, &token, &proof).await.assert_bad_proof(why);
    }
    for name in ["typ", "alg", "jwk"] {
        prove(&stack, &token, &good().header(|header| header.without(name)).sealed()).await.assert_bad_proof(name);
    }
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AQ"), json!(null), json!([])] {
            let mut own = jwk(key("es256"));
            own[private] = value;
            let proof = good().header(|header| header.raw("jwk", &own)).sealed();
            prove(&stack, &token, &proof).await.assert_bad_proof("private member");
        }
    }
    // None of these was remembered: the same id is good in a good proof.
    prove(&stack, &token, &one).await.assert_accepted();
}

#[tokio::test]
async fn r072_a_proof_is_for_one_request_and_one_token() {
    let stack = stack();
    let token = token_of("es256");
    let good = || Proof::of("es256", &token);
    for (name, value, why) in [
        ("htm", json!("POST"), "htm"),
        ("htm", json!("get"), "htm"),
        ("htm", json!("GET "), "htm"),
        ("htm", json!(""), "htm"),
        ("htu", json!("https://api.test/other"), "htu"),
        ("htu", json!("https://api.test/things/"), "htu"),
        ("htu", json!("https://api.test/things?a=b"), "htu"),
        ("htu", json!("https://api.test/things#a"), "htu"),
        ("htu", json!("http://api.test/things"), "htu"),
        ("htu", json!("/things"), "htu"),
        ("htu", json!(""), "htu"),
        ("iat", json!(NOW - 71), "iat"),
        ("iat", json!(NOW + 11), "iat"),
        ("ath", json!(sha256("another token")), "ath"),
        ("ath", json!(""), "ath"),
    ] {
        let proof = good().claim(|claims| claims.raw(name, &value)).sealed();
        prove(&stack, &token, &proof).await.assert_bad_proof(why);
    }
    for name in ["htm", "htu", "iat", "ath", "jti"] {
        prove(&stack, &token, &good().claim(|claims| claims.without(name)).sealed()).await.assert_bad_proof(name);
    }
    for iat in [NOW - 70, NOW - 1, NOW + 10] {
        prove(&stack, &token, &good().claim(|claims| claims.raw("iat", iat)).sealed()).await.assert_accepted();
    }
    for htu in ["HTTPS://API.TEST/things", "https://api.test:443/things", "https://api.test/a/../th%69ngs"] {
        prove(&stack, &token, &good().claim(|claims| claims.text("htu", htu)).sealed()).await.assert_accepted();
    }
    // The key of the proof is that of the token.
    let others = Proof::of("ed25519", &token).sealed();
    prove(&stack, &token, &others).await.assert_bad_binding("another key");
    // The method and the path are those of the request; its query does not count.
    let post = good().claim(|claims| claims.text("htm", "POST")).sealed();
    ask(&stack, request_for("POST", "/things?page=2", "DPoP", &token, &[&post])).await.assert_accepted();
    ask(&stack, request_for("GET", "/others", "DPoP", &token, &[&good().sealed()])).await.assert_bad_proof("/others");
}

#[tokio::test]
async fn r073_a_proof_is_used_once() {
    let stack = stack();
    let token = token_of("es256");
    let proof = Proof::of("es256", &token);
    let twice = proof.sealed();
    prove(&stack, &token, &twice).await.assert_accepted();
    prove(&stack, &token, &twice).await.assert_bad_proof("used before");
    // Neither another signature, nor another address, makes it a new one.
    prove(&stack, &token, &proof.sealed()).await.assert_bad_proof("used before");
    let elsewhere = proof.clone().claim(|claims| claims.text("htu", "https://api.test/others")).sealed();
    ask(&stack, request_for("GET", "/others", "DPoP", &token, &[&elsewhere])).await.assert_bad_proof("used before");
    // Another client may choose the same id.
    let (others, id) = (token_of("ed25519"), "the same");
    for (client, token) in [("es256", &token), ("ed25519", &others)] {
        let proof = Proof::of(client, token).claim(|claims| claims.text("jti", id)).sealed();
        prove(&stack, token, &proof).await.assert_accepted();
        prove(&stack, token, &proof).await.assert_bad_proof("used before");
    }
    for (id, is_good) in [("", false), (&"x".repeat(256), true), (&"x".repeat(257), false), (&"é".repeat(129), false)]
    {
        let told =
            prove(&stack, &token, &Proof::of("es256", &token).claim(|claims| claims.text("jti", id)).sealed()).await;
        if is_good { told.assert_accepted() } else { told.assert_bad_proof("jti") }
    }
    let long = Proof::of("es256", &token).claim(|claims| claims.text("jti", &"x".repeat(10_000))).sealed();
    prove(&stack, &token, &long).await.assert_bad_proof("too long");
}

#[tokio::test]
async fn r074_a_bound_token_is_no_bearer_token_even_with_a_proof() {
    let stack = stack();
    let token = token_of("es256");
    let bearer = format!(
        r#"Bearer realm="api", error="invalid_token", error_description="The access token is invalid", DPoP realm="api", algs="{}""#,
        super::ALGS
    );
    for proofs in [&[][..], &[&*Proof::of("es256", &token).sealed()]] {
        let told = ask(&stack, request("Bearer", &token, proofs)).await;
        told.assert(401, "TOKEN_INVALID", &[&bearer]);
        assert!(told.cause.as_deref().unwrap().contains("came as a plain bearer token"), "{told:?}");
    }
    // And the other way round: the scheme DPoP needs a bound token.
    for cnf in [None, Some(json!({"x5t#S256": b64([7; 32])}))] {
        let token = cnf.map_or_else(|| key("rs512").token(NOW), |cnf| super::token(&cnf));
        prove(&stack, &token, &Proof::of("es256", &token).sealed()).await.assert_bad_binding("the scheme DPoP");
    }
    // A member that nobody knows is not proved.
    let more = super::token(&json!({"jkt": jkt(key("es256")), "more": "x"}));
    prove(&stack, &more, &Proof::of("es256", &more).sealed()).await.assert_bad_binding("not known");
    // A token that is not bound stays a bearer token, with or without a proof that nobody asked for.
    let plain = key("rs512").token(NOW);
    for proofs in [&[][..], &[&*Proof::of("es256", &plain).sealed()], &["nonsense"]] {
        ask(&stack, request("Bearer", &plain, proofs)).await.assert_accepted();
    }
}

#[tokio::test]
async fn r075_where_nonces_are_demanded_a_proof_without_one_is_refused() {
    let stack = stack_of(layer_of(Dpop::new(ORIGIN).nonces(Nonces::new([7; 32]).unwrap())));
    let token = token(&json!({ "jkt": jkt(key("es256")) }));
    let told = prove(&stack, &token, &Proof::of("es256", &token).sealed()).await;
    let demanded = super::challenge("use_dpop_nonce", "The DPoP proof must have the nonce that DPoP-Nonce names");
    told.assert(401, "TOKEN_INVALID", &[&demanded]);
    // A nonce of the wrong type is no nonce at all.
    for nonce in [json!(null), json!(1), json!(["a"])] {
        let proof = Proof::of("es256", &token).claim(|claims| claims.raw("nonce", &nonce)).sealed();
        prove(&stack, &token, &proof).await.assert(401, "TOKEN_INVALID", &[&bad_proof()]);
    }
}
