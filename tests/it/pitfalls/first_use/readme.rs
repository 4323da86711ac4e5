//! README's programs, each built as a user would: a package of its own that knows nothing of this one's dependencies.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{process::free_address, server::PATIENCE};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../../../../README.md");

/// A block of Rust, and the commands that stand between it and the block before it.
struct Program {
    commands: Vec<String>,
    code: String,
}

/// The fenced blocks: what stands behind the fence, and the lines.
fn blocks(markdown: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let block =
                lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |all, line| all + line + "\n");
            blocks.push((kind, block));
        }
    }
    blocks
}

fn programs(markdown: &str) -> Vec<Program> {
    let mut programs = Vec::new();
    let mut commands = Vec::new();
    for (kind, block) in blocks(markdown) {
        if kind.starts_with("console") {
            let added =
                block.lines().filter_map(|line| line.strip_prefix("$ ")).filter(|line| line.starts_with("cargo add "));
            commands.extend(added.map(str::to_owned));
        } else if kind.starts_with("rust") {
            programs.push(Program { commands: std::mem::take(&mut commands), code: block });
        }
    }
    programs
}

/// `target`, where the dependencies of the tests are built already.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

impl Program {
    /// Makes the package by the commands of the README, with the versions of this package's lock file, from what was
    /// downloaded for it, and builds it. Gives the program where it is one.
    fn build(&self, name: &str) -> PathBuf {
        let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&package);
        fs::create_dir_all(package.join("src")).unwrap();
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n");
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
        fs::copy(Path::new(ROOT).join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
        let runs = self.code.contains("fn main()");
        fs::write(package.join(if runs { "src/main.rs" } else { "src/lib.rs" }), &self.code).unwrap();
        for command in &self.commands {
            let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
            if words.contains(&"tower-auth") {
                words.extend(["--path", ROOT]);
            }
            cargo(&package, &words);
        }
        cargo(&package, &[if runs { "build" } else { "check" }]);
        target().join("debug").join(name)
    }
}

fn cargo(package: &Path, arguments: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).args(["--quiet", "--offline"]).current_dir(package).env("CARGO_TARGET_DIR", target());
    let done = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "cargo {}: {said}", arguments.join(" "));
    // A first program that warns is no good advertisement.
    assert!(!said.contains("warning"), "cargo {}: {said}", arguments.join(" "));
}

/// A process that is killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body that a `curl` line of the README gets.
fn curl(line: &str, server: SocketAddr) -> String {
    let line = line.strip_prefix("curl localhost:8080").unwrap();
    let (path, header) = line.split_once(" -H '").unwrap_or((line, ""));
    let header = header.trim_end_matches('\'');
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Without what differs each time.
fn masked(body: &str) -> String {
    ["\"trace_id\":\"", "\"timestamp\":\""].iter().fold(body.to_owned(), |body, name| match body.split_once(name) {
        Some((before, value)) => format!("{before}{name}{}", &value[value.find('"').unwrap()..]),
        None => body,
    })
}

#[test]
fn p85_each_program_says_what_to_add_and_hides_no_line() {
    let programs = programs(README);
    assert_eq!(programs.len(), 2);
    for Program { commands, code } in programs {
        assert!(
            commands.iter().any(|command| command.starts_with("cargo add tower-auth")),
            "nothing is added for\n{code}"
        );
        // What rustdoc hides, a user who copies it from the README's page does not miss.
        assert!(!code.lines().any(|line| line == "#" || line.starts_with("# ")), "a line is hidden in\n{code}");
    }
}

/// The first program is built, and answers its four calls as the README shows.
#[test]
fn p85_the_first_program_builds_by_itself_and_answers_as_shown() {
    const ADDRESS: &str = "127.0.0.1:8080";
    let mut program = programs(README).remove(0);
    assert!(program.code.contains(ADDRESS));
    // Port 8080 may be somebody's on the machine of the tests.
    let server = free_address();
    program.code = program.code.replace(ADDRESS, &server.to_string());
    let built = program.build("readme-first");
    let mut running = Running(Command::new(built).stdin(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(server).is_err() {
        assert!(
            running.0.try_wait().unwrap().is_none() && Instant::now() < deadline,
            "the first program does not listen"
        );
        thread::sleep(Duration::from_millis(20));
    }
    let calls = blocks(README).into_iter().find(|(_, block)| block.starts_with("$ curl")).unwrap().1;
    let mut lines = calls.lines().filter(|line| !line.is_empty());
    let mut called = 0;
    while let Some(call) = lines.next() {
        assert_eq!(masked(&curl(&call[2..], server)), masked(lines.next().unwrap()), "{call}");
        called += 1;
    }
    assert_eq!(called, 4);
}

#[test]
fn p85_the_other_programs_build_by_themselves() {
    for (number, program) in programs(README).iter().enumerate().skip(1) {
        program.build(&format!("readme-{number}"));
    }
}
