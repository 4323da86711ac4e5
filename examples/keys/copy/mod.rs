//! `copy`: everything from one database to another.
//!
//! Removed keys go first and keys last, so that no key is valid at the target before what forbids it is there. Nothing is
//! written that is there already, so a copy that was interrupted is repeated as it is.

mod inventory;
mod side;

use std::collections::HashSet;

use inventory::{Inventory, Kind, removal};
use serde_json::json;
use side::Side;
use tower_auth::{
    RegistryError,
    registry::{AuditFilter, Change, Entry, KeyFilter},
};

use crate::{
    failure::Failure,
    options::Sides,
    output::{Output, Progress, Table, print_line, shown},
};

/// How many things one transaction writes.
const BATCH: usize = 200;

pub(crate) async fn copy(output: &Output, sides: &Sides) -> Result<(), Failure> {
    if sides.from == sides.to {
        return Err(Failure::Usage("FROM and TO are the same database".to_owned()));
    }
    let (from, to) = (Side::open(&sides.from).await?, Side::open(&sides.to).await?);
    let mut progress = Progress::new();
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
    let mut missing = ours.missing_in(&theirs);
    if !sides.merge {
        missing.extend(theirs.missing_in(&ours));
    }
    print(output, &ours, &theirs)?;
    conflicts.extend(missing.into_iter().map(|what| format!("{what} differs or is missing on one side")));
    if conflicts.is_empty() { Ok(()) } else { Err(Failure::Refused(conflicts.join("\nkeys: "))) }
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
