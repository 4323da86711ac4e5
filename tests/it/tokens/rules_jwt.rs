//! Rules 037 to 052, 056 to 065, 067 and 068: which tokens are good.

use serde_json::{Value, json};
use tower_auth::{
    BearerLayer, Secret, TokenVerifier,
    token::{Algorithm, KeySet, TokenError, VerifyingKey},
};

use super::{
    INVALID, NOW, hostile, judged, lenient,
    mint::{AUDIENCE, ISSUER, KIDS, b64, claims, jwks, key, secret},
    present, stack, stack_of, strict,
};

/// A verifier that knows these keys alone.
fn of(kids: &[&str]) -> tower_auth::token::TokenVerifierBuilder {
    TokenVerifier::key_set(ISSUER, KeySet::from_json(jwks(kids).as_bytes()).unwrap()).audience(AUDIENCE)
}

/// A verifier that knows one JWK, as it stands there.
fn of_jwk(jwk: &Value) -> tower_auth::token::TokenVerifierBuilder {
    TokenVerifier::keys(ISSUER, [VerifyingKey::from_jwk(&jwk.to_string()).unwrap()]).audience(AUDIENCE)
}

/// The JWK of a key without these members.
fn jwk_without(kid: &str, members: &[&str]) -> Value {
    let mut jwk = key(kid).jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| !members.contains(&name.as_str()));
    jwk
}

#[tokio::test]
async fn r037_no_algorithm_runs_that_no_key_was_given_for() {
    for kid in KIDS {
        let verifier = of(&[if kid == "es384" { "es256" } else { "es384" }]);
        let refused = judged(verifier, &key(kid).token(NOW)).await;
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{kid}: {refused:?}");
    }
}

#[tokio::test]
async fn r038_every_key_has_one_algorithm_whatever_a_token_says() {
    for known in KIDS {
        for signer in KIDS {
            let signer = key(signer);
            for header in [signer.header().without("kid"), signer.header().text("kid", known)] {
                let judged = judged(of(&[known]), &signer.seal(header, claims(NOW))).await;
                assert_eq!(judged.is_ok(), known == signer.kid, "{} with {known}: {judged:?}", signer.kid);
            }
        }
    }
}

#[tokio::test]
async fn r039_none_is_no_algorithm_in_any_spelling() {
    hostile::group(&["none", "alg"], 150).await;
    for name in ["none", "None", "NONE", "nOnE", "", "rs256", "Rs256", "EDDSA", "RS256 "] {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
}

#[tokio::test]
async fn r040_a_public_key_is_no_secret() {
    hostile::group(&["confusion"], 400).await;
}

#[tokio::test]
async fn r041_a_jwk_without_alg_inherits_none_from_a_token() {
    let rsa = jwk_without("rs256", &["alg", "kid"]);
    for kid in KIDS {
        let token = key(kid).seal(key(kid).header().without("kid"), claims(NOW));
        assert_eq!(judged(of_jwk(&rsa), &token).await.is_ok(), kid == "rs256", "{kid}");
    }
    for curve in ["es256", "es384", "es512", "es256k", "ed25519"] {
        let verifier = || of_jwk(&jwk_without(curve, &["alg"]));
        for kid in KIDS {
            let token = key(kid).seal(key(kid).header().text("kid", curve), claims(NOW));
            assert_eq!(judged(verifier(), &token).await.is_ok(), kid == curve, "{kid} with {curve}");
        }
    }
    let oct = jwk_without("hs256", &["alg"]).to_string();
    assert!(VerifyingKey::from_jwk(&oct).unwrap_err().to_string().contains("without alg"));
}

#[tokio::test]
async fn r042_another_hash_is_another_algorithm() {
    hostile::group(&["family"], 250).await;
    let verifier = || {
        let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(secret("hs384"))).unwrap();
        TokenVerifier::keys(ISSUER, [key]).audience(AUDIENCE)
    };
    let token = key("hs384").seal(key("hs384").header().without("kid"), claims(NOW));
    assert!(matches!(judged(verifier(), &token).await, Err(TokenError::UnknownKey)));
}

#[tokio::test]
async fn r043_every_issuer_has_its_own_algorithms() {
    let other = TokenVerifier::key_set("https://other.test/", KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap());
    let other = other.audience(AUDIENCE).build().unwrap();
    let stack = stack_of(BearerLayer::new(of(&["es256"]).build().unwrap()).or(other));
    for (kid, issuer, good) in [
        ("es256", ISSUER, true),
        ("rs256", "https://other.test/", true),
        ("rs256", ISSUER, false),
        ("es256", "https://other.test/", false),
    ] {
        for header in [key(kid).header(), key(kid).header().without("kid")] {
            let told = present(&stack, &key(kid).seal(header, claims(NOW).text("iss", issuer))).await;
            if good { told.assert_accepted() } else { told.assert_invalid() }
        }
    }
}

#[tokio::test]
async fn r044_every_part_is_under_the_signature() {
    hostile::group(&["signature", "nested"], 250).await;
    // Every single character of a token counts.
    let (stack, token) = (stack(strict()), key("es256").token(NOW));
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        present(&stack, &changed).await.assert_invalid();
    }
}

#[tokio::test]
async fn r045_an_encrypted_token_is_none() {
    hostile::group(&["jwe"], 15).await;
}

/// Nothing is decrypted and nothing decompressed, so nothing is too large or takes too long.
#[tokio::test]
async fn r066_a_compressed_token_is_none() {
    let claims = b64("{\"sub\":\"user_1\"}");
    for header in [
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128CBC-HS256","p2c":2147483647,"p2s":"AAAA","zip":"DEF"}"#,
        r#"{"alg":"HS256","kid":"hs256","typ":"at+jwt","zip":"DEF"}"#,
    ] {
        let five = format!("{}.{claims}.{claims}.{claims}.{claims}", b64(header));
        let signed = format!("{}.{claims}", b64(header));
        let three = format!("{signed}.{}", b64(key("hs256").sign(signed.as_bytes())));
        for token in [five, three] {
            assert!(matches!(judged(strict(), &token).await, Err(TokenError::Malformed(_))), "{header}");
        }
    }
}

#[tokio::test]
async fn r046_the_compact_form_is_strict() {
    hostile::group(&["parts", "serialisation", "base64"], 75).await;
}

#[tokio::test]
async fn r047_no_extension_is_critical() {
    hostile::group(&["crit"], 35).await;
}

#[tokio::test]
async fn r048_keys_that_a_token_brings_along_select_nothing() {
    hostile::group(&["key header"], 75).await;
}

#[tokio::test]
async fn r050_a_kid_is_looked_for_and_nothing_else() {
    hostile::group(&["kid"], 80).await;
    // It is not compared beyond the length that any issuer's has.
    let token = key("rs256").seal(key("rs256").header().text("kid", &"k".repeat(257)), claims(NOW));
    assert!(matches!(judged(strict(), &token).await, Err(TokenError::Malformed(_))));
}

#[tokio::test]
async fn r051_header_and_claims_are_utf_8_json() {
    hostile::group(&["encoding", "json"], 130).await;
}

#[tokio::test]
async fn r052_a_name_that_stands_twice_is_refused() {
    hostile::group(&["duplicate"], 60).await;
}

#[tokio::test]
async fn r056_the_issuer_is_exactly_the_one_that_was_configured() {
    hostile::group(&["iss"], 35).await;
}

#[tokio::test]
async fn r058_the_audience_has_this_service_in_it() {
    hostile::group(&["aud"], 30).await;
}

fn typed(typ: &str) -> String {
    key("rs256").seal(key("rs256").header().text("typ", typ), claims(NOW))
}

#[tokio::test]
async fn r059_access_tokens_alone_are_taken_unless_told_otherwise() {
    hostile::group(&["typ"], 40).await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(judged(strict(), &typed(typ)).await.is_ok(), "{typ}");
    }
    for typ in ["JWT", "jwt", "application/jwt", "refresh", "id_token", "JOSE", "", "application/", "at+jwt "] {
        let refused = judged(strict(), &typed(typ)).await;
        assert!(matches!(refused, Err(TokenError::WrongType)), "{typ}: {refused:?}");
    }
    let missing = key("rs256").seal(key("rs256").header().without("typ"), claims(NOW));
    assert!(matches!(judged(strict(), &missing).await, Err(TokenError::WrongType)));
    // What is taken instead is taken instead.
    assert!(matches!(judged(strict().typ(["JWT"]), &typed("at+jwt")).await, Err(TokenError::WrongType)));
    assert!(judged(strict().typ(["Application/JWT"]), &typed("jwt")).await.is_ok());
    assert!(judged(strict().allow_missing_typ(), &missing).await.is_ok());
    assert!(judged(strict().allow_missing_typ(), &typed("at+jwt")).await.is_ok());
    assert!(judged(strict().allow_missing_typ(), &typed("JWT")).await.is_err());
}

/// A type that is there and says nothing is not a type that is missing.
#[tokio::test]
async fn r059_an_empty_type_is_none_that_was_allowed() {
    for typ in ["", "application/"] {
        let refused = judged(strict().allow_missing_typ(), &typed(typ)).await;
        assert!(matches!(refused, Err(TokenError::WrongType)), "{typ:?}: {refused:?}");
    }
}

/// An issuer signs them all with one key: what tells them apart is the type, and the audience.
#[tokio::test]
async fn r060_tokens_of_other_kinds_are_none() {
    let key = key("rs256");
    let id_token = claims(NOW).text("aud", "the tests").text("nonce", "n").without("scope");
    for (name, typ, claims) in [
        ("a refresh token", Some("rt+jwt"), claims(NOW)),
        ("an id token", Some("JWT"), id_token.clone()),
        ("an id token with the type of another", Some("at+jwt"), id_token),
        ("a logout token", Some("logout+jwt"), claims(NOW)),
        ("a proof of possession", Some("dpop+jwt"), claims(NOW)),
        ("a token without a type", None, claims(NOW)),
    ] {
        let header = typ.map_or_else(|| key.header().without("typ"), |typ| key.header().text("typ", typ));
        let refused = judged(strict(), &key.seal(header, claims)).await;
        assert!(matches!(refused, Err(TokenError::WrongType | TokenError::WrongAudience)), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn r061_the_claims_of_the_profile_are_required_where_it_is_asked_for() {
    let token = |claims: super::mint::Object| key("rs256").seal(key("rs256").header(), claims);
    assert!(judged(strict().rfc9068(), &token(claims(NOW))).await.is_ok());
    for name in ["iat", "jti", "client_id"] {
        let without = token(claims(NOW).without(name));
        let refused = judged(strict().rfc9068(), &without).await;
        assert!(matches!(refused, Err(TokenError::BadClaim(why)) if why.starts_with(name)), "{name}: {refused:?}");
        assert!(judged(strict(), &without).await.is_ok(), "{name}");
        assert!(judged(strict().rfc9068(), &token(claims(NOW).raw(name, "null"))).await.is_err(), "{name}");
    }
    for name in ["iss", "exp", "aud", "sub"] {
        assert!(judged(strict(), &token(claims(NOW).without(name))).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn r062_rs256_is_supported_and_no_signature_is_not() {
    assert!(judged(of(&["rs256"]), &key("rs256").token(NOW)).await.is_ok());
    let token = key("rs256").token(NOW);
    assert!(judged(of(&["rs256"]), &token[..=token.rfind('.').unwrap()]).await.is_err());
}

/// The client learns one thing, whatever it was.
#[tokio::test]
async fn r063_every_failure_looks_the_same() {
    let (stack, key) = (stack(lenient(strict())), key("rs256"));
    let mut bodies = Vec::new();
    for token in [
        "a.b.c".to_owned(),
        key.seal(key.header().text("alg", "none"), claims(NOW)),
        key.seal(key.header().text("kid", "x"), claims(NOW)),
        key.seal(key.header().text("typ", "refresh"), claims(NOW)),
        key.seal(key.header(), claims(NOW).text("iss", "x")),
        key.seal(key.header(), claims(NOW).text("aud", "x")),
        key.seal(key.header(), claims(NOW).raw("nbf", NOW + 1000)),
        key.seal(key.header(), claims(NOW).without("sub")),
        key.token(NOW).replace('.', ".A"),
    ] {
        let mut told = present(&stack, &token).await;
        told.assert_invalid();
        told.body["error"]["trace_id"] = Value::Null;
        bodies.push((told.body, told.challenges));
    }
    assert!(bodies.iter().all(|(body, challenges)| body == &bodies[0].0 && challenges == &[INVALID]));
}

#[test]
fn r064_weak_keys_are_refused() {
    for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        for length in [0, 1, least - 1] {
            let error = VerifyingKey::hmac(algorithm, &Secret::new("s".repeat(length))).unwrap_err().to_string();
            assert!(error.contains(&format!("at least {least} bytes")), "{error}");
        }
        for length in [least, least + 1, 200] {
            assert!(VerifyingKey::hmac(algorithm, &Secret::new("s".repeat(length))).is_ok(), "{algorithm} {length}");
        }
    }
    let weak = super::mint::fixture!("rsa1024.pub.pem");
    for algorithm in [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps512] {
        let error = VerifyingKey::from_pem(algorithm, weak).unwrap_err().to_string();
        assert!(error.contains("2048") && error.contains("1024"), "{error}");
    }
}

#[tokio::test]
async fn r067_ed25519_is_called_by_its_own_name_and_by_the_old_one() {
    assert_eq!(Algorithm::Ed25519.name(), "Ed25519");
    assert_eq!(Algorithm::from_name("EdDSA"), Some(Algorithm::Ed25519));
    for jwk_alg in [json!("Ed25519"), json!("EdDSA"), Value::Null] {
        let mut jwk = key("ed25519").jwk();
        if jwk_alg.is_null() {
            jwk.as_object_mut().unwrap().remove("alg");
        } else {
            jwk["alg"] = jwk_alg.clone();
        }
        for alg in ["Ed25519", "EdDSA"] {
            let token = key("ed25519").seal(key("ed25519").header().text("alg", alg), claims(NOW));
            assert!(judged(of_jwk(&jwk), &token).await.is_ok(), "{jwk_alg} {alg}");
        }
    }
}

#[tokio::test]
async fn r068_a_long_token_is_refused_before_it_is_looked_at() {
    hostile::group(&["length"], 12).await;
    let token = key("es256").token(NOW);
    for (longest, good) in [(token.len(), true), (token.len() + 1, true), (token.len() - 1, false), (0, false)] {
        let judged = judged(strict().max_token_len(longest), &token).await;
        assert_eq!(judged.is_ok(), good, "{longest}: {judged:?}");
    }
    // Its length is what is wrong with it, and not what stands in it.
    let refused = judged(strict(), &"!".repeat(8193)).await.unwrap_err().to_string();
    assert!(refused.contains("too long"), "{refused}");
}
