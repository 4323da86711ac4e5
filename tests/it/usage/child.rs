//! What the processes do that count until they end or are killed: eight keys of one organisation ask. One of them is paused.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::AtomicU64,
};

use tower_auth::{Clock, KeyState, PostgresKeyStore, SqliteKeyStore, usage::UsageCount};

use super::*;
use crate::support::{
    postgres::{self, Database},
    process::{spawn, until},
};

pub(super) const KEYS: usize = 8;
/// The key that is refused.
pub(super) const PAUSED: usize = 7;
/// Where the child counts: the URL of a database, or a file.
const PLACE: &str = "TOWER_AUTH_TEST_USAGE";
/// What the sessions of a child are called.
const CHILD: &str = "child";

pub(super) type Numbers = [u64; KEYS];

/// Returns the place if this process is a child.
pub(super) fn place() -> Option<String> {
    env::var(PLACE).ok()
}

/// Opens the store of a place.
pub(super) fn usage_at(place: &str, policy: UsagePolicy) -> Usage {
    if place.starts_with("postgresql:") {
        let mut config: tokio_postgres::Config = place.parse().unwrap();
        config.application_name(if self::place().is_some() { CHILD } else { "parent" });
        let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).max_size(4).build().unwrap();
        Usage::with(PostgresKeyStore::from_pool(pool), policy, Clock::system())
    } else {
        Usage::with(SqliteKeyStore::open(Path::new(place)).unwrap(), policy, Clock::system())
    }
}

/// A stack that counts, and the keys.
pub(super) struct Eight {
    pub(super) stack: AuthStack,
    pub(super) secrets: [String; KEYS],
}

impl Eight {
    pub(super) fn new(usage: &Usage, clock: impl Into<Clock>) -> Self {
        let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap()), MemoryKeyStore::new());
        let secrets = std::array::from_fn(|number| {
            let state = if number == PAUSED { KeyState::Paused } else { KeyState::Active };
            let record = KeyRecord::new(id(number), "acme").organizations(["org_1"]).state(state);
            store.create(&scheme, record).unwrap().expose().to_owned()
        });
        let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store).disclose(Disclosure::All));
        Self { stack: builder.on_decision(usage.observer()).clock(clock).build().unwrap(), secrets }
    }
}

pub(super) fn id(number: usize) -> String {
    format!("key_{number}")
}

pub(super) const fn numbers() -> [AtomicU64; KEYS] {
    [const { AtomicU64::new(0) }; KEYS]
}

/// Prints a line for the parent. One write, so that a line is whole or missing.
pub(super) fn say(what: &str, numbers: &Numbers) {
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let said = std::io::stdout().write_all(format!("\n{what}: {}\n", texts.join(" ")).as_bytes());
    if said.is_err() {
        // The parent has gone away.
        std::process::exit(1);
    }
}

/// Runs a test of this binary in a process of its own, which finds the place.
pub(super) fn start(test: &str, place: &str) -> Child {
    // The name of this module has one part more in the whole binary than in a part of it.
    let module = module_path!().trim_end_matches("::child").split_once("::").unwrap().1;
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).env(PLACE, place);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    spawn(command).unwrap()
}

/// What a child prints.
pub(super) fn said(child: &mut Child) -> impl Iterator<Item = (String, Numbers)> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        let (what, numbers) = line.split_once(": ")?;
        let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some((what.to_owned(), numbers.try_into().ok()?))
    })
}

/// A store that several processes use.
pub(super) struct Shared {
    pub(super) place: String,
    database: Option<Database>,
}

impl Shared {
    pub(super) async fn sqlite(folder: &Path) -> Self {
        let file = folder.join("keys.db");
        SqliteKeyStore::open(&file).unwrap().migrate().await.unwrap();
        Self { place: file.to_str().unwrap().to_owned(), database: None }
    }

    /// `None` without a server.
    pub(super) async fn postgres() -> Option<Self> {
        let database = postgres::database().await?;
        PostgresKeyStore::from_pool(database.pool(1)).migrate().await.unwrap();
        Some(Self { place: database.url(), database: Some(database) })
    }

    /// Waits until the server has noticed that a process has ended. What the process sent before may still be carried out.
    pub(super) fn settle(&self) {
        let Some(database) = &self.database else { return };
        let none = format!(
            "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = '{CHILD}'); END $$"
        );
        assert!(until(|| postgres::execute(&database.superuser(), &none).is_ok()), "a session is left");
    }

    /// Returns what was counted for each key, by the day. It is the same by the hour, and the account and the organisation
    /// have the sums.
    pub(super) async fn counted(&self) -> Numbers {
        let usage = usage_at(&self.place, UsagePolicy::new());
        let mut counted = [0; KEYS];
        for (number, count) in counted.iter_mut().enumerate() {
            let outcome = match number {
                PAUSED => Outcome::Refused(tower_auth::RejectionKind::PausedKey),
                _ => Outcome::Admitted,
            };
            let totals = totals(&usage, UsageOf::key(id(number))).await;
            *count = totals.count(outcome);
            assert_eq!(totals.all(), *count, "{number} has no other outcomes");
        }
        for of in [UsageOf::account("acme"), UsageOf::organization("org_1")] {
            let totals = totals(&usage, of).await;
            assert_eq!((totals.all(), totals.refused()), (counted.iter().sum(), counted[PAUSED]));
        }
        counted
    }
}

async fn totals(usage: &Usage, of: UsageOf) -> UsageTotals {
    let all = SystemTime::UNIX_EPOCH..SystemTime::now() + 4 * DAY;
    let days = usage.days(of.clone(), all.clone()).await.unwrap();
    assert_eq!(by_day(&days), by_day(&usage.hours(of, all).await.unwrap()));
    UsageTotals::of(&days)
}

/// Returns the sums of the days. Midnight is that of UTC.
pub(super) fn by_day(counts: &[UsageCount]) -> Vec<(u64, Outcome, u64)> {
    let mut sums: Vec<(u64, Outcome, u64)> = Vec::new();
    for count in counts {
        let day = count.start.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / DAY.as_secs();
        match sums.iter_mut().find(|(known, outcome, _)| (*known, *outcome) == (day, count.outcome)) {
            Some((_, _, sum)) => *sum += count.count,
            None => sums.push((day, count.outcome, count.count)),
        }
    }
    sums.sort_unstable_by_key(|(day, outcome, _)| (*day, outcome.as_str()));
    sums
}
