//! Processes that are killed in the middle of creates, rotations and revokes: what was acknowledged is there, and nothing is
//! half done.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tower_auth::{
    KeyRegistry, PostgresKeyStore,
    registry::{Actor, AuditFilter, KeyAction, KeyFilter, KeyInfo},
};

use super::{Tables, admin, pool, scheme};
use crate::support::postgres;

const URL: &str = "TOWER_AUTH_TEST_CHANGES";

/// The child: it changes keys and prints each change that was acknowledged.
#[tokio::test]
async fn changes_of_a_child() {
    let Ok(url) = env::var(URL) else { return };
    let keys = KeyRegistry::new(scheme(), PostgresKeyStore::from_pool(pool(&url, 2, "")));
    let actor = Actor::named("child");
    let say = |what: &str, id: &str| {
        // One write, so that the last line is whole or missing.
        let _ = std::io::stdout().write_all(format!("ACK {what} {id}\n").as_bytes());
    };
    loop {
        let new = tower_auth::NewKey::named("ci").account("acme");
        let Ok(first) = keys.create(&actor, new).await else { return };
        say("created", first.key.id());
        let Ok(second) = keys.rotate(&actor, first.key.id(), Duration::from_secs(3600)).await else { return };
        say("created", second.key.id());
        say("rotated", first.key.id());
        let Ok(_) = keys.revoke(&actor, first.key.id()).await else { return };
        say("revoked", first.key.id());
    }
}

fn start(url: &str) -> Child {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "postgres::killed::changes_of_a_child", "--nocapture"]);
    child.env(URL, url).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Reads so many acknowledgements, kills, and reads the rest.
fn acknowledged(mut child: Child, lines: usize, kill: impl FnOnce(&mut Child)) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut next = |all: &mut Vec<(String, String)>| {
        let line = reader.next()?;
        if let Some((what, id)) = line.split_once("ACK ").and_then(|(_, rest)| rest.split_once(' ')) {
            all.push((what.to_owned(), id.to_owned()));
        }
        Some(())
    };
    while all.len() < lines {
        next(&mut all).unwrap_or_else(|| panic!("the child stopped after {} changes", all.len()));
    }
    kill(&mut child);
    while next(&mut all).is_some() {}
    child.wait().unwrap();
    all
}

#[tokio::test]
async fn a_killed_process_leaves_whole_changes() {
    let Some(tables) = Tables::new().await else { return };
    let mut all = Vec::new();
    for round in 0..5 {
        let child = start(&tables.database.url());
        all.extend(acknowledged(child, 9 + round * 4, |child| child.kill().unwrap()));
    }
    tables.assert_whole(&all).await;
}

#[tokio::test]
async fn a_killed_server_has_lost_nothing() {
    let Some(mut server) = postgres::private(&["synchronous_commit=off", "wal_writer_delay=10s"]) else { return };
    let tables = Tables::over(server.database());
    tables.store.migrate().await.unwrap();
    let mut all = Vec::new();
    for round in 0..3 {
        let child = start(&tables.database.url());
        all.extend(acknowledged(child, 11 + round * 4, |_| server.kill()));
        server.start();
    }
    tables.assert_whole(&all).await;
}

impl Tables {
    async fn assert_whole(&self, acknowledged: &[(String, String)]) {
        let registry = KeyRegistry::new(scheme(), self.store.clone());
        let all = registry.list(&admin(), &KeyFilter::all().limit(1000)).await.unwrap();
        assert!(all.next.is_none());
        let keys: BTreeMap<&str, &KeyInfo> = all.items.iter().map(|key| (key.id(), key)).collect();
        for (what, id) in acknowledged {
            let key = keys.get(&**id).unwrap_or_else(|| panic!("{what} {id} was acknowledged and is lost"));
            match &**what {
                "rotated" => assert!(key.successor().is_some()),
                "revoked" => assert!(key.revoked_at().is_some()),
                _ => {}
            }
        }
        let log = registry.audit(&admin(), &AuditFilter::all().limit(1000)).await.unwrap().items;
        let rows = |id: &str, action: &KeyAction| {
            log.iter().filter(|row| row.key.as_deref() == Some(id) && row.action == *action).count()
        };
        for key in keys.values() {
            // The row of the log, and both ends of a rotation, are in the transaction of the change.
            let counts =
                [KeyAction::Created, KeyAction::Rotated, KeyAction::Revoked].map(|action| rows(key.id(), &action));
            let wanted = [1, usize::from(key.successor().is_some()), usize::from(key.revoked_at().is_some())];
            assert_eq!(counts, wanted, "{}", key.id());
            for (other, back) in [(key.successor(), true), (key.predecessor(), false)] {
                let Some(other) = other else { continue };
                let found = keys.get(other).unwrap_or_else(|| panic!("{} leads to {other}", key.id()));
                let link = if back { found.predecessor() } else { found.successor() };
                assert_eq!(link, Some(key.id()));
            }
        }
    }
}
