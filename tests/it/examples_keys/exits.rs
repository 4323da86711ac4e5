//! What is refused, and by which exit code.

use super::Cli;

#[test]
fn each_kind_of_failure_has_its_code() {
    let cli = Cli::new("keys-exits");
    let (id, _) = cli.create(&[]);
    cli.ok(&["revoke", &id]);
    let named = ["create", "--account", "acme", "--name", "ci"];
    let with = |more: &[&'static str]| [&named[..], more].concat();
    for (code, words) in [
        (1, vec!["show", "key_nobody"]),
        (1, vec!["pause", &id]),
        (1, vec!["pause", "key_nobody", &id]),
        (1, with(&["--scope", "two words"])),
        (2, vec!["list", "--acount", "acme"]),
        (2, vec!["pause"]),
        (2, vec!["suspend"]),
        (2, vec!["suspend", "--account", "a", "--organization", "b"]),
        (2, with(&["--expires-in", "soon"])),
        (2, with(&["--network", "everywhere"])),
        (2, with(&["--note", "nothing"])),
        (2, with(&["--format", "ak"])),
        (2, with(&["--format", "ak:4"])),
        (2, with(&["--secrets", "/nobody/made/these"])),
        (2, vec!["list", "--database", "mysql://localhost"]),
        (2, vec!["list", "--database", "keys.db"]),
        (2, vec!["migrate", "--database", "sqlite:"]),
        (2, vec!["list", "--database", "postgres://u:p@ss:word@127.0.0.1:1/x"]),
        (2, vec!["copy", "sqlite:a", "sqlite:a"]),
        (3, vec!["list", "--database", "sqlite:/no/such/folder/keys.db"]),
        (3, vec!["migrate", "--database", "sqlite:/no/such/folder/keys.db"]),
        (3, vec!["list", "--database", "postgres://u:hunter2@127.0.0.1:1/x"]),
    ] {
        let told = cli.run(&words);
        assert_eq!(told.code, code, "{words:?}: {}", told.err);
        assert!(told.out.is_empty() && !told.err.is_empty(), "{words:?}: {}", told.out);
        assert!(!told.err.contains("hunter2") && !told.err.contains("panicked"), "{}", told.err);
    }
    let told = cli.run(&["show", "key_nobody", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!((told.code, &error["exit"]), (1, &1.into()));
}

#[test]
fn keys_are_stored_as_the_operator_has_said() {
    let cli = Cli::new("keys-scheme");
    let words = ["create", "--account", "acme", "--name", "ci"];
    let told = cli.told(cli.command(&words).env_remove("KEYS_SECRETS").output().unwrap());
    assert_eq!((told.code, &*told.out), (2, ""), "a key that no server accepts is not created");
    assert!(told.err.contains("--secrets") && told.err.contains("--sha256"), "{}", told.err);
}

#[test]
fn a_file_without_tables_is_refused_and_a_missing_one_not_created() {
    let cli = Cli::bare("keys-schema");
    let told = cli.run(&["list"]);
    assert!(told.code == 3 && cli.folder.files().len() == 1, "{}", told.err);
    assert!(cli.ok(&["schema"]).contains("CREATE TABLE keys ("));
    let postgres = cli.ok(&["schema", "--database", "postgres://nobody@127.0.0.1:1/x"]);
    assert!(postgres.contains("CREATE SCHEMA IF NOT EXISTS \"tower_auth\""));
    assert_eq!(cli.folder.files().len(), 1, "nothing is opened");
    cli.write("keys.db", "");
    let told = cli.run(&["check"]);
    assert!(told.code == 1 && told.err.contains("keys migrate"), "{}", told.err);
    cli.ok(&["migrate"]);
    cli.ok(&["migrate"]);
    assert_eq!(cli.ok(&["check"]), "the tables fit\n");
}
