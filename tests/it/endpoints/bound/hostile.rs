//! Proofs that are wrong: each is refused, and neither issues nor changes anything.

use super::*;
use crate::tokens::mint::{b64, secret};

/// What is wrong, and the proof. Each is one change away from a good one.
fn hostile(path: &str) -> Vec<(&'static str, String)> {
    let good = || proof("es256", path);
    let claim = |change: fn(Object) -> Object| good().claim(change).sealed();
    let header = |change: fn(Object) -> Object| good().header(change).sealed();
    let secret_member = {
        let mut jwk = jwk(key("es256"));
        jwk["d"] = "AAAA".into();
        good().header(|header| header.raw("jwk", jwk)).sealed()
    };
    let other_jwk = good().header(|header| header.raw("jwk", jwk(key("es384")))).sealed();
    let foreign_signature = {
        let (one, other) = (good().sealed(), good().sealed());
        format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
    };
    let none = {
        let head = json!({ "typ": "dpop+jwt", "alg": "none", "jwk": jwk(key("es256")) }).to_string();
        format!("{}.{}.", b64(head), good().sealed().split('.').nth(1).unwrap())
    };
    let symmetric = {
        let jwk = json!({ "kty": "oct", "k": b64(secret("hs256")) });
        let head = Object::default().text("typ", "dpop+jwt").text("alg", "HS256").raw("jwk", jwk);
        key("hs256").seal(&head, &good().claims)
    };
    vec![
        ("another method", claim(|claims| claims.text("htm", "GET"))),
        ("a method in lower case", claim(|claims| claims.text("htm", "post"))),
        ("another host", claim(|claims| claims.text("htu", "https://evil.test/token"))),
        ("the address of a route", claim(|claims| claims.text("htu", "https://api.test/things"))),
        ("no path", claim(|claims| claims.text("htu", "https://api.test"))),
        ("a query", claim(|claims| claims.text("htu", "https://api.test/token?x"))),
        ("plain http", claim(|claims| claims.text("htu", "http://api.test/token"))),
        ("too old", claim(|claims| claims.raw("iat", SECONDS - 71))),
        ("too early", claim(|claims| claims.raw("iat", SECONDS + 11))),
        ("no time", claim(|claims| claims.raw("iat", "null"))),
        ("expired", claim(|claims| claims.raw("exp", SECONDS - 11))),
        ("an empty id", claim(|claims| claims.text("jti", ""))),
        ("a member twice", claim(|claims| claims.first("htm", "\"POST\""))),
        ("another type", header(|header| header.text("typ", "at+jwt"))),
        ("another algorithm", header(|header| header.text("alg", "ES384"))),
        ("critical", header(|header| header.raw("crit", "[\"x\"]"))),
        ("a private key", secret_member),
        ("the key of another", other_jwk),
        ("the signature of another", foreign_signature),
        ("no signature", none),
        ("a secret", symmetric),
        ("an access token", key("rs512").token(SECONDS)),
        ("no token", "x".to_owned()),
        ("two proofs", format!("{},{}", good().sealed(), good().sealed())),
        ("too long", "a".repeat(9_000)),
    ]
}

#[tokio::test]
async fn r076_no_wrong_proof_gets_a_token() {
    let desk = Desk::bound();
    let session = desk.bound_session("es256").await;
    let token = refresh_token(&session);
    for (what, proof) in hostile("/token") {
        let key = desk.key()[0];
        for told in [
            ask(&desk.endpoints, bare("/token", &[key, ("dpop", &proof)])).await,
            desk.form("/token", &[key, ("dpop", &proof)], &[("grant_type", "client_credentials")]).await,
            desk.refresh_by_form(token, Some(&proof)).await,
        ] {
            assert_eq!(told.error(), error(400, "invalid_dpop_proof"), "{what}");
            assert!(told.header("dpop-nonce").is_none() && told.header("www-authenticate").is_none(), "{what}");
            assert!(!told.body.contains("es256"), "no detail of the cause is told: {}", told.body);
        }
    }
    for (what, proof) in hostile("/refresh") {
        let told = desk.refresh_by_json(token, Some(&proof)).await;
        assert_eq!(told.error(), error(400, "invalid_dpop_proof"), "{what}");
    }
    assert_bound(&desk.refresh_by_form(token, Some(&sealed("es256", "/token"))).await, "es256");
}

#[tokio::test]
async fn r076_two_headers_are_refused() {
    let desk = Desk::bound();
    let (one, other) = (sealed("es256", "/token"), sealed("es256", "/token"));
    let headers = [desk.key()[0], ("dpop", &*one), ("dpop", &*other)];
    let told = ask(&desk.endpoints, bare("/token", &headers)).await;
    assert_eq!(told.error(), error(400, "invalid_dpop_proof"));
}

/// A proof that was made for a route has `ath` and another address, and one for the endpoint opens no route.
#[tokio::test]
async fn r076_an_ath_says_nothing_at_the_endpoint() {
    let desk = Desk::bound();
    let with_ath = proof("es256", "/token").claim(|claims| claims.text("ath", &sha256("any token"))).sealed();
    let told = ask(&desk.endpoints, bare("/token", &[desk.key()[0], ("dpop", &with_ath)])).await;
    assert_bound(&told, "es256");
    let of_route = Proof::of("es256", "any token").sealed();
    let told = ask(&desk.endpoints, bare("/token", &[desk.key()[0], ("dpop", &of_route)])).await;
    assert_eq!(told.error(), error(400, "invalid_dpop_proof"));
}

/// A wrong proof costs a check of a signature, so the budget of failed attempts counts it. A missing nonce is no guess.
#[tokio::test]
async fn r076_a_wrong_proof_is_charged_as_a_failed_attempt() {
    use tower_auth::{ClientIp, PeerAddr, Quota, RateLimitLayer};
    let desk = Desk::bound();
    let guesses = RateLimitLayer::failures(Quota::per_minute(3), ClientIp::peer());
    let service = guesses.clock(&desk.hand).layer(desk.endpoints.clone());
    let session = desk.bound_session("es256").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let wrong = proof("es256", "/elsewhere").sealed();
        let body = super::super::form(&[GRANT, ("refresh_token", refresh_token(&session))]);
        let mut request = post("/token", FORM, &[("dpop", &wrong)], body);
        request.extensions_mut().insert(PeerAddr("192.0.2.1".parse().unwrap()));
        statuses.push(service.clone().oneshot(request).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [400, 400, 400, 429, 429]);
}
