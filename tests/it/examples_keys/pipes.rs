//! Standard output that nobody reads, and standard input that cannot be read.

use std::{
    fs::{File, OpenOptions},
    process::Stdio,
};

use serde_json::json;

use super::{Cli, Told};
use crate::support::process::ended;

/// Runs a command whose reader has gone away before it prints.
pub(super) fn unread(cli: &Cli, words: &[&str]) -> Told {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    cli.told(cli.command(words).stdout(writer).output().unwrap())
}

#[test]
fn the_reader_of_a_list_may_leave() {
    let cli = Cli::new("keys-pipe-lists");
    let (id, _) = cli.create(&[]);
    for words in [&["list"][..], &["list", "--json"], &["show", &id], &["audit"], &["audit", "--json"], &["schema"]] {
        let told = unread(&cli, words);
        assert_eq!((told.code, &*told.err), (0, ""), "{words:?}");
    }
}

#[test]
fn a_key_that_nobody_has_seen_is_a_failure_that_names_it() {
    let cli = Cli::new("keys-pipe-created");
    let (old, _) = cli.create(&[]);
    let (other, _) = cli.create(&[]);
    for words in [
        &["create", "--account", "acme", "--name", "lost"][..],
        &["create", "--account", "acme", "--name", "lost", "--json"],
        &["rotate", &old, "--overlap", "1h"],
        &["replace", &other],
    ] {
        let told = unread(&cli, words);
        assert_eq!(told.code, 1, "{words:?}: {}", told.err);
        let made = cli.json(&["audit", "--newest", "--limit", "20"]);
        let made = made.iter().find(|row| row["action"] == "created" || !row["after"]["predecessor"].is_null());
        let id = made.unwrap()["key"].as_str().unwrap();
        assert!(
            told.err.contains(&format!("keys replace {id}")) && !told.err.contains("ak_"),
            "{words:?}: {}",
            told.err
        );
        // As it says.
        let replaced = cli.run(&["replace", id]);
        assert!(replaced.code == 0 && replaced.out.starts_with("ak_"), "{words:?}: {}", replaced.err);
        assert_eq!(cli.json(&["show", id])[0]["active"], json!(false));
    }
}

#[test]
fn other_results_that_are_lost_are_failures_and_what_was_done_stays_done() {
    let cli = Cli::new("keys-pipe-changes");
    let ((one, _), (two, _)) = (cli.create(&[]), cli.create(&[]));
    let file =
        cli.write("import.jsonl", &json!({ "sha256": "7".repeat(64), "id": "key_3", "account": "acme" }).to_string());
    for words in [&["pause", &one, &two][..], &["import", &file], &["check"], &["peppers"], &["migrate"]] {
        let told = unread(&cli, words);
        assert!(told.code == 1 && told.err.contains("its result is lost"), "{words:?}: {}", told.err);
    }
    let paused = [&*one, &*two].map(|id| cli.json(&["show", id])[0]["paused"].clone());
    assert_eq!(paused, [json!(true), json!(true)]);
    assert_eq!(cli.run(&["show", "key_3"]).code, 0);
}

#[test]
fn a_full_disk_is_no_reader_who_leaves() {
    let cli = Cli::new("keys-pipe-full");
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in [&["list"][..], &["create", "--account", "acme", "--name", "lost"]] {
        let told = cli.told(cli.command(words).stdout(full()).output().unwrap());
        assert!(told.code == 1 && told.err.contains("No space"), "{words:?}: {}", told.err);
    }
}

#[test]
fn an_import_that_cannot_be_read_any_further_ends() {
    let cli = Cli::new("keys-unreadable");
    let mut command = cli.command(&["import", "-"]);
    let input = File::open(cli.folder.path()).unwrap();
    let mut child = command.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = ended(&mut child);
    let _ = child.kill();
    let told = cli.told(child.wait_with_output().unwrap());
    assert!(status.is_some_and(|status| status.code() == Some(1)), "it reads a folder again and again");
    assert!(told.err.contains("line 1 and all after it cannot be read"), "{}", told.err);
}
