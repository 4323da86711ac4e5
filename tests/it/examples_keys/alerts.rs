//! Alerts and their rules, as an operator reads and sets them.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tower_auth::{
    SqliteKeyStore,
    alerts::{Alert, AlertStore as _, Settled},
    registry::Holder,
};

use super::Cli;

const OF_ACME: [&str; 2] = ["--account", "acme"];

fn alerts<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["alerts", command], &OF_ACME[..], more].concat()
}

fn rules(cli: &Cli) -> Value {
    cli.json(&alerts("rules", &[])).remove(0)
}

#[test]
fn rules_are_set_replaced_and_removed() {
    let cli = Cli::new("keys-alerts-rules");
    assert_eq!(rules(&cli), json!({ "account": "acme", "rules": [] }));
    let wanted = json!([{ "type": "limit_used", "percent": 80 }, { "type": "new_network" }]);
    let path = cli.write("rules.json", &wanted.to_string());
    assert_eq!(cli.ok(&alerts("set", &[&path, "--as", "alice"])), "account acme has 2 alert rules\n");
    assert_eq!(rules(&cli), json!({ "account": "acme", "rules": wanted }));
    let table = cli.ok(&alerts("rules", &[]));
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split("  ").map(str::trim).collect()).collect();
    assert_eq!(rows[0], ["RULE", "", "", "", "WHEN"], "{table}");
    assert_eq!(rows[1], ["limit_used", "80 percent of a limit are used"], "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert_eq!(cli.json(&["alerts", "rules", "--organization", "acme"])[0]["rules"], json!([]), "an account's alone");
    let one = cli.write("one.json", r#"[{ "type": "idle", "days": 90 }]"#);
    assert_eq!(cli.ok(&alerts("set", &[&one])), "account acme has 1 alert rule\n");
    assert_eq!(rules(&cli)["rules"], json!([{ "type": "idle", "days": 90 }]), "they are replaced");
    let none = cli.write("none.json", "[]");
    assert_eq!(cli.ok(&alerts("set", &[&none])), "account acme has no alert rules\n");
    assert_eq!(rules(&cli)["rules"], json!([]));
}

#[tokio::test]
async fn rules_come_from_standard_input_and_name_who_has_set_them() {
    let cli = Cli::new("keys-alerts-input");
    let path = cli.write("rules.json", r#"[{ "type": "expiring", "days": 14 }]"#);
    let mut command = cli.command(&["alerts", "set", "--organization", "org_1", "-", "--json", "--as", "alice"]);
    let told = cli.told(command.stdin(File::open(path).unwrap()).output().unwrap());
    assert_eq!(told.code, 0, "{}", told.err);
    let expected = json!({ "organization": "org_1", "rules": [{ "type": "expiring", "days": 14 }] });
    assert_eq!(super::lines(&told.out), [expected]);
    let stored = store(&cli).rules(&[Holder::organization("org_1")]).await.unwrap();
    assert_eq!(stored[0].changed_by, "alice");
}

#[test]
fn wrong_rules_are_refused_and_change_nothing() {
    let cli = Cli::new("keys-alerts-wrong");
    let path = cli.write("rules.json", r#"[{ "type": "new_network" }]"#);
    cli.ok(&alerts("set", &[&path]));
    let many: Vec<Value> = (1..=33).map(|days| json!({ "type": "idle", "days": days })).collect();
    for (text, why) in [
        (
            r#"[{"type":"new_network"},{"type":"idle","days":0}]"#,
            "rule 2: an alert rule of the type idle has no valid days",
        ),
        (r#"[{"type":"quiet"}]"#, "use limit_used, expiring, old_key_used, new_network, refusals or idle"),
        (r#"[{"type":"idle","days":9,"hours":1}]"#, "unknown member \"hours\""),
        (r#"[{"type":"idle","days":9},{"type":"idle","days":9}]"#, "stands there twice"),
        (r#"[{"type":"idle","days":9,"days":8}]"#, "no JSON array"),
        (r#"{"rules":[]}"#, "no JSON array"),
        ("", "no JSON array"),
        (&Value::from(many).to_string(), "set at most 32 rules"),
        (&format!("[{}]", " ".repeat(64 * 1024)), "longer than 64 KiB"),
    ] {
        let path = cli.write("wrong.json", text);
        let told = cli.run(&alerts("set", &[&path]));
        assert_eq!((told.code, &*told.out), (1, ""), "{why}: {}", told.err);
        assert!(told.err.contains(why), "{why}: {}", told.err);
        assert_eq!(rules(&cli)["rules"], json!([{ "type": "new_network" }]), "{why}");
    }
}

#[test]
fn wrong_words_have_their_codes() {
    let cli = Cli::new("keys-alerts-exits");
    let path = cli.write("rules.json", "[]");
    for (code, words) in [
        (2, vec!["alerts"]),
        (2, vec!["alerts", "list"]),
        (2, vec!["alerts", "rules"]),
        (2, vec!["alerts", "set", &path]),
        (2, alerts("set", &[])),
        (2, alerts("set", &["/no/such/rules.json"])),
        (2, alerts("set", &["/tmp"])),
        (2, alerts("rules", &["--organization", "org_1"])),
        (2, alerts("list", &["--limit", "0"])),
        (3, alerts("list", &["--database", "sqlite:/no/such/keys.db"])),
        (3, alerts("set", &[&path, "--database", "postgres://u:hunter2@127.0.0.1:1/x"])),
    ] {
        let told = cli.run(&words);
        assert!(told.code == code && told.out.is_empty() && !told.err.is_empty(), "{words:?}: {}", told.err);
        assert!(!told.err.contains("hunter2"), "{words:?}: {}", told.err);
    }
}

fn store(cli: &Cli) -> SqliteKeyStore {
    SqliteKeyStore::open(cli.database.strip_prefix("sqlite:").unwrap()).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// An alert that was delivered, a later one that was given up, and the latest one, which waits. One of somebody else.
async fn raised(name: &str) -> Cli {
    let (cli, acme) = (Cli::new(name), Holder::account("acme"));
    let alert = |id: &str, holder: &Holder, seconds| {
        let details =
            [("days", json!(14)), ("name", json!("a\u{202e}b"))].map(|(name, value)| (name.to_owned(), value));
        Alert::new(id, holder.clone(), "expiring", Some("key_1".to_owned()), at(seconds), details.into_iter().collect())
    };
    let store = store(&cli);
    let first =
        vec![alert("alert_1", &acme, 1), alert("alert_2", &acme, 2), alert("alert_9", &Holder::account("b"), 3)];
    store.raise(first).await.unwrap();
    store.claim(at(5), at(60), 9).await.unwrap();
    let settled = [("alert_1", Settled::Delivered { at: at(6) }), ("alert_2", Settled::GivenUp)];
    store.settle(settled.map(|(id, settled)| (id.to_owned(), settled)).into()).await.unwrap();
    store.raise(vec![alert("alert_3", &acme, 9)]).await.unwrap();
    cli
}

#[tokio::test]
async fn alerts_are_listed_with_their_delivery() {
    let cli = raised("keys-alerts-list").await;
    let table = cli.ok(&alerts("list", &[]));
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("AT ") && rows.len() == 4, "{table}");
    for (row, delivery) in [
        (rows[1], "  waiting until 2027-01-15T08:00:09Z  0 "),
        (rows[2], "  given up                            1 "),
        (rows[3], "  delivered 2027-01-15T08:00:06Z      1 "),
    ] {
        assert!(row.contains("  expiring  key_1  ") && row.contains(delivery), "{table}");
        assert!(row.ends_with("  days 14, name a\\u{202e}b"), "{table}");
    }
    assert_eq!(cli.ok(&["alerts", "list", "--account", "nobody"]).lines().count(), 1);
}

#[tokio::test]
async fn alerts_as_json_are_those_of_the_servers() {
    let cli = raised("keys-alerts-json").await;
    let all = cli.json(&alerts("list", &[]));
    let ids: Vec<_> = all.iter().map(|alert| alert["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["alert_3", "alert_2", "alert_1"]);
    assert_eq!(
        all[2],
        json!({
            "id": "alert_1", "type": "expiring", "account": "acme", "key_id": "key_1", "at": "2027-01-15T08:00:01Z",
            "details": { "days": 14, "name": "a\u{202e}b" },
            "delivery": {
                "state": "delivered", "attempts": 1, "next_at": null, "delivered_at": "2027-01-15T08:00:06Z",
            },
        })
    );
    assert_eq!(all[1]["delivery"]["state"], "given_up");
    assert_eq!((&all[0]["delivery"]["state"], &all[0]["delivery"]["attempts"]), (&json!("waiting"), &json!(0)));
    assert_eq!(cli.json(&alerts("list", &["--limit", "1"])), all[..1]);
}

#[tokio::test]
async fn the_reader_of_alerts_may_leave_and_that_of_a_change_may_not() {
    let cli = raised("keys-alerts-pipes").await;
    let path = cli.write("rules.json", r#"[{ "type": "new_network" }]"#);
    for (code, words) in [
        (0, alerts("list", &[])),
        (0, alerts("list", &["--json"])),
        (0, alerts("rules", &[])),
        (1, alerts("set", &[&path])),
    ] {
        let told = super::pipes::unread(&cli, &words);
        assert_eq!((told.code, told.err.contains("its result is lost")), (code, code == 1), "{words:?}: {}", told.err);
    }
    assert_eq!(rules(&cli)["rules"], json!([{ "type": "new_network" }]), "what was done stays done");
}

#[test]
fn the_help_of_each_command_describes_its_options_and_the_rules() {
    let cli = Cli::bare("keys-alerts-help");
    let set = cli.ok(&["alerts", "set", "--help"]);
    for rule in tower_auth::alerts::AlertRule::recommended() {
        let example = rule.to_json().to_string();
        let kind = format!("{{\"type\":\"{}\"", rule.kind());
        assert!(set.contains(&kind), "{example}: {set}");
    }
    for (command, options) in
        [("list", &["--account", "--organization", "--limit"][..]), ("set", &["--account", "<FILE>"])]
    {
        let help = cli.ok(&["alerts", command, "--help"]);
        for option in options {
            let line = help.lines().find(|line| line.trim_start().starts_with(option)).unwrap();
            assert!(line.trim_start().split_once("  ").is_some_and(|(_, text)| !text.trim().is_empty()), "{line}");
        }
    }
}
