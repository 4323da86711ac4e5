//! Lookups and lists. Each is one statement, so it sees one state of the file.

use std::{borrow::Cow, time::SystemTime};

use rusqlite::{OptionalExtension as _, Row, params_from_iter};

use super::{
    failure::Failure,
    rows,
    session::Session,
    sql::{self, Query},
};
use crate::{
    KeyDigest, KeyDigests, KeyRecord,
    registry::{
        AuditFilter, AuditRow, Cursor, Entry, Holder, KeyFilter, KeyRow, Page, PepperCount, Tombstone, micros, time,
    },
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
    let query = keys_query(filter);
    let mut statement = session.connection().prepare(query.text()).map_err(to())?;
    let rows = statement.query_map(params_from_iter(query.arguments()), |row| Ok((row.get(0)?, rows::key(row, 1)?)));
    let mut entries = Vec::new();
    for row in rows.map_err(to())? {
        let (number, row): (i64, _) = row.map_err(to())?;
        entries.push((number, row.into_entry()?));
    }
    Ok(Page::of(entries, filter.size()))
}

pub(super) fn keys_query(filter: &KeyFilter) -> Query {
    let after = filter.place().map_or(0, Cursor::row);
    // A plus keeps SQLite from reading all keys in their order: few are deleted, or expire soon.
    let is_rare = filter.of_account().is_none() && (filter.deletion_before(), filter.expiry_between()) != (None, None);
    let (query, order) = match filter.of_organization() {
        Some(name) => (Query::keys_of_organization(name).and(" AND members.seq > ?", after), " ORDER BY members.seq"),
        None if is_rare => (Query::keys().and(" AND +keys.seq > ?", after), " ORDER BY +keys.seq"),
        None => (Query::keys().and(" AND keys.seq > ?", after), " ORDER BY keys.seq"),
    };
    query
        .and_if(" AND account = ?", filter.of_account().map(str::to_owned))
        .with(if filter.includes_deleted() { "" } else { " AND deleted_at IS NULL" })
        .and_if(" AND deleted_at < ?", filter.deletion_before().map(next_micros))
        .and_if(" AND expires_at > ?", filter.expiry_between().map(|(after, _)| micros(after)))
        .and_if(" AND expires_at <= ?", filter.expiry_between().map(|(_, until)| micros(until)))
        .and_if(" AND pepper IS NOT ?", filter.other_pepper().map(|version| version.map(i64::from)))
        .with(order)
        .and(" LIMIT ?", one_more(filter.size()))
}

pub(super) fn audit(session: &mut Session<'_>, filter: &AuditFilter) -> Result<Page<AuditRow>, Failure> {
    let to = || Failure::to("list the audit log");
    let query = audit_query(filter);
    let mut statement = session.connection().prepare(query.text()).map_err(to())?;
    let rows = statement.query_map(params_from_iter(query.arguments()), rows::audit).map_err(to())?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(to())?;
    Ok(Page::of(rows, filter.size()))
}

pub(super) fn audit_query(filter: &AuditFilter) -> Query {
    let [key, account, organization, actor] = filter.names().map(|name| name.map(str::to_owned));
    let (since, until) = filter.times();
    let is_named = filter.names().iter().any(Option::is_some);
    // Only the first page is found by time: the rows after a place are in their order, and most of them are of the time. A
    // plus keeps SQLite from the index of what follows it.
    let by_time = !is_named && (since, until) != (None, None) && filter.place().is_none();
    let (after, order) = match (filter.is_newest_first(), by_time) {
        (true, true) => ("", " ORDER BY +seq DESC"),
        (false, true) => ("", " ORDER BY +seq"),
        (true, false) => (" AND seq < ?", " ORDER BY seq DESC"),
        (false, false) => (" AND seq > ?", " ORDER BY seq"),
    };
    Query::audit()
        .and_if(" AND key = ?", key)
        .and_if(" AND account = ?", account)
        .and_if(" AND organization = ?", organization)
        .and_if(" AND actor = ?", actor)
        .and_if(if by_time { " AND at >= ?" } else { " AND +at >= ?" }, since.map(next_micros))
        .and_if(if by_time { " AND at < ?" } else { " AND +at < ?" }, until.map(next_micros))
        .and_if(after, filter.place().map(Cursor::row))
        .with(order)
        .and(" LIMIT ?", one_more(filter.size()))
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
        let holder = if kind == "account" { Holder::account(id) } else { Holder::organization(id) };
        Ok((holder, time(since)?))
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

/// One row more than the page says whether there is another page.
fn one_more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1)
}

/// Returns the first whole microsecond that is not before this time: stored times are whole microseconds.
pub(super) fn next_micros(at: SystemTime) -> i64 {
    let whole = micros(at);
    if time(whole).is_ok_and(|earlier| earlier < at) { whole.saturating_add(1) } else { whole }
}
