//! Claims that must have a value, and claims that must not.

use serde_json::{Value, json};
use tower_auth::token::{ClaimSource, TokenError, TokenVerifierBuilder};

use super::{
    INVALID, NOW, explained, judged,
    mint::{Object, claims, key},
    present, stack, strict,
};

fn token(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

/// Whether the claim with this value is accepted. `null` stands in the token too.
async fn admits(builder: TokenVerifierBuilder, claim: &str, value: &Value) -> bool {
    match judged(builder, &token(&claims(NOW).raw(claim, value))).await {
        Ok(_) => true,
        Err(TokenError::WrongClaim(_)) => false,
        Err(other) => panic!("{value}: {other}"),
    }
}

#[tokio::test]
async fn a_required_claim_equals_one_of_the_values() {
    let texts = || strict().require_claim("token_use", ["access", "m2m"]);
    for (value, expected) in [
        (json!("access"), true),
        (json!("m2m"), true),
        (json!("id"), false),
        (json!("ACCESS"), false),
        (json!("access "), false),
        (json!(" access"), false),
        (json!("access m2m"), false),
        (json!("access\u{0}"), false),
        (json!("\u{430}ccess"), false),
        (json!(""), false),
        (json!(null), false),
        (json!(true), false),
        (json!(1), false),
        (json!(["access"]), false),
        (json!({ "access": true }), false),
        (json!([]), false),
    ] {
        assert_eq!(admits(texts(), "token_use", &value).await, expected, "{value}");
    }
    let missing = judged(texts(), &token(&claims(NOW))).await;
    assert!(matches!(&missing, Err(TokenError::WrongClaim(claim)) if &**claim == "token_use"), "{missing:?}");
    // Escapes are decoded before values are compared.
    let escaped = claims(NOW).raw("token_use", r#""\u0061ccess""#);
    assert!(judged(texts(), &token(&escaped)).await.is_ok());
    let twice = claims(NOW).text("token_use", "id").last("token_use", json!("access"));
    assert!(judged(texts(), &token(&twice)).await.is_err());
}

#[tokio::test]
async fn booleans_and_integers_are_values_too() {
    let verified = || strict().require_claim("email_verified", [true]);
    for (value, expected) in
        [(json!(true), true), (json!(false), false), (json!("true"), false), (json!(1), false), (json!(null), false)]
    {
        assert_eq!(admits(verified(), "email_verified", &value).await, expected, "{value}");
    }
    let version = || strict().require_claim("v", [2, -3, i64::MAX]);
    for (value, expected) in [
        (json!(2), true),
        (json!(-3), true),
        (json!(i64::MAX), true),
        (json!(u64::MAX), false),
        (json!(3), false),
        (json!(2.5), false),
        (json!("2"), false),
    ] {
        assert_eq!(admits(version(), "v", &value).await, expected, "{value}");
    }
    for huge in ["9223372036854775808", "2e0", "2.0", "1e300", "-0"] {
        let told = judged(version(), &token(&claims(NOW).raw("v", huge))).await;
        assert!(matches!(told, Err(TokenError::WrongClaim(_))), "{huge}: {told:?}");
    }
}

#[tokio::test]
async fn a_forbidden_claim_equals_none_of_the_values_and_can_be_compared() {
    let pending = || strict().forbid_claim("sts", ["pending", "closed"]);
    for (value, expected) in [
        (json!("active"), true),
        (json!("PENDING"), true),
        (json!(""), true),
        (json!(null), true),
        (json!("pending"), false),
        (json!("closed"), false),
        // What cannot be compared could mean the same.
        (json!(["pending"]), false),
        (json!(["active"]), false),
        (json!({ "pending": true }), false),
        (json!(true), false),
        (json!(1), false),
    ] {
        assert_eq!(admits(pending(), "sts", &value).await, expected, "{value}");
    }
    assert!(judged(pending(), &token(&claims(NOW))).await.is_ok());
    let anonymous = || strict().forbid_claim("is_anonymous", [true]);
    for (value, expected) in [(json!(false), true), (json!(null), true), (json!(true), false), (json!("true"), false)] {
        assert_eq!(admits(anonymous(), "is_anonymous", &value).await, expected, "{value}");
    }
}

/// An integer that is written as another number is the same number.
#[tokio::test]
async fn a_forbidden_integer_has_one_form() {
    let guest = || strict().forbid_claim("level", [0, 1]);
    for (value, expected) in
        [("2", true), ("-1", true), ("18446744073709551615", true), ("0", false), ("1", false), ("0.0", false)]
            .into_iter()
            .chain(["-0", "0e1", "1.0", "10e-1", "2.0", "1.5"].map(|value| (value, false)))
    {
        let told = judged(guest(), &token(&claims(NOW).raw("level", value))).await;
        assert_eq!(told.is_ok(), expected, "{value}: {told:?}");
    }
}

#[tokio::test]
async fn claims_inside_others_and_claims_with_other_uses_are_checked() {
    let inside = || strict().require_claim("/firebase/sign_in_provider", ["password"]);
    for (value, expected) in [
        (json!({ "sign_in_provider": "password" }), true),
        (json!({ "sign_in_provider": "anonymous" }), false),
        (json!({ "sign_in_provider": null }), false),
        (json!({}), false),
        (json!("password"), false),
        (json!(null), false),
    ] {
        assert_eq!(admits(inside(), "firebase", &value).await, expected, "{value}");
    }
    // The same claim is a role, an id or the issuer, and is checked.
    let role = || strict().require_claim("role", ["authenticated"]).roles_from("role");
    let found = judged(role(), &token(&claims(NOW).text("role", "authenticated"))).await.unwrap();
    assert_eq!(found.principal().roles(), ["authenticated"]);
    assert!(!admits(role(), "role", &json!("service_role")).await);
    let several = || {
        strict()
            .require_claim("sub", ["user_1"])
            .require_claim("jti", ["token_1"])
            .require_claim("client_id", ["the tests"])
            .require_claim("iss", ["https://issuer.test/"])
            .require_claim("auth_time", [7])
            .forbid_claim("sub", ["root"])
    };
    let found = judged(several(), &token(&claims(NOW).raw("auth_time", 7))).await.unwrap();
    assert_eq!((found.principal().subject(), found.principal().credential_id()), ("user_1", Some("token_1")));
    assert_eq!((found.client_id(), found.principal().issuer()), (Some("the tests"), Some("https://issuer.test/")));
    assert!(found.principal().logged_in_at().is_some());
    let other = judged(several(), &token(&claims(NOW).raw("auth_time", 7).text("jti", "other"))).await;
    assert!(matches!(&other, Err(TokenError::WrongClaim(claim)) if &**claim == "jti"), "{other:?}");
    let issuer = judged(several(), &token(&claims(NOW).raw("auth_time", 7).text("iss", "https://other.test/"))).await;
    assert!(matches!(issuer, Err(TokenError::WrongIssuer)), "{issuer:?}");
}

/// A value that is not read may be the forbidden one.
#[tokio::test]
async fn a_forbidden_claim_is_refused_where_the_way_to_it_is_another_one() {
    let pending = || strict().forbid_claim("/a/b/c", ["x"]);
    for (value, expected) in [
        (json!({ "b": { "c": "y" } }), true),
        (json!({ "b": { "c": "x" } }), false),
        (json!({ "b": { "c": null } }), true),
        (json!({ "b": {} }), true),
        (json!({ "b": null }), true),
        (json!({}), true),
        (json!(null), true),
        (json!([{ "b": { "c": "x" } }]), false),
        (json!({ "b": [{ "c": "x" }] }), false),
        (json!({ "b": [] }), false),
        (json!({ "b": "c" }), false),
        (json!({ "b": false }), false),
        (json!("x"), false),
        (json!(7), false),
    ] {
        assert_eq!(admits(pending(), "a", &value).await, expected, "{value}");
    }
    assert!(judged(pending(), &token(&claims(NOW))).await.is_ok());
    // A required claim is not there either, also if the way to it has its value.
    assert!(!admits(strict().require_claim("/a/b", ["x"]), "a", &json!("x")).await);
    // A number is also a place in a list.
    let third = || strict().forbid_claim("/a/2", ["x"]);
    for (value, expected) in [
        (json!(["x", "x"]), true),
        (json!(["y", "y", "y"]), true),
        (json!(["y", "y", "x"]), false),
        (json!({ "2": "x" }), false),
    ] {
        assert_eq!(admits(third(), "a", &value).await, expected, "{value}");
    }
}

#[tokio::test]
async fn the_log_names_the_claim_what_was_found_and_what_is_expected() {
    let builder = || strict().require_claim("token_use", ["access"]).forbid_claim("/o/sts", ["pending"]);
    let good = || claims(NOW).text("token_use", "access");
    for (claims, told) in [
        (
            good().text("token_use", "id"),
            "the token's claim token_use is \"id\", and the verifier expects \"access\" (TokenVerifierBuilder::require_claim)",
        ),
        (good().text("token_use", "\u{1b}[31m\n"), "the token's claim token_use is \"\\u{1b}[31m\\n\", and"),
        (good().raw("token_use", 7), "the token's claim token_use is 7, and"),
        (good().raw("token_use", "1e300"), "the token's claim token_use is a number, and"),
        (good().raw("token_use", json!(["access"])), "the token's claim token_use is a list, and"),
        (good().raw("token_use", true), "the token's claim token_use is true, and"),
        (good().without("token_use"), "the token has no claim token_use, and the verifier expects \"access\""),
        (
            good().raw("o", json!({ "sts": "pending" })),
            "the token's claim /o/sts is \"pending\", and the verifier refuses \"pending\" (TokenVerifierBuilder::forbid_claim)",
        ),
        (
            good().raw("o", json!([{ "sts": "pending" }])),
            "the token's claim /o/sts cannot be read, because a claim around it is a list, and the verifier refuses",
        ),
    ] {
        let (error, said) = explained(builder(), &token(&claims)).await.unwrap_err();
        assert!(said.starts_with(told), "{said}");
        assert!(said.contains("https://issuer.test/") && said.len() < 400, "{said}");
        assert!(matches!(error, TokenError::WrongClaim(_)));
    }
    let (error, said) = explained(builder(), &token(&good().text("token_use", &"x".repeat(4000)))).await.unwrap_err();
    assert!(said.len() < 400 && said.contains('…'), "{said}");
    assert_eq!(error.to_string(), "the token's claim token_use has a value that is not accepted here");
    assert!(explained(builder(), &token(&good())).await.is_ok());
}

/// A client learns nothing of it, and the service everything.
#[tokio::test]
async fn a_client_learns_only_that_the_token_is_invalid() {
    let stack = stack(strict().require_claim("token_use", ["access"]));
    let told = present(&stack, &token(&claims(NOW).text("token_use", "id"))).await;
    told.assert(401, "TOKEN_INVALID", &[INVALID]);
    assert!(told.cause.as_ref().is_some_and(|cause| cause.contains("token_use is \"id\"")), "{told:?}");
    assert!(!told.body.to_string().contains("token_use"), "{told:?}");
    present(&stack, &token(&claims(NOW).text("token_use", "access"))).await.assert_accepted();
}

#[test]
fn mistakes_are_said_when_it_is_built() {
    for (name, builder, part) in [
        ("no value", strict().require_claim("a", [""; 0]), "require_claim got no value for the claim a"),
        (
            "no forbidden value",
            strict().forbid_claim("/a/b", [0_i64; 0]),
            "forbid_claim got no value for the claim /a/b",
        ),
        ("twice", strict().require_claim("a", ["x"]).require_claim("a", ["y"]), "require_claim got values twice"),
        (
            "forbidden twice",
            strict().forbid_claim("a", ["x"]).forbid_claim("a", ["y"]),
            "forbid_claim got values twice",
        ),
        ("an empty name", strict().require_claim("", ["x"]), "not a claim"),
        ("a path", strict().require_claim("a.b", ["x"]), "looks like a path"),
        ("a prefix", strict().require_claim(ClaimSource::new("a").prefix("b"), ["x"]), "prefix"),
        ("a form of lists", strict().forbid_claim(ClaimSource::new("a").member_names(), ["x"]), "lists"),
        ("the audience", strict().require_claim("aud", ["x"]), "a meaning of its own"),
        ("the binding", strict().require_claim("/cnf/jkt", ["x"]), "a meaning of its own"),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("help:"), "{name}: {said}");
    }
    assert!(strict().require_claim("a", ["x"]).forbid_claim("a", ["y"]).build().is_ok());
}
