//! Lookups and lists. Each is one statement, so it sees one state of the file.

use std::{borrow::Cow, time::SystemTime};

use rusqlite::{OptionalExtension as _, Row, params_from_iter};

use super::{failure::Failure, query, rows, session::Session, sql};
use crate::{
    KeyDigest, KeyDigests, KeyRecord,
    registry::{AuditFilter, AuditRow, Entry, Holder, KeyFilter, KeyRow, Page, PepperCount, Tombstone, time},
};

/// Finds a key by any of its digests.
pub(super) fn find(session: &mut Session<'_>, key: &KeyDigests) -> Result<Option<KeyRecord>, Failure> {
    let to = || Failure::to("look up a key");
    let digests = key.as_slices();
    let text = if digests.len() == 1 { sql::FIND_ONE.into() } else { Cow::from(sql::find(digests.len())) };
    let statement = session.prepared(&text).map_err(to())?;
    let record = statement.query_row(params_from_iter(digests), rows::record).optional().map_err(to())?;
    Ok(record.transpose()?)
}

pub(super) fn get(session: &mut Session<'_>, id: &str) -> Result<Option<Entry>, Failure> {
    let to = || Failure::to("read a key");
    let statement = session.prepared(sql::GET).map_err(to())?;
    let row = statement.query_row([id], |row| rows::key(row, 0)).optional().map_err(to())?;
    Ok(row.map(KeyRow::into_entry).transpose()?)
}

pub(super) fn list(session: &mut Session<'_>, filter: &KeyFilter) -> Result<Page<Entry>, Failure> {
    let to = || Failure::to("list keys");
    let query = query::keys(filter);
    let mut statement = session.connection().prepare(query.text()).map_err(to())?;
    let rows = statement.query_map(params_from_iter(query.arguments()), |row| Ok((row.get(0)?, rows::key(row, 1)?)));
    let mut entries = Vec::new();
    for row in rows.map_err(to())? {
        let (number, row): (i64, _) = row.map_err(to())?;
        entries.push((number, row.into_entry()?));
    }
    Ok(Page::of(entries, filter.size()))
}

pub(super) fn audit(session: &mut Session<'_>, filter: &AuditFilter) -> Result<Page<AuditRow>, Failure> {
    let to = || Failure::to("list the audit log");
    let query = query::audit(filter);
    let mut statement = session.connection().prepare(query.text()).map_err(to())?;
    let rows = statement.query_map(params_from_iter(query.arguments()), rows::audit).map_err(to())?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(to())?;
    Ok(Page::of(rows, filter.size()))
}

pub(super) fn suspended(session: &mut Session<'_>, holders: &[Holder]) -> Result<Vec<(Holder, SystemTime)>, Failure> {
    let to = || Failure::to("read which holders are suspended");
    let statement = session.prepared(sql::SUSPENDED).map_err(to())?;
    let mut found = Vec::new();
    for holder in holders {
        let since = statement.query_row([holder.kind(), holder.id()], |row| row.get(0)).optional().map_err(to())?;
        if let Some(since) = since {
            found.push((holder.clone(), time(since)?));
        }
    }
    Ok(found)
}

pub(super) fn holders(session: &mut Session<'_>, after: Option<&Holder>) -> Result<Vec<(Holder, SystemTime)>, Failure> {
    let to = || Failure::to("list the suspended holders");
    let statement = session.prepared(sql::HOLDERS).map_err(to())?;
    let (kind, id) = after.map_or(("", ""), |holder| (holder.kind(), holder.id()));
    let rows = statement.query_map([kind, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(to())?;
    let holder = |row: rusqlite::Result<(String, String, i64)>| {
        let (kind, id, since) = row.map_err(to())?;
        Ok((rows::holder(&kind, id), time(since)?))
    };
    rows.map(holder).collect()
}

pub(super) fn removed(session: &mut Session<'_>, after: Option<&KeyDigest>) -> Result<Vec<Tombstone>, Failure> {
    let to = || Failure::to("list the removed keys");
    let statement = session.prepared(sql::REMOVED).map_err(to())?;
    // An empty blob comes before every digest.
    let after = after.map_or(&[][..], |digest| digest.as_bytes());
    let tomb = |row: &Row<'_>| {
        let tomb = Tombstone::new(KeyDigest::from_bytes(row.get(0)?), row.get(1)?);
        Ok(if row.get(2)? { tomb.moved() } else { tomb })
    };
    statement.query_map([after], tomb).map_err(to())?.collect::<Result<_, _>>().map_err(to())
}

pub(super) fn count_by_pepper(session: &mut Session<'_>) -> Result<Vec<PepperCount>, Failure> {
    let to = || Failure::to("count the keys");
    let statement = session.prepared(sql::COUNT_BY_PEPPER).map_err(to())?;
    let count = |row: &Row<'_>| {
        let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        Ok(PepperCount::new(row.get(0)?).keys(number(1)?).removed(number(2)?))
    };
    statement.query_map([], count).map_err(to())?.collect::<Result<_, _>>().map_err(to())
}
