//! What cannot be built or mounted, and what the error says to do about it.

use std::time::Duration;

use tower_auth::{
    AuthMethod, AuthStack, ClientIp, Plans, Quota, RateLimitLayer,
    limit::{BucketKey, Limits},
    rate_limit::{Partition, Plan, PlansBuilder},
};

use super::{Claimed, alice, ask, by_plan, from, hand, over, plan, stack};
use crate::no_leak::Logs;

/// What is wrong, and what to do about it.
fn said<T>(made: Result<T, tower_auth::ConfigError>) -> (String, String) {
    let text = made.map(|_| ()).unwrap_err().to_string();
    let (what, help) = text.split_once("; help: ").unwrap_or_else(|| panic!("no help in {text:?}"));
    (what.to_owned(), help.to_owned())
}

fn minute() -> Quota {
    Quota::per_minute(10)
}

#[test]
fn r138_plans_that_cannot_hold_are_not_built() {
    let five = || ["a", "b", "c", "d", "e"].map(|name| minute().named(name));
    let of = |quotas: Vec<Quota>| Plans::new().plan("a", quotas).fallback("a");
    let a_method = Plan::new("a").method(AuthMethod::Token);
    for (builder, what, help) in [
        (Plans::new(), "no fallback", ".fallback("),
        (Plans::new().plan("a", minute()), "no fallback", ".fallback("),
        (Plans::new().plan("a", minute()).fallback("b"), "\"b\" is not defined as a plan", ".plan(\"b\""),
        (Plans::new().fallback("a"), "\"a\" is not defined as a plan", ".plan(\"a\""),
        (of(vec![]), "the plan \"a\": Limits::new got 0 quotas", "1 to 4"),
        (of(five().into()), "the plan \"a\": Limits::new got 5 quotas", "1 to 4"),
        (of(vec![minute(), minute()]), "the plan \"a\": two quotas", ".named("),
        (of(vec![Quota::per_minute(0)]), "the plan \"a\": the quota 0 per 60s", "Quota::per_minute(100)"),
        (of(vec![minute().burst(0)]), "the plan \"a\": the quota 10 per 60s, 0 at once", "burst"),
        (of(vec![Quota::new(1, Duration::ZERO)]), "its period", "Quota::per_minute"),
        (of(vec![Quota::new(1, Duration::MAX)]), "its period", "Quota::per_minute"),
        (of(vec![minute().named("")]), "its name", "Quota::per_minute"),
        (of(vec![minute().named("a\"b")]), "its name", "Quota::per_minute"),
        (of(vec![minute().named("größe")]), "its name", "Quota::per_minute"),
        (of(vec![minute().named("a\r\nb")]), "its name", "Quota::per_minute"),
        (of(vec![minute()]).plan("a", Quota::per_day(1)), "\"a\" is given twice", "one list"),
        (of(vec![minute()]).plan(a_method.clone(), minute()).plan(a_method.clone(), minute()), "twice", "one list"),
        (Plans::new().plan(a_method.clone(), minute()).fallback("a"), "route classes only", ".plan(\"a\""),
        (Plans::new().plan(Plan::new("a").class("c"), minute()).fallback("a"), "route classes only", ".plan(\"a\""),
        (of(vec![minute()]).plan(Plan::new("b").class("c"), minute()), "\"b\" has limits for some", ".plan(\"b\""),
    ] {
        let shown = format!("{builder:?}");
        let (wrong, how) = said(PlansBuilder::build(builder));
        assert!(wrong.contains(what), "{wrong:?} of {shown}");
        assert!(how.contains(help), "{how:?} of {shown}");
    }
    assert!(Plans::new().plan("", minute()).fallback("").build().is_ok(), "a name may be anything");
    let good = of(vec![minute()]).plan(a_method, minute()).build().unwrap();
    let shown = format!("{good:?}");
    assert!(shown.contains("10 per 60s"), "{shown}");
}

#[test]
fn p47_networks_that_cannot_be_read_are_not_taken() {
    for networks in [
        &[][..],
        &["10.0.0.0/33"],
        &["10.0.0"],
        &["fd00::/129"],
        &["10.0.0.0/8", "all"],
        &[""],
        &["10.0.0.1-10.0.0.9"],
        &["10.0.0.0/8,192.0.2.0/24"],
        &["localhost"],
        &["10.0.0.0/8", "0.0.0.0/0"],
        &["::/0"],
    ] {
        let (what, help) = said(ClientIp::behind(networks.iter().copied()));
        assert!(help.contains("10.0.0.0/8") && help.contains("fd00::/8"), "{help}");
        let last = networks.last().copied().unwrap_or("no network");
        assert!(what.contains(last), "{what}");
    }
    for networks in [&["10.0.0.0/8"][..], &["10.0.0.1", "fd00::1", "fd00::/8"]] {
        assert!(ClientIp::behind(networks.iter().copied()).is_ok(), "{networks:?}");
    }
}

/// Each with what is wrong with it, and what to do about it.
fn misplaced() -> Vec<(RateLimitLayer, &'static str, &'static str)> {
    let failures = || RateLimitLayer::failures(minute(), ClientIp::peer());
    let address = || RateLimitLayer::by_address(minute(), ClientIp::peer());
    let own = || RateLimitLayer::by_bucket(minute(), |_, _| BucketKey::new(["all"]));
    let never = Quota::per_minute(0);
    vec![
        (failures().cost(|_| 1), "RateLimitLayer::cost", "by_plan, by_address and by"),
        (failures().unix_reset(), "RateLimitLayer::unix_reset", "by_plan, by_address and by"),
        (failures().x_retry_after(), "RateLimitLayer::x_retry_after", "by_plan, by_address and by"),
        (failures().ietf_headers(), "RateLimitLayer::ietf_headers", "by_plan, by_address and by"),
        (failures().without_headers(), "RateLimitLayer::without_headers", "by_plan, by_address and by"),
        (failures().partition(Partition::Account), "RateLimitLayer::partition", "by_plan"),
        (failures().class(|_| None), "RateLimitLayer::class", "by_plan"),
        (address().partition(Partition::Credential), "RateLimitLayer::partition", "by_plan"),
        (address().class(|_| None), "RateLimitLayer::class", "by_plan"),
        (own().partition(Partition::Credential), "RateLimitLayer::partition", "by_plan"),
        (own().class(|_| None), "RateLimitLayer::class", "by_plan"),
        (RateLimitLayer::failures(never.clone(), ClientIp::peer()), "the quota 0 per 60s", "Quota::per_minute"),
        (RateLimitLayer::by_address(never.clone(), ClientIp::peer()), "the quota 0 per 60s", "Quota::per_minute"),
        (RateLimitLayer::by_address([], ClientIp::peer()), "0 quotas", "1 to 4"),
        (RateLimitLayer::by_bucket(never, |_, _| BucketKey::new(["all"])), "the quota 0 per 60s", "Quota::per_minute"),
        (RateLimitLayer::by_bucket([minute(), minute()], |_, _| BucketKey::new(["all"])), "two quotas", ".named("),
    ]
}

#[tokio::test]
async fn r138_a_layer_that_was_put_together_wrongly_fails_the_build_and_serves_nobody() {
    for (layer, what, help) in misplaced() {
        let built = AuthStack::builder().auth(Claimed).limit(layer.clone()).build();
        let (wrong, how) = said(built);
        assert!(wrong.contains(what) && how.contains(help), "{wrong} / {how}");
        // Mounted all the same, it answers 500, and the log says the same.
        let logs = Logs::capture();
        let told = ask(&over(&layer), from("192.0.2.1", alice())).await;
        assert_eq!(told.status, 500, "{wrong}");
        let lines = logs.text();
        assert!(lines.contains("ERROR") && lines.contains(what) && lines.contains("help:"), "{lines}");
    }
}

/// The first fault is reported, and correct calls leave a correct layer unchanged.
#[test]
fn r138_what_is_in_order_is_built() {
    let plans = plan([minute(), Quota::per_day(5)]);
    let all = RateLimitLayer::by_plan(&plans)
        .partition(Partition::Account)
        .class(|_| None)
        .cost(|_| 2)
        .unix_reset()
        .x_retry_after()
        .ietf_headers()
        .report_only()
        .clock(&hand());
    let shown = format!("{all:?}");
    assert!(shown.contains("by_plan"), "{shown}");
    let _stack = stack(&hand(), [all, by_plan(minute())]);
    let twice = RateLimitLayer::failures(minute(), ClientIp::peer()).cost(|_| 1).class(|_| None);
    let (what, _) = said(AuthStack::builder().auth(Claimed).limit(twice).build());
    assert!(what.contains("::cost"), "{what}");
    assert!(Limits::new([minute(), Quota::per_hour(1), Quota::per_day(1), Quota::per_second(1)]).is_ok());
}

/// Two budgets of failures in one stack: each of them counts, or the stack is not built.
#[tokio::test]
async fn r089_of_two_budgets_in_one_stack_none_is_ignored() {
    let budget = |quota| RateLimitLayer::failures(quota, ClientIp::peer());
    for order in [[Quota::per_minute(3), Quota::per_day(50)], [Quota::per_day(50), Quota::per_minute(3)]] {
        let builder = AuthStack::builder().auth(Claimed).clock(&hand());
        let Ok(stack) = order.into_iter().map(budget).fold(builder, tower_auth::stack::AuthStackBuilder::limit).build()
        else {
            continue;
        };
        let bad = || from("192.0.2.1", crate::support::get("/", &[("who", "bad")]));
        assert_eq!(super::statuses(&over(&stack), 5, bad).await, [401, 401, 401, 429, 429]);
    }
}
