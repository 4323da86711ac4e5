//! `RateLimit-Policy` and `RateLimit`, read by a parser that knows nothing of this crate: rules 120, 121, 123 and 125 to
//! 128.

use std::time::Duration;

use http::{Response, StatusCode};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use tower::Layer as _;
use tower_auth::{ClientIp, Quota, RateLimitLayer, RequireLayer};

use super::{
    Told, alice, ask, by_plan, from, hand, over, stack,
    structured::{Bare, Item, list},
};
use crate::support::{Body, get, strict};

fn policy(told: &Told) -> Vec<Item> {
    list(told.header("ratelimit-policy").unwrap_or_else(|| panic!("no policy in {told:?}")))
}

fn state(told: &Told) -> Vec<Item> {
    list(told.header("ratelimit").unwrap_or_else(|| panic!("no state in {told:?}")))
}

fn quotas() -> [Quota; 2] {
    [Quota::per_minute(100), Quota::per_day(10_000)]
}

async fn told_of(quotas: impl IntoIterator<Item = Quota>) -> Told {
    ask(&over(&stack(&hand(), [by_plan(quotas).ietf_headers()])), alice()).await
}

#[tokio::test]
async fn r120_the_policy_is_a_list_of_strings_with_their_quota_and_window() {
    let told = told_of(quotas()).await;
    assert_eq!(told.header("ratelimit-policy"), Some(r#""minute";q=100;w=60, "day";q=10000;w=86400"#));
    for (quotas, expected) in [
        (vec![Quota::per_second(1)], vec![("second", 1, 1)]),
        (vec![Quota::per_minute(100).burst(120)], vec![("minute", 120, 72)]),
        (vec![Quota::per_hour(60).burst(1)], vec![("hour", 1, 60)]),
        // A window is an integer above zero.
        (vec![Quota::per_second(1_000).burst(1)], vec![("second", 1, 1)]),
        (vec![Quota::new(5, Duration::from_millis(2_500))], vec![("default", 5, 3)]),
        (vec![Quota::per_day(u32::MAX).named("x y;q=1, ~")], vec![("x y;q=1, ~", i64::from(u32::MAX), 86_400)]),
        (
            vec![Quota::per_second(5), Quota::per_minute(50), Quota::per_hour(500), Quota::per_day(5_000)],
            vec![("second", 5, 1), ("minute", 50, 60), ("hour", 500, 3_600), ("day", 5_000, 86_400)],
        ),
    ] {
        let told = told_of(quotas).await;
        let policy = policy(&told);
        let seen: Vec<_> = policy.iter().map(|item| (item.name(), item.integer("q"), item.integer("w"))).collect();
        // Numbers are rounded up to an interval of whole nanoseconds: 86400 seconds are a few more.
        for ((name, q, w), (wanted, quota, window)) in seen.iter().zip(&expected) {
            assert_eq!((name, q), (wanted, quota), "{told:?}");
            assert!((*window..=window + 5).contains(w), "{told:?}");
        }
        assert_eq!(seen.len(), expected.len());
    }
}

#[tokio::test]
async fn r121_the_state_names_every_window_of_the_policy() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(quotas()).ietf_headers()]));
    for left in (50..100).rev() {
        let told = ask(&service, alice()).await;
        let (state, policy) = (state(&told), policy(&told));
        let names = |items: &[Item]| items.iter().map(|item| item.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&state), names(&policy));
        assert_eq!((state[0].integer("r"), state[1].integer("r")), (left, 9_900 + left));
    }
    let told = ask(&service, get("/", &[("who", "bob")])).await;
    assert_eq!(state(&told)[0].integer("r"), 99, "of another caller");
    let half = {
        let service = over(&stack(&hand, [by_plan(Quota::per_minute(100).named("default")).ietf_headers()]));
        for _ in 0..49 {
            ask(&service, alice()).await;
        }
        ask(&service, alice()).await
    };
    assert_eq!(half.header("ratelimit"), Some(r#""default";r=50;t=30"#));
}

/// Nothing is left: the time until something is.
#[tokio::test]
async fn r121_what_is_used_up_tells_when_something_is_left_again() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(Quota::per_minute(3)).ietf_headers()]));
    let mut last = ask(&service, alice()).await;
    for _ in 0..2 {
        last = ask(&service, alice()).await;
    }
    assert_eq!(last.header("ratelimit"), Some(r#""minute";r=0;t=20"#), "and this one went through");
    hand.advance(Duration::from_millis(4_500));
    let refused = ask(&service, alice()).await;
    assert_eq!((refused.status, refused.header("ratelimit")), (429, Some(r#""minute";r=0;t=16"#)));
    hand.advance(Duration::from_secs(16));
    assert_eq!(ask(&service, alice()).await.status, 200);
}

/// Admitted or refused, early or late, for every caller.
#[tokio::test]
async fn r123_the_policy_is_the_same_on_every_response() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan([Quota::per_minute(3), Quota::per_day(5)]).ietf_headers()]));
    let mut seen = Vec::new();
    for step in 0..40 {
        let who = ["alice", "bob"][step % 2];
        let told = ask(&service, get("/", &[("who", who)])).await;
        seen.push((told.status, told.header("ratelimit-policy").unwrap().to_owned()));
        hand.advance(Duration::from_secs(3));
    }
    assert!([200, 429].iter().all(|status| seen.iter().any(|(told, _)| told == status)));
    assert!(seen.iter().all(|(_, policy)| policy == r#""minute";q=3;w=60, "day";q=5;w=86400"#), "{seen:?}");
}

/// Who reads `r` and `t` as a rate is never sent faster than the limit lets through, whatever the state.
#[test]
fn r125_the_state_never_promises_more_than_the_rate() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let quota = (1..2_000_u32, select(vec![1_u64, 7, 60, 3_600]), 1..400_u32);
    let steps = vec((0..20_u32, 0..5_000_u64), 1..12);
    TestRunner::default()
        .run(&(vec(quota, 1..4), steps), |(quotas, steps)| {
            let named = quotas.iter().zip(["a", "b", "c"]).map(|((events, seconds, burst), name)| {
                Quota::new(*events, Duration::from_secs(*seconds)).burst(*burst).named(name)
            });
            let hand = hand();
            let limit = by_plan(named).ietf_headers().cost(|request| {
                request.headers().get("cost").map_or(1, |cost| cost.to_str().unwrap().parse().unwrap())
            });
            let service = over(&stack(&hand, [limit]));
            for (cost, pause) in steps {
                let cost = cost.to_string();
                let told = runtime.block_on(ask(&service, get("/", &[("who", "alice"), ("cost", &cost)])));
                hand.advance(Duration::from_millis(pause));
                if told.status == 400 {
                    continue;
                }
                let (state, policy) = (state(&told), policy(&told));
                prop_assert_eq!(state.len(), quotas.len());
                for ((item, policy), (events, seconds, burst)) in state.iter().zip(&policy).zip(&quotas) {
                    let (r, t) = (item.integer("r"), item.integer("t"));
                    prop_assert!(r >= 0 && t >= 1 && r <= i64::from(*burst), "{:?}", told);
                    // r / t <= events / seconds, without a division.
                    let seconds = i128::from(*seconds);
                    prop_assert!(i128::from(r) * seconds <= i128::from(*events) * i128::from(t), "{:?}", told);
                    // Nor is it needlessly slow: by less than a second.
                    if r > 0 {
                        let exact = i128::from(r) * seconds;
                        prop_assert!(i128::from(t - 1) * i128::from(*events) <= exact + 1, "{:?}", told);
                    }
                    prop_assert_eq!(policy.integer("q"), i64::from(*burst));
                    // q / w is the rate too, rounded in the same direction.
                    let (q, w) = (i128::from(*burst), i128::from(policy.integer("w")));
                    prop_assert!(q * seconds <= i128::from(*events) * w, "{:?}", told);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn r125_a_fresh_bucket_is_no_invitation() {
    let told = told_of(Quota::new(10_000, Duration::from_secs(1_000))).await;
    let state = state(&told);
    assert_eq!((state[0].integer("r"), state[0].integer("t")), (9_999, 1_000));
}

/// No partition key is sent, and a bucket that is logged tells neither an address nor a key.
#[tokio::test]
async fn r126_whose_bucket_it_is_stands_nowhere() {
    use tower_auth::limit::BucketKey;
    let logs = crate::no_leak::Logs::capture();
    let quota = Quota::per_minute(1);
    let service = over(&stack(&hand(), [by_plan(quota.clone()).ietf_headers()]));
    let request = || get("/", &[("who", "PLANTED"), ("key", "PLANTED_KEY")]);
    for told in [ask(&service, request()).await, ask(&service, request()).await] {
        assert!(!format!("{:?}{}", told.headers, told.body).contains("PLANTED"), "{told:?}");
        for item in policy(&told).iter().chain(&state(&told)) {
            assert!(!item.names().contains(&"pk"));
        }
    }
    drop(logs);
    for bucket in [BucketKey::from_ip("192.0.2.7".parse().unwrap()), BucketKey::new(["key", "c0000207"])] {
        let shown = format!("{bucket:?} {bucket:#?}").to_ascii_lowercase();
        assert!(!shown.contains("192.0.2.7") && !shown.contains("c0000207") && !shown.contains("70200c0"), "{shown}");
    }
    let layer = RateLimitLayer::by_address(quota, ClientIp::peer());
    assert!(!format!("{layer:?}").contains("192"));
}

/// Parameters of the draft and no others: a vendor's own would need a prefix.
#[tokio::test]
async fn r127_no_parameter_is_an_invention() {
    let service = over(&stack(&hand(), [by_plan(quotas()).ietf_headers()]));
    for _ in 0..101 {
        let told = ask(&service, alice()).await;
        assert!(policy(&told).iter().all(|item| item.names() == ["q", "w"]));
        assert!(state(&told).iter().all(|item| item.names() == ["r", "t"]));
        let integers =
            |items: &[Item]| items.iter().all(|item| item.parameters.iter().all(|(_, value)| is_integer(value)));
        assert!(integers(&policy(&told)) && integers(&state(&told)));
    }
    assert_eq!(ask(&service, alice()).await.status, 429);
}

fn is_integer(value: &Bare) -> bool {
    matches!(value, Bare::Integer(number) if *number >= 0)
}

/// Who follows a redirect at once asks again, whatever is left.
#[tokio::test]
async fn r128_a_redirect_says_nothing_of_what_is_left() {
    for status in 300..=399 {
        let status = StatusCode::from_u16(status).unwrap();
        let handler = strict(move |_| Response::builder().status(status).body(Body::default()).unwrap());
        let service = stack(&hand(), [by_plan(quotas()).ietf_headers()]).layer(handler);
        let told = ask(&service, alice()).await;
        assert_eq!(told.status, status.as_u16());
        assert_eq!((told.header("ratelimit"), told.header("ratelimit-policy")), (None, None));
        // It is counted all the same.
        assert_eq!(ask(&service, alice()).await.remaining(), Some(98));
    }
    for status in [StatusCode::CREATED, StatusCode::NOT_FOUND, StatusCode::IM_A_TEAPOT, StatusCode::BAD_GATEWAY] {
        let handler = strict(move |_| Response::builder().status(status).body(Body::default()).unwrap());
        let told = ask(&stack(&hand(), [by_plan(quotas()).ietf_headers()]).layer(handler), alice()).await;
        assert!(told.header("ratelimit").is_some(), "{told:?}");
    }
}

/// The switches: nothing of the IETF's unless it is asked for, nothing at all, and those of the IETF alone.
#[tokio::test]
async fn r121_which_headers_are_written_is_the_builders_choice() {
    const LEGACY: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    const OWN: &str = "x-ratelimit-retry-after";
    const IETF: [&str; 2] = ["ratelimit-policy", "ratelimit"];
    let layer = || by_plan(Quota::per_minute(1));
    for (layer, mut expected) in [
        (layer(), LEGACY.to_vec()),
        (layer().x_retry_after(), [&LEGACY[..], &[OWN]].concat()),
        (layer().ietf_headers(), [&LEGACY[..], &IETF].concat()),
        (layer().without_headers(), vec![]),
        (layer().without_headers().ietf_headers(), IETF.to_vec()),
        (layer().ietf_headers().without_headers(), vec![]),
        (layer().x_retry_after().ietf_headers().unix_reset(), [&LEGACY[..], &[OWN], &IETF].concat()),
    ] {
        let service = over(&stack(&hand(), [layer]));
        let admitted = ask(&service, alice()).await;
        let refused = ask(&service, alice()).await;
        assert_eq!((admitted.status, refused.status), (200, 429));
        assert_eq!(admitted.names(), expected);
        expected.insert(0, "retry-after");
        let mut names = refused.names();
        names.sort_by_key(|name| expected.iter().position(|known| known == name));
        assert_eq!(names, expected);
        if expected.contains(&OWN) {
            assert_eq!((admitted.number(OWN), refused.number(OWN)), (Some(0), Some(60)));
        }
    }
}

/// What was given back is not described as it stood before.
#[tokio::test]
async fn r129_a_request_that_is_given_back_claims_no_state() {
    let limit = by_plan(Quota::per_minute(5)).without_headers().ietf_headers();
    let service = stack(&hand(), [limit]).layer(over(&RequireLayer::scope("admin")));
    let told = ask(&service, alice()).await;
    assert_eq!((told.status, told.header("ratelimit"), told.header("ratelimit-policy")), (403, None, None));
    // Of an address it is not given back, and the state is as it is.
    let address = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::peer()).without_headers().ietf_headers();
    let service = stack(&hand(), [address]).layer(over(&RequireLayer::scope("admin")));
    let told = ask(&service, from("192.0.2.1", alice())).await;
    assert_eq!((told.status, state(&told)[0].integer("r")), (403, 4));
}
