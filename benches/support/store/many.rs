//! A million keys: what a look-up, a page and a start cost, and how much room the keys take.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tower_auth::{
    KeyStore, MemoryKeyStore, PostgresKeyStore, SqliteKeyStore,
    registry::{Cursor, KeyFilter, RegistryStore},
};

use super::{Keys, SOME, runtime, sqlite};
use crate::{
    harness::{Bench, Effort},
    support::postgres::{Database, execute},
};

/// One in so many keys belongs to the account whose page is listed.
const ACCOUNTS: usize = 1_000;

/// Measures all stores, or only runs everything once.
pub(crate) fn all(folder: &Path, postgres: Option<(&Database, PostgresKeyStore)>, most: usize, effort: Option<Effort>) {
    println!("# {most} keys\n");
    let mut bench = Bench::default();

    let before = resident();
    let memory = Keys::new(MemoryKeyStore::new(), most);
    println!("- memory: {} of RAM, {} a key", size(resident() - before), size((resident() - before) / most as u64));
    rows(&mut bench, "memory", &memory, most);

    let path = folder.join("many.db");
    let keys = Keys::new(sqlite(&path), SOME.min(most));
    fill_sqlite(&path, most);
    let (started, before) = (Instant::now(), resident());
    let store = SqliteKeyStore::open(&path).expect("the file is opened");
    runtime().block_on(store.check_schema()).expect("the schema fits");
    runtime().block_on(store.find(&keys.known[0])).expect("the store answers");
    started_in("sqlite", started.elapsed(), resident().saturating_sub(before));
    println!("- sqlite: {} on the disk", size(fs::metadata(&path).map_or(0, |file| file.len())));
    rows(&mut bench, "sqlite", &Keys { store, ..keys }, most);

    if let Some((database, store)) = postgres {
        let keys = Keys::new(store.clone(), SOME.min(most));
        execute(&database.url(), &filling(most)).expect("the keys are filled in");
        let started = Instant::now();
        runtime().block_on(store.check_schema()).expect("the schema fits");
        started_in("postgres", started.elapsed(), 0);
        rows(&mut bench, "postgres", &keys, most);
    }
    if let Some(effort) = effort {
        println!();
        bench.report(effort);
    }
}

/// Adds the rows of look-ups and of pages.
fn rows<S: KeyStore + RegistryStore + Clone>(bench: &mut Bench, name: &str, keys: &Keys<S>, most: usize) {
    keys.rows(bench, name);
    let half = Cursor::after(i64::try_from(most / 2).unwrap_or(0));
    for (what, filter) in [
        ("the first 100 keys", KeyFilter::all()),
        ("100 keys from the middle", KeyFilter::all().after(half)),
        ("100 keys of an account", KeyFilter::account("account_7")),
    ] {
        let store = keys.store.clone();
        bench.work(&format!("{name}: {what}"), move || {
            runtime().block_on(store.list(&filter)).expect("the store answers").items.len()
        });
    }
}

fn fill_sqlite(path: &Path, most: usize) {
    let connection = Connection::open(path).expect("the file is opened");
    let fill = format!(
        "INSERT INTO keys (id, digest, pepper, name, hint, account, subject, organizations, scopes, roles, plan, active,
             paused, created_at, created_by)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {most})
         SELECT 'key_' || n, randomblob(32), 1, 'filled', 'bench_…', 'account_' || (n % {ACCOUNTS}), 'subject',
             '[\"org_1\"]', '[\"read\",\"write\"]', '[]', 'standard', 1, 0, 1780401600000000, 'bench' FROM numbers"
    );
    connection.execute_batch(&fill).expect("the keys are filled in");
}

fn filling(most: usize) -> String {
    format!(
        "INSERT INTO tower_auth.keys (id, digest, pepper, name, hint, account, subject, organizations, scopes, roles,
             plan, active, paused, created_at, created_by)
         SELECT 'key_' || n, sha256(('key' || n)::bytea), 1, 'filled', 'bench_…', 'account_' || (n % {ACCOUNTS}),
             'subject', '{{org_1}}', '{{read,write}}', '{{}}', 'standard', true, false, now(), 'bench'
         FROM generate_series(1, {most}) AS n"
    )
}

fn started_in(name: &str, time: Duration, memory: u64) {
    println!("- {name}: started in {:.1} ms, with {} of RAM", time.as_secs_f64() * 1e3, size(memory));
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
