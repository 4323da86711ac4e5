//! Tables that people read.

use std::process::Command;

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::Cli;

fn at(cli: &Cli, columns: &str, words: &[&str]) -> String {
    let mut command: Command = cli.command(words);
    let told = cli.told(command.env("COLUMNS", columns).output().unwrap());
    assert_eq!(told.code, 0, "{}", told.err);
    told.out
}

#[test]
fn wide_characters_do_not_shift_the_columns() {
    let cli = Cli::new("keys-wide");
    for name in ["ci", "größe", "製品の鍵", "🔑 main"] {
        cli.ok(&["create", "--account", "acme", "--name", name]);
    }
    let table = cli.ok(&["list"]);
    let place = |line: &str, text: &str| line.split_once(text).map(|(before, _)| before.width()).unwrap();
    let expected = place(table.lines().next().unwrap(), "STATE");
    let states: Vec<usize> = table.lines().skip(1).map(|line| place(line, "active")).collect();
    assert_eq!(states, [expected; 4], "{table}");
}

#[test]
fn a_table_that_is_wider_than_the_terminal_becomes_lists() {
    let cli = Cli::new("keys-narrow");
    let (id, _) = cli.create(&["--scope", "read", "--scope", "write"]);
    let list = at(&cli, "80", &["list"]);
    assert!(list.starts_with(&format!("{id}\n  name      ci\n  hint      ak_")), "{list}");
    assert!(list.contains("\n  state     active\n  scopes    read write\n"), "{list}");
    assert!(!list.contains("expires"), "what there is not is not listed: {list}");
    assert!(list.lines().all(|line| line.width() <= 80), "{list}");
    assert!(at(&cli, "80", &["audit"]).contains("\n  action        created\n"));
    // What fits remains a table, and so does what goes to a file.
    assert!(at(&cli, "80", &["peppers"]).starts_with("VERSION  KEYS  REMOVED"));
    for table in [at(&cli, "500", &["list"]), cli.ok(&["list"])] {
        assert!(table.starts_with("ID  ") && table.lines().count() == 2, "{table}");
    }
}

#[test]
fn no_name_commands_the_terminal() {
    let cli = Cli::new("keys-hostile");
    let name = "a\u{202e}b\u{2066}c";
    cli.ok(&["create", "--account", "acme", "--id", "key_1", "--name", name]);
    for text in [cli.ok(&["list"]), cli.ok(&["show", "key_1"]), at(&cli, "80", &["list"])] {
        assert!(text.contains("a\\u{202e}b\\u{2066}c") && !text.contains(['\u{202e}', '\u{2066}']), "{text:?}");
    }
    let told = cli.run(&["pause", "\u{202e}\u{1b}[2J"]);
    assert!(told.code == 1 && !told.err.contains(['\u{202e}', '\u{1b}']), "{:?}", told.err);
}

#[test]
fn progress_is_for_terminals() {
    let cli = Cli::new("keys-progress");
    let line = |number: usize| json!({ "sha256": format!("{number:064x}"), "account": "acme" }).to_string();
    let path = cli.write("import.jsonl", &(0..120).map(line).collect::<Vec<_>>().join("\n"));
    let told = cli.run(&["import", &path]);
    assert_eq!((told.code, &*told.out, &*told.err), (0, "120 imported, 0 existing, 0 skipped\n", ""));
}
