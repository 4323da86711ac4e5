//! Everything moves to another database.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Cli, lines};
use crate::support::{postgres, process::until};

/// A database with something of every kind. Returns a key that was removed.
fn filled(name: &str) -> (Cli, String) {
    let cli = Cli::new(name);
    let (gone, secret) = cli.create(&["--note", "größe=鍵"]);
    let (first, _) = cli.create(&["--organization", "org_1", "--network", "192.0.2.0/24", "--expires-in", "90d"]);
    cli.ok(&["rotate", &first, "--overlap", "1h"]);
    let (deleted, _) = cli.create(&["--id", "key 'quoted'"]);
    cli.ok(&["delete", &gone]);
    cli.ok(&["purge", "--deleted-before", "0s"]);
    cli.ok(&["delete", &deleted]);
    cli.ok(&["suspend", "--account", "acme"]);
    cli.ok(&["suspend", "--organization", "org_1"]);
    (cli, secret)
}

/// Everything that can be listed.
fn listing(cli: &Cli, url: &str) -> Vec<Value> {
    let list = lines(&cli.ok(&["list", "--deleted", "--json", "--database", url]));
    let audit = lines(&cli.ok(&["audit", "--json", "--database", url]));
    assert!(list.len() >= 3 && audit.len() >= 8, "{list:?} {audit:?}");
    [list, audit].concat()
}

fn beside(cli: &Cli, name: &str) -> String {
    let url = format!("sqlite:{}", cli.folder.path().join(name).display());
    cli.ok(&["migrate", "--database", &url]);
    url
}

fn assert_removed(cli: &Cli, url: &str, secret: &str) {
    let path = cli.write("gone.jsonl", &format!("{}\n", json!({ "key": secret, "account": "evil" })));
    let told = cli.run(&["import", &path, "--database", url]);
    assert!(told.code == 1 && told.err.contains("revoked or removed"), "{}{}", told.out, told.err);
}

#[test]
fn a_copy_is_whole_and_can_be_repeated() {
    let (cli, secret) = filled("keys-copy");
    let to = beside(&cli, "copy.db");
    let copied = cli.json(&["copy", &cli.database, &to]).remove(0);
    assert_eq!(copied["keys"], json!({ "from": 3, "to": 3 }));
    assert_eq!((&copied["removed"]["to"], &copied["suspended"]["to"]), (&json!(1), &json!(2)));
    assert_eq!(copied["audit"]["from"], copied["audit"]["to"]);
    assert_eq!(listing(&cli, &cli.database), listing(&cli, &to));
    assert_eq!(cli.json(&["copy", &cli.database, &to]), [copied], "again changes nothing");
    assert_removed(&cli, &to, &secret);
    // What came later is copied by the next run.
    cli.create(&[]);
    assert_eq!(cli.json(&["copy", &cli.database, &to])[0]["keys"], json!({ "from": 4, "to": 4 }));
    assert_eq!(listing(&cli, &cli.database), listing(&cli, &to));
}

#[test]
fn a_database_of_others_is_refused_unless_it_is_merged() {
    let (cli, secret) = filled("keys-merge");
    let to = beside(&cli, "other.db");
    cli.ok(&["create", "--account", "other", "--name", "theirs", "--database", &to]);
    let before = cli.ok(&["audit", "--json", "--database", &to]);
    let told = cli.run(&["copy", &cli.database, &to]);
    assert!(told.code == 1 && told.err.contains("--merge"), "{}", told.err);
    assert_eq!(cli.ok(&["audit", "--json", "--database", &to]), before, "nothing is written");
    let merged = cli.json(&["copy", &cli.database, &to, "--merge"]).remove(0);
    assert_eq!(merged["keys"], json!({ "from": 3, "to": 4 }));
    assert_eq!(cli.json(&["copy", &cli.database, &to, "--merge"]), [merged], "again changes nothing");
    assert_removed(&cli, &to, &secret);
    // A key that differs is not overwritten, and the run says so.
    let (id, _) = cli.create(&[]);
    cli.ok(&["copy", &cli.database, &to, "--merge"]);
    cli.ok(&["revoke", &id, "--database", &to]);
    let told = cli.run(&["copy", &cli.database, &to, "--merge"]);
    assert!(told.code == 1 && told.err.contains(&id), "{}", told.err);
    let shown = cli.ok(&["show", &id, "--database", &to]);
    assert!(shown.contains("state         revoked"), "what is revoked stays revoked");
}

#[tokio::test]
async fn sqlite_postgres_and_back_is_the_same() {
    let Some(database) = postgres::database().await else { return };
    let (cli, secret) = filled("keys-copy-postgres");
    let (middle, back) = (database.url(), beside(&cli, "back.db"));
    cli.ok(&["migrate", "--database", &middle]);
    cli.ok(&["check", "--database", &middle]);
    cli.ok(&["copy", &cli.database, &middle]);
    cli.ok(&["copy", &cli.database, &middle]);
    assert_removed(&cli, &middle, &secret);
    cli.ok(&["copy", &middle, &back]);
    let listed = listing(&cli, &cli.database);
    assert_eq!(listed, listing(&cli, &middle));
    assert_eq!(listed, listing(&cli, &back));
    assert_removed(&cli, &back, &secret);
    let (id, _) = cli.create(&["--database", &middle]);
    assert!(cli.ok(&["pause", &id, "--database", &middle]).contains("paused"));
}

#[test]
fn a_change_during_the_copy_is_noticed() {
    let (cli, _) = filled("keys-copy-changed");
    let (id, _) = cli.create(&[]);
    let (to, later) = (beside(&cli, "copy.db"), beside(&cli, "later.db"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                cli.ok(&["pause", &id]);
                cli.ok(&["resume", &id]);
            }
        });
        let noticed = until(|| {
            let told = cli.run(&["copy", &cli.database, &to]);
            told.code == 1 && told.err.contains("FROM was changed during the copy")
        });
        stop.store(true, Ordering::Relaxed);
        assert!(noticed, "a change was not noticed");
    });
    let told = cli.run(&["copy", &cli.database, &later]);
    assert!(told.code == 0 && told.err.contains("a later change of FROM is not in TO"), "{}", told.err);
    assert_eq!(listing(&cli, &cli.database), listing(&cli, &later));
}

#[test]
fn a_database_is_not_copied_to_itself() {
    let (cli, _) = filled("keys-copy-itself");
    let folder = cli.folder.path().file_name().unwrap().to_str().unwrap();
    let other = cli.database.replace("/keys.db", &format!("/../{folder}/keys.db"));
    let told = cli.run(&["copy", &cli.database, &other]);
    assert!(told.code == 2 && told.err.contains("the same database"), "{}", told.err);
}
