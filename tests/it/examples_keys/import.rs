//! Existing keys from a file.

use serde_json::{Value, json};
use tower_auth::{KeyFormat, KeyScheme};

use super::Cli;

/// A key that another system has issued.
fn foreign() -> String {
    let format = KeyFormat::prefixed("ak", 40).unwrap().without_checksum();
    KeyScheme::sha256(format).generate().unwrap().expose().to_owned()
}

fn sha256(key: &str) -> String {
    let scheme = KeyScheme::sha256(KeyFormat::opaque(20));
    scheme.digests(key.as_bytes()).unwrap().iter().next().unwrap().to_hex()
}

fn file(cli: &Cli, lines: &[Value]) -> String {
    cli.write("import.jsonl", &lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn keys_and_digests_are_imported_once() {
    let cli = Cli::new("keys-import");
    let (one, two) = (foreign(), foreign());
    let path = file(
        &cli,
        &[
            json!({ "key": one, "id": "key_1", "name": "by key", "account": "acme", "scopes": ["read"], "state": "paused" }),
            json!({ "sha256": sha256(&two), "account": "acme", "hint": "ak_two…", "expires_at": "2999-01-01T00:00:00Z",
                "restrictions": { "networks": ["192.0.2.0/24"] } }),
            json!({ "digest": "7".repeat(64), "pepper": 1, "id": "key_3", "account": "acme" }),
        ],
    );
    let report = |imported: u64, existing: u64, dry: bool| json!({ "dry_run": dry, "lines": 3, "imported": imported, "existing": existing, "skipped": [] });
    assert_eq!(cli.json(&["import", &path, "--dry-run"]), [report(3, 0, true)]);
    assert!(cli.json(&["list"]).is_empty() && cli.json(&["audit"]).is_empty(), "a dry run changes nothing");
    assert_eq!(cli.json(&["import", &path]), [report(3, 0, false)]);
    assert_eq!(cli.json(&["import", &path]), [report(0, 3, false)], "it is repeated as it is");
    assert_eq!(cli.json(&["import", &path, "--dry-run"]), [report(0, 3, true)]);
    let keys = cli.json(&["list"]);
    assert_eq!(
        (&keys[0]["id"], &keys[0]["name"], &keys[0]["paused"]),
        (&json!("key_1"), &json!("by key"), &json!(true))
    );
    assert_eq!((&keys[1]["hint"], &keys[1]["expires_at"]), (&json!("ak_two…"), &json!("2999-01-01T00:00:00Z")));
    // A plain SHA-256 was moved under the pepper, so the key itself is known now.
    let peppers = json!({ "version": 1, "keys": 3, "removed": 0, "accepted": true, "may_go": false });
    assert_eq!(cli.json(&["peppers"]), [peppers]);
    let again = file(&cli, &[json!({ "key": two, "account": "evil" })]);
    assert_eq!(cli.json(&["import", &again])[0]["existing"], json!(1));
    assert_eq!(cli.ok(&["import", &again]), "0 imported, 1 existing, 0 skipped\n");
    cli.assert_unsaid(&one);
    cli.assert_unsaid(&two);
}

#[test]
fn a_bad_line_is_reported_and_does_not_stop_the_others() {
    let cli = Cli::new("keys-bad-lines");
    let (good, late, gone, secret) = (foreign(), foreign(), foreign(), foreign());
    cli.ok(&["import", &file(&cli, &[json!({ "key": gone, "id": "gone", "account": "acme" })])]);
    cli.ok(&["delete", "gone"]);
    cli.ok(&["purge", "--deleted-before", "0s"]);
    let lines = [
        json!({ "key": good, "id": "key_1", "account": "acme" }).to_string(),
        format!("{{\"key\": \"{secret}\""),
        format!("{{\"key\": [\"{secret}\"], \"account\": \"acme\"}}"),
        format!("{{\"{secret}\": 1, \"account\": \"acme\"}}"),
        json!({ "key": "wrong", "account": "acme" }).to_string(),
        String::new(),
        json!({ "key": secret }).to_string(),
        json!({ "key": secret, "account": "" }).to_string(),
        json!({ "key": secret, "id": "key_1", "account": "acme" }).to_string(),
        json!({ "sha256": secret, "account": "acme" }).to_string(),
        json!({ "digest": "7".repeat(64), "pepper": 9, "account": "acme" }).to_string(),
        json!({ "key": gone, "account": "acme" }).to_string(),
        json!({ "key": secret, "account": "acme", "pepper": secret }).to_string(),
        json!({ "key": secret, "account": "acme", "state": secret }).to_string(),
        json!({ "key": secret, "account": "acme", "not_before": secret }).to_string(),
        format!("{{\"account\": \"{}\"}}", "a".repeat(70_000)),
        json!({ "key": late, "account": "acme" }).to_string(),
    ];
    let path = cli.write("bad.jsonl", &lines.join("\n"));
    let told = cli.run(&["import", &path, "--json"]);
    assert_eq!(told.code, 1, "{}", told.err);
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&report["lines"], &report["imported"]), (&json!(17), &json!(2)), "{report}");
    let skipped: Vec<(u64, &str)> = report["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        (2, "is not JSON"),
        (3, "/key "),
        (4, "unknown field"),
        (5, "/key has not the format"),
        (7, "/account"),
        (8, "must not be empty"),
        (9, "/id belongs to another key"),
        (10, "/sha256 is not"),
        (11, "/pepper"),
        (12, "was revoked or removed"),
        (13, "/pepper"),
        (14, "/state"),
        (15, "/not_before"),
        (16, "64 KiB"),
    ];
    assert_eq!(skipped.len(), expected.len(), "{skipped:?}");
    for ((line, reason), (number, text)) in skipped.iter().zip(expected) {
        assert!(*line == number && reason.contains(text), "line {line}: {reason}; expected {number}: {text}");
    }
    let told = cli.run(&["import", &path]);
    assert!(told.code == 1 && told.err.contains("line 12: the key was"), "{}", told.err);
    for key in [&good, &late, &gone, &secret] {
        cli.assert_unsaid(key);
        assert!(!told.out.contains(&key[8..30]) && !report.to_string().contains(&key[8..30]));
    }
}

#[test]
fn a_file_may_be_standard_input() {
    let cli = Cli::new("keys-stdin");
    let path = file(&cli, &[json!({ "key": foreign(), "account": "acme" })]);
    let mut command = cli.command(&["import", "-"]);
    let told = cli.told(command.stdin(std::fs::File::open(path).unwrap()).output().unwrap());
    assert_eq!((told.code, &*told.out), (0, "1 imported, 0 existing, 0 skipped\n"), "{}", told.err);
    assert_eq!(cli.run(&["import", "/no/such/file"]).code, 2);
}
