//! The least that a look-up can cost: the bare driver's prepared statement.

use std::{
    path::Path,
    sync::mpsc::{Sender, channel},
    thread,
};

use deadpool_postgres::Pool;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tower_auth::{PostgresKeyStore, SqliteKeyStore};

use super::{Keys, runtime};
use crate::harness::{Bench, Row};

/// The columns that a guard needs.
const COLUMNS: &str = "id, pepper, hint, account, subject, organizations, scopes, roles, plan, limits, environment, \
                       restrictions, active, paused, created_at, not_before, expires_at, last_used_at, revoked_at, \
                       first_id, account_suspended, organization_suspended";

/// The texts of a row: what a caller has to keep of it.
type Texts = Vec<String>;
type Question = ([u8; 32], oneshot::Sender<Option<Texts>>);

/// Adds the rows of a bare statement of SQLite, on a thread of its own.
pub(crate) fn sqlite_floor(bench: &mut Bench, path: &Path, keys: &Keys<SqliteKeyStore>) -> (Row, Row) {
    let asking = sqlite_thread(path);
    let mut row = |name: &str, digests: Vec<[u8; 32]>, found: bool| {
        let (asking, mut next) = (asking.clone(), 0);
        bench.work(name, move || {
            next = (next + 1) % digests.len();
            let (answer, answered) = oneshot::channel();
            asking.send((digests[next], answer)).expect("the thread lives");
            let texts = runtime().block_on(answered).expect("the thread answers");
            assert_eq!(texts.is_some(), found);
            texts
        })
    };
    let hit = row("sqlite: bare statement, hit", first(&keys.known), true);
    (hit, row("sqlite: bare statement, miss", first(&keys.unknown), false))
}

fn first(keys: &[tower_auth::KeyDigests]) -> Vec<[u8; 32]> {
    keys.iter().map(|key| *key.iter().next().expect("a key has a digest").as_bytes()).collect()
}

fn sqlite_thread(path: &Path) -> Sender<Question> {
    let (asking, asked) = channel::<Question>();
    let connection = Connection::open(path).expect("the file is opened");
    thread::spawn(move || {
        let text = format!("SELECT {COLUMNS} FROM verify WHERE digest = ?1");
        let mut statement = connection.prepare(&text).expect("the statement is right");
        while let Ok((digest, answer)) = asked.recv() {
            let mut rows = statement.query([&digest[..]]).expect("the statement runs");
            let row = rows.next().expect("the statement runs");
            drop(answer.send(row.map(|row| {
                // Text is copied; numbers are read.
                (0..22)
                    .filter_map(|column| match row.get_ref(column).expect("a column") {
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.to_vec()).ok(),
                        _ => None,
                    })
                    .collect()
            })));
        }
    });
    asking
}

/// Adds the rows of a bare statement of PostgreSQL.
pub(crate) fn postgres_floor(bench: &mut Bench, pool: &Pool, keys: &Keys<PostgresKeyStore>) -> (Row, Row) {
    let text = format!("SELECT {COLUMNS} FROM tower_auth.verify WHERE digest = $1");
    let mut row = |name: &str, digests: Vec<[u8; 32]>, found: bool| {
        let (pool, text, mut next) = (pool.clone(), text.clone(), 0);
        bench.work(name, move || {
            next = (next + 1) % digests.len();
            let texts = runtime().block_on(async {
                let client = pool.get().await.expect("there is a connection");
                let statement = client.prepare_cached(&text).await.expect("the statement is right");
                let row = client.query_opt(&statement, &[&&digests[next][..]]).await.expect("the server answers");
                row.map(|row| -> Texts {
                    let lists = [5, 6, 7].map(|column| row.get::<_, Vec<String>>(column));
                    let texts = [0, 2, 3, 4].map(|column| row.get::<_, String>(column));
                    texts.into_iter().chain(lists.into_iter().flatten()).collect()
                })
            });
            assert_eq!(texts.is_some(), found);
            texts
        })
    };
    let hit = row("postgres: bare statement, hit", first(&keys.known), true);
    (hit, row("postgres: bare statement, miss", first(&keys.unknown), false))
}
