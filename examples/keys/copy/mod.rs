//! `copy`: everything from one database to another, but the usage, the alerts and the sessions: a store of the usage does not list
//! whom it has counted, alerts belong to the servers that deliver them, and a session ends with the keys that sign its tokens.
//!
//! Removed keys go first and keys last, so that no key is valid at the target before what forbids it is there. Nothing is
//! written that is there already, so a copy that was interrupted is repeated as it is.
//!
//! A key that changes at the source after it was copied stays as it was at the target. Every change appends to the audit log, so
//! a change during the copy is noticed.

mod inventory;
mod side;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
};

use inventory::{Inventory, Kind, removal};
use serde_json::json;
use side::Side;
use tower_auth::{
    RegistryError,
    registry::{AuditFilter, Change, Entry, KeyFilter},
};

use crate::{
    failure::Failure,
    options::{Common, Sides},
    output::{Output, Progress, print_line, shown},
    table::Table,
};

const CHANGED: &str = "FROM was changed during the copy: stop the services and commands that change it, and copy again. A key that \
                       still differs then was copied before its change: copy to an empty database instead";

/// How many things one transaction writes.
const BATCH: usize = 200;

pub(crate) async fn copy(common: &Common, output: &Output, sides: &Sides) -> Result<(), Failure> {
    if same(&sides.from, &sides.to) {
        return Err(Failure::Usage("FROM and TO are the same database".to_owned()));
    }
    let (from, to) = (Side::open(&sides.from).await?, Side::open(&sides.to).await?.announcing(common)?);
    let (mut progress, start) = (Progress::new(), from.last_change().await?);
    let mut there = Inventory::of(&to, &mut progress).await?;
    if !sides.merge && !there.is_empty() && !there.missing_in(&Inventory::of(&from, &mut progress).await?).is_empty() {
        let what = "TO holds what FROM does not: name an empty database, or add to it with --merge";
        return Err(Failure::Refused(what.to_owned()));
    }
    let mut conflicts = Vec::new();
    removed(&from, &to, &mut there, &mut progress).await?;
    holders(&from, &to, &mut there, &mut progress).await?;
    audit(&from, &to, &mut there, &mut progress).await?;
    keys(&from, &to, &mut conflicts, &mut progress).await?;
    let (ours, theirs) = (Inventory::of(&from, &mut progress).await?, Inventory::of(&to, &mut progress).await?);
    drop(progress);
    conflicts.extend(differences(&ours, &theirs, sides.merge));
    if from.last_change().await? != start {
        conflicts.insert(0, CHANGED.to_owned());
    }
    let printed = print(output, &ours, &theirs);
    if !conflicts.is_empty() {
        return Err(Failure::Refused(conflicts.join("\nkeys: ")));
    }
    output.note("the usage is not copied: it begins at zero in TO, and stays in FROM; nor are alerts and their rules");
    output.note(
        "nor are sessions and the keys that sign tokens: clients exchange their keys again, and people sign in again",
    );
    output.note("a later change of FROM is not in TO: start the services with TO before anything changes");
    printed
}

/// A path has several spellings.
fn same(from: &str, to: &str) -> bool {
    let file = |url: &str| fs::canonicalize(url.strip_prefix("sqlite:")?).ok();
    from == to || file(from).is_some_and(|path| file(to) == Some(path))
}

fn differences(ours: &Inventory, theirs: &Inventory, merge: bool) -> Vec<String> {
    let mut all: BTreeSet<String> = ours.missing_in(theirs).into_iter().collect();
    if !merge {
        all.extend(theirs.missing_in(ours));
    }
    all.into_iter().map(|what| format!("{what} differs or is missing on one side")).collect()
}

fn print(output: &Output, ours: &Inventory, theirs: &Inventory) -> Result<(), Failure> {
    let mut table = Table::new(["what", "from", "to"]);
    let mut value = json!({});
    for kind in Kind::ALL {
        let (from, to) = (ours.count(kind), theirs.count(kind));
        table.row(&[kind.name().to_owned(), from.to_string(), to.to_string()]);
        value[kind.name()] = json!({ "from": from, "to": to });
    }
    if output.json {
        print_line(&value.to_string())?;
    } else {
        table.print()?;
    }
    Ok(())
}

async fn removed(from: &Side, to: &Side, there: &mut Inventory, progress: &mut Progress) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = from.removed(after.as_ref()).await?;
        let Some(last) = page.last().map(|tomb| tomb.digest) else { return Ok(()) };
        let new = page.into_iter().filter(|tomb| !there.take(Kind::Removed, &removal(tomb)));
        to.write_all(new.map(Change::Bury).collect(), progress).await?;
        after = Some(last);
    }
}

async fn holders(from: &Side, to: &Side, there: &mut Inventory, progress: &mut Progress) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = from.holders(after.as_ref()).await?;
        let Some((last, _)) = page.last().cloned() else { return Ok(()) };
        let new = page.into_iter().filter(|suspended| !there.take(Kind::Suspended, suspended));
        to.write_all(new.map(|(holder, at)| Change::Suspend { holder, at }).collect(), progress).await?;
        after = Some(last);
    }
}

async fn audit(from: &Side, to: &Side, there: &mut Inventory, progress: &mut Progress) -> Result<(), Failure> {
    let mut filter = AuditFilter::all().limit(1000);
    loop {
        let page = from.audit(&filter).await?;
        let new = page.items.into_iter().filter(|row| !there.take(Kind::Audit, row));
        to.write_all(new.map(Change::Audit).collect(), progress).await?;
        let Some(next) = page.next else { return Ok(()) };
        filter = filter.after(next);
    }
}

async fn keys(from: &Side, to: &Side, conflicts: &mut Vec<String>, progress: &mut Progress) -> Result<(), Failure> {
    let mut filter = KeyFilter::all().with_deleted().limit(BATCH);
    loop {
        let page = from.keys(&filter).await?;
        match create(to, page.items.clone()).await {
            Err(RegistryError::AlreadyExists | RegistryError::Revoked) => {
                for entry in page.items {
                    one(to, entry, conflicts).await?;
                }
            }
            created => created?,
        }
        progress.step(|| "copying keys".to_owned());
        let Some(next) = page.next else { return Ok(()) };
        filter = filter.after(next);
    }
}

/// Creates a key that stops its batch, or says why it cannot.
async fn one(to: &Side, entry: Entry, conflicts: &mut Vec<String>) -> Result<(), Failure> {
    let id = shown(entry.key().id());
    match create(to, vec![entry]).await {
        Err(error @ (RegistryError::AlreadyExists | RegistryError::Revoked)) => {
            conflicts.push(format!("{id}: {error}"));
        }
        created => created?,
    }
    Ok(())
}

/// Creates the keys that are not there, in one transaction.
async fn create(to: &Side, entries: Vec<Entry>) -> Result<(), RegistryError> {
    let ids = entries.iter().map(|entry| entry.key().id().to_owned()).collect();
    let decide = move |there: &[Entry]| {
        let known: HashSet<&str> = there.iter().map(|entry| entry.key().id()).collect();
        let new = entries.into_iter().filter(|entry| !known.contains(entry.key().id()));
        Ok(new.map(|entry| Change::Create { entry, digests: None }).collect())
    };
    to.transact(ids, Box::new(decide)).await
}
