//! The promise of the leased cache, measured while things fail: no request is admitted from the cache more than a bound after
//! `revoke` returned.
//!
//! `cargo test --release --all-features --test promise` takes half a minute; with `TOWER_AUTH_ROUNDS=2000` in the environment, each
//! column revokes so many keys, which takes some minutes. Words in the arguments select columns: `-- redis reset`.
//!
//! For each column, two server processes of this program ask a cache for some keys about every two milliseconds, while
//! something is broken, mended, and broken again, and this process revokes one key after the other. It fails if a request
//! that began later than the bound after the return of `revoke` was admitted from the cache, or one that began after the return
//! from the store. All processes read one clock, and only the beginning of a request counts, so that a busy machine
//! makes the times longer and no verdict wrong.
//!
//! At the end it breaks the promise on purpose, and fails if it does not notice. `TOWER_AUTH_BREAK=deaf` or `forgetful` does so in
//! all columns.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[path = "promise/bad.rs"]
mod bad;
#[path = "promise/child.rs"]
mod child;
#[path = "promise/column.rs"]
mod column;
#[path = "promise/dice.rs"]
mod dice;
#[path = "promise/fault.rs"]
mod fault;
#[path = "promise/keys.rs"]
mod keys;
#[path = "promise/load.rs"]
mod load;
#[path = "promise/order.rs"]
mod order;
#[path = "promise/revoke.rs"]
mod revoke;
#[path = "promise/serve.rs"]
mod serve;
/// The servers and the proxy of the tests.
#[path = "it/support"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the tests use all of it")]
mod support {
    pub(crate) mod folder;
    pub(crate) mod postgres;
    pub(crate) mod process;
    pub(crate) mod proxy;
    pub(crate) mod redis;
    pub(crate) mod server;
}
#[path = "promise/table.rs"]
mod table;
#[path = "promise/verdict.rs"]
mod verdict;
#[path = "promise/world.rs"]
mod world;

use std::{env, process::ExitCode};

use self::{bad::Bad, column::Column, table::Table, world::World};

/// Revokes for each column of the short form.
const FEW: u32 = 40;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [word, order] = &arguments[..]
        && word == serve::WORD
    {
        serve::run(&serde_json::from_str(order).unwrap());
        return ExitCode::SUCCESS;
    }
    let rounds = env::var("TOWER_AUTH_ROUNDS").map_or(FEW, |rounds| rounds.parse().unwrap());
    let bad = env::var("TOWER_AUTH_BREAK").ok().map(|name| Bad::named(&name).unwrap());
    let Some(world) = World::start() else { return ExitCode::SUCCESS };
    let columns = column::all().into_iter().filter(|column| column.has(&arguments));
    let kept = measure(&world, columns.map(|column| column.broken_by(bad)), rounds);
    if kept && (bad.is_some() || !arguments.is_empty() || notices(&world)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures the columns and prints the table. Returns whether the promise was kept.
fn measure(world: &World, columns: impl Iterator<Item = Column>, rounds: u32) -> bool {
    let (mut table, mut kept) = (Table::default(), true);
    for column in columns {
        let measured = column.measure(world, rounds);
        println!("{}", measured.line());
        for (rule, broken) in measured.broken() {
            println!("BROKEN ({rule:?}): {broken}");
            kept = false;
        }
        table.add(&measured);
    }
    println!("\n{table}");
    kept
}

/// Breaks the promise on purpose. Returns whether that was noticed.
fn notices(world: &World) -> bool {
    Bad::ALL.into_iter().all(|bad| {
        let broken = column::quiet().broken_by(Some(bad)).measure(world, FEW).broken();
        let noticed: Vec<_> = broken.iter().filter(|(rule, _)| *rule == bad.rule()).collect();
        match noticed.first() {
            Some((_, first)) => println!("broken on purpose ({bad:?}), and noticed {} times: {first}", noticed.len()),
            None => println!("BROKEN: the promise was broken on purpose ({bad:?}), and that was not noticed"),
        }
        !noticed.is_empty()
    })
}
