//! Tokens without `iss`: only the keys say who has issued them.

use serde_json::json;
use tower_auth::{
    AuthStack, BearerLayer, BoxError, Clock, MaybeReady, TokenVerifier,
    token::{Introspector, KeySet, Tenants, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, explained, hand, hostile, judged, lenient,
    mint::{AUDIENCE, ISSUER, Object, attackers, claims, jwks, key},
    present, stack_of, strict,
};

const NAME: &str = "spiffe://example.org";
const PREFIX: &str = "spiffe://example.org/";
const SUBJECT: &str = "spiffe://example.org/ns/shop/sa/billing";

fn of(kid: &str) -> TokenVerifierBuilder {
    let keys = KeySet::from_json(jwks(&[kid]).as_bytes()).unwrap();
    TokenVerifier::key_set(NAME, keys).audience(AUDIENCE)
}

fn alone() -> TokenVerifierBuilder {
    of("es256").issuer_by_keys_alone(PREFIX)
}

/// The claims of a good token without `iss`.
fn bare() -> Object {
    claims(NOW).without("iss").text("sub", SUBJECT)
}

fn sealed(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

#[tokio::test]
async fn a_token_without_an_issuer_is_accepted_only_where_the_verifier_says_so() {
    let claims = judged(alone(), &sealed(&bare())).await.unwrap();
    let who = claims.principal();
    assert_eq!((who.issuer(), who.subject()), (Some(NAME), SUBJECT));
    let refused = judged(of("es256"), &sealed(&bare())).await;
    assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{refused:?}");
}

#[tokio::test]
async fn an_issuer_that_is_named_must_be_the_one_of_the_verifier() {
    let named = |issuer: &str| sealed(&bare().text("iss", issuer));
    assert_eq!(judged(alone(), &named(NAME)).await.unwrap().principal().issuer(), Some(NAME));
    for other in ["", "spiffe://example.org/", "spiffe://example.com", ISSUER, SUBJECT] {
        let refused = judged(alone(), &named(other)).await;
        assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{other:?}: {refused:?}");
    }
    // Of no other type, and not twice.
    for odd in [json!(null), json!([NAME]), json!({}), json!(0), json!(false)] {
        let refused = judged(alone(), &sealed(&bare().raw("iss", &odd))).await;
        let expected = if odd.is_null() { "WrongIssuer" } else { "Malformed" };
        assert!(format!("{:?}", refused.unwrap_err()).starts_with(expected), "{odd}");
    }
    let twice = bare().text("iss", NAME).last("iss", json!(NAME));
    assert!(matches!(judged(alone(), &sealed(&twice)).await, Err(TokenError::Malformed(_))));
    // With another name beside the first, as for any verifier.
    let oidc = "https://oidc.example.org";
    let both = || alone().also_issuer(oidc);
    assert_eq!(judged(both(), &named(oidc)).await.unwrap().principal().issuer(), Some(oidc));
    assert_eq!(judged(both(), &sealed(&bare())).await.unwrap().principal().issuer(), Some(NAME));
}

#[tokio::test]
async fn a_subject_of_others_is_refused_and_named() {
    for other in [
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe://example.org.attacker.example/ns/shop",
        "spiffe://example.com/ns/shop/sa/billing",
        "SPIFFE://example.org/ns/shop",
        "spiffe://Example.org/ns/shop",
        " spiffe://example.org/ns/shop",
        "/spiffe://example.org/ns/shop",
        "user_1",
    ] {
        for claims in [bare(), bare().text("iss", NAME)] {
            let (error, told) = explained(alone(), &sealed(&claims.text("sub", other))).await.unwrap_err();
            assert!(matches!(error, TokenError::BadClaim(_)), "{other}: {error:?}");
            assert!(told.contains(&format!("it is {other:?}, and the prefix is {PREFIX:?}")), "{told}");
        }
    }
    for missing in [bare().without("sub"), bare().text("sub", "")] {
        let (_, told) = explained(alone(), &sealed(&missing)).await.unwrap_err();
        assert!(told.contains("the subject is missing"), "{told}");
    }
    // The rule is for whatever claim is the subject.
    let other_claim = || alone().subject_from("client_id");
    assert!(judged(other_claim(), &sealed(&bare())).await.is_err());
    assert!(judged(other_claim(), &sealed(&bare().text("client_id", SUBJECT).text("sub", "x"))).await.is_ok());
}

#[tokio::test]
async fn the_keys_separate_issuers() {
    let stranger = attackers().iter().find(|other| other.alg == "ES256").unwrap();
    for header in [key("es256").header(), key("es256").header().without("kid")] {
        let forged = judged(alone(), &stranger.seal(header, bare())).await;
        assert!(matches!(forged, Err(TokenError::BadSignature)), "{forged:?}");
    }
    let other = judged(of("es384").issuer_by_keys_alone(PREFIX), &sealed(&bare())).await;
    assert!(matches!(other, Err(TokenError::UnknownKey)), "{other:?}");
    // All other claims count as before.
    for (bad, error) in [
        (bare().without("aud"), "WrongAudience"),
        (bare().text("aud", "others"), "WrongAudience"),
        (bare().without("exp"), "BadClaim"),
        (bare().raw("exp", NOW), "Expired"),
    ] {
        let refused = format!("{:?}", judged(alone(), &sealed(&bad)).await.unwrap_err());
        assert!(refused.starts_with(error), "{refused}");
    }
}

/// Nothing hostile passes: every token of the table has an issuer, or has a subject of others.
#[tokio::test]
async fn no_hostile_token_is_accepted_by_its_keys_alone() {
    let (verifier, clock) = (lenient(strict()).issuer_by_keys_alone(PREFIX).build().unwrap(), Clock::from(&hand()));
    let mut refused = 0;
    for token in hostile::refused() {
        assert!(verifier.verify(token, &clock).await.is_err(), "{token}");
        refused += 1;
    }
    assert!(refused > 500, "{refused}");
}

/// A stack with a verifier of an issuer beside the one for tokens without.
fn beside() -> AuthStack {
    let named = TokenVerifier::key_set(ISSUER, KeySet::from_json(jwks(&["es384"]).as_bytes()).unwrap());
    stack_of(BearerLayer::new(named.audience(AUDIENCE).build().unwrap()).or(alone().build().unwrap()))
}

#[tokio::test]
async fn a_layer_gives_such_a_token_to_the_one_verifier_for_them() {
    let stack = beside();
    present(&stack, &sealed(&bare())).await.assert_accepted();
    present(&stack, &sealed(&bare().text("iss", NAME))).await.assert_accepted();
    present(&stack, &key("es384").token(NOW)).await.assert_accepted();
    // Neither takes a token of the other's keys.
    present(&stack, &key("es384").seal(key("es384").header(), bare())).await.assert_invalid();
    present(&stack, &key("es256").seal(key("es256").header(), claims(NOW))).await.assert_invalid();
    present(&stack, &sealed(&bare().raw("iss", json!(null)))).await.assert_invalid();
    present(&stack, &sealed(&bare().text("iss", "https://other.test/"))).await.assert_invalid();
    present(&stack, "opaque").await.assert_invalid();
    // Without it, a token without an issuer is for nobody.
    let of_issuer = |issuer, kid: &str| {
        let keys = KeySet::from_json(jwks(&[kid]).as_bytes()).unwrap();
        TokenVerifier::key_set(issuer, keys).audience(AUDIENCE).build().unwrap()
    };
    let stack = stack_of(BearerLayer::new(of_issuer(ISSUER, "es384")).or(of_issuer(NAME, "es256")));
    present(&stack, &sealed(&bare())).await.assert_invalid();
}

/// Says that every token is active, and of a user of its own.
struct Active;

impl Introspector for Active {
    fn introspect(&self, _: &str) -> MaybeReady<Result<bytes::Bytes, BoxError>> {
        let answer = json!({ "active": true, "sub": "user_1", "aud": AUDIENCE });
        MaybeReady::ready(Ok(answer.to_string().into()))
    }
}

#[tokio::test]
async fn an_introspector_is_asked_about_all_other_tokens() {
    let asks = || TokenVerifier::introspect("https://id.example.com/", Active).audience(AUDIENCE);
    let stack = stack_of(BearerLayer::new(asks().build().unwrap()).or(alone().build().unwrap()));
    present(&stack, "opaque").await.assert_accepted();
    present(&stack, &sealed(&bare())).await.assert_accepted();
    // It is a token without an issuer, so the keys decide, and the introspector is not asked.
    let stranger = attackers().iter().find(|other| other.alg == "ES256").unwrap();
    present(&stack, &stranger.seal(key("es256").header(), bare())).await.assert_invalid();
    let said = asks().issuer_by_keys_alone(PREFIX).build().unwrap_err().to_string();
    assert!(said.contains("introspects tokens") && said.contains("needs no iss"), "{said}");
}

#[test]
fn two_verifiers_for_tokens_without_an_issuer_are_a_fault() {
    let other = TokenVerifier::key_set("spiffe://example.com", KeySet::from_json(jwks(&["es384"]).as_bytes()).unwrap())
        .audience(AUDIENCE)
        .issuer_by_keys_alone("spiffe://example.com/");
    let layer = BearerLayer::new(alone().build().unwrap()).or(other.build().unwrap());
    let said = AuthStack::builder().auth(layer).build().unwrap_err().to_string();
    assert!(said.contains("without iss, those of \"spiffe://example.org\" and \"spiffe://example.com\""), "{said}");
}

#[test]
fn a_prefix_ends_where_a_name_ends() {
    for odd in ["", "/", "spiffe://example.org", "spiffe://example.org/*", "user_"] {
        let said = of("es256").issuer_by_keys_alone(odd).build().unwrap_err().to_string();
        assert!(said.contains(&format!("the prefix {odd:?}")) && said.contains("such as spiffe://"), "{said}");
    }
    for good in [PREFIX, "urn:example:", "system:serviceaccount:"] {
        assert!(of("es256").issuer_by_keys_alone(good).build().is_ok(), "{good}");
    }
    let template =
        TokenVerifier::key_set("https://{tenant}.test/", KeySet::from_json(jwks(&["es256"]).as_bytes()).unwrap());
    let template = template.audience(AUDIENCE).tenants(Tenants::only(["acme"])).issuer_by_keys_alone(PREFIX);
    let said = template.build().unwrap_err().to_string();
    assert!(said.contains("names no tenant"), "{said}");
}
