//! Tokens that were exchanged for an API key: they have the key's limits, and share its buckets.

use std::net::IpAddr;

use http::Request;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, ClientIp, KeyRecord, PeerAddr, Plans, Quota, RateLimitLayer, Usage,
    limit::Limits,
    permission::scope,
    rate_limit::Partition,
    token::{TokenError, TokenVerifierBuilder},
    usage::UsageOf,
};

use super::{
    NOW, Told, ask, hand, judged,
    mint::{Object, claims, key},
    present, stack, strict,
};
use crate::support::{Body, KEY, get, ok, store};

fn exchanging() -> TokenVerifierBuilder {
    strict().key_from("key").limits_from("limits").account_from("account").plan_from("plan")
}

fn token(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

/// The claims of a token for the key `key_1`, of `user_7` of the account `acme`.
fn of_key() -> Object {
    claims(NOW).text("sub", "user_7").text("account", "acme").text("key", "key_1")
}

fn three_a_minute() -> Limits {
    Limits::new([Quota::per_minute(3)]).unwrap()
}

/// A stack that takes [`KEY`] with this record, and tokens that were exchanged for it.
fn both(record: KeyRecord, partition: Partition) -> AuthStack {
    let (scheme, keys) = store(record);
    let auth = AuthLayer::first(BearerLayer::new(exchanging().build().unwrap())).then(ApiKeyLayer::new(scheme, keys));
    let plans = Plans::new().plan("premium", [Quota::per_minute(3)]).plan("small", [Quota::per_minute(1)]);
    let plans = plans.fallback("small").build().unwrap();
    let limit = RateLimitLayer::by_plan(&plans).partition(partition);
    AuthStack::builder().auth(auth).limit(limit).clock(&hand()).build().unwrap()
}

async fn by_key(stack: &AuthStack) -> Told {
    ask(stack, get("/", &[("x-api-key", KEY)])).await
}

/// Three requests fit: the key's and the token's are counted together, whoever is first.
async fn assert_shared(stack: impl Fn() -> AuthStack, claims: &Object) {
    let token = token(claims);
    for token_last in [true, false] {
        let stack = stack();
        by_key(&stack).await.assert_accepted();
        present(&stack, &token).await.assert_accepted();
        by_key(&stack).await.assert_accepted();
        let spent = if token_last { present(&stack, &token).await } else { by_key(&stack).await };
        assert_eq!(spent.status, 429, "{spent:?}");
    }
}

#[tokio::test]
async fn a_token_is_counted_with_the_key_that_it_was_exchanged_for() {
    let record = || KeyRecord::new("key_1", "acme").subject("user_7").plan("premium");
    for partition in [Partition::Credential, Partition::Subject, Partition::Account] {
        assert_shared(|| both(record(), partition), &of_key()).await;
    }
}

#[tokio::test]
async fn all_keys_of_a_line_and_their_tokens_are_counted_together() {
    let record = || KeyRecord::new("key_9", "acme").subject("user_7").first_id("key_1").plan("premium");
    for partition in [Partition::Credential, Partition::Subject, Partition::Account] {
        assert_shared(|| both(record(), partition), &of_key()).await;
    }
}

#[tokio::test]
async fn a_token_has_the_limits_of_its_key() {
    let record = || KeyRecord::new("key_1", "acme").plan("small").limits(three_a_minute());
    let claims = of_key().text("plan", "small").raw("limits", three_a_minute().to_json());
    assert_shared(|| both(record(), Partition::Credential), &claims).await;
    let who = judged(exchanging(), &token(&claims)).await.unwrap().principal().clone();
    assert_eq!(who.limits(), Some(&three_a_minute()));
    // They may stand inside another claim.
    let inside = of_key().raw("tower", json!({ "key": "key_1", "limits": three_a_minute().to_json() }));
    let builder = strict().key_from("/tower/key").limits_from("/tower/limits");
    let who = judged(builder, &token(&inside)).await.unwrap().principal().clone();
    assert_eq!(who.limits(), Some(&three_a_minute()));
}

/// A verifier that is not told so believes neither claim.
#[tokio::test]
async fn another_issuer_chooses_no_bucket_and_no_limits() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme").plan("small"));
    let bearer = BearerLayer::new(strict().plan_from("plan").build().unwrap());
    let plans = Plans::new().plan("small", [Quota::per_minute(1)]).fallback("small").build().unwrap();
    let auth = AuthLayer::first(bearer).then(ApiKeyLayer::new(scheme, keys));
    let stack = AuthStack::builder().auth(auth).limit(RateLimitLayer::by_plan(&plans)).clock(&hand()).build().unwrap();
    let token = token(&of_key().text("plan", "small").raw("limits", three_a_minute().to_json()));
    for status in [200, 429] {
        assert_eq!(by_key(&stack).await.status, status);
        assert_eq!(present(&stack, &token).await.status, status, "one a minute, in a bucket of its own");
    }
}

#[tokio::test]
async fn a_token_without_the_claims_is_a_token_like_others() {
    for absent in [claims(NOW), claims(NOW).raw("key", "null").raw("limits", "null")] {
        let stack = both(KeyRecord::new("key_1", "user_1").plan("small"), Partition::Credential);
        let token = token(&absent.text("plan", "small"));
        assert_eq!((present(&stack, &token).await.status, by_key(&stack).await.status), (200, 200));
        assert_eq!((present(&stack, &token).await.status, by_key(&stack).await.status), (429, 429));
    }
}

#[tokio::test]
async fn a_limit_that_cannot_be_counted_is_not_ignored() {
    let stack = stack(exchanging());
    let quota = json!({ "events": 3, "period_ns": 60_000_000_000_u64, "name": "minute" });
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = quota.clone();
        changed[name] = value;
        json!([changed])
    };
    for limits in [
        json!([]),
        json!({}),
        json!("[]"),
        json!(7),
        json!(false),
        json!([null]),
        quota.clone(),
        json!(three_a_minute().to_json().to_string()),
        with("events", json!(0)),
        with("events", json!("3")),
        with("events", json!(-1)),
        with("events", json!(1_u64 << 40)),
        with("period_ns", json!(0)),
        with("period_ns", json!(1.5)),
        with("name", json!(7)),
        with("per", json!("organization")),
        json!([{ "events": 3, "calendar": "decade", "name": "decade" }]),
        json!([{ "events": 3, "calendar": "month", "name": "month", "time_zone": "Mars/Olympus_Mons" }]),
        json!([quota, quota, quota, quota, quota]),
    ] {
        let told = present(&stack, &token(&of_key().raw("limits", &limits))).await;
        told.assert_invalid();
        let cause = told.cause.unwrap();
        assert!(cause.contains("the limits of the caller cannot be read"), "{limits}: {cause}");
    }
    present(&stack, &token(&of_key().raw("limits", with("burst", json!(5))))).await.assert_accepted();
    // A name twice is refused wherever it is.
    let twice = r#"[{"events":3,"events":9,"period_ns":60000000000,"name":"minute"}]"#;
    let refused = judged(exchanging(), &token(&of_key().raw("limits", twice))).await;
    assert!(matches!(refused, Err(TokenError::Malformed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_key_without_a_name_is_no_key() {
    for empty in ["", " ", "\t\n"] {
        let refused = judged(exchanging(), &token(&of_key().text("key", empty))).await;
        assert!(matches!(refused, Err(TokenError::BadClaim(_))), "{empty:?}: {refused:?}");
    }
    for odd in ["7", "true", r#"["key_1"]"#, r#"{"id":"key_1"}"#] {
        let refused = judged(exchanging(), &token(&of_key().raw("key", odd))).await;
        assert!(matches!(refused, Err(TokenError::Malformed(_))), "{odd}: {refused:?}");
    }
}

fn from(address: &str, header: (&str, &str)) -> Request<Body> {
    let mut request = get("/", &[header]);
    request.extensions_mut().insert(PeerAddr(address.parse::<IpAddr>().unwrap()));
    request
}

/// Two failures a minute: of the key and its tokens together, also of a token that is good no more, and of no address.
#[tokio::test]
async fn failures_are_charged_to_the_key() {
    let (scheme, keys) = store(KeyRecord::new("key_9", "acme").first_id("key_1"));
    let auth = AuthLayer::first(BearerLayer::new(exchanging().build().unwrap())).then(ApiKeyLayer::new(scheme, keys));
    let bearer = |claims: Object| format!("Bearer {}", token(&claims));
    let (good, over) = (bearer(of_key()), bearer(of_key().raw("exp", NOW)));
    let other = bearer(of_key().text("key", "key_2"));
    for second in [("authorization", &*good), ("authorization", &over)] {
        let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
        let builder = AuthStack::builder().auth(auth.clone()).limit(budget).require(scope("write"));
        let stack = builder.clock(&hand()).build().unwrap();
        assert_eq!(ask(&stack, from("192.0.2.1", ("x-api-key", KEY))).await.status, 403);
        assert!([401, 403].contains(&ask(&stack, from("192.0.2.2", second)).await.status));
        // What is spent is the budget of the key, wherever its next request comes from.
        assert_eq!(ask(&stack, from("192.0.2.3", ("authorization", &good))).await.status, 429);
        assert_eq!(ask(&stack, from("192.0.2.4", ("x-api-key", KEY))).await.status, 429);
        assert_eq!(ask(&stack, from("192.0.2.2", ("authorization", &other))).await.status, 403);
    }
}

/// The key of the line that was exchanged is not known, so the account is who has used it.
#[tokio::test]
async fn usage_counts_the_token_for_the_account() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let usage = Usage::with(keys.clone(), tower_auth::usage::UsagePolicy::new(), &hand());
    let auth = AuthLayer::first(BearerLayer::new(exchanging().build().unwrap())).then(ApiKeyLayer::new(scheme, keys));
    let builder = AuthStack::builder().auth(auth).on_decision(usage.observer());
    let stack = builder.clock(&hand()).build().unwrap();
    let of_account = |claims: Object| token(&claims.text("account", "acme"));
    by_key(&stack).await.assert_accepted();
    for claims in [of_key(), of_key().text("jti", "token_2"), of_key().text("key", "key_2"), claims(NOW)] {
        present(&stack, &of_account(claims)).await.assert_accepted();
    }
    assert!(stack.layer(ok()).oneshot(get("/", &[])).await.unwrap().status().is_client_error());
    usage.flush().await.unwrap();
    for (of, count) in [(UsageOf::key("key_1"), 1), (UsageOf::key("key_2"), 0), (UsageOf::account("acme"), 5)] {
        assert_eq!(usage.totals(of.clone(), 2).await.unwrap().all(), count, "{of}");
    }
}
