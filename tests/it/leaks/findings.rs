//! What becomes of the keys in a report.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_auth::{
    Clock, NewKey,
    leaks::{LeakOutcome, LeakPolicy},
    registry::{Actor, AuditFilter, Holder},
};

use super::{Desk, TYPE, URL, ask, entry, labels, report, signed};
use crate::support::json as body_of;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_leaked_key_is_revoked_and_its_owner_told() {
    let desk = Desk::new();
    let key = desk.create().await;
    assert_eq!(labels(&desk.reports, report([key.secret.expose()])).await, [true]);
    assert!(desk.is_revoked(&key).await);
    let told = desk.told();
    let leak = &told[0];
    assert_eq!((told.len(), &*leak.key_id, &*leak.hint), (1, key.key.id(), key.key.hint()));
    assert_eq!((leak.account.as_deref(), leak.organization.as_deref()), (Some("acme"), Some("org_1")));
    assert_eq!((&*leak.url, &*leak.source, &*leak.token_type), (URL, "content", TYPE));
    assert_eq!(leak.outcome, LeakOutcome::Revoked);

    let rows = desk.revocations(&key).await;
    assert_eq!((rows.len(), &*rows[0].actor), (1, "github-secret-scanning"));
    assert_eq!(rows[0].after["reason"], format!("leaked at {URL} (source: content)"));
    assert!(rows[0].after.contains_key("revoked_at") && rows[0].before.get("reason").is_none());
}

/// What a person has done is said in the same place.
#[tokio::test]
async fn the_reason_of_an_actor_is_in_its_rows_and_in_no_others() {
    let desk = Desk::new();
    let key = desk.create().await;
    let actor = Actor::named("ops").because("a drill");
    desk.keys.pause(&actor, key.key.id()).await.unwrap();
    desk.keys.resume(&desk.admin, key.key.id()).await.unwrap();
    desk.keys.suspend(&actor, Holder::account("acme")).await.unwrap();
    let rows = desk.keys.audit(&desk.admin, &AuditFilter::all()).await.unwrap().items;
    let reasons: Vec<Option<&str>> = rows.iter().map(|row| row.after.get("reason").and_then(Value::as_str)).collect();
    assert_eq!(reasons, [None, Some("a drill"), None, Some("a drill")]);
}

#[tokio::test]
async fn every_key_is_one_whatever_its_state() {
    let desk = Desk::new();
    let [good, paused, inactive, expired, later, revoked, deleted] = [
        desk.create().await,
        desk.create().await,
        desk.create().await,
        desk.create_as(NewKey::named("a").expires_in(HOUR)).await,
        desk.create_as(NewKey::named("b").not_before(SystemTime::now() + HOUR * 1_000_000)).await,
        desk.create().await,
        desk.create().await,
    ];
    desk.keys.pause(&desk.admin, paused.key.id()).await.unwrap();
    desk.keys.deactivate(&desk.admin, inactive.key.id()).await.unwrap();
    desk.keys.revoke(&desk.admin, revoked.key.id()).await.unwrap();
    desk.keys.delete(&desk.admin, deleted.key.id()).await.unwrap();
    desk.keys.suspend(&desk.admin, Holder::account("acme")).await.unwrap();
    desk.hand.advance(2 * HOUR);
    let all = [&good, &paused, &inactive, &expired, &later, &revoked, &deleted];
    assert_eq!(labels(&desk.reports, report(all.map(|key| key.secret.expose()))).await, [true; 7]);
    for key in all {
        assert!(desk.is_revoked(key).await);
        let rows = desk.revocations(key).await.len();
        assert_eq!(rows, usize::from(key.key.id() != deleted.key.id()), "{}", key.key.id());
    }
    let outcomes: Vec<LeakOutcome> = desk.told().iter().map(|leak| leak.outcome).collect();
    assert_eq!(outcomes, [[LeakOutcome::Revoked; 5].as_slice(), &[LeakOutcome::AlreadyRevoked; 2]].concat());
}

#[tokio::test]
async fn what_is_no_key_is_a_false_positive() {
    let desk = Desk::new();
    let key = desk.create().await;
    let stranger = super::scheme().generate().unwrap();
    let cut = &key.secret.expose()[..20];
    let tokens = [stranger.expose(), cut, "", "ak_", "é", &"a".repeat(10_000)];
    assert_eq!(labels(&desk.reports, report(tokens)).await, [false; 6]);
    assert!(desk.told().is_empty() && !desk.is_revoked(&key).await);
    assert_eq!(labels(&desk.reports, report([])).await, [false; 0]);
}

/// Nothing but its digest is left of a purged key.
#[tokio::test]
async fn a_purged_key_is_unknown() {
    let desk = Desk::new();
    let key = desk.create().await;
    desk.keys.delete(&desk.admin, key.key.id()).await.unwrap();
    desk.hand.advance(HOUR);
    let now = Clock::from(&desk.hand).now();
    assert_eq!(desk.keys.purge(&desk.admin, now).await.unwrap(), 1);
    assert_eq!(labels(&desk.reports, report([key.secret.expose()])).await, [false]);
}

#[tokio::test]
async fn with_alerts_only_nothing_is_changed() {
    let desk = Desk::new();
    let reports = desk.reports.clone().policy(LeakPolicy::AlertOnly);
    let [key, revoked] = [desk.create().await, desk.create().await];
    desk.keys.revoke(&desk.admin, revoked.key.id()).await.unwrap();
    for _ in 0..2 {
        let both = [key.secret.expose(), revoked.secret.expose()];
        assert_eq!(labels(&reports, report(both)).await, [true, true]);
        let outcomes: Vec<LeakOutcome> = desk.told().iter().map(|leak| leak.outcome).collect();
        assert_eq!(outcomes, [LeakOutcome::Alerted, LeakOutcome::AlreadyRevoked]);
    }
    assert!(!desk.is_revoked(&key).await);
    let rows = desk.keys.audit(&desk.admin, &AuditFilter::all()).await.unwrap().items;
    assert!(rows.iter().all(|row| row.actor == "alice"));
}

#[tokio::test]
async fn a_repeated_report_changes_nothing() {
    let desk = Desk::new();
    let key = desk.create().await;
    for outcome in [LeakOutcome::Revoked, LeakOutcome::AlreadyRevoked, LeakOutcome::AlreadyRevoked] {
        assert_eq!(labels(&desk.reports, report([key.secret.expose()])).await, [true]);
        assert_eq!(desk.told().iter().map(|leak| leak.outcome).collect::<Vec<_>>(), [outcome]);
        desk.hand.advance(HOUR);
    }
    assert_eq!(desk.revocations(&key).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_reports_at_the_same_moment_one_revokes() {
    let desk = Arc::new(Desk::new());
    let key = desk.create().await;
    let mut together = JoinSet::new();
    for _ in 0..16 {
        let (desk, request) = (Arc::clone(&desk), report([key.secret.expose()]));
        together.spawn(async move { labels(&desk.reports, request).await });
    }
    while let Some(answer) = together.join_next().await {
        assert_eq!(answer.unwrap(), [true]);
    }
    assert_eq!(desk.revocations(&key).await.len(), 1);
    let told = desk.told();
    let revoked = told.iter().filter(|leak| leak.outcome == LeakOutcome::Revoked).count();
    assert_eq!((told.len(), revoked), (16, 1));
}

#[tokio::test]
async fn a_token_that_is_reported_twice_counts_once() {
    let desk = Desk::new();
    let key = desk.create().await;
    let mut second = entry(key.secret.expose());
    second["url"] = "https://github.com/octocat/other".into();
    let body = json!([entry("ak_x"), entry(key.secret.expose()), second, entry("ak_x")]).to_string();
    assert_eq!(labels(&desk.reports, signed(&body)).await, [false, true]);
    let told = desk.told();
    assert_eq!((told.len(), &*told[0].url), (1, URL));
}

#[tokio::test]
async fn ten_thousand_tokens_are_answered_in_their_order() {
    let desk = Desk::new();
    let mut tokens = Vec::new();
    for number in 0..10_000 {
        // Short entries, so that all of them fit into one report.
        let ours = number % 1000 == 7;
        tokens.push(if ours { desk.create().await.secret.expose().to_owned() } else { format!("ak_{number}") });
    }
    let body: Value = tokens.iter().map(|token| json!({ "token": token, "type": TYPE })).collect();
    let found = labels(&desk.reports, signed(&body.to_string())).await;
    let ours: Vec<usize> = found.iter().enumerate().filter(|(_, ours)| **ours).map(|(place, _)| place).collect();
    assert_eq!((found.len(), ours), (10_000, (0..10).map(|thousand| thousand * 1000 + 7).collect()));
    assert_eq!(desk.told().iter().filter(|leak| leak.outcome == LeakOutcome::Revoked).count(), 10);
}

#[tokio::test]
async fn other_types_are_left_alone_and_not_answered() {
    let desk = Desk::new();
    let reports = desk.reports.clone().token_types([TYPE, "acme_old_key"]).unwrap();
    let [key, other] = [desk.create().await, desk.create().await];
    let of_type = |key: &str, name: &str| json!({ "token": key, "type": name, "url": "" });
    let (ours, theirs) = (key.secret.expose(), other.secret.expose());
    let body = json!([of_type(theirs, "beta_key"), of_type(ours, "beta_key"), of_type(ours, "acme_old_key")]);
    let answer = body_of(ask(&reports, signed(&body.to_string())).await).await;
    assert_eq!((answer.as_array().unwrap().len(), &answer[0]["token_type"]), (1, &"acme_old_key".into()));
    assert!(desk.is_revoked(&key).await && !desk.is_revoked(&other).await);
    for wrong in [&[][..], &[""], &["a", ""]] {
        let error = desk.reports.clone().token_types(wrong.iter().copied()).unwrap_err().to_string();
        assert!(error.contains("token_types"), "{error}");
    }
}

#[tokio::test]
async fn the_texts_of_a_report_are_escaped_and_shortened() {
    let desk = Desk::new();
    let key = desk.create().await;
    let token = key.secret.expose();
    let long = format!("https://x.test/{token}\n\u{202e}{}", "a".repeat(5000));
    let body = json!([{ "token": token, "type": "t".repeat(500), "url": long, "source": format!("{token}\u{1b}[2J") }]);
    assert_eq!(labels(&desk.reports, signed(&body.to_string())).await, [true]);
    let leak = desk.told().remove(0);
    assert!(leak.url.starts_with("https://x.test/[REDACTED]\\n\\u{202e}aaa"), "{}", leak.url);
    assert_eq!((leak.url.len(), leak.token_type.len(), &*leak.source), (1024, 128, "[REDACTED]\\u{1b}[2J"));
    let row = desk.revocations(&key).await.remove(0).to_string();
    assert!(row.contains("[REDACTED]") && !row.contains(&token[3..]) && row.len() < 2000, "{row}");

    let empty = desk.create().await;
    assert_eq!(labels(&desk.reports, signed(&json!([{ "token": empty.secret.expose() }]).to_string())).await, [true]);
    assert_eq!(desk.revocations(&empty).await[0].after["reason"], "leaked at an unknown place (source: unknown)");
}

/// A key that was leaked in an overlap is revoked, and its successor is another key.
#[tokio::test]
async fn a_successor_is_not_touched() {
    let desk = Desk::new();
    let old = desk.create().await;
    let new = desk.keys.rotate(&desk.admin, old.key.id(), HOUR).await.unwrap();
    assert_eq!(labels(&desk.reports, report([old.secret.expose()])).await, [true]);
    assert!(desk.is_revoked(&old).await && !desk.is_revoked(&new).await);
}
