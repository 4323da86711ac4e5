//! For whom a token is: an audience, a client, or both.

use serde_json::{Value, json};
use tower_auth::token::{ClaimSource, TokenError, TokenVerifierBuilder};

use super::{
    NOW, explained, judged,
    mint::{AUDIENCE, Object, claims, key},
    nobodys, strict,
};

fn token(claims: &Object) -> String {
    key("rs256").seal(key("rs256").header(), claims)
}

/// The claims of a good token with this audience and this client. `null` leaves a claim out.
fn of(aud: &Value, azp: &Value) -> Object {
    let claims = claims(NOW).without("client_id").without("aud");
    let claims = if aud.is_null() { claims } else { claims.raw("aud", aud) };
    if azp.is_null() { claims } else { claims.raw("azp", azp) }
}

/// What becomes of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Good,
    /// `aud` is another.
    Audience,
    /// The client is another.
    Client,
    /// A claim has another type.
    Type,
}

async fn verdict(builder: TokenVerifierBuilder, claims: &Object) -> Is {
    match judged(builder, &token(claims)).await {
        Ok(_) => Is::Good,
        Err(TokenError::WrongAudience) => Is::Audience,
        Err(TokenError::WrongClient) => Is::Client,
        Err(TokenError::Malformed(_)) => Is::Type,
        Err(other) => panic!("{other}"),
    }
}

/// Every setting with every kind of token: the table of the documentation.
#[tokio::test]
async fn every_setting_has_its_tokens() {
    use Is::{Audience, Client, Good, Type};

    let settings: [fn() -> TokenVerifierBuilder; 5] = [
        strict,
        || nobodys().client("azp", ["app", "web"]),
        || strict().client("azp", ["app", "web"]),
        || strict().client("azp", ["app", "web"]).audience_or_client(),
        || nobodys().client("azp", ["app", "web"]).accept_any_audience(),
    ];
    let ours = json!(AUDIENCE);
    #[rustfmt::skip]
    let table = [
        // aud, azp                                 audience, client,   both,     either,   client of any
        (ours.clone(), json!("app"),                [Good,     Audience, Good,     Good,     Good]),
        (ours.clone(), json!("web"),                [Good,     Audience, Good,     Good,     Good]),
        (ours.clone(), json!("other"),              [Good,     Audience, Client,   Good,     Client]),
        (ours.clone(), json!(null),                 [Good,     Audience, Client,   Good,     Client]),
        (json!(["x", AUDIENCE]), json!("app"),      [Good,     Audience, Good,     Good,     Good]),
        (json!("x"), json!("app"),                  [Audience, Audience, Audience, Audience, Good]),
        (json!(["x", "y"]), json!("app"),           [Audience, Audience, Audience, Audience, Good]),
        (json!("app"), json!("app"),                [Audience, Audience, Audience, Audience, Good]),
        (json!(""), json!("app"),                   [Audience, Audience, Audience, Audience, Good]),
        (json!([""]), json!("app"),                 [Audience, Audience, Audience, Audience, Good]),
        (json!(null), json!("app"),                 [Audience, Good,     Audience, Good,     Good]),
        (json!([]), json!("app"),                   [Audience, Good,     Audience, Good,     Good]),
        (json!(null), json!("other"),               [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!(""),                    [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!("APP"),                 [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!("app "),                [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!("app web"),             [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!("app\u{0}"),            [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!("\u{430}pp"),           [Audience, Client,   Audience, Client,   Client]),
        (json!(null), json!(null),                  [Audience, Client,   Audience, Client,   Client]),
        // What a setting names has its type. The first setting does not name this claim.
        (ours.clone(), json!(["app"]),              [Good,     Type,     Type,     Type,     Type]),
        (ours.clone(), json!(7),                    [Good,     Type,     Type,     Type,     Type]),
        (json!(null), json!({ "app": true }),       [Audience, Type,     Type,     Type,     Type]),
        (json!(7), json!("app"),                    [Type,     Type,     Type,     Type,     Type]),
        (json!({ "aud": AUDIENCE }), json!("app"),  [Type,     Type,     Type,     Type,     Type]),
        (json!([AUDIENCE, 7]), json!("app"),        [Type,     Type,     Type,     Type,     Type]),
    ];
    for (aud, azp, expected) in table {
        for (place, setting) in settings.iter().enumerate() {
            let claims = of(&aud, &azp);
            assert_eq!(verdict(setting(), &claims).await, expected[place], "setting {place}: {}", claims.as_str());
        }
    }
    // `null` in the token counts as missing too.
    let null = of(&json!(null), &json!("app")).raw("aud", "null");
    assert_eq!(verdict(settings[1](), &null).await, Good);
    let null = of(&json!(null), &json!(null)).raw("azp", "null");
    assert_eq!(verdict(settings[1](), &null).await, Client);
}

/// Only the claim that is named counts: a token cannot put the client elsewhere.
#[tokio::test]
async fn one_claim_names_the_client() {
    let names = ["client_id", "azp", "cid", "appid"];
    for named in names {
        for used in names {
            let claims = of(&json!(null), &json!(null)).text(used, "app");
            let expected = if named == used { Is::Good } else { Is::Client };
            assert_eq!(verdict(nobodys().client(named, ["app"]), &claims).await, expected, "{named} {used}");
        }
    }
    let inside = of(&json!(null), &json!(null)).raw("act", json!({ "client_id": "app" }));
    assert_eq!(verdict(nobodys().client("/act/client_id", ["app"]), &inside).await, Is::Good);
    assert_eq!(verdict(nobodys().client("client_id", ["app"]), &inside).await, Is::Client);
    let uri = of(&json!(null), &json!(null)).text("https://issuer.test/client", "app");
    let builder = || nobodys().client(ClaimSource::path(["https://issuer.test/client"]), ["app"]);
    assert_eq!(verdict(builder(), &uri).await, Is::Good);
}

/// The service finds the client in the claims, whichever claim names it.
#[tokio::test]
async fn the_client_is_told() {
    let both = of(&json!(null), &json!("app")).text("client_id", "other");
    let found = judged(nobodys().client("azp", ["app"]), &token(&both)).await.unwrap();
    assert_eq!(found.client_id(), Some("app"));
    let cached = nobodys().client("azp", ["app"]).cache(4).build().unwrap();
    for _ in 0..2 {
        let clock = tower_auth::Clock::from(&super::hand());
        let found = cached.verify(&token(&both), &clock).await.unwrap();
        assert_eq!(found.client_id(), Some("app"));
    }
    let builder = strict().client("azp", ["app"]).audience_or_client();
    let found = judged(builder, &token(&of(&json!(AUDIENCE), &json!(null)).text("client_id", "other"))).await.unwrap();
    assert_eq!(found.client_id(), Some("other"));
    // The profile asks for the claim of its name.
    let refused = judged(nobodys().client("azp", ["app"]).rfc9068(), &token(&of(&json!(null), &json!("app")))).await;
    assert!(matches!(refused, Err(TokenError::BadClaim("client_id is missing"))), "{refused:?}");
    // The claim may be a part of the principal too.
    let builder = nobodys().client("azp", ["app"]).subject_from("azp").account_from("azp");
    let who = judged(builder, &token(&of(&json!(null), &json!("app")))).await.unwrap();
    assert_eq!((who.principal().subject(), who.principal().account()), ("app", Some("app")));
}

#[tokio::test]
async fn any_audience_is_accepted_only_by_name() {
    for aud in [json!(null), json!([]), json!("x"), json!(["x", "y"]), json!(AUDIENCE)] {
        let claims = of(&aud, &json!(null));
        assert_eq!(verdict(nobodys().accept_any_audience(), &claims).await, Is::Good, "{aud}");
    }
    // Its type is checked as ever, and so is everything else.
    assert_eq!(verdict(nobodys().accept_any_audience(), &of(&json!(7), &json!(null))).await, Is::Type);
    let other = token(&of(&json!(null), &json!(null)).text("iss", "https://other.test/"));
    let refused = judged(nobodys().accept_any_audience(), &other).await;
    assert!(matches!(refused, Err(TokenError::WrongIssuer)), "{refused:?}");
}

#[tokio::test]
async fn the_log_says_which_audience_and_which_client() {
    let client = || nobodys().client("azp", ["app", "web"]);
    for (builder, aud, azp, told) in [
        (
            client(),
            json!("account"),
            json!("app"),
            "the token's audience is \"account\", and the verifier expects none",
        ),
        (
            client(),
            json!(null),
            json!("o\n"),
            "the token's client in azp is \"o\\n\", and the verifier expects \"app\", \"web\"",
        ),
        (
            client(),
            json!(null),
            json!(null),
            "the token has no client in azp, and the verifier expects \"app\", \"web\"",
        ),
        (
            strict().client("azp", ["app"]),
            json!([]),
            json!("app"),
            "the token has no audience (aud), and the verifier expects \"freddy\"; the client azp cannot stand in for it (TokenVerifierBuilder::audience_or_client)",
        ),
        (strict(), json!(null), json!("app"), "the token has no audience (aud), and the verifier expects \"freddy\""),
        (
            nobodys().client("/a/b", ["x"]),
            json!(null),
            json!("app"),
            "the token has no client in /a/b, and the verifier expects \"x\"",
        ),
    ] {
        let (error, said) = explained(builder, &token(&of(&aud, &azp))).await.unwrap_err();
        assert!(said.starts_with(told), "{said}");
        assert!(!error.to_string().contains("app"), "{error}");
    }
    let long = of(&json!(null), &json!("x".repeat(500)));
    let (_, said) = explained(client(), &token(&long)).await.unwrap_err();
    assert!(said.len() < 250 && said.contains('…'), "{said}");
}

#[test]
fn contradictions_are_said_when_it_is_built() {
    for (name, builder, part) in [
        ("neither", nobodys(), "no audience"),
        ("no id", nobodys().client("azp", [""; 0]), "got no id, or an empty one, for the claim azp"),
        ("an empty id", nobodys().client("azp", ["app", ""]), "got no id, or an empty one, for the claim azp"),
        ("two claims", nobodys().client("azp", ["a"]).client("cid", ["a"]), "client got the claim cid"),
        ("the same claim twice", nobodys().client("azp", ["a"]).client("azp", ["b"]), "client got the claim azp"),
        ("an audience and any", strict().accept_any_audience(), "accept_any_audience"),
        ("a client or nothing", nobodys().client("azp", ["a"]).audience_or_client(), "only one of the two"),
        ("an audience or nothing", strict().audience_or_client(), "only one of the two"),
        ("an empty audience beside a client", nobodys().client("azp", ["a"]).audience(""), "no audience"),
        ("a claim of another meaning", nobodys().client("aud", ["a"]), "a meaning of its own"),
        ("a path", nobodys().client("a.b", ["a"]), "looks like a path"),
        ("a prefix", nobodys().client(ClaimSource::new("azp").prefix("x"), ["a"]), "prefix"),
        ("a lenient type", nobodys().client(ClaimSource::new("azp").ignore_other_types(), ["a"]), "type"),
        ("a list", nobodys().client(ClaimSource::new("azp").comma_separated(), ["a"]), "lists"),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("help:"), "{name}: {said}");
    }
}
