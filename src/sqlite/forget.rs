//! What is removed in batches.

use std::{thread, time::Duration, time::SystemTime};

use rusqlite::ToSql;

use super::{alert_sql, failure::Failure, query::next_micros, session::Session, session_tables, sql, write::begin};
use crate::{
    RegistryError,
    registry::{Forget, micros},
};

/// How long the file is left to others after a full batch. Other processes poll for the lock, and would rarely find the
/// moment between two batches.
const PAUSE: Duration = Duration::from_millis(5);

/// Removes one batch in a transaction, and returns its size.
pub(super) fn forget(session: &mut Session<'_>, what: &Forget, limit: usize) -> Result<usize, Failure> {
    let transaction = begin(session)?;
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let forgotten = match what {
        Forget::Audit { before } => {
            execute(session, "remove old audit rows", sql::FORGET_AUDIT, &[&next_micros(*before), &rows])?
        }
        Forget::Addresses { before } => {
            execute(session, "remove old addresses", sql::FORGET_ADDRESSES, &[&next_micros(*before), &rows])?
        }
        Forget::Account { account } => erase(session, account, rows)?,
        #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
        other => return Err(RegistryError::unsupported(other).into()),
    };
    transaction.commit().map_err(Failure::to("commit the changes"))?;
    if forgotten > 0 {
        thread::sleep(PAUSE);
    } else if matches!(what, Forget::Account { .. }) {
        truncate_log(session);
    }
    Ok(forgotten)
}

/// The keys tell which rows are theirs, so they are removed when their rows are erased.
fn erase(session: &mut Session<'_>, account: &str, limit: i64) -> Result<usize, Failure> {
    let doing = "erase an account";
    let of_audit = [sql::ERASE_AUDIT_OF_ACCOUNT, sql::ERASE_AUDIT_OF_KEYS];
    let of_others = sql::ERASE_USAGE.into_iter().chain(alert_sql::ERASE).chain(session_tables::ERASE);
    for text in of_audit.into_iter().chain(of_others) {
        let erased = execute(session, doing, text, &[&account, &limit])?;
        if erased > 0 {
            return Ok(erased);
        }
    }
    execute(session, doing, sql::BURY_ACCOUNT, &[&account, &limit, &micros(SystemTime::now())])?;
    execute(session, doing, sql::REMOVE_ACCOUNT, &[&account, &limit])
}

fn execute(
    session: &mut Session<'_>,
    doing: &'static str,
    text: &str,
    arguments: &[&dyn ToSql],
) -> Result<usize, Failure> {
    let statement = session.prepared(text).map_err(Failure::to(doing))?;
    statement.execute(arguments).map_err(Failure::to(doing))
}

/// What was erased must not stay in the log. If a reader prevents that, the log is overwritten later.
fn truncate_log(session: &Session<'_>) {
    let result = session.connection().query_row(sql::TRUNCATE_LOG, [], |row| row.get::<_, i64>(0));
    if !matches!(result, Ok(0)) {
        tracing::debug!(target: "tower_auth", "the write-ahead log could not be truncated after an erasure");
    }
}
