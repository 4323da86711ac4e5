//! Processes that are killed between a rotation and its answer: the session is of the old generation or of the new one, and the
//! rotation can be repeated.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use super::*;
use crate::support::process::{ended, spawn};

/// Where the child rotates: the URL of a database, or a file.
const PLACE: &str = "TOWER_AUTH_TEST_SESSIONS";
const ROUNDS: i64 = 8;

/// A store of any kind.
fn open(place: &str) -> Box<dyn SessionStore> {
    if !place.starts_with("postgresql:") {
        return Box::new(SqliteKeyStore::open(place).unwrap());
    }
    let manager = deadpool_postgres::Manager::new(place.parse().unwrap(), tokio_postgres::NoTls);
    Box::new(PostgresKeyStore::from_pool(deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap()))
}

/// Not a test of its own: what the process does until it is killed.
#[tokio::test]
async fn rotations_until_killed() {
    let Ok(place) = env::var(PLACE) else { return };
    let store = open(&place);
    let first = i64::from(store.find("one").await.unwrap().unwrap().generation());
    for generation in first + 1.. {
        // One write, so that the last line is whole or missing.
        let say = |what: &str| drop(std::io::stdout().write_all(format!("\n{what} {generation}\n").as_bytes()));
        say("tried");
        assert!(store.rotate(&session("one", generation)).await.unwrap());
        say("done");
    }
}

fn start(place: &str) -> Child {
    // The name of this module has one part more in the whole binary than in a part of it.
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::rotations_until_killed"), "--nocapture"]).env(PLACE, place);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    spawn(command).unwrap()
}

/// Kills a process after so many rotations and lines. Returns the last generation that it has tried, and the last one that
/// was answered.
fn killed(place: &str, mut rotations: i64, mut lines: i64) -> (i64, i64) {
    let (mut child, mut tried, mut done) = (start(place), 0, 0);
    let all = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in all {
        let Some((what, Ok(generation))) = line.split_once(' ').map(|(what, number)| (what, number.parse())) else {
            continue;
        };
        match what {
            "tried" => tried = generation,
            "done" => (done, rotations) = (generation, rotations - 1),
            _ => continue,
        }
        lines -= i64::from(rotations <= 0);
        if lines == 0 {
            child.kill().unwrap();
        }
    }
    assert!(ended(&mut child).is_some_and(|status| !status.success()), "it was killed");
    (tried, done)
}

async fn killed_again_and_again(place: &str) {
    let store = open(place);
    store.create(&session("one", 0)).await.unwrap();
    for round in 0..ROUNDS {
        // The kill hits another step every time.
        let (tried, done) = killed(place, 2 + round % 3, 1 + round % 5);
        assert!(done > 0 && (done == tried || done == tried - 1), "{done} {tried}");
        let found = store.find("one").await.unwrap().unwrap();
        assert!(found == session("one", tried) || found == session("one", tried - 1), "{found:?}");
        assert!(i64::from(found.generation()) >= done, "an answered rotation is lost");
        // The server may still be at work on what the process has sent.
        let is_new = store.rotate(&session("one", tried)).await.unwrap();
        assert!(!is_new || done < tried);
        assert_eq!(store.find("one").await.unwrap(), Some(session("one", tried)));
    }
}

#[tokio::test]
async fn a_killed_process_leaves_one_generation_in_sqlite() {
    let folder = Folder::new("sqlite-sessions-killed");
    drop(sqlite(&folder, "keys.db").await);
    killed_again_and_again(folder.path().join("keys.db").to_str().unwrap()).await;
}

#[tokio::test]
async fn a_killed_process_leaves_one_generation_in_postgres() {
    let databases = Databases::default();
    if databases.fresh().await.is_none() {
        return;
    }
    let place = databases.0.lock().unwrap()[0].url();
    killed_again_and_again(&place).await;
}
