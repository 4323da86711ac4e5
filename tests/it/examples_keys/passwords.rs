//! The password of a PostgreSQL database, outside of the command line.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{Cli, Told};
use crate::support::{postgres, process::until};

const PASSWORD: &str = r"pa:ss\word@1";

fn with(cli: &Cli, url: &str, name: &str, value: &str) -> Told {
    let words = ["check", "--database", url];
    cli.told(cli.command(&words).env(name, value).output().unwrap())
}

/// A server whose roles, but not its superuser, have to give a password. Returns it and the URL of a database without the
/// password.
fn strict(cli: &Cli) -> Option<(postgres::Server, String)> {
    let server = postgres::private(&[])?;
    let url = server.database().url();
    cli.ok(&["migrate", "--database", &url]);
    let role = url.split(['/', '@']).nth(2).unwrap();
    postgres::execute(&server.url(), &format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'")).unwrap();
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(server.data_folder().join("pg_hba.conf"), rules).unwrap();
    postgres::execute(&server.url(), "SELECT pg_reload_conf()").unwrap();
    assert!(until(|| cli.run(&["check", "--database", &url]).code == 3), "no password is needed");
    Some((server, url))
}

fn passfile(path: &Path, mode: u32, lines: &str) {
    fs::write(path, lines).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_comes_from_the_environment_or_a_file_as_with_psql() {
    let cli = Cli::new("keys-passwords");
    let Some((_server, url)) = strict(&cli) else { return };
    let told = cli.run(&["check", "--database", &url]);
    assert!(told.err.contains("password") && told.err.contains("PGPASSFILE"), "it says what to do: {}", told.err);
    assert_eq!(with(&cli, &url, "PGPASSWORD", PASSWORD).code, 0);
    assert_eq!(with(&cli, &url, "PGPASSWORD", "wrong").code, 3);

    let path = cli.folder.path().join("passwords");
    let name = path.to_str().unwrap();
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap();
    let lines = format!(
        "# none of these but the last\n127.0.0.1:1:*:*:wrong\nother:{port}:*:*:wrong\nshort\n127.0.0.1:{port}:*:*:pa\\:ss\\\\word@1\n"
    );
    passfile(&path, 0o600, &lines);
    assert_eq!(with(&cli, &url, "PGPASSFILE", name).code, 0);
    let mut copy = cli.command(&["copy", &cli.database, &url]);
    assert_eq!(cli.told(copy.env("PGPASSFILE", name).output().unwrap()).code, 0);
    passfile(&path, 0o640, &lines);
    let told = with(&cli, &url, "PGPASSFILE", name);
    assert!(told.code == 3 && told.err.matches("chmod 600").count() == 1, "{}", told.err);

    // The file in the home folder, and a password in the URL, which comes first.
    passfile(&cli.folder.path().join(".pgpass"), 0o600, &lines);
    assert_eq!(cli.run(&["check", "--database", &url]).code, 0);
    let wrong = url.replacen('@', ":hunter2@", 1);
    assert_eq!(cli.run(&["check", "--database", &wrong]).code, 3);
    let said = cli.said.lock().unwrap();
    assert!(!said.contains("hunter2") && !said.contains("word@1"), "{said}");
}
