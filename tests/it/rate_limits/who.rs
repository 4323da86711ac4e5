//! Who counts: only who was proved, and before that an address; rule 134, pitfall 16.

use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ClientIp, KeyRecord, KeyScheme, MemoryKeyStore, Quota, RateLimitLayer,
    limit::BucketKey, rate_limit::Partition, testing::ManualClock,
};

use super::{Claimed, alice, ask, by_plan, from, hand, over, remote::Remote, spend, stack, statuses};
use crate::support::{KEY, get, ok};

/// Two keys of two records, and whatever else is presented.
fn keys() -> ApiKeyLayer {
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let store = MemoryKeyStore::new().with(&scheme, KEY, KeyRecord::new("key_1", "acme")).unwrap();
    let store = store.with(&scheme, OTHER, KeyRecord::new("key_2", "acme")).unwrap();
    ApiKeyLayer::new(scheme, store)
}

const OTHER: &str = "ak_abcdefabcdefabcdefabcdefabcdefabcdefabcd";

fn with(key: &str) -> http::Request<crate::support::Body> {
    get("/", &[("x-api-key", key)])
}

fn of_keys(hand: &ManualClock, limit: RateLimitLayer) -> AuthStack {
    AuthStack::builder().auth(keys()).limit(limit).clock(hand).build().unwrap()
}

#[tokio::test]
async fn p16_random_keys_make_no_buckets() {
    let limiter = Remote::new(false);
    let service = over(&of_keys(&hand(), by_plan(Quota::per_minute(5)).limiter(limiter.clone())));
    for number in 0..1_000 {
        assert_eq!(ask(&service, with(&format!("ak_{number:040x}"))).await.status, 401);
        assert_eq!(ask(&service, with(&format!("{number}"))).await.status, 401);
    }
    assert_eq!((limiter.asked(), limiter.buckets()), (0, 0));
    assert_eq!(ask(&service, with(KEY)).await.remaining(), Some(4));
    assert_eq!((limiter.asked(), limiter.buckets()), (1, 1));
}

/// A caller that knows the id of a customer's key, or most of the key, spends nothing of the customer's.
#[tokio::test]
async fn r134_a_stranger_who_names_a_customer_cannot_spend_the_limit() {
    let limiter = Remote::new(false);
    let service = over(&of_keys(&hand(), by_plan(Quota::per_minute(5)).limiter(limiter.clone())));
    let nearly = format!("{}9", &KEY[..KEY.len() - 1]);
    for guess in ["key_1", "ak_key_1", "acme", &nearly, &KEY[..20]] {
        assert_eq!(statuses(&service, 20, || with(guess)).await, [401; 20]);
    }
    for header in ["key-id", "x-key-id", "x-api-key-id", "who"] {
        let mut request = with(&nearly);
        request.headers_mut().insert(header, "key_1".parse().unwrap());
        assert_eq!(ask(&service, request).await.status, 401);
    }
    assert_eq!(limiter.asked(), 0);
    assert_eq!(spend(&service, || with(KEY)).await, 5);
}

/// In front of the authentication there is nothing but the address, whatever the request says of itself.
#[tokio::test]
async fn r134_before_the_authentication_an_address_is_counted_and_nobody_else() {
    let limiter = Remote::new(false);
    let address = RateLimitLayer::by_address(Quota::per_minute(30), ClientIp::peer()).limiter(limiter.clone());
    let service = over(&of_keys(&hand(), address));
    for number in 0..20 {
        ask(&service, from("192.0.2.1", with(&format!("ak_{number:040x}")))).await;
    }
    assert_eq!((limiter.asked(), limiter.buckets()), (20, 1));
    assert_eq!(ask(&service, from("192.0.2.1", with(KEY))).await.remaining(), Some(9));
    assert_eq!(ask(&service, from("192.0.2.2", with(KEY))).await.remaining(), Some(29));
}

/// A limit of callers never stands where nobody was proved: wherever in the order of calls it is given.
#[tokio::test]
async fn r134_a_limit_of_callers_without_an_authentication_is_a_fault_that_is_told() {
    let logs = crate::no_leak::Logs::capture();
    let own = RateLimitLayer::by_bucket(Quota::per_minute(1), |who, _| BucketKey::new([who.subject()]));
    for alone in [by_plan(Quota::per_minute(1)), own] {
        let service = over(&alone.clock(&hand()));
        // A principal that some other layer puts there is not one that was proved.
        let mut request = get("/", &[]);
        request.extensions_mut().insert(tower_auth::Principal::builder("mallory").build());
        assert_eq!(ask(&service, request).await.status, 500);
    }
    let lines = logs.text();
    assert_eq!(lines.matches("no authentication layer stands in front").count(), 2, "{lines}");
}

#[tokio::test]
async fn r134_visitors_have_no_plan_and_are_not_counted_as_one_caller() {
    let limiter = Remote::new(false);
    let builder = AuthStack::builder().auth(AuthLayer::from(Claimed).optional()).clock(&hand());
    let service = over(&builder.limit(by_plan(Quota::per_minute(1)).limiter(limiter.clone())).build().unwrap());
    for _ in 0..5 {
        let told = ask(&service, get("/", &[])).await;
        assert_eq!((told.status, told.names()), (200, vec![]));
    }
    assert_eq!(limiter.asked(), 0);
    assert_eq!(statuses(&service, 2, alice).await, [200, 429]);
}

#[tokio::test]
async fn r134_each_key_alone_each_subject_or_each_account() {
    let say =
        |key: Option<&'static str>, token: Option<&'static str>, who: &'static str, account: Option<&'static str>| {
            let all = [("key", key), ("token", token), ("who", Some(who)), ("account", account)];
            let headers: Vec<_> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            get("/", &headers)
        };
    // Two keys of alice's, two tokens of hers, a key of bob's of the same account, and one of the same name elsewhere.
    let requests = || {
        [
            say(Some("k1"), None, "alice", Some("acme")),
            say(Some("k2"), None, "alice", Some("acme")),
            say(None, Some("t1"), "alice", Some("acme")),
            say(None, Some("t2"), "alice", Some("acme")),
            say(Some("k3"), None, "bob", Some("acme")),
            say(Some("k4"), None, "acme", None),
            say(None, None, "alice", None),
        ]
    };
    for (partition, expected) in [
        (Partition::Credential, [9, 9, 9, 8, 9, 9, 9]),
        (Partition::Subject, [9, 8, 7, 6, 9, 9, 5]),
        (Partition::Account, [9, 8, 7, 6, 5, 9, 9]),
    ] {
        let limit = by_plan(Quota::per_minute(10)).partition(partition);
        let service = over(&stack(&hand(), [limit]));
        let mut left = Vec::new();
        for request in requests() {
            left.push(ask(&service, request).await.remaining().unwrap());
        }
        assert_eq!(left, expected, "{partition:?}");
    }
}

/// Names that would run into each other if they were joined.
#[tokio::test]
async fn r134_p43_names_do_not_run_into_each_other() {
    for partition in [Partition::Credential, Partition::Subject, Partition::Account] {
        let service = over(&stack(&hand(), [by_plan(Quota::per_minute(10)).partition(partition)]));
        for (who, account) in [("a:b", "c"), ("a", "b:c"), ("b", "a:b:c"), ("account", "a"), ("a:b:c", "key")] {
            let told = ask(&service, get("/", &[("who", who), ("account", account)])).await;
            assert_eq!(told.remaining(), Some(9), "{who} {account}");
        }
    }
    // Nor does a key's id run into a subject's name.
    let service = over(&stack(&hand(), [by_plan(Quota::per_minute(10))]));
    for headers in [
        &[("who", "x"), ("key", "same")][..],
        &[("who", "same")],
        &[("who", "same"), ("token", "t")],
        &[("who", "key"), ("token", "same")],
    ] {
        assert_eq!(ask(&service, get("/", headers)).await.remaining(), Some(9), "{headers:?}");
    }
}

#[tokio::test]
async fn r134_a_rule_of_ones_own_sees_who_was_proved_and_the_request() {
    let by = RateLimitLayer::by_bucket(Quota::per_minute(10), |who, request| {
        BucketKey::new([who.account().unwrap_or_default(), request.uri().path()])
    });
    let service = over(&stack(&hand(), [by]));
    let request = |path: &str, who: &str| get(path, &[("who", who), ("account", "acme")]);
    let mut left = Vec::new();
    for (path, who) in [("/a", "alice"), ("/a", "bob"), ("/b", "bob"), ("/a", "alice")] {
        left.push(ask(&service, request(path, who)).await.remaining().unwrap());
    }
    assert_eq!(left, [9, 8, 9, 7]);
}

/// A stack's own order holds, in whatever order it was written.
#[tokio::test]
async fn r134_the_order_of_calls_is_free() {
    let address = || RateLimitLayer::by_address(Quota::per_minute(3), ClientIp::peer());
    let plans = || by_plan(Quota::per_minute(2));
    let budget = || RateLimitLayer::failures(Quota::per_minute(1), ClientIp::peer());
    let orders = [
        [plans(), address(), budget()],
        [budget(), plans(), address()],
        [address(), budget(), plans()],
        [plans(), budget(), address()],
    ];
    for order in orders {
        let late =
            order.into_iter().fold(AuthStack::builder().clock(&hand()), tower_auth::stack::AuthStackBuilder::limit);
        let service = late.auth(Claimed).build().unwrap().layer(ok());
        let good = || from("192.0.2.1", alice());
        let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
        assert_eq!(ask(&service, bad()).await.standing(), Some((3, 2, 20)));
        let told = ask(&service, good()).await;
        assert_eq!((told.status, told.standing()), (200, Some((2, 1, 30))), "the plan stands further in");
        let told = ask(&service, bad()).await;
        assert_eq!(told.status, 429);
        let told = ask(&service, good()).await;
        assert_eq!((told.status, told.limit()), (429, Some(3)), "the address stands in front");
        let told = ask(&service, from("192.0.2.9", alice())).await;
        assert_eq!(told.standing(), Some((2, 0, 60)), "and its refusals cost the plan nothing");
    }
}
