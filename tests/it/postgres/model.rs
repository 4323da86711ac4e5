//! Random changes, carried out in the memory of the process and in the tables, with the same result.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Builder;
use tower_auth::{
    MemoryKeyStore, PostgresKeyStore, RegistryError,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyAction, KeyFilter, KeyInfo, KeyRow,
        RegistryStore,
    },
};

use super::{Tables, at, create, digests, forget, key};

const NAMES: [&str; 3] = ["acme", "ö", "a,b"];

#[derive(Clone, Debug)]
enum Command {
    Create(u8, usize),
    Update(u8, usize, bool, bool),
    Revoke(u8),
    Rehash(u8, bool),
    Used(Vec<(u8, i64)>),
    Remove(u8),
    Suspend(usize, bool, i64),
    Reinstate(usize, bool),
    Erase(usize),
    Forget(i64),
    ForgetAddresses(i64),
    Refuse(u8),
}

fn command() -> impl Strategy<Value = Command> {
    let (number, name, time) = (0..6_u8, 0..NAMES.len(), 990..1_030_i64);
    prop_oneof![
        6 => (number.clone(), name.clone()).prop_map(|(n, name)| Command::Create(n, name)),
        4 => (number.clone(), name.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(n, name, active, paused)| Command::Update(n, name, active, paused)),
        1 => number.clone().prop_map(Command::Revoke),
        1 => (number.clone(), any::<bool>()).prop_map(|(n, older)| Command::Rehash(n, older)),
        3 => prop::collection::vec((number.clone(), time.clone()), 0..4).prop_map(Command::Used),
        2 => number.clone().prop_map(Command::Remove),
        2 => (name.clone(), any::<bool>(), time.clone()).prop_map(|(n, kind, at)| Command::Suspend(n, kind, at)),
        1 => (name.clone(), any::<bool>()).prop_map(|(n, kind)| Command::Reinstate(n, kind)),
        1 => name.prop_map(Command::Erase),
        1 => time.clone().prop_map(Command::Forget),
        1 => time.prop_map(Command::ForgetAddresses),
        1 => number.prop_map(Command::Refuse),
    ]
}

fn id(number: u8) -> String {
    format!("key_{number}")
}

fn holder(name: usize, account: bool) -> Holder {
    if account { Holder::account(NAMES[name]) } else { Holder::organization(NAMES[name]) }
}

fn named(number: u8, name: usize) -> KeyInfo {
    let record = key(&id(number), NAMES[name]).record().clone().organizations([NAMES[(name + 1) % 3], "x"]);
    KeyInfo::of(record).named("ci").created(at(1_000), "alice")
}

/// The ids to lock, and what is decided about the entries.
fn decision(command: &Command) -> (Vec<String>, Decide) {
    let command = command.clone();
    let ids = match &command {
        Command::Update(n, ..) | Command::Revoke(n) | Command::Rehash(n, _) | Command::Refuse(n) => vec![id(*n)],
        _ => Vec::new(),
    };
    let decide = move |entries: &[Entry]| {
        let with = |key: KeyInfo, entry: &Entry| Change::Update(Entry::new(key, *entry.digest(), entry.pepper()));
        let found = entries.first();
        let mut changes: Vec<Change> = match &command {
            Command::Create(n, name) => vec![create(named(*n, *name), *n)],
            Command::Update(_, name, active, paused) => {
                let changed = |entry: &Entry| entry.key().clone().named(NAMES[*name]).flags(*active, *paused);
                found.map(|entry| with(changed(entry), entry)).into_iter().collect()
            }
            Command::Revoke(_) => {
                found.map(|entry| with(entry.key().clone().revoked(at(1_010)), entry)).into_iter().collect()
            }
            Command::Rehash(n, older) => {
                let digests = digests(*n);
                let (pepper, digest) = digests.versions().nth(usize::from(*older)).unwrap();
                let moved = |found: &Entry| Change::Update(Entry::new(found.key().clone(), *digest, pepper));
                found.map(moved).into_iter().collect()
            }
            Command::Used(uses) => {
                vec![Change::Used(uses.iter().map(|(n, seconds)| (id(*n), at(*seconds))).collect())]
            }
            Command::Remove(n) => vec![Change::Remove { id: id(*n) }],
            Command::Suspend(name, account, seconds) => {
                vec![Change::Suspend { holder: holder(*name, *account), at: at(*seconds) }]
            }
            Command::Reinstate(name, account) => vec![Change::Reinstate { holder: holder(*name, *account) }],
            Command::Erase(_) | Command::Forget(_) | Command::ForgetAddresses(_) => Vec::new(),
            Command::Refuse(_) => return Err(RegistryError::Expired),
        };
        changes.push(Change::Audit(row(&command)));
        Ok(changes)
    };
    (ids, Box::new(decide))
}

/// What a command forgets, after its row is written.
fn forgotten(command: &Command) -> Option<Forget> {
    Some(match command {
        Command::Erase(name) => Forget::Account { account: NAMES[*name].to_owned() },
        Command::Forget(seconds) => Forget::Audit { before: at(*seconds) },
        Command::ForgetAddresses(seconds) => Forget::Addresses { before: at(*seconds) },
        _ => return None,
    })
}

fn row(command: &Command) -> AuditRow {
    let (number, name) = match command {
        Command::Create(n, name) | Command::Update(n, name, ..) => (*n, Some(*name)),
        Command::Remove(n) | Command::Revoke(n) => (*n, None),
        Command::Suspend(name, ..) | Command::Erase(name) => (0, Some(*name)),
        _ => (1, None),
    };
    let mut row = AuditRow::new(at(1_000 + i64::from(number) * 5), NAMES[usize::from(number) % 3], KeyAction::Changed);
    row.account = name.map(|name| NAMES[name].to_owned());
    row.address = Some([192, 0, 2, number].into());
    row.after.insert("number".to_owned(), number.into());
    row
}

/// What a store answers to everybody.
async fn seen(store: &(impl RegistryStore + tower_auth::KeyStore)) -> Vec<String> {
    let mut all = Vec::new();
    let filters = [KeyFilter::all(), KeyFilter::all().with_deleted(), KeyFilter::account(NAMES[1])];
    for filter in filters.into_iter().chain([KeyFilter::organization(NAMES[2])]) {
        let keys = store.list(&filter).await.unwrap().items;
        all.push(format!("{:?}", keys.iter().map(KeyRow::of).collect::<Vec<_>>()));
    }
    for filter in [AuditFilter::all(), AuditFilter::account(NAMES[0]), AuditFilter::all().newest_first().by(NAMES[1])] {
        all.push(format!("{:?}", store.audit(&filter).await.unwrap().items));
    }
    for number in 0..6 {
        let record = store.find(&digests(number)).await.unwrap();
        all.push(format!("{:?}", record.map(|record| record.pepper(None))));
        all.push(format!("{:?}", store.get(&id(number)).await.unwrap().as_ref().map(KeyRow::of)));
    }
    let holders: Vec<_> = (0..3).flat_map(|name| [holder(name, true), holder(name, false)]).collect();
    let mut suspended = store.suspended(&holders).await.unwrap();
    suspended.sort();
    all.push(format!("{suspended:?}"));
    all.push(format!("{:?}", store.count_by_pepper().await.unwrap()));
    all
}

async fn compare(commands: &[Command], memory: &MemoryKeyStore, tables: &PostgresKeyStore) {
    for command in commands {
        let ((ids, one), (_, other)) = (decision(command), decision(command));
        let wanted = memory.transact(ids.clone(), one).await.map(drop);
        let found = tables.transact(ids, other).await.map(drop);
        // A key that exists and is revoked: the memory says so, and the tables that it exists.
        let same =
            wanted == found || (wanted, &found) == (Err(RegistryError::Revoked), &Err(RegistryError::AlreadyExists));
        assert!(same, "{command:?}: {found:?}");
        if let Some(what) = forgotten(command) {
            let (wanted, found) = (forget(memory, what.clone(), 2).await, forget(tables, what, 3).await);
            assert_eq!(wanted, found, "{command:?}");
        }
    }
    assert_eq!(seen(tables).await, seen(memory).await);
}

#[test]
fn random_changes_have_the_same_result_as_in_memory() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let Some(tables) = runtime.block_on(Tables::new()) else { return };
    let clear = "TRUNCATE tower_auth.keys, tower_auth.holders, tower_auth.tombstones, tower_auth.audit";
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&prop::collection::vec(command(), 1..30), |commands| {
        runtime.block_on(async {
            tables.pool.get().await.unwrap().batch_execute(clear).await.unwrap();
            compare(&commands, &MemoryKeyStore::new(), &tables.store).await;
        });
        Ok(())
    });
    checked.unwrap();
}
