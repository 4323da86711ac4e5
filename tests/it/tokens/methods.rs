//! Tokens beside tokens of another issuer, and beside keys.

use http::{Request, Response};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, RequestExt as _,
    TokenVerifier,
    token::{KeySet, TokenVerifierBuilder},
};

use super::{
    EXPIRED, INVALID, MALFORMED, MISSING, NOW, Told, ask, hand,
    mint::{AUDIENCE, ISSUER, Object, claims, jwks, key},
    present, stack_of, strict,
};
use crate::support::{Body, KEY, get, ok, store, strict as service, text};

const OTHER: &str = "https://other.test/";
const BAD_KEY: &str = "ak_0000000000000000000000000000000000000000";

fn issuer(issuer: &'static str, kids: &[&str]) -> TokenVerifierBuilder {
    TokenVerifier::key_set(issuer, KeySet::from_json(jwks(kids).as_bytes()).unwrap()).audience(AUDIENCE)
}

fn bearer() -> BearerLayer {
    BearerLayer::new(strict().build().unwrap())
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("k1", "acme"));
    ApiKeyLayer::new(scheme, store)
}

fn good() -> String {
    key("rs256").token(NOW)
}

fn expired() -> String {
    key("rs256").seal(key("rs256").header(), claims(NOW).raw("exp", NOW))
}

#[tokio::test]
async fn two_issuers_have_their_own_keys() {
    let layer = BearerLayer::new(issuer(ISSUER, &["rs256"]).build().unwrap());
    let stack = stack_of(layer.or(issuer(OTHER, &["es256"]).build().unwrap()));
    let token = |signer: &str, header: Object, iss: &str| key(signer).seal(header, claims(NOW).text("iss", iss));
    for (signer, iss, good) in
        [("rs256", ISSUER, true), ("es256", OTHER, true), ("rs256", OTHER, false), ("es256", ISSUER, false)]
    {
        for header in [key(signer).header(), key(signer).header().without("kid")] {
            let told = present(&stack, &token(signer, header, iss)).await;
            if good { told.assert_accepted() } else { told.assert_invalid() }
        }
    }
    for iss in ["https://third.test/", "", "https://issuer.test"] {
        present(&stack, &token("rs256", key("rs256").header(), iss)).await.assert_invalid();
    }
    // Whose it is, is asked before anything else, and what cannot say so is nobody's.
    for claims in
        ["", "{}", "null", "{\"iss\":7}", "{\"iss\":[\"https://issuer.test/\"]}", "{\"iss\":\"a\",\"iss\":\"b\"}"]
    {
        present(&stack, &key("rs256").seal(key("rs256").header(), claims)).await.assert_invalid();
    }
    for nonsense in ["a.b.c", "..", "a", "a.b", "a.b.c.d"] {
        present(&stack, nonsense).await.assert_invalid();
    }
}

#[tokio::test]
async fn each_issuer_has_its_own_audience_types_and_limits() {
    let one = issuer(ISSUER, &["rs256"]).build().unwrap();
    let two = TokenVerifier::key_set(OTHER, KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap());
    let two = two.audience("other").typ(["JWT"]).max_token_len(600).build().unwrap();
    let stack = stack_of(BearerLayer::new(one).or(two));
    let token = |iss: &str, aud: &str, typ: &str| {
        let claims = Object::default().text("iss", iss).text("aud", aud).text("sub", "u").raw("exp", NOW + 9);
        key("rs256").seal(key("rs256").header().text("typ", typ), claims)
    };
    present(&stack, &token(ISSUER, AUDIENCE, "at+jwt")).await.assert_accepted();
    present(&stack, &token(ISSUER, "other", "at+jwt")).await.assert_invalid();
    present(&stack, &token(ISSUER, AUDIENCE, "JWT")).await.assert_invalid();
    present(&stack, &token(OTHER, "other", "JWT")).await.assert_accepted();
    present(&stack, &token(OTHER, AUDIENCE, "JWT")).await.assert_invalid();
    present(&stack, &token(OTHER, "other", "at+jwt")).await.assert_invalid();
    let long = key("rs256").header().text("typ", "JWT").text("x", &"x".repeat(200));
    let claims = Object::default().text("iss", OTHER).text("aud", "other").text("sub", "u").raw("exp", NOW + 9);
    let long = key("rs256").seal(long, claims);
    present(&stack, &long).await.assert_invalid();
}

/// What is good for a verifier alone is good for it beside another: only `iss` is read to choose between them.
#[tokio::test]
async fn another_issuer_changes_nothing_about_which_claims_are_asked_for() {
    let renamed = || strict().subject_from("uid").scopes_from("scp");
    let alone = stack_of(BearerLayer::new(renamed().build().unwrap()));
    let beside = BearerLayer::new(renamed().build().unwrap()).or(issuer(OTHER, &["es256"]).build().unwrap());
    let beside = stack_of(beside);
    for (name, value) in [("sub", json!(7)), ("scope", json!({ "read": true })), ("scope", json!(7))] {
        let claims = claims(NOW).text("uid", "u7").raw(name, &value);
        let token = key("rs256").seal(key("rs256").header(), claims);
        present(&alone, &token).await.assert_accepted();
        let told = present(&beside, &token).await;
        assert_eq!(told.short(), (200, ""), "{name} {value}: {:?}", told.cause);
    }
}

#[tokio::test]
async fn one_issuer_twice_is_a_mistake() {
    let twice = bearer().or(issuer(OTHER, &["es256"]).build().unwrap()).or(issuer(ISSUER, &["es256"]).build().unwrap());
    let error = AuthStack::builder().auth(twice.clone()).build().unwrap_err().to_string();
    assert!(error.contains("two verifiers for the issuer") && error.contains(ISSUER), "{error}");
    let beside = AuthLayer::first(keys()).then(twice.clone());
    assert!(AuthStack::builder().auth(beside).build().is_err());
    for headers in [&[][..], &[("authorization", &*format!("Bearer {}", good()))]] {
        let response = twice.layer(ok()).oneshot(get("/", headers)).await.unwrap();
        assert_eq!(response.status(), 500);
    }
}

/// Both methods, in this order, as a client sees them.
fn both(first_tokens: bool) -> (AuthStack, String) {
    if first_tokens {
        (stack_of(AuthLayer::first(bearer()).then(keys())), format!("{MISSING}, ApiKey realm=\"api\""))
    } else {
        (stack_of(AuthLayer::first(keys()).then(bearer())), format!("ApiKey realm=\"api\", {MISSING}"))
    }
}

fn with(token: Option<&str>, key: Option<&str>) -> Request<Body> {
    let token = token.map(|token| format!("Bearer {token}"));
    let lines: Vec<(&str, &str)> =
        token.iter().map(|token| ("authorization", &**token)).chain(key.map(|key| ("x-api-key", key))).collect();
    get("/", &lines)
}

#[tokio::test]
async fn one_method_is_enough_and_all_are_offered() {
    for first_tokens in [true, false] {
        let (stack, offer) = both(first_tokens);
        ask(&stack, with(None, None)).await.assert(401, "AUTHENTICATION_REQUIRED", &[&offer]);
        ask(&stack, with(Some(&good()), None)).await.assert_accepted();
        ask(&stack, with(None, Some(KEY))).await.assert_accepted();
        ask(&stack, with(None, Some(BAD_KEY))).await.assert(401, "INVALID_API_KEY", &[&offer]);
        // Its own words first, and what else would be taken.
        let invalid = format!("{INVALID}, ApiKey realm=\"api\"");
        ask(&stack, with(Some("a.b.c"), None)).await.assert(401, "TOKEN_INVALID", &[&invalid]);
        let over = format!("{EXPIRED}, ApiKey realm=\"api\"");
        ask(&stack, with(Some(&expired()), None)).await.assert(401, "TOKEN_EXPIRED", &[&over]);
        let cut = ask(&stack, get("/", &[("authorization", "Bearer")])).await;
        cut.assert(400, "INVALID_REQUEST", &[MALFORMED]);
    }
}

#[tokio::test]
async fn the_declared_order_decides_and_nothing_is_rescued() {
    let (tokens_first, _) = both(true);
    for key in [KEY, BAD_KEY, "nonsense", ""] {
        ask(&tokens_first, with(Some(&good()), Some(key))).await.assert_accepted();
        for (token, code) in [("a.b.c", "TOKEN_INVALID"), (&*expired(), "TOKEN_EXPIRED"), (KEY, "TOKEN_INVALID")] {
            let told = ask(&tokens_first, with(Some(token), Some(key))).await;
            assert_eq!(told.short(), (401, code), "{token} {key}");
        }
    }
    let (keys_first, offer) = both(false);
    for token in [&*good(), &expired(), "a.b.c"] {
        ask(&keys_first, with(Some(token), Some(KEY))).await.assert_accepted();
        ask(&keys_first, with(Some(token), Some(BAD_KEY))).await.assert(401, "INVALID_API_KEY", &[&offer]);
    }
    // An empty key is none.
    ask(&keys_first, with(Some(&good()), Some(""))).await.assert_accepted();
}

#[tokio::test]
async fn the_handler_learns_which_method_it_was() {
    let auth = AuthLayer::first(bearer()).then(keys());
    let handler = service(|request: Request<Body>| {
        let who = request.principal().unwrap();
        Response::new(Body::from(format!("{} by {}", who.subject(), who.method())))
    });
    let service = stack_of(auth).layer(handler);
    for (request, expected) in [
        (with(Some(&good()), None), "user_1 by token"),
        (with(Some(&good()), Some(KEY)), "user_1 by token"),
        (with(None, Some(KEY)), "acme by api_key"),
    ] {
        assert_eq!(text(service.clone().oneshot(request).await.unwrap()).await, expected);
    }
}

#[tokio::test]
async fn two_credentials_are_400_where_that_was_asked_for() {
    for auth in [AuthLayer::first(bearer()).then(keys()), AuthLayer::first(keys()).then(bearer())] {
        let stack = stack_of(auth.reject_ambiguous());
        for (token, key) in [(&*good(), KEY), ("a.b.c", KEY), (&*good(), BAD_KEY), ("a.b.c", "x")] {
            let told = ask(&stack, with(Some(token), Some(key))).await;
            assert_eq!(told.short(), (400, "INVALID_REQUEST"), "{token} {key}");
        }
        ask(&stack, with(Some(&good()), None)).await.assert_accepted();
        ask(&stack, with(None, Some(KEY))).await.assert_accepted();
        ask(&stack, with(Some(&good()), Some(""))).await.assert_accepted();
    }
}

/// `Authorization: Bearer` carries tokens and keys here.
#[tokio::test]
async fn tokens_and_keys_in_one_header_are_told_apart_by_their_form() {
    let orders = [
        (AuthLayer::first(bearer()).then(keys().bearer()), "TOKEN_INVALID"),
        (AuthLayer::first(keys().bearer()).then(bearer()), "INVALID_API_KEY"),
    ];
    for (auth, first) in orders {
        let stack = stack_of(auth);
        for (value, status, code) in [
            (&*good(), 200, ""),
            (KEY, 200, ""),
            (&*expired(), 401, "TOKEN_EXPIRED"),
            ("a.b.c", 401, "TOKEN_INVALID"),
            ("..", 401, "TOKEN_INVALID"),
            ("e30.e30.", 401, "TOKEN_INVALID"),
            (BAD_KEY, 401, "INVALID_API_KEY"),
            // Neither form: the first method's to refuse.
            ("nonsense", 401, first),
            ("a.b", 401, first),
            ("a.b.c.d", 401, first),
            ("ak_short", 401, first),
            (&KEY[1..], 401, first),
        ] {
            let told = present(&stack, value).await;
            assert_eq!(told.short(), (status, code), "{value}");
            assert_eq!(told.challenges.len(), usize::from(status == 401), "{value}");
            let errors = told.challenges.concat().matches("error=\"invalid_token\"").count();
            assert_eq!(errors, usize::from(code.starts_with("TOKEN")), "{value}: {:?}", told.challenges);
        }
        let missing: Told = ask(&stack, get("/", &[])).await;
        assert_eq!(missing.short(), (401, "AUTHENTICATION_REQUIRED"));
        assert!(!missing.challenges.concat().contains("error="), "{missing:?}");
        let cut = ask(&stack, get("/", &[("authorization", "Bearer")])).await;
        assert_eq!(cut.short(), (400, "INVALID_REQUEST"));
    }
}

/// A format that takes any characters takes a token too: the declared order decides.
#[tokio::test]
async fn what_has_both_forms_is_the_first_methods_to_judge() {
    let dotted = "0123456789abcdef.0123456789abcdef.0123456789abcdef";
    let keys = || {
        let scheme = KeyScheme::ephemeral(KeyFormat::opaque(16));
        let store = MemoryKeyStore::new().with(&scheme, dotted, KeyRecord::new("k1", "acme")).unwrap();
        ApiKeyLayer::new(scheme, store).bearer()
    };
    let tokens_first = stack_of(AuthLayer::first(bearer()).then(keys()));
    let keys_first = stack_of(AuthLayer::first(keys()).then(bearer()));
    present(&tokens_first, &good()).await.assert_accepted();
    assert_eq!(present(&tokens_first, dotted).await.short(), (401, "TOKEN_INVALID"));
    present(&keys_first, dotted).await.assert_accepted();
    let (short, long) = (key("es256").token(NOW), good());
    assert!(short.len() <= 512 && long.len() > 512);
    present(&tokens_first, &short).await.assert_accepted();
    assert_eq!(present(&keys_first, &short).await.short(), (401, "INVALID_API_KEY"));
    // No key is as long.
    present(&keys_first, &long).await.assert_accepted();
}

#[tokio::test]
async fn a_visitor_is_let_in_and_a_bad_token_is_not() {
    let stack = AuthStack::builder().auth(bearer().optional()).clock(&hand()).build().unwrap();
    ask(&stack, with(None, None)).await.assert_accepted();
    present(&stack, &good()).await.assert_accepted();
    present(&stack, "a.b.c").await.assert_invalid();
    present(&stack, &expired()).await.assert_expired();
    ask(&stack, get("/", &[("authorization", "Bearer")])).await.assert(400, "INVALID_REQUEST", &[MALFORMED]);
}

#[tokio::test]
async fn a_token_is_hidden_or_taken_away_further_in() {
    for (auth, expected) in [(AuthLayer::from(bearer()), "Sensitive"), (bearer().strip_credentials(), "none")] {
        let handler = service(|request: Request<Body>| {
            let shown =
                request.headers().get("authorization").map_or_else(|| "none".to_owned(), |line| format!("{line:?}"));
            Response::new(Body::from(shown))
        });
        let stack = stack_of(auth);
        let field = format!("Bearer {}", good());
        let response = stack.layer(handler).oneshot(get("/", &[("authorization", &field)])).await.unwrap();
        assert_eq!(text(response).await, expected);
    }
}
