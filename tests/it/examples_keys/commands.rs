//! Every command on a file.

use serde_json::json;
use tower_auth::{KeyScheme, KeyStatus, KeyStore as _, Peppers, SqliteKeyStore};

use super::Cli;
use crate::support::ak;

#[tokio::test]
async fn a_created_key_is_printed_alone_and_is_valid_at_a_server() {
    let cli = Cli::new("keys-create");
    let told = cli.run(&["create", "--account", "acme", "--name", "ci", "--scope", "read", "--expires-in", "90d"]);
    assert_eq!(told.code, 0, "{}", told.err);
    let secret = told.out.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("ak_") && secret.len() == 43 && !secret.contains('\n'), "one line: the key");
    cli.assert_unsaid(secret);
    // As the server `freddy` looks it up.
    let peppers = Peppers::from_file(cli.folder.path().join("peppers.txt")).unwrap();
    let store = SqliteKeyStore::open(cli.database.strip_prefix("sqlite:").unwrap()).unwrap();
    let found = store.find(&KeyScheme::new(ak(), peppers).digests(secret.as_bytes()).unwrap()).await.unwrap().unwrap();
    assert_eq!((found.principal().account(), found.principal().scopes()), (Some("acme"), &["read".to_owned()][..]));
    assert_eq!(found.principal().credential_hint(), Some(&*format!("{}…", &secret[..7])));
    assert!(matches!(found.status(std::time::SystemTime::now()), KeyStatus::Active));
}

#[test]
fn every_option_of_a_new_key_is_shown() {
    let cli = Cli::new("keys-options");
    let words = [
        ["--id", "key_1"],
        ["--subject", "robot"],
        ["--organization", "org_1"],
        ["--role", "admin"],
        ["--plan", "premium"],
        ["--environment", "live"],
        ["--network", "192.0.2.0/24"],
        ["--origin", "https://app.example.com"],
        ["--idle-after", "30d"],
        ["--note", "ticket=42"],
        ["--as", "alice"],
    ];
    let (id, secret) = cli.create(&words.concat());
    let shown = cli.json(&["show", &id]).remove(0);
    assert_eq!((&shown["id"], &shown["created_by"]), (&json!("key_1"), &json!("alice")));
    assert_eq!((&shown["organizations"], &shown["roles"]), (&json!(["org_1"]), &json!(["admin"])));
    assert_eq!((&shown["metadata"], &shown["plan"]), (&json!({ "ticket": "42" }), &json!("premium")));
    assert_eq!(shown["restrictions"]["networks"], json!(["192.0.2.0/24"]));
    let text = cli.ok(&["show", "key_1"]);
    assert!(text.starts_with("state         active\n") && text.contains("environment   live\n"), "{text}");
    assert!(!text.contains(&secret[8..30]));
}

#[test]
fn lists_select_and_say_the_state() {
    let cli = Cli::new("keys-list");
    let (first, _) = cli.create(&["--organization", "org_1"]);
    let (second, secret) = cli.create(&[]);
    cli.ok(&["create", "--account", "other", "--name", "größe"]);
    cli.ok(&["delete", &second]);
    let ids =
        |words: &[&str]| cli.json(words).iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&["list"]).len(), 2);
    assert_eq!(ids(&["list", "--account", "acme"]), [&*first]);
    assert_eq!(ids(&["list", "--account", "acme", "--deleted"]), [&*first, &*second]);
    assert_eq!(ids(&["list", "--organization", "org_1"]), [&*first]);
    let table = cli.ok(&["list", "--deleted"]);
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("ID ") && rows.len() == 4, "{table}");
    assert!(rows[2].contains("  deleted  ") && rows[3].contains("größe"), "{table}");
    let column = |row: &str, text: &str| row.split_once(text).map(|(before, _)| before.chars().count());
    assert_eq!(column(rows[0], "STATE"), column(rows[2], "deleted"), "{table}");
    assert!(!table.contains(&secret[8..30]));
}

#[test]
fn states_change_one_by_one() {
    let cli = Cli::new("keys-states");
    let ((one, _), (two, _)) = (cli.create(&[]), cli.create(&[]));
    for (act, word) in [
        ("pause", "paused"),
        ("resume", "active"),
        ("deactivate", "deactivated"),
        ("activate", "active"),
        ("revoke", "revoked"),
        ("delete", "deleted"),
    ] {
        let expected = format!("{one} is {word}\n{two} is {word}\n");
        assert_eq!(cli.ok(&[act, &one, &two]), expected);
    }
    let again = cli.json(&["revoke", &one]).remove(0);
    assert_eq!(again["active"], json!(false));
}

#[test]
fn keys_are_rotated_and_replaced() {
    let cli = Cli::new("keys-rotate");
    let (old, _) = cli.create(&[]);
    let told = cli.run(&["rotate", &old, "--overlap", "1h"]);
    assert_eq!((told.code, told.out.lines().count()), (0, 1), "{}", told.err);
    cli.assert_unsaid(told.out.trim());
    let shown = cli.json(&["show", &old]).remove(0);
    assert!(shown["expires_at"].is_string());
    let next = shown["successor"].as_str().unwrap();
    let replaced = cli.json(&["replace", next]).remove(0);
    assert_eq!(replaced["key"]["predecessor"], json!(next));
    assert!(replaced["secret"].as_str().unwrap().starts_with("ak_"));
    assert_eq!(cli.json(&["show", next])[0]["active"], json!(false));
}

#[test]
fn holders_are_suspended_revoked_and_erased() {
    let cli = Cli::new("keys-holders");
    let (id, _) = cli.create(&[]);
    cli.create(&[]);
    assert_eq!(cli.ok(&["suspend", "--account", "acme"]), "account acme is suspended\n");
    assert_eq!(cli.ok(&["reinstate", "--account", "acme"]), "account acme is not suspended\n");
    assert_eq!(cli.json(&["suspend", "--organization", "org"]), [json!({ "organization": "org", "suspended": true })]);
    assert_eq!(cli.json(&["revoke-all", "--account", "acme"]), [json!({ "revoked": 2 })]);
    cli.ok(&["delete", &id]);
    assert_eq!(cli.json(&["purge", "--deleted-before", "30d"]), [json!({ "purged": 0 })]);
    assert_eq!(cli.json(&["purge", "--deleted-before", "0s"]), [json!({ "purged": 1 })]);
    assert_eq!(cli.run(&["erase", "--account", "acme"]).code, 2, "without --yes");
    assert_eq!(cli.json(&["list"]).len(), 1);
    cli.ok(&["erase", "--account", "acme", "--yes"]);
    assert!(cli.json(&["list", "--deleted"]).is_empty());
}

#[test]
fn the_audit_log_is_listed_and_exported() {
    let cli = Cli::new("keys-audit");
    let (id, secret) = cli.create(&[]);
    cli.ok(&["pause", &id, "--as", "bob"]);
    let actions = |words: &[&str]| {
        let rows = cli.json(&[&["audit"], words].concat());
        rows.iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&[]), ["created", "paused"]);
    assert_eq!(actions(&["--newest", "--limit", "1"]), ["paused"]);
    assert_eq!(actions(&["--by", "olga", "--since", "1h"]), ["created"]);
    assert_eq!(actions(&["--key", &id]).len(), 2);
    assert!(actions(&["--account", "other"]).is_empty());
    assert!(actions(&["--since", "2999-01-01T00:00:00Z"]).is_empty());
    let table = cli.ok(&["audit"]);
    assert!(table.starts_with("AT ") && table.contains("  bob ") && !table.contains(&secret[8..30]), "{table}");
}

#[test]
fn a_table_of_sha256_moves_under_a_pepper_and_an_old_pepper_may_go() {
    let cli = Cli::new("keys-peppers");
    let plain = |words: &[&str]| {
        let output = cli.command(words).env_remove("KEYS_SECRETS").output().unwrap();
        cli.told(output)
    };
    let words = ["create", "--account", "acme", "--name", "old", "--sha256"];
    assert_eq!(plain(&words).code, 0);
    let peppers = |words: &[&str]| {
        let all = cli.json(&[&["peppers"], words].concat());
        all.iter().map(|one| (one["version"].as_u64(), one["keys"].clone(), one["may_go"] == true)).collect::<Vec<_>>()
    };
    assert_eq!(peppers(&["--sha256"]), [(Some(1), json!(0), false), (None, json!(1), false)]);
    assert_eq!(cli.json(&["peppers", "move"]), [json!({ "moved": 1 })]);
    assert_eq!(peppers(&["--sha256"]), [(Some(1), json!(1), false), (None, json!(0), true)]);
    cli.write_peppers("peppers.txt", &[3, 2, 1]);
    assert_eq!(peppers(&[]), [(Some(3), json!(0), false), (Some(2), json!(0), true), (Some(1), json!(1), false)]);
    assert!(cli.ok(&["peppers"]).contains("VERSION  KEYS  REMOVED  ACCEPTED  MAY GO\n"));
    assert_eq!(plain(&["peppers", "move", "--sha256"]).code, 2, "there is no pepper to move under");
}
