//! What nobody relies on may be of any type; what somebody does may not.

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use serde_json::{Value, json};
use tower::service_fn;
use tower_auth::{
    BearerLayer, BoxError, Clock, MaybeReady, Secret, TokenVerifier,
    jwks::JwksClient,
    token::{Algorithm, Claims, KeySet, TokenError, TokenRevocation, TokenStatus, VerifyingKey},
};

use crate::{
    key_sets,
    tokens::{
        NOW, judged,
        mint::{AUDIENCE, ISSUER, Object, RSA, claims, jwks, key, secret},
        present, stack_of, strict,
    },
};

fn with(name: &str, value: Value) -> Value {
    let mut jwk = key("rs256").jwk();
    jwk[name] = value;
    jwk
}

#[tokio::test]
async fn p81_what_of_a_key_nobody_reads_may_be_anything() {
    for (name, value) in [
        ("kid", Value::Null),
        ("x5c", Value::Null),
        ("x5c", json!("MIIB")),
        ("x5c", json!([1])),
        ("x5t", Value::Null),
        ("x5t", json!(7)),
        ("x5t#S256", json!({ "a": [] })),
        ("x5u", json!(false)),
        ("exp", json!("never")),
        ("crv", Value::Null),
        ("x", Value::Null),
        ("y", json!(7)),
        ("d", Value::Null),
        ("ext", json!("true")),
        ("use", Value::Null),
        ("key_ops", Value::Null),
    ] {
        // An RSA key has no curve, but a member that says which key it is is read whatever the key is.
        let relied_upon = name == "crv";
        let jwk = with(name, value.clone());
        let made = VerifyingKey::from_jwk(&jwk.to_string());
        assert_eq!(made.is_ok(), !relied_upon, "{name} {value}: {made:?}");
        let Ok(made) = made else { continue };
        let set = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        for builder in [TokenVerifier::keys(ISSUER, [made]), TokenVerifier::key_set(ISSUER, set)] {
            assert!(judged(builder.audience(AUDIENCE), &key("rs256").token(NOW)).await.is_ok(), "{name} {value}");
        }
    }
}

#[test]
fn p81_what_says_what_a_key_is_for_is_read_strictly() {
    for (name, values) in [
        ("kty", [Value::Null, json!(7), json!(["RSA"])]),
        ("alg", [Value::Null, json!(256), json!(["RS256"])]),
        ("use", [json!("enc"), json!(1), json!(["sig"])]),
        ("key_ops", [json!("verify"), json!([1]), json!(["sign"])]),
        ("kid", [json!(7), json!(["rs256"]), json!({})]),
        ("n", [Value::Null, json!(65537), json!(["AQAB"])]),
        ("e", [Value::Null, json!(65537), json!("")]),
    ] {
        for value in values {
            let bad = with(name, value.clone());
            assert!(VerifyingKey::from_jwk(&bad.to_string()).is_err(), "{name} {value}");
            let set = json!({ "keys": [bad, key("es256").jwk()] }).to_string();
            assert_eq!(KeySet::from_json(set.as_bytes()).unwrap().len(), 1, "that key alone: {name} {value}");
        }
    }
}

const OTHERS: [&str; 10] =
    ["7", "-7", "1.5", "true", "[]", "[\"a\",{\"b\":[1]}]", "{}", "{\"a\":{\"b\":null}}", "1e3", "null"];

fn sealed(claims: &Object) -> String {
    key("rs256").seal(key("rs256").header(), claims)
}

#[tokio::test]
async fn p81_a_claim_that_nobody_asked_for_may_be_of_any_type() {
    for name in ["jti", "sid", "client_id", "azp", "auth_time", "nonce", "roles", "email"] {
        for value in OTHERS {
            let token = sealed(&claims(NOW).raw(name, value));
            for builder in [strict(), strict().cache(10)] {
                let outcome = judged(builder, &token).await;
                let who = outcome.unwrap_or_else(|error| panic!("{name} {value}: {error}")).principal().clone();
                let id = if name == "jti" { None } else { Some("token_1") };
                assert_eq!((who.credential_id(), who.subject()), (id, "user_1"), "{name} {value}");
            }
        }
    }
}

#[tokio::test]
async fn p81_a_claim_that_is_asked_for_may_not() {
    for value in OTHERS.into_iter().filter(|value| *value != "null") {
        let id = sealed(&claims(NOW).raw("jti", value));
        let client = sealed(&claims(NOW).raw("client_id", value));
        for (name, builder, token) in [
            ("profile, jti", strict().rfc9068(), &id),
            ("profile, client_id", strict().rfc9068(), &client),
            ("subject", strict().subject_from("client_id"), &client),
            ("account", strict().account_from("client_id"), &client),
            ("plan", strict().plan_from("jti"), &id),
        ] {
            assert!(judged(builder, token).await.is_err(), "{name} {value}");
        }
    }
    for (name, value) in [
        ("iat", "\"now\""),
        ("nbf", "\"now\""),
        ("exp", "\"never\""),
        ("aud", "7"),
        ("iss", "7"),
        ("sub", "7"),
        ("scope", "7"),
    ] {
        assert!(judged(strict(), &sealed(&claims(NOW).raw(name, value))).await.is_err(), "{name}");
    }
    // A name that stands twice is refused, also inside what nobody reads.
    for value in [r#"{"a":1,"a":2}"#, r#"[{"a":1,"\u0061":2}]"#] {
        assert!(judged(strict(), &sealed(&claims(NOW).raw("jti", value))).await.is_err(), "{value}");
    }
}

/// Everybody is good, and the list counts nothing.
struct Nobody;

impl TokenRevocation for Nobody {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        MaybeReady::ready(Ok(TokenStatus::Valid))
    }
}

#[tokio::test]
async fn p81_where_tokens_can_be_taken_back_they_can_be_told_apart() {
    for cached in [false, true] {
        let tokens = || if cached { strict().cache(10) } else { strict() };
        let plain = stack_of(BearerLayer::new(tokens().build().unwrap()));
        let listed = stack_of(BearerLayer::new(tokens().build().unwrap()).revocation(Nobody));
        let inside = tokens().roles_from("/jti/roles").build().unwrap();
        let inside = stack_of(BearerLayer::new(inside).revocation(Nobody));
        for _ in 0..2 {
            for (claims, cause) in [
                (claims(NOW).raw("jti", 7), "jti is not a string"),
                (claims(NOW).raw("jti", "[\"token_1\"]"), "jti is not a string"),
                (claims(NOW).raw("jti", "{}"), "jti is not a string"),
                (claims(NOW).without("iat"), "iat is missing"),
            ] {
                let token = sealed(&claims);
                present(&plain, &token).await.assert_accepted();
                let told = present(&listed, &token).await;
                told.assert_invalid();
                assert!(told.cause.as_ref().unwrap().contains(cause), "{told:?}");
            }
            for claims in [claims(NOW), claims(NOW).without("jti"), claims(NOW).raw("jti", "null")] {
                present(&listed, &sealed(&claims)).await.assert_accepted();
            }
            present(&inside, &sealed(&claims(NOW).raw("jti", "{\"roles\":[\"admin\"]}"))).await.assert_invalid();
            present(&inside, &sealed(&claims(NOW))).await.assert_accepted();
        }
    }
}

#[tokio::test]
async fn p81_the_name_of_a_key_tells_nothing_where_no_key_has_one() {
    let pem = || VerifyingKey::from_pem(Algorithm::Rs256, RSA).unwrap();
    let hmac = || VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(secret("hs256"))).unwrap();
    for kid in ["2026-01", "rs256", ""] {
        let token = |signer: &str| key(signer).seal(key(signer).header().text("kid", kid), claims(NOW));
        let verifier = |keys: Vec<VerifyingKey>| TokenVerifier::keys(ISSUER, keys).audience(AUDIENCE);
        assert!(judged(verifier(vec![pem()]), &token("rs256")).await.is_ok(), "{kid:?}");
        assert!(judged(verifier(vec![hmac(), pem()]), &token("rs256")).await.is_ok(), "{kid:?}");
        // The key has its algorithm, and nobody else's.
        let other = judged(verifier(vec![pem()]), &token("ps256")).await;
        assert!(matches!(other, Err(TokenError::UnknownKey)), "{kid:?}: {other:?}");
        let attacker = &crate::tokens::mint::attackers()[0];
        let forged = attacker.seal(attacker.header().text("kid", kid), claims(NOW));
        assert!(matches!(judged(verifier(vec![pem()]), &forged).await, Err(TokenError::BadSignature)));
        // Where one key has a name, names tell keys apart.
        let named = || VerifyingKey::from_pem(Algorithm::Ps256, RSA).unwrap().id("ps256");
        let refused = judged(verifier(vec![pem(), named()]), &token("rs256")).await;
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{kid:?}: {refused:?}");
    }
}

/// A server that answers 406 where the client does not take what it has.
#[tokio::test]
async fn p81_a_strict_server_of_key_sets_finds_what_the_client_takes() {
    const KEYS: &str = "https://id.example.com/jwks.json";
    for media in ["application/json", "application/jwk-set+json", "application/vnd.keys+json"] {
        let strict = service_fn(move |request: Request<Empty<Bytes>>| {
            let accept = request.headers()["accept"].to_str().unwrap();
            let mut taken = accept.split(',').map(|range| range.split(';').next().unwrap().trim());
            // A description is JSON and nothing else.
            let description = request.uri().path().ends_with("/openid-configuration");
            let media = if description { "application/json" } else { media };
            let acceptable = taken.any(|range| range == media || range == "*/*");
            let body = if description {
                Bytes::from(json!({ "issuer": key_sets::ISSUER, "jwks_uri": KEYS }).to_string())
            } else {
                key_sets::key_set(&[&key_sets::OLD])
            };
            let response = Response::builder().status(if acceptable { 200 } else { 406 }).header("content-type", media);
            ready(Ok::<_, Infallible>(response.body(Full::<Bytes>::from(body)).unwrap()))
        });
        for client in [JwksClient::new(KEYS), JwksClient::discover(key_sets::ISSUER)] {
            let tokens =
                TokenVerifier::source(key_sets::ISSUER, client.with_service(strict)).audience(key_sets::AUDIENCE);
            let outcome = tokens.build().unwrap().verify(&key_sets::OLD.token(), &Clock::system()).await;
            assert!(outcome.is_ok(), "{media}: {outcome:?}");
        }
    }
}

#[test]
fn p81_a_set_of_which_nothing_can_be_used_says_why() {
    let why = KeySet::from_json(br#"{"keys":[{"kty":"RSA","alg":"RSA-OAEP"}]}"#).unwrap_err().to_string();
    assert!(why.contains("RSA-OAEP"), "{why}");
    assert!(KeySet::from_json(br#"{"keys":[]}"#).unwrap_err().to_string().contains("it has none"));
    assert_eq!(KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap().len(), 1);
}
