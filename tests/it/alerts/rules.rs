//! Rules, as owners set them.

use serde_json::json;
use tower_auth::{
    Rejection,
    alerts::{AlertStore as _, StoredRules},
};

use super::*;

#[tokio::test]
async fn rules_are_replaced_and_removed() {
    let watched = Watched::new(&[]).await;
    assert_eq!(watched.alerts.rules(&organization()).await.unwrap(), []);
    let all = AlertRule::recommended();
    watched.alerts.set_rules(ops(), organization(), &all).await.unwrap();
    assert_eq!(watched.alerts.rules(&organization()).await.unwrap(), all);
    assert_eq!(watched.alerts.rules(&Holder::account("org_1")).await.unwrap(), [], "an account is another holder");
    watched.alerts.set_rules(ops(), organization(), &[]).await.unwrap();
    assert_eq!(watched.alerts.rules(&organization()).await.unwrap(), []);
}

#[tokio::test]
async fn rules_of_a_newer_version_are_left_out() {
    let watched = Watched::new(&[]).await;
    let text = r#"[{"type":"moon","phase":"full"},{"type":"new_network"}]"#;
    let stored = StoredRules::of_text(organization(), text, watched.clock.now(), "ops");
    watched.store.set_rules(stored).await.unwrap();
    assert_eq!(watched.alerts.rules(&organization()).await.unwrap(), [AlertRule::NewNetwork]);
}

#[tokio::test]
async fn wrong_rules_are_refused_and_change_nothing() {
    let watched = Watched::new(&[AlertRule::NewNetwork]).await;
    let many: Vec<AlertRule> = (1..=33).map(|days| AlertRule::Expiring { days }).collect();
    let wrong: [(&[AlertRule], &str); 4] = [
        (&[AlertRule::LimitUsed { percent: 0 }], "1 to 100"),
        (&[AlertRule::Idle { days: 4_000 }], "1 to 3650"),
        (&[AlertRule::NewNetwork, AlertRule::NewNetwork], "twice"),
        (&many, "at most 32"),
    ];
    for (rules, why) in wrong {
        let error = watched.alerts.set_rules(ops(), organization(), rules).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(Rejection::from(error).status().as_u16(), 400);
    }
    assert_eq!(watched.alerts.rules(&organization()).await.unwrap(), [AlertRule::NewNetwork]);
}

#[test]
fn each_rule_is_read_as_it_is_written() {
    for rule in AlertRule::recommended() {
        assert_eq!(AlertRule::from_json(&rule.to_json()).unwrap(), rule);
    }
    let wrong = [
        json!(null),
        json!([]),
        json!({ "percent": 80 }),
        json!({ "type": "limit_used" }),
        json!({ "type": "limit_used", "percent": "80" }),
        json!({ "type": "limit_used", "percent": 80.5 }),
        json!({ "type": "limit_used", "percent": 101 }),
        json!({ "type": "limit_used", "percent": -1 }),
        json!({ "type": "new_network", "days": 1 }),
        json!({ "type": "idle", "days": 90, "hours": 1 }),
        json!({ "type": "refusals", "per_hour": 5_000_000_000_u64 }),
    ];
    for rule in wrong {
        assert!(AlertRule::from_json(&rule).is_err(), "{rule}");
    }
}

/// Rules are read again after 30 seconds, and at once where they are set.
#[tokio::test]
async fn another_process_hears_of_new_rules() {
    let watched = Watched::with(&[], [Quota::per_calendar_day(1)]).await;
    let other = watched.another(watched.limits.clone());
    let key = watched.key("key_1").await;
    other.ask(2, &key).await;
    assert_eq!(other.look().await, []);
    watched.alerts.set_rules(ops(), organization(), &[AlertRule::LimitUsed { percent: 100 }]).await.unwrap();
    watched.clock.advance(Duration::from_secs(30));
    other.ask(1, &key).await;
    assert_eq!(other.look().await.len(), 1);
}
