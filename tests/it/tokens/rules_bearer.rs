//! Rules 024 to 031 and 034: the response to a client with a token, or without.

use std::collections::BTreeSet;

use http::StatusCode;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, KeyRecord, RequireLayer,
    permission::{OrgSource, Permission, any_scope, member_of, role, scope},
};

use super::{
    EXPIRED, INVALID, MALFORMED, MISSING, NOW, Told, ask, hand, hostile, lenient,
    mint::{claims, key},
    present, stack, stack_of, strict,
};
use crate::support::{KEY, get, ok, store};

/// Names and values of a challenge with one scheme, values without their quotes.
fn parameters(challenge: &str) -> (String, Vec<(String, String)>) {
    let (scheme, rest) = challenge.split_once(' ').unwrap();
    let all = rest.split("\", ").map(|parameter| {
        let (name, value) = parameter.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (scheme.to_owned(), all.collect())
}

/// Everything that a bearer challenge can be.
async fn every_challenge() -> Vec<String> {
    let stack = stack(strict());
    let expired = key("rs256").seal(key("rs256").header(), claims(NOW).raw("exp", 1));
    let forbidden = key("rs256").token(NOW);
    let required = AuthStack::builder().auth(bearer()).clock(&hand()).require(scope("write").and(scope("admin:all")));
    let answers = [
        ask(&stack, get("/", &[])).await,
        present(&stack, "a.b.c").await,
        present(&stack, &expired).await,
        ask(&stack, get("/", &[("authorization", "Bearer")])).await,
        present(&required.build().unwrap(), &forbidden).await,
    ];
    answers.into_iter().flat_map(|told| told.challenges).collect()
}

fn bearer() -> BearerLayer {
    BearerLayer::new(strict().build().unwrap())
}

#[tokio::test]
async fn r024_the_scheme_is_bearer_and_has_a_parameter() {
    let all = every_challenge().await;
    assert_eq!(all.len(), 5, "{all:?}");
    for challenge in all {
        let (scheme, parameters) = parameters(&challenge);
        assert!(scheme == "Bearer" && !parameters.is_empty(), "{challenge}");
    }
    let alone = bearer().layer(ok()).oneshot(get("/", &[])).await.unwrap();
    assert_eq!(
        (alone.status(), alone.headers()["www-authenticate"].to_str().unwrap()),
        (StatusCode::UNAUTHORIZED, MISSING)
    );
}

#[tokio::test]
async fn r025_a_request_without_a_credential_is_told_of_no_error() {
    let stack = stack(strict());
    for headers in
        [&[][..], &[("authorization", "")], &[("authorization", "Basic dXNlcjpwYXNz")], &[("x-api-key", KEY)]]
    {
        ask(&stack, get("/", headers)).await.assert(401, "AUTHENTICATION_REQUIRED", &[MISSING]);
    }
    assert!(!MISSING.contains("error"));
}

#[tokio::test]
async fn r026_every_bad_token_is_401_with_invalid_token() {
    let stack = stack(strict());
    let key = key("rs256");
    for (name, token, expected) in [
        ("malformed", "nonsense".to_owned(), INVALID),
        ("of nobody", key.seal(key.header().text("kid", "x"), claims(NOW)), INVALID),
        ("for others", key.seal(key.header(), claims(NOW).text("aud", "others")), INVALID),
        ("not yet good", key.seal(key.header(), claims(NOW).raw("nbf", NOW + 1)), INVALID),
        ("expired", key.seal(key.header(), claims(NOW).raw("exp", NOW)), EXPIRED),
    ] {
        let told = present(&stack, &token).await;
        assert_eq!((told.status, &*told.challenges), (401, &[expected.to_owned()][..]), "{name}");
    }
}

/// What a guard behind the authentication makes of a good token with the scope `read`.
async fn refused(policy: impl Permission) -> Told {
    let stack = AuthStack::builder().auth(bearer()).clock(&hand()).require(policy).build().unwrap();
    present(&stack, &key("rs256").token(NOW)).await
}

#[tokio::test]
async fn r027_a_missing_scope_is_403_with_insufficient_scope() {
    let named = |scopes: &str| format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
    let bare = "Bearer error=\"insufficient_scope\"";
    let code = "INSUFFICIENT_PERMISSIONS";
    refused(scope("read")).await.assert_accepted();
    refused(scope("write")).await.assert(403, code, &[&named("write")]);
    // All that the request needs, also what the token has: clients ask for exactly these.
    refused(scope("read").and(scope("write"))).await.assert(403, code, &[&named("read write")]);
    refused(scope("write").and(scope("read"))).await.assert(403, code, &[&named("write read")]);
    refused(scope("write").and(scope("send"))).await.assert(403, code, &[&named("write send")]);
    // One way out, so that no client asks for more than it needs.
    refused(any_scope(["write", "admin"])).await.assert(403, code, &[&named("write")]);
    refused(scope("write").or(scope("admin"))).await.assert(403, code, &[&named("write")]);
    refused(role("admin").or(scope("write"))).await.assert(403, code, &[&named("write")]);
    refused(any_scope(["write", "admin"]).and(scope("read"))).await.assert(403, code, &[&named("write read")]);
    refused(scope("https://api.test/write")).await.assert(403, code, &[&named("https://api.test/write")]);
    // A role is nothing that an issuer could be asked for by its name.
    refused(role("admin")).await.assert(403, code, &[bare]);
    refused(scope("read").and(role("admin"))).await.assert(403, code, &[bare]);
    // What cannot stand in the field is left out of it.
    for odd in ["two words", "quo\"te", "back\\slash", "zürich", "line\nbreak", "offline_access"] {
        refused(scope(odd)).await.assert(403, code, &[bare]);
    }
    let organization = OrgSource::from_fn(|_| Some("org_other".to_owned()));
    refused(member_of(organization)).await.assert(403, "ORGANIZATION_ACCESS_DENIED", &[]);
}

#[tokio::test]
async fn r027_a_key_without_the_scope_is_offered_no_token() {
    let (scheme, keys) = store(KeyRecord::new("k1", "acme").scopes(["read"]));
    let auth = AuthLayer::first(bearer()).then(ApiKeyLayer::new(scheme, keys));
    let stack = AuthStack::builder().auth(auth).clock(&hand()).require(scope("write")).build().unwrap();
    ask(&stack, get("/", &[("x-api-key", KEY)])).await.assert(403, "INSUFFICIENT_PERMISSIONS", &[]);
    let told = present(&stack, &key("rs256").token(NOW)).await;
    told.assert(403, "INSUFFICIENT_PERMISSIONS", &["Bearer error=\"insufficient_scope\", scope=\"write\""]);
    assert_eq!(told.body["error"]["details"]["required_permissions"], serde_json::json!(["write"]));
}

#[tokio::test]
async fn r027_a_hidden_path_is_not_betrayed_by_a_challenge() {
    let hidden = RequireLayer::scope("write").mask_as_not_found();
    let stack = stack_of(bearer());
    let service = stack.layer(hidden.layer(ok()));
    let token = format!("Bearer {}", key("rs256").token(NOW));
    let response = service.oneshot(get("/", &[("authorization", &token)])).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn r028_a_scheme_without_a_token_is_400_with_invalid_request() {
    let stack = stack(strict());
    for value in ["Bearer", "bearer", "Bearer ", "Bearer  \t"] {
        let told = ask(&stack, get("/", &[("authorization", value)])).await;
        told.assert(400, "INVALID_REQUEST", &[MALFORMED]);
        assert_eq!(told.body["error"]["details"]["header"], "authorization");
    }
}

#[tokio::test]
async fn r029_every_parameter_stands_once() {
    for challenge in every_challenge().await {
        let (_, parameters) = parameters(&challenge);
        let names: BTreeSet<String> = parameters.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert_eq!(names.len(), parameters.len(), "{challenge}");
    }
}

#[tokio::test]
async fn r030_values_have_the_characters_that_they_may_have() {
    let mut seen = BTreeSet::new();
    for challenge in every_challenge().await {
        for (name, value) in parameters(&challenge).1 {
            let allowed = |byte: u8| match &*name {
                // No quote and no backslash, and in a scope no space either, except between two.
                "error" | "error_description" | "scope" | "realm" => {
                    matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)
                }
                _ => false,
            };
            assert!(!value.is_empty() && value.bytes().all(allowed), "{challenge}");
            seen.insert(name);
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["error", "error_description", "realm", "scope"]);
}

/// What a library says of a token is for the log.
#[tokio::test]
async fn r031_descriptions_are_fixed_texts() {
    let stack = stack(lenient(strict()));
    let mut causes = BTreeSet::new();
    for case in hostile::table().cases.iter().step_by(7) {
        let Ok(token) = str::from_utf8(&case.token) else { continue };
        if !token.bytes().all(|byte| matches!(byte, b' '..=b'~')) || token.trim().is_empty() {
            continue;
        }
        let told = present(&stack, token).await;
        if told.status == 401 {
            assert!([INVALID, EXPIRED].contains(&&*told.challenges[0]), "{told:?}");
            let words = [&told.body["error"]["message"], &told.body["error"]["system_message"]];
            let fixed = [
                ["Your session is invalid. Please sign in again.", "JWT token validation failed"],
                ["Your session has expired. Please sign in again.", "JWT token expired"],
            ];
            assert!(fixed.iter().any(|fixed| words == *fixed), "{told:?}");
            assert_eq!(told.body["error"]["details"], serde_json::json!({}));
            causes.insert(told.cause.unwrap());
        }
    }
    // The log has more: what was wrong with the token, within limits, and never whose token it is.
    assert!(causes.len() > 8, "{causes:?}");
    let fits = |cause: &String| cause.len() < 800 && !cause.contains("user_1") && !cause.contains(char::is_control);
    assert!(causes.iter().all(fits), "{causes:?}");
}

#[tokio::test]
async fn r031_the_realm_is_the_services_and_the_rest_stays() {
    let stack = stack_of(bearer().realm("the \"big\" api\r\n"));
    let realm = r#"Bearer realm="the \"big\" api??""#;
    ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[realm]);
    let expected = INVALID.replace(MISSING, realm);
    present(&stack, "a.b.c").await.assert(401, "TOKEN_INVALID", &[&expected]);
}

#[tokio::test]
async fn r034_a_token_opens_what_it_is_for() {
    hostile::group(&["aud"], 30).await;
    let two = strict().audience("https://api.test");
    let key = key("es256");
    let token = |audience: &str| key.seal(key.header(), claims(NOW).text("aud", audience));
    let stack = stack(two);
    present(&stack, &token("https://api.test")).await.assert_accepted();
    present(&stack, &token("freddy")).await.assert_accepted();
    present(&stack, &token("https://api.test/")).await.assert_invalid();
}
