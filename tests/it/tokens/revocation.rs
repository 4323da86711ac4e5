//! Tokens that verify and are good no more: rules 057, 070 and 116; and what a 400 and a challenge say beside.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, BoxError, KeyScheme, MaybeReady, MemoryKeyStore,
    token::{Claims, TokenRevocation, TokenStatus},
};

use super::{
    INVALID, MISSING, NOW, ask,
    mint::{claims, key},
    present, stack_of, strict,
};
use crate::support::get;

/// A list of revoked tokens and locked-out subjects that counts how often it is asked.
#[derive(Default)]
struct List {
    revoked: Mutex<Vec<String>>,
    suspended: Mutex<Vec<String>>,
    dead: Mutex<bool>,
    boxed: bool,
    asked: AtomicUsize,
}

impl List {
    fn look(&self, token: &Claims) -> Result<TokenStatus, BoxError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.dead.lock().unwrap() {
            return Err("the list burnt down".into());
        }
        let who = token.principal();
        let id = who.credential_id().unwrap_or_default();
        Ok(if self.revoked.lock().unwrap().iter().any(|revoked| revoked == id) {
            TokenStatus::Revoked
        } else if self.suspended.lock().unwrap().iter().any(|subject| subject == who.subject()) {
            TokenStatus::Suspended
        } else {
            TokenStatus::Valid
        })
    }
}

#[derive(Clone)]
struct Shared(Arc<List>);

impl TokenRevocation for Shared {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        if self.0.boxed {
            let (list, token) = (Arc::clone(&self.0), token.clone());
            MaybeReady::boxed(async move {
                tokio::task::yield_now().await;
                list.look(&token)
            })
        } else {
            MaybeReady::ready(self.0.look(token))
        }
    }
}

fn listed(boxed: bool, cache: bool) -> (Arc<List>, AuthStack) {
    let list = Arc::new(List { boxed, ..List::default() });
    let tokens = if cache { strict().cache(10) } else { strict() };
    let layer = BearerLayer::new(tokens.build().unwrap()).revocation(Shared(Arc::clone(&list)));
    (list, stack_of(layer))
}

#[tokio::test]
async fn r057_r070_a_token_that_is_taken_back_is_refused_at_once_remembered_or_not() {
    for (boxed, cache) in [(false, false), (true, false), (false, true), (true, true)] {
        let (list, stack) = listed(boxed, cache);
        let token = key("rs256").token(NOW);
        for _ in 0..2 {
            present(&stack, &token).await.assert_accepted();
        }
        list.revoked.lock().unwrap().push("token_1".to_owned());
        let told = present(&stack, &token).await;
        told.assert_invalid();
        assert_eq!(told.cause.as_deref(), Some("the token was revoked"));
        list.revoked.lock().unwrap().clear();
        list.suspended.lock().unwrap().push("user_1".to_owned());
        let told = present(&stack, &token).await;
        told.assert(401, "ACCOUNT_SUSPENDED", &[INVALID]);
        assert_eq!(told.cause.as_deref(), Some("the subject of the token is suspended"));
        list.suspended.lock().unwrap().clear();
        present(&stack, &token).await.assert_accepted();
        assert_eq!(list.asked.load(Ordering::Relaxed), 5, "once a request");
    }
}

/// A list of ended sessions.
struct Ended(&'static str);

impl TokenRevocation for Ended {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        let ended = token.session_id() == Some(self.0);
        MaybeReady::ready(Ok(if ended { TokenStatus::Revoked } else { TokenStatus::Valid }))
    }
}

#[tokio::test]
async fn r057_all_tokens_of_a_session_are_taken_back_at_once() {
    let stack = stack_of(BearerLayer::new(strict().cache(10).build().unwrap()).revocation(Ended("s1")));
    let without = stack_of(BearerLayer::new(strict().build().unwrap()));
    let token =
        |id: &str, sid: &str| key("es256").seal(key("es256").header(), claims(NOW).text("jti", id).raw("sid", sid));
    for id in ["a", "b"] {
        present(&stack, &token(id, r#""s1""#)).await.assert_invalid();
        present(&stack, &token(id, r#""s2""#)).await.assert_accepted();
    }
    present(&stack, &token("a", "null")).await.assert_accepted();
    // A token that names its session in no readable way cannot be revoked with it.
    for odd in ["7", "true", r#"["s1"]"#, r#"{"id":"s1"}"#] {
        let told = present(&stack, &token("a", odd)).await;
        told.assert_invalid();
        let cause = told.cause.unwrap();
        assert!(cause.contains("sid is not a string, and the revocation check needs it"), "{cause}");
        present(&without, &token("a", odd)).await.assert_accepted();
    }
}

#[tokio::test]
async fn r057_a_list_that_cannot_be_read_lets_nobody_in() {
    for boxed in [false, true] {
        let (list, stack) = listed(boxed, true);
        let token = key("rs256").token(NOW);
        present(&stack, &token).await.assert_accepted();
        *list.dead.lock().unwrap() = true;
        let told = present(&stack, &token).await;
        told.assert(503, "SERVICE_UNAVAILABLE", &[]);
        assert_eq!(told.cause.as_deref(), Some("the list burnt down"));
        assert!(!told.body.to_string().contains("burnt"), "{:?}", told.body);
    }
}

#[tokio::test]
async fn r057_the_list_is_asked_about_nothing_that_does_not_verify() {
    let (list, stack) = listed(false, false);
    let expired = key("rs256").seal(key("rs256").header(), claims(NOW).raw("exp", NOW));
    present(&stack, &expired).await.assert_expired();
    let good = key("rs256").token(NOW);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let forged = signature.chars().rev().collect::<String>();
    present(&stack, &format!("{signed}.{forged}")).await.assert_invalid();
    present(&stack, "a.b.c").await.assert_invalid();
    assert_eq!(list.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn r036_every_challenge_names_the_resource_metadata() {
    let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
    let verifier = || BearerLayer::new(strict().build().unwrap());
    for layer in [verifier().resource_metadata(metadata).realm("r"), verifier().realm("r").resource_metadata(metadata)]
    {
        let stack = stack_of(layer);
        let offer = format!("Bearer realm=\"r\", resource_metadata=\"{metadata}\"");
        ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[&offer]);
        let wrong = format!("{offer}, error=\"invalid_token\", error_description=\"The access token is invalid\"");
        present(&stack, "a.b.c").await.assert(401, "TOKEN_INVALID", &[&wrong]);
    }
}

#[tokio::test]
async fn r028_two_credentials_are_an_invalid_request_by_name() {
    let bearer = || BearerLayer::new(strict().build().unwrap());
    let token = format!("Bearer {}", key("rs256").token(NOW));
    let said = r#"Bearer realm="api", error="invalid_request""#;
    let twice = get("/", &[("authorization", &token), ("authorization", &token)]);
    ask(&stack_of(bearer()), twice).await.assert(400, "INVALID_REQUEST", &[said]);
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let both = AuthLayer::first(bearer()).then(ApiKeyLayer::new(scheme, store)).reject_ambiguous();
    let request = get("/", &[("authorization", &token), ("x-api-key", "ak_1")]);
    ask(&stack_of(both), request).await.assert(400, "INVALID_REQUEST", &[said]);
}

#[tokio::test]
async fn r029_what_keys_and_tokens_offer_alike_is_offered_once() {
    let keys = ApiKeyLayer::new(KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new()).bearer();
    let stack = stack_of(AuthLayer::first(BearerLayer::new(strict().build().unwrap())).then(keys));
    ask(&stack, get("/", &[])).await.assert(401, "AUTHENTICATION_REQUIRED", &[MISSING]);
    present(&stack, "a.b.c").await.assert_invalid();
}
