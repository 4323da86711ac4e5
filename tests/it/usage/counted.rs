//! What is counted, and for whom.

use http::StatusCode;
use tower_auth::{
    KeyRegistry, KeyState, NewKey, Quota, RateLimitLayer, Rejection, RejectionKind, RequireLayer, Rules,
    permission::scope,
};

use super::*;
use crate::support::strict;

fn record(id: &str) -> KeyRecord {
    KeyRecord::new(id, "acme").organizations(["org_1", "org_2"]).scopes(["read"])
}

fn refused(kind: RejectionKind) -> Outcome {
    Outcome::Refused(kind)
}

#[tokio::test]
async fn a_request_counts_for_its_key_its_account_and_its_organisation() {
    let it = Counted::new();
    let (one, two) = (it.key(record("key_1")), it.key(record("key_2")));
    let stack = it.stack();
    for key in [&one, &one, &two] {
        assert_eq!(ask(&stack, request(key, &[])).await, 200);
    }
    for (of, count) in [
        (UsageOf::key("key_1"), 2),
        (UsageOf::key("key_2"), 1),
        (UsageOf::account("acme"), 3),
        (UsageOf::organization("org_1"), 3),
        (UsageOf::organization("org_2"), 0),
        (UsageOf::Strangers, 0),
    ] {
        let totals = it.totals(of.clone()).await;
        assert_eq!((totals.count(Outcome::Admitted), totals.all()), (count, count), "{of}");
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_kind() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let stack = it.stack();
    assert_eq!(ask(&stack, request("ak_unknown", &[])).await, 401);
    assert_eq!(ask(&stack, get("/", &[])).await, 401);
    assert!(it.store.set_state("key_1", KeyState::Paused));
    assert_eq!(ask(&stack, request(&key, &[])).await, 401);
    assert_eq!(it.totals(UsageOf::key("key_1")).await.count(refused(RejectionKind::PausedKey)), 1);
    let strangers = it.totals(UsageOf::Strangers).await;
    assert_eq!(strangers.count(refused(RejectionKind::InvalidKey)), 1);
    assert_eq!(strangers.count(refused(RejectionKind::MissingCredential)), 1);
    assert_eq!(strangers.refused(), 2);
}

#[tokio::test]
async fn a_limit_that_refuses_is_named() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let limit = RateLimitLayer::by_plan(
        &tower_auth::Plans::new().plan("standard", [Quota::per_minute(1)]).fallback("standard").build().unwrap(),
    );
    let builder = AuthStack::builder().auth(it.keys()).limit(limit).on_decision(it.usage.observer());
    let stack = builder.clock(&it.clock).build().unwrap();
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    assert_eq!(ask(&stack, request(&key, &[])).await, 429);
    let totals = it.totals(UsageOf::key("key_1")).await;
    assert_eq!((totals.answered(), totals.count(refused(RejectionKind::RateLimited))), (1, 1));
    let last = it.usage.refusals("key_1").await.unwrap().remove(0);
    assert_eq!((last.reason.as_deref(), last.status), (Some("minute"), 429));
}

/// The guards admit the request, and the handler refuses it: it is told twice, and is one request.
#[tokio::test]
async fn a_request_that_the_handler_refuses_is_one_request() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let handler =
        strict(|_| Rejection::new(RejectionKind::OrganizationDenied).into_response().map(|()| Body::default()));
    let response = it.stack().layer(handler).oneshot(request(&key, &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let totals = it.totals(UsageOf::key("key_1")).await;
    assert_eq!(totals.count(Outcome::RefusedLater(RejectionKind::OrganizationDenied)), 1);
    assert_eq!((totals.all(), totals.answered(), totals.refused()), (1, 0, 1));
}

#[tokio::test]
async fn a_guard_that_only_reports_refuses_nothing() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let rules = Rules::new().require("/", scope("write")).otherwise_deny().report_only();
    let builder = AuthStack::builder().auth(it.keys()).rules(rules).on_decision(it.usage.observer());
    let stack = builder.clock(&it.clock).build().unwrap();
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    let totals = it.totals(UsageOf::key("key_1")).await;
    assert_eq!((totals.answered(), totals.refused()), (1, 0));
}

#[tokio::test]
async fn the_last_use_has_a_time_an_address_and_a_program() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let stack = it.stack();
    for (agent, client) in [
        ("curl/8.5.0", Some("curl")),
        ("Mozilla/5.0 (X11; Linux x86_64)", Some("browser")),
        ("(nothing)", None),
        ("a-very-long-name-of-a-program-that-goes-on", Some("a-very-long-name-of-a-program-t")),
    ] {
        it.clock.advance(Duration::from_secs(2));
        assert_eq!(ask(&stack, request(&key, &[("user-agent", agent)])).await, 200);
        it.usage.flush().await.unwrap();
        let last = it.usage.last_uses(&["key_1".to_owned()]).await.unwrap().remove(0);
        assert_eq!((last.at, last.client.as_deref()), (it.clock.now(), client));
        assert_eq!(last.address, Some("192.0.2.1".parse().unwrap()));
    }
    let before = it.clock.now();
    it.clock.advance(Duration::from_secs(2));
    assert!(it.store.set_state("key_1", KeyState::Paused));
    assert_eq!(ask(&stack, request(&key, &[])).await, 401);
    it.usage.flush().await.unwrap();
    assert_eq!(it.usage.last_uses(&["key_1".to_owned()]).await.unwrap()[0].at, before, "a refusal is no use");
}

#[tokio::test]
async fn a_refused_request_can_be_found_by_its_id() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let require = RequireLayer::new(scope("files:write"));
    let stack = it.stack();
    let service = stack.layer(require.layer(ok()));
    let response = service.oneshot(request(&key, &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    it.usage.flush().await.unwrap();
    let last = it.usage.refusals("key_1").await.unwrap().remove(0);
    assert_eq!(last.request_id.as_deref(), response.headers()["x-request-id"].to_str().ok());
    assert_eq!((last.method.as_deref(), last.path.as_deref()), (Some("GET"), Some("/")));
    assert_eq!((last.status, last.reason.as_deref()), (403, Some("files:write")));
    assert_eq!(last.address, Some("192.0.2.1".parse().unwrap()));
}

#[tokio::test]
async fn hours_and_days_are_those_of_the_decision() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let stack = it.stack();
    let start = it.clock.now();
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    it.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&stack, request(&key, &[])).await, 200, "at nine o'clock, in the same batch");
    it.clock.advance(DAY);
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    it.usage.flush().await.unwrap();
    let times = start..it.clock.now() + HOUR;
    let of = |counts: Vec<tower_auth::usage::UsageCount>| counts.iter().map(|count| count.count).collect::<Vec<_>>();
    assert_eq!(of(it.usage.hours(UsageOf::key("key_1"), times.clone()).await.unwrap()), [1, 1, 1]);
    assert_eq!(of(it.usage.days(UsageOf::key("key_1"), times).await.unwrap()), [2, 1]);
}

/// Nobody gets a negative count, and the last use does not go back.
#[tokio::test]
async fn a_clock_that_is_set_back_loses_nothing() {
    let it = Counted::new();
    let key = it.key(record("key_1"));
    let stack = it.stack();
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    let late = it.clock.now();
    it.clock.set("2027-01-15T03:00:00Z");
    assert_eq!(ask(&stack, request(&key, &[])).await, 200);
    it.usage.flush().await.unwrap();
    assert_eq!(it.usage.last_uses(&["key_1".to_owned()]).await.unwrap()[0].at, late);
    it.clock.set(NOW);
    assert_eq!(it.totals(UsageOf::key("key_1")).await.answered(), 2);
}

/// The keys of a rotation share a bucket, and are counted apart.
#[tokio::test]
async fn keys_of_one_line_are_counted_apart() {
    let it = Counted::new();
    let registry = KeyRegistry::with_clock(it.scheme.clone(), it.store.clone(), &it.clock);
    let admin = Principal::builder("alice").build();
    let old = registry.create(&admin, NewKey::named("ci").account("acme")).await.unwrap();
    let new = registry.rotate(&admin, old.key.id(), HOUR).await.unwrap();
    let stack = it.stack();
    for key in [&old, &new, &new] {
        assert_eq!(ask(&stack, request(key.secret.expose(), &[])).await, 200);
    }
    assert_eq!(it.totals(UsageOf::key(old.key.id())).await.answered(), 1);
    assert_eq!(it.totals(UsageOf::key(new.key.id())).await.answered(), 2);
}

#[test]
fn outcomes_are_read_as_they_are_written() {
    let all = RejectionKind::ALL.iter().flat_map(|kind| [Outcome::Refused(*kind), Outcome::RefusedLater(*kind)]);
    let all: Vec<Outcome> = all.chain([Outcome::Admitted]).collect();
    let texts: std::collections::HashSet<_> = all.iter().map(|outcome| outcome.as_str()).collect();
    assert_eq!(texts.len(), all.len());
    for outcome in all {
        assert_eq!(Outcome::parse(&outcome.as_str()), Some(outcome));
    }
    assert_eq!(Outcome::parse("of_a_newer_version"), None);
}
