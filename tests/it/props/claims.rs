//! Claims of any type at every place that a setting reads: no panic, and no more rights than the token has.

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use tower_auth::{
    Clock, TokenVerifier,
    token::{ClaimSource, Claims, TokenError},
};

use super::cases;
use crate::tokens::{
    NOW, hand, lenient,
    mint::{AUDIENCE, ISSUER, key},
    nobodys, strict,
};

/// The names that the verifiers read, and one that nobody does.
const NAMES: [&str; 20] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "sub",
    "azp",
    "client_id",
    "jti",
    "sid",
    "acr",
    "auth_time",
    "cnf",
    "scope",
    "roles",
    "o",
    "sts",
    "limits",
    "common_name",
    "odd",
];

fn verifiers() -> Vec<TokenVerifier> {
    let claims = |builder: tower_auth::token::TokenVerifierBuilder| {
        builder
            .subject_from("sub")
            .subject_from(ClaimSource::new("common_name").prefix("service:"))
            .subject_from(ClaimSource::new("/o/id").prefix("org:").ignore_other_types())
            .scopes_from("scope")
            .scopes_from(ClaimSource::new("/o/per").comma_separated().prefix("o:"))
            .roles_from("roles")
            .roles_from(ClaimSource::new("/o/roles").member_names().prefix("o:"))
            .roles_from(ClaimSource::new("/o/admin").name_if_true())
            .organizations_from(ClaimSource::new("o").member_names().ignore_other_types())
            .limits_from("limits")
    };
    let far = Duration::from_secs(1 << 40);
    [
        strict(),
        lenient(strict()),
        claims(strict()),
        claims(nobodys().client("azp", ["app"]).forbid_claim("sts", ["pending"])),
        claims(nobodys().accept_any_audience()).max_age(far).max_lifetime(far).issued_after(SystemTime::UNIX_EPOCH),
        strict().client("azp", ["app"]).audience_or_client().require_claim("/o/admin", [true]),
        nobodys().client("/o/id", ["app"]).roles_from(ClaimSource::new("roles").space_separated().ignore_other_types()),
    ]
    .map(|builder| builder.typ(["at+jwt"]).build().unwrap())
    .into()
}

static VERIFIERS: LazyLock<Vec<TokenVerifier>> = LazyLock::new(verifiers);

/// Any JSON, often with words that mean something here.
fn value() -> impl Strategy<Value = Value> {
    let word = select(vec![
        "",
        " ",
        "app",
        "read",
        "a b",
        "a,b ,",
        "pending",
        AUDIENCE,
        ISSUER,
        "per",
        "admin",
        "\u{0}\n\u{202e}",
        "ü",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(NOW - 60)),
        Just(json!(NOW + 60)),
        word.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop_oneof![
        select(vec!["id", "per", "roles", "admin", "requests", "a b", ""]).prop_map(str::to_owned),
        any::<String>()
    ];
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name.clone(), inner), 0..5).prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// Good claims, of which some are anything.
fn claims() -> impl Strategy<Value = Map<String, Value>> {
    vec((select(NAMES.to_vec()), proptest::option::of(value())), 0..6).prop_map(|odd| {
        let good = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user_1", "azp": "app", "iat": NOW - 60, "exp": NOW + 60,
            "scope": "read", "roles": ["staff"], "o": { "id": "app", "per": "x,y", "admin": true },
        });
        let Value::Object(mut claims) = good else { return Map::new() };
        for (name, value) in odd {
            match value {
                Some(value) => claims.insert(name.to_owned(), value),
                None => claims.remove(name),
            };
        }
        claims
    })
}

/// Every string that stands in a value, also as a name.
fn words(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|element| words(element, all)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            all.push(name.clone());
            words(value, all);
        }),
        _ => {}
    }
}

fn verify(verifier: &TokenVerifier, token: &str) -> Result<Claims, TokenError> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(verifier.verify(token, &Clock::from(&hand()))).poll(&mut context) {
        Poll::Ready(verdict) => verdict,
        Poll::Pending => panic!("fixed keys need no waiting"),
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn claims_of_any_type_never_panic_and_give_no_more_than_they_say(claims in claims()) {
        let signer = key("hs256");
        let token = signer.seal(signer.header(), serde_json::to_vec(&claims).unwrap());
        let mut said = Vec::new();
        words(&Value::Object(claims.clone()), &mut said);
        for (place, verifier) in VERIFIERS.iter().enumerate() {
            match verify(verifier, &token) {
                Ok(found) => {
                    let who = found.principal();
                    prop_assert!(!who.subject().trim().is_empty());
                    prop_assert_eq!(claims.get("iss").and_then(Value::as_str), Some(ISSUER));
                    prop_assert!(who.scopes().iter().all(|scope| !scope.contains(' ')), "{:?}", who.scopes());
                    prop_assert!(who.roles().iter().all(|role| {
                        let bare = role.strip_prefix("o:").unwrap_or(role);
                        said.iter().any(|text| text == role || text == bare || text.split(' ').any(|part| part == bare))
                    }), "{:?}", who.roles());
                    // A client that is required is the one of the token, whatever the audience is.
                    if place == 3 {
                        prop_assert_eq!(claims.get("azp"), Some(&json!("app")));
                        prop_assert!(claims.get("aud").is_none_or(|aud| aud.is_null() || *aud == json!([])));
                        prop_assert_ne!(claims.get("sts"), Some(&json!("pending")));
                    }
                    if place == 5 {
                        prop_assert_eq!(&claims["o"]["admin"], &json!(true));
                    }
                }
                Err(error) => {
                    let told = verifier.explain(&token, &error);
                    prop_assert!(told.len() < 2000, "{}", told);
                    prop_assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", told);
                }
            }
        }
    }
}
