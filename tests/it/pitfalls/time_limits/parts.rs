//! Each part that waits for somebody, in every runtime.

use std::time::SystemTime;

use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, ClientIp, Plans, Quota, RateLimitLayer, RequireLayer, Rules,
    TokenVerifier,
    limit::BucketKey,
    permission::{Permission, scope},
    rate_limit::OutagePolicy,
    token::KeySet,
};

use super::{Duration, Hangs, SHORT, ask, get, keys, ready_keys, request, stack};
use crate::{no_leak::Logs, support::runs::Runs, tokens::mint};

#[test]
fn p83_a_key_store_that_hangs_is_503_in_every_runtime() {
    for runs in Runs::ALL {
        let store = Hangs::default();
        let alone = AuthLayer::from(keys(&store)).decision_timeout(SHORT);
        let told = [
            runs.block_on(ask(&alone, request())),
            runs.block_on(ask(&stack(keys(&store)), request())),
            runs.block_on(ask(&stack(keys(&store).optional()), request())),
            runs.block_on(ask(&stack(AuthLayer::first(keys(&store)).then(ready_keys().bearer())), request())),
        ];
        for told in told {
            told.assert_late("api_key", "the key store", "50 ms");
        }
        store.assert_given_up(4);
    }
}

#[tokio::test(start_paused = true)]
async fn p83_what_answers_in_time_counts() {
    let limit = Duration::from_secs(5);
    for (answers, expected) in [(limit / 2, 200), (Duration::from_millis(4_999), 200), (limit * 2, 503)] {
        let store = Hangs::after(answers);
        assert_eq!(ask(&keys(&store), request()).await.status, expected);
        assert_eq!(ask(&(ready_keys(), RequireLayer::new(store.clone())), request()).await.status, expected);
        store.assert_given_up(2);
    }
}

#[tokio::test(start_paused = true)]
async fn p83_five_seconds_by_default() {
    let store = Hangs::default();
    let stack = AuthStack::builder().auth(keys(&store)).build().unwrap();
    let start = tokio::time::Instant::now();
    ask(&keys(&store), request()).await.assert_late("api_key", "the key store", "5 s");
    ask(&stack, request()).await.assert_late("api_key", "the key store", "5 s");
    ask(&(ready_keys(), RequireLayer::new(store.clone())), request()).await.assert_late(
        "permission",
        "the policy `owner of the file`",
        "5 s",
    );
    let by_address = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).limiter(store.clone());
    ask(&by_address, request()).await.assert_late("rate_limit", "the limiter", "5 s");
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    store.assert_given_up(4);
}

/// A layer's own limit overrules the stack's, and the stack's holds for all others.
#[tokio::test(start_paused = true)]
async fn p83_a_limit_of_its_own() {
    let store = Hangs::default();
    let own = AuthLayer::from(keys(&store)).decision_timeout(Duration::from_millis(1500));
    let counted = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).limiter(store.clone());
    let counted = counted.on_outage(OutagePolicy::FailOpen);
    let stack = |counted| {
        let builder = AuthStack::builder().limit(counted).auth(own.clone());
        builder.decision_timeout(Duration::from_secs(20)).build().unwrap()
    };
    let start = tokio::time::Instant::now();
    let told = ask(&stack(counted.clone().decision_timeout(Duration::from_secs(2))), request()).await;
    told.assert_late("api_key", "the key store", "1.5 s");
    assert_eq!(start.elapsed(), Duration::from_millis(3500));
    ask(&stack(counted), request()).await.assert_late("api_key", "the key store", "1.5 s");
    assert_eq!(start.elapsed(), Duration::from_secs(25));
}

#[test]
fn p83_a_list_of_revoked_tokens_that_hangs_is_503_in_every_runtime() {
    let set = KeySet::from_json(mint::jwks(&["hs256"]).as_bytes()).unwrap();
    let tokens = TokenVerifier::key_set(mint::ISSUER, set).audience(mint::AUDIENCE).build().unwrap();
    let token = mint::key("hs256").token(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    for runs in Runs::ALL {
        let list = Hangs::default();
        let bearer = BearerLayer::new(tokens.clone()).revocation(list.clone());
        let presented = || get("/", &[("authorization", &format!("Bearer {token}"))]);
        let alone = AuthLayer::from(bearer.clone()).decision_timeout(SHORT);
        for told in [runs.block_on(ask(&alone, presented())), runs.block_on(ask(&stack(bearer), presented()))] {
            told.assert_late("bearer", "the list of revoked tokens", "50 ms");
        }
        list.assert_given_up(2);
    }
}

#[test]
fn p83_a_policy_that_hangs_is_503_and_the_cause_names_it() {
    for runs in Runs::ALL {
        let policy = Hangs::default();
        let owner = "the policy `owner of the file`";
        let alone = RequireLayer::new(policy.clone()).decision_timeout(SHORT);
        for layer in [alone.clone(), alone.clone().mask_as_not_found()] {
            runs.block_on(ask(&(ready_keys(), layer), request())).assert_late("permission", owner, "50 ms");
        }
        let reported = runs.block_on(ask(&(ready_keys(), alone.report_only()), request()));
        assert_eq!(reported.status, 200);
        let builder = || AuthStack::builder().auth(ready_keys()).decision_timeout(SHORT);
        let required = builder().require(policy.clone()).build().unwrap();
        runs.block_on(ask(&required, request())).assert_late("permission", owner, "50 ms");
        let table = Rules::new().require("GET /files/{id}", policy.clone()).otherwise_deny();
        let ruled = builder().rules(table).build().unwrap();
        runs.block_on(ask(&ruled, request())).assert_late("rules", owner, "50 ms");
        let table = Rules::new().otherwise(policy.clone());
        let otherwise = builder().rules(table).build().unwrap();
        runs.block_on(ask(&otherwise, request())).assert_late("rules", owner, "50 ms");
        policy.assert_given_up(6);
    }
}

#[test]
fn p83_one_limit_for_all_policies_of_a_guard() {
    let (policy, read, write) = (Hangs::default(), scope("read"), scope("write"));
    let both = |one: &str, other: &str| format!("the policy `{one} and {other}`");
    let either = |one: &str, other: &str| format!("the policy `({one} or {other})`");
    let owner = "owner of the file";
    let late = [
        (RequireLayer::new(read.clone().and(policy.clone())), both("scope read", owner)),
        (RequireLayer::new(policy.clone().and(read.clone())), both(owner, "scope read")),
        (RequireLayer::new(write.clone().or(policy.clone())), either("scope write", owner)),
        (RequireLayer::new(policy.clone().or(write.clone())), either(owner, "scope write")),
        (RequireLayer::new(policy.clone().and(policy.clone())), both(owner, owner)),
    ];
    for (layer, what) in late {
        let told = Runs::Thread.block_on(ask(&(ready_keys(), layer.decision_timeout(SHORT)), request()));
        told.assert_late("permission", &what, "50 ms");
    }
    // Where the other one decides alone, nobody waits.
    for (layer, status) in
        [(RequireLayer::new(write.and(policy.clone())), 403), (RequireLayer::new(read.or(policy)), 200)]
    {
        assert_eq!(
            Runs::Thread.block_on(ask(&(ready_keys(), layer.decision_timeout(SHORT)), request())).status,
            status
        );
    }
}

#[test]
fn p83_a_limiter_that_hangs_is_an_outage() {
    let quota = || Quota::per_minute(2);
    let plans = Plans::new().plan("standard", quota()).fallback("standard").build().unwrap();
    let kinds = || {
        let own = RateLimitLayer::by_bucket(quota(), |who, _| BucketKey::new([who.subject()]));
        [RateLimitLayer::by_plan(&plans), own, RateLimitLayer::by_address(quota(), ClientIp::peer())]
    };
    for runs in Runs::ALL {
        for (policy, statuses) in [
            (OutagePolicy::FailClosed, [503, 503, 503]),
            (OutagePolicy::FailOpen, [200, 200, 200]),
            (OutagePolicy::FallBackToLocal, [200, 200, 429]),
            (OutagePolicy::LocalShare { processes: 2 }, [200, 429, 429]),
        ] {
            for layer in kinds() {
                let (logs, limiter) = (Logs::capture(), Hangs::default());
                let layer = layer.limiter(limiter.clone()).on_outage(policy).decision_timeout(SHORT);
                let stack = AuthStack::builder().auth(ready_keys()).limit(layer.clone()).build().unwrap();
                let told = statuses.map(|_| runs.block_on(ask(&stack, request())));
                assert_eq!(told.each_ref().map(|told| told.status), statuses, "{runs:?} {policy:?}");
                if policy == OutagePolicy::FailClosed {
                    told[0].assert_late("rate_limit", "the limiter", "50 ms");
                }
                assert_eq!(layer.outage_count(), 3);
                assert!(logs.text().contains("the limiter did not answer within 50 ms"), "{}", logs.text());
                limiter.assert_given_up(3);
            }
        }
    }
}

#[test]
fn p83_a_budget_of_failures_whose_limiter_hangs() {
    let limiter = Hangs::default();
    let failures = RateLimitLayer::failures(Quota::per_minute(5), ClientIp::peer()).limiter(limiter);
    for runs in Runs::ALL {
        let told = runs.block_on(ask(&failures.clone().decision_timeout(SHORT), request()));
        told.assert_late("rate_limit", "the limiter", "50 ms");
        let admits = failures.clone().decision_timeout(SHORT).on_outage(OutagePolicy::FailOpen);
        assert_eq!(runs.block_on(ask(&admits, request())).status, 200);
    }
}

#[test]
fn p83_an_authenticator_of_ones_own_that_hangs_is_503() {
    for runs in Runs::ALL {
        let method = Hangs::default();
        let what = "the authentication method \"Mutual\"";
        let alone = AuthLayer::first(method.clone()).decision_timeout(SHORT);
        runs.block_on(ask(&alone, request())).assert_late("auth", what, "50 ms");
        runs.block_on(ask(&stack(method.clone()), request())).assert_late("auth", what, "50 ms");
        let before_keys = AuthLayer::first(method.clone()).then(ready_keys()).optional();
        runs.block_on(ask(&stack(before_keys), request())).assert_late("auth", what, "50 ms");
        method.assert_given_up(3);
    }
}

/// The client sees nothing of it, and the log everything.
#[test]
fn p83_the_log_names_what_did_not_answer() {
    let logs = Logs::capture();
    let told = Runs::Thread.block_on(ask(&stack(keys(&Hangs::default())), request()));
    assert_eq!(told.status, 503);
    let lines = logs.text();
    assert_eq!(lines.matches("the key store did not answer within 50 ms").count(), 1, "{lines}");
    assert!(lines.contains("ERROR"), "{lines}");
}

/// Many at once, as when a database stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p83_two_thousand_wait_at_once_and_all_are_answered() {
    let store = Hangs::default();
    let stack = stack(keys(&store));
    let waiting: Vec<_> = (0..2000).map(|_| tokio::spawn(ask(&stack, request()))).collect();
    for told in waiting {
        told.await.unwrap().assert_late("api_key", "the key store", "50 ms");
    }
    store.assert_given_up(2000);
}

#[test]
fn p83_a_static_key_waits_for_nobody() {
    let keys = ApiKeyLayer::static_key("ops", tower_auth::Secret::new("0123456789abcdef")).unwrap();
    let stack = AuthStack::builder().auth(keys).decision_timeout(Duration::from_nanos(1)).build().unwrap();
    let told = Runs::Thread.block_on(ask(&stack, get("/", &[("x-api-key", "0123456789abcdef")])));
    assert_eq!(told.status, 200);
}
