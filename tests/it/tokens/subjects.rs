//! Which of several claims names the caller.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tower_auth::{
    AuthStack, BearerLayer, Decision,
    token::{ClaimSource, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, explained, hand, judged,
    mint::{Object, claims, key},
    present, stack, strict,
};

fn token(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

/// Users and services of Cloudflare Access.
fn access() -> TokenVerifierBuilder {
    strict().subject_from("sub").subject_from(ClaimSource::new("common_name").prefix("service:"))
}

#[tokio::test]
async fn the_first_claim_that_names_somebody_is_the_subject() {
    for (sub, name, subject) in [
        (json!("u1"), json!("backup"), Some("u1")),
        (json!("u1"), json!(null), Some("u1")),
        (json!(""), json!("backup"), Some("service:backup")),
        (json!("  "), json!("backup"), Some("service:backup")),
        (json!(null), json!("backup"), Some("service:backup")),
        (json!(""), json!(""), None),
        (json!(null), json!(null), None),
        (json!("service:backup"), json!(null), Some("service:backup")),
    ] {
        // The order in the token does not count.
        for first in [true, false] {
            let bare = claims(NOW).without("sub");
            let both = if first {
                bare.raw("sub", &sub).raw("common_name", &name)
            } else {
                bare.raw("common_name", &name).raw("sub", &sub)
            };
            let found = judged(access(), &token(&both)).await;
            let found = found.as_ref().map(|claims| claims.principal().subject());
            match subject {
                Some(subject) => assert_eq!(found.unwrap(), subject, "{}", both.as_str()),
                None => assert!(matches!(found, Err(TokenError::BadClaim(_))), "{}", both.as_str()),
            }
        }
    }
}

/// A subject of a wrong type is not passed over for the next claim.
#[tokio::test]
async fn a_wrong_type_is_refused_and_not_passed_over() {
    let odd = [json!(7), json!(["u1"]), json!({ "id": "u1" }), json!(true)];
    let builder = || access().account_from("tid");
    for value in &odd {
        for name in ["sub", "common_name"] {
            let claims = claims(NOW).text("common_name", "backup").raw(name, value);
            let refused = judged(builder(), &token(&claims)).await;
            assert!(matches!(refused, Err(TokenError::Malformed(_))), "{name} {value}: {refused:?}");
        }
    }
    let lenient = || {
        let name = ClaimSource::new("common_name").prefix("service:");
        strict().subject_from(ClaimSource::new("sub").ignore_other_types()).subject_from(name)
    };
    for value in &odd {
        let claims = claims(NOW).text("common_name", "backup").raw("sub", value);
        let who = judged(lenient(), &token(&claims)).await.unwrap();
        assert_eq!(who.principal().subject(), "service:backup", "{value}");
    }
}

/// An empty value has no subject, whatever stands before it.
#[tokio::test]
async fn a_prefix_alone_is_no_subject() {
    for value in [json!(""), json!("  ")] {
        let claims = claims(NOW).without("sub").raw("common_name", &value);
        let refused = judged(access(), &token(&claims)).await;
        assert!(matches!(refused, Err(TokenError::BadClaim(_))), "{value}: {refused:?}");
    }
}

#[tokio::test]
async fn the_log_names_the_claims() {
    let builder = || access().subject_from(ClaimSource::new("/act/sub").prefix("actor:"));
    let (error, said) = explained(builder(), &token(&claims(NOW).text("sub", ""))).await.unwrap_err();
    assert!(matches!(error, TokenError::BadClaim(_)));
    assert!(
        said.contains("the subject is missing: no string that is not empty in sub, common_name, /act/sub"),
        "{said}"
    );
    let told = present(&stack(access()), &token(&claims(NOW).text("sub", ""))).await;
    told.assert_invalid();
}

#[tokio::test]
async fn two_claims_are_told_apart_by_name() {
    let said = strict().subject_from("sub").subject_from("common_name").build().unwrap_err().to_string();
    assert!(said.contains("another caller alike") && said.contains("prefix"), "{said}");
    let same = || strict().subject_from("oid").subject_from(ClaimSource::new("sub").prefix(""));
    for (claims, subject) in [(claims(NOW).text("oid", "o1"), "o1"), (claims(NOW), "user_1")] {
        assert_eq!(judged(same(), &token(&claims)).await.unwrap().principal().subject(), subject);
    }
    let alone = judged(strict().subject_from("oid"), &token(&claims(NOW).text("oid", "o1"))).await.unwrap();
    assert_eq!(alone.principal().subject(), "o1");
    let form = strict().subject_from(ClaimSource::new("sub").member_names()).build().unwrap_err().to_string();
    assert!(form.contains("lists"), "{form}");
}

/// A refused token is logged and charged as one of the same caller.
#[tokio::test]
async fn the_holder_of_a_refused_token_is_known() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let holders = Arc::clone(&seen);
    let observe = move |decision: &Decision<'_>| {
        let holder = decision.principal().map(|who| who.subject().to_owned());
        holders.lock().unwrap().push(holder);
    };
    let service = claims(NOW).text("sub", "").text("common_name", "backup");
    for (builder, claims) in [
        (access(), service.clone().raw("exp", Value::from(NOW - 1))),
        (access().max_age(Duration::from_secs(10)), service.clone()),
        (access().require_claim("token_use", ["access"]), service.clone()),
        (access().client("azp", ["app"]), service.clone()),
    ] {
        let layer = BearerLayer::new(builder.build().unwrap());
        let stack = AuthStack::builder().auth(layer).clock(&hand()).on_decision(observe.clone()).build().unwrap();
        assert_eq!(present(&stack, &token(&claims)).await.status, 401);
    }
    assert_eq!(*seen.lock().unwrap(), vec![Some("service:backup".to_owned()); 4]);
}
