//! The commands of the README, as a new user runs them.

use std::process::Command;

use crate::support::{folder::Folder, server::example};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_commands_of_the_readme_run_one_after_the_other() {
    let section = README.split("## Keys at the command line").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // cargo would wait for the test that runs this; and there is no such server.
    let (alias, rest) = block.split_once('\n').unwrap();
    assert_eq!(alias, "alias keys='cargo run --quiet --example keys --'");
    let script = format!("keys() {{ '{}' \"$@\"; }}\n{rest}", example("keys").display());
    let script = script.replace("postgres://auth@db/app", "sqlite:app.db");
    let folder = Folder::new("keys-readme");
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &script]).current_dir(folder.path()).env("USER", "olga");
    let output = shell.env_remove("KEYS_DATABASE").env_remove("KEYS_SECRETS").output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{out}{err}");
    assert!(
        out.contains("\nak_") && out.contains("1 would be imported") && out.contains("audit      1     1"),
        "{out}"
    );
}
