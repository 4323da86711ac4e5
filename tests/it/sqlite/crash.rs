//! A process that is killed while it creates, rotates and revokes keys: what it has reported is there, and nothing is
//! half done.

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tower_auth::{NewKey, Secret, registry::AuditFilter};

use super::{Folder, Office, child, open};
use crate::support::process::{ended, spawn};

const FILE: &str = "TOWER_AUTH_SQLITE_CRASH";
const ROUNDS: usize = 12;

/// Not a test of its own: what the process does until it is killed. It prints every change that is acknowledged.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(file) = env::var_os(FILE) else { return };
    let office = Office::of(open(Path::new(&file)));
    let say = |what: &str, secret: &Secret| {
        let mut out = std::io::stdout().lock();
        // Whoever kills this process does not read to the end.
        drop(writeln!(out, "\nacknowledged {what} {}", secret.expose()).and_then(|()| out.flush()));
    };
    for _ in 0..100_000 {
        let new = NewKey::named("ci").account("acme").organizations(["org"]);
        let old = office.keys.create(&office.admin, new).await.unwrap();
        say("Active", &old.secret);
        let new = office.keys.rotate(&office.admin, old.key.id(), Duration::from_secs(3600)).await.unwrap();
        say("Active", &new.secret);
        office.keys.revoke(&office.admin, old.key.id()).await.unwrap();
        say("Revoked", &old.secret);
        office.keys.delete(&office.admin, new.key.id()).await.unwrap();
        say("Revoked", &new.secret);
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = Folder::new();
    folder.office().await;
    let mut states: HashMap<String, String> = HashMap::new();
    for round in 0..ROUNDS {
        let mut command = child("sqlite::crash::the_process_that_is_killed", FILE, &folder.file());
        let mut process = spawn({
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            command
        })
        .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut note = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            let ["acknowledged", state, secret] = words[..] else { return false };
            states.insert(secret.to_owned(), state.to_owned()).as_deref() != Some("Revoked")
        };
        // The kill hits another step of the work every time.
        let mut left = 3 + 7 * round;
        while left > 0 {
            left -= usize::from(note(lines.next().unwrap().unwrap()));
        }
        process.kill().unwrap();
        assert!(ended(&mut process).is_some());
        // What it printed before it died is acknowledged too. The last line may be cut.
        let rest: Vec<_> = lines.map_while(Result::ok).filter(|line| line.len() > 50).collect();
        for line in rest {
            note(line);
        }
        check(&folder, &states).await;
    }
}

async fn check(folder: &Folder, states: &HashMap<String, String>) {
    let office = folder.office().await;
    for (secret, acknowledged) in states {
        let found = office.state(&Secret::new(secret.clone())).await;
        let found = found.expect("an acknowledged key is there");
        // The next step may have been carried out, and its report lost. A step back would be a loss.
        assert!(found == *acknowledged || found == "Revoked", "{acknowledged} was acknowledged, and it is {found}");
    }
    let connection = folder.connection();
    let count = |text: &str| connection.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
    let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    // Nothing is half done: every key has its rows, and the two keys of a rotation know each other.
    let created = count("SELECT count(*) FROM audit WHERE action = 'created'");
    assert_eq!(count("SELECT count(*) FROM keys"), created);
    assert_eq!(count("SELECT count(*) FROM key_organizations WHERE organization = 'org'"), created);
    let rotated = count("SELECT count(*) FROM audit WHERE action = 'rotated'");
    assert_eq!(
        count("SELECT count(*) FROM keys a JOIN keys b ON a.successor = b.id AND b.predecessor = a.id"),
        rotated
    );
    assert_eq!(count("SELECT count(*) FROM keys WHERE successor IS NOT NULL OR predecessor IS NOT NULL"), 2 * rotated);
    let ended = count("SELECT count(*) FROM audit WHERE action IN ('revoked', 'deleted')");
    assert_eq!(count("SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL"), ended);
    assert!(!office.keys.audit(&office.admin, &AuditFilter::all()).await.unwrap().items.is_empty());
}
