//! `--json` and `--help` of every command.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Cli, lines};

/// The commands that `keys --help` lists.
fn commands(cli: &Cli) -> BTreeSet<String> {
    let help = cli.ok(&["--help"]);
    let list = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_prints_json_lines_and_nothing_else() {
    let cli = Cli::bare("keys-json");
    let other = cli.database.replace("keys.db", "other.db");
    let import =
        cli.write("import.jsonl", &json!({ "sha256": "7".repeat(64), "id": "key_1", "account": "b" }).to_string());
    let rules = cli.write("rules.json", "[]");
    let mut seen = BTreeSet::new();
    for words in [
        "migrate",
        "check",
        "schema",
        "create --account acme --name ci --id key_2",
        "create --account acme --name ci --id key_3",
        "list",
        "show key_2",
        "pause key_2 key_3",
        "resume key_2 key_3",
        "deactivate key_2",
        "activate key_2",
        "rotate key_2 --overlap 1h",
        "replace key_3",
        "revoke key_2",
        "delete key_2",
        "suspend --account acme",
        "reinstate --account acme",
        &format!("import {import} --dry-run"),
        &format!("import {import}"),
        "peppers",
        "peppers move",
        "usage key_2",
        "limits key_2",
        &format!("alerts set --account acme {rules}"),
        "alerts rules --account acme",
        "audit",
        &format!("migrate --database {other}"),
        &format!("copy {} {other}", cli.database),
        "purge --deleted-before 0s",
        "revoke-all --account acme",
        "erase --account acme --yes",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let told = cli.run(&[&words[..], &["--json"]].concat());
        assert_eq!((told.code, &*told.err), (0, ""), "{words:?}");
        let lines = lines(&told.out);
        assert!(!lines.is_empty() && lines.iter().all(serde_json::Value::is_object), "{words:?}: {}", told.out);
        seen.insert(words[0].to_owned());
    }
    assert_eq!(seen, commands(&cli), "every command is tried");
}

#[test]
fn failures_are_one_line_of_json() {
    let cli = Cli::new("keys-json-failures");
    let down = "postgres://u:hunter2@127.0.0.1:1/x";
    let changed = ["pause", "key_nobody", "key_nobody_else"];
    for (code, words) in [
        (1, &["show", "key_nobody"][..]),
        (1, &changed),
        (2, &["erase", "--account", "acme"]),
        (3, &["list", "--database", down]),
        (3, &["list", "--database", "sqlite:/no/such/keys.db"]),
    ] {
        let told = cli.run(&[words, &["--json"]].concat());
        let errors = lines(&told.err);
        assert_eq!((told.code, errors.len(), &*told.out), (code, 1, ""), "{words:?}: {}", told.err);
        assert_eq!(errors[0]["exit"], code, "{words:?}");
        assert!(errors[0]["error"].as_str().is_some_and(|text| !text.contains("hunter2")), "{words:?}: {}", told.err);
    }
}

#[test]
fn every_option_is_described() {
    let cli = Cli::bare("keys-help");
    let (mut described, top) = (0, cli.ok(&["--help"]));
    assert!(top.contains("0 done, 1 refused or not found, 2 wrong usage, 3 the database does not answer"), "{top}");
    assert!(top.contains("PGPASSWORD") && top.contains("PGPASSFILE"), "{top}");
    for command in commands(&cli) {
        let help = cli.ok(&[&command, "--help"]);
        let is_named = |line: &&str| ["--", "<"].iter().any(|start| line.trim_start().starts_with(start));
        for line in help.lines().skip(1).filter(is_named) {
            assert!(
                line.trim_start().split_once("  ").is_some_and(|(_, text)| !text.trim().is_empty()),
                "{command}: {line}"
            );
            described += 1;
        }
    }
    assert!(described > 200, "{described}");
    assert_eq!(cli.run(&[]).code, 2, "a command is missing");
    assert!(cli.ok(&["copy", "--help"]).contains("Stop the services"));
}
