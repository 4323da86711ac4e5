//! Transactions: the entries in, the changes out.

use std::time::SystemTime;

use rusqlite::{ToSql, Transaction, TransactionBehavior};
use serde_json::json;

use super::{
    failure::{Failure, is_duplicate},
    read::get,
    rows,
    session::Session,
    sql,
};
use crate::{
    KeyDigest, KeyDigests, RegistryError,
    registry::{AuditRow, Change, Decide, Entry, Tombstone, micros},
};

/// Runs one transaction. Writers of all processes wait for each other from its beginning, so what `decide` reads is still
/// true when its changes are written.
pub(super) fn transact(session: &mut Session<'_>, ids: &[String], decide: Decide) -> Result<Vec<Change>, Failure> {
    let transaction = begin(session)?;
    let mut entries: Vec<Entry> = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        if !ids[..at].contains(id) {
            entries.extend(get(session, id)?);
        }
    }
    let changes = decide(&entries)?;
    if !changes.is_empty() && changes.iter().all(|change| matches!(change, Change::Used(_))) {
        // The wait for the disk can be left out only before a transaction begins. Uses depend on nothing that was read.
        drop(transaction);
        relaxed(session, |session| apply_all(session, begin(session)?, &changes))?;
    } else {
        apply_all(session, transaction, &changes)?;
    }
    Ok(changes)
}

pub(super) fn begin<'c>(session: &Session<'c>) -> Result<Transaction<'c>, Failure> {
    let begun = Transaction::new_unchecked(session.connection(), TransactionBehavior::Immediate);
    begun.map_err(Failure::to("begin a transaction"))
}

/// Carries out the changes. If one fails, the transaction is dropped, which rolls it back.
fn apply_all(session: &mut Session<'_>, transaction: Transaction<'_>, changes: &[Change]) -> Result<(), Failure> {
    for change in changes {
        apply(session, change)?;
    }
    transaction.commit().map_err(Failure::to("commit the changes"))
}

pub(super) fn relaxed<T>(
    session: &mut Session<'_>,
    work: impl FnOnce(&mut Session<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let set = |session: &Session<'_>, text| {
        session.connection().execute_batch(text).map_err(Failure::to("set how safe a commit is"))
    };
    set(session, sql::RELAXED)?;
    let result = work(session);
    if set(session, sql::DURABLE).is_err() {
        session.break_off();
    }
    result
}

fn apply(session: &mut Session<'_>, change: &Change) -> Result<(), Failure> {
    match change {
        Change::Create { entry, digests } => create(session, entry, digests.as_ref()),
        Change::Update(entry) => update(session, entry),
        Change::Used(uses) => used(session, uses),
        Change::Remove { id } => {
            execute(session, "keep the digest of a removed key", sql::BURY, &[id, &micros(SystemTime::now())])?;
            execute(session, "remove a key", sql::REMOVE, &[id])
        }
        Change::Bury(Tombstone { digest, pepper, moved, .. }) => {
            let values: [&dyn ToSql; 4] = [digest.as_bytes(), pepper, moved, &micros(SystemTime::now())];
            execute(session, "keep the digest of a removed key", sql::BURY_DIGEST, &values)
        }
        Change::Suspend { holder, at } => {
            execute(session, "suspend a holder", sql::SUSPEND, &[&holder.kind(), &holder.id(), &micros(*at)])
        }
        Change::Reinstate { holder } => {
            execute(session, "reinstate a holder", sql::REINSTATE, &[&holder.kind(), &holder.id()])
        }
        Change::Audit(row) => append(session, row),
        #[allow(
            unreachable_patterns,
            reason = "as a store of another crate, this one answers for later kinds of changes"
        )]
        other => Err(RegistryError::unsupported(other).into()),
    }
}

fn execute(
    session: &mut Session<'_>,
    doing: &'static str,
    text: &str,
    arguments: &[&dyn ToSql],
) -> Result<(), Failure> {
    let statement = session.prepared(text).map_err(Failure::to(doing))?;
    statement.execute(arguments).map(drop).map_err(Failure::to(doing))
}

fn create(session: &mut Session<'_>, entry: &Entry, digests: Option<&KeyDigests>) -> Result<(), Failure> {
    let all = || [entry.digest()].into_iter().chain(digests.into_iter().flat_map(KeyDigests::iter));
    if any(session, sql::DIGEST_IN_USE, all())? {
        return Err(RegistryError::AlreadyExists.into());
    }
    let to = || Failure::to("write a new key");
    let statement = session.prepared(sql::INSERT).map_err(to())?;
    match rows::insert(statement, entry) {
        Ok(_) => {}
        Err(error) if is_duplicate(&error) => return Err(RegistryError::AlreadyExists.into()),
        Err(error) => return Err(to()(error)),
    }
    if any(session, sql::DIGEST_REMOVED, all())? { Err(RegistryError::Revoked.into()) } else { Ok(()) }
}

fn any<'a>(
    session: &mut Session<'_>,
    text: &str,
    digests: impl Iterator<Item = &'a KeyDigest>,
) -> Result<bool, Failure> {
    let to = || Failure::to("look up the digests of a new key");
    let statement = session.prepared(text).map_err(to())?;
    for digest in digests {
        if statement.query_row([digest.as_bytes()], |row| row.get(0)).map_err(to())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn update(session: &mut Session<'_>, entry: &Entry) -> Result<(), Failure> {
    let to = || Failure::to("change a key");
    execute(session, "change a key", sql::UNBURY_MOVED, &[entry.digest().as_bytes()])?;
    let statement = session.prepared(sql::UPDATE).map_err(to())?;
    match rows::update(statement, entry) {
        Ok(0) => Err(RegistryError::NotFound.into()),
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(RegistryError::AlreadyExists.into()),
        Err(error) => Err(to()(error)),
    }
}

fn used(session: &mut Session<'_>, uses: &[(String, SystemTime)]) -> Result<(), Failure> {
    let pairs: Vec<_> = uses.iter().map(|(id, at)| json!([id, micros(*at)])).collect();
    execute(session, "note when keys were used", sql::USED, &[&serde_json::Value::from(pairs).to_string()])
}

fn append(session: &mut Session<'_>, row: &AuditRow) -> Result<(), Failure> {
    let to = || Failure::to("write the audit log");
    let statement = session.prepared(sql::APPEND_AUDIT).map_err(to())?;
    rows::append(statement, row).map(drop).map_err(to())
}
