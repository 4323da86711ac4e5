//! Rows of the tables as values, and back.

use rusqlite::{Row, Statement, ToSql, params, params_from_iter};
use serde_json::{Map, Value};

use crate::{
    BoxError, KeyRecord,
    registry::{AuditRow, Entry, Holder, KeyAction, KeyRow, micros, time},
};

type Read<T> = rusqlite::Result<T>;

/// Returns the holder of this kind and name.
pub(super) fn holder(kind: &str, id: String) -> Holder {
    if kind == "account" { Holder::account(id) } else { Holder::organization(id) }
}

/// Reads the columns of a key, from this one on, in the order of `columns!`.
pub(super) fn key(row: &Row<'_>, first: usize) -> Read<KeyRow> {
    let mut key = KeyRow::default();
    let mut columns = Columns { row, next: first };
    columns.fill(&mut key.id)?.fill(&mut key.digest)?.fill(&mut key.pepper)?.fill(&mut key.name)?;
    columns.fill(&mut key.hint)?.fill(&mut key.account)?.fill(&mut key.subject)?;
    columns.list(&mut key.organizations)?.list(&mut key.scopes)?.list(&mut key.roles)?.fill(&mut key.plan)?;
    columns.fill(&mut key.limits)?.fill(&mut key.environment)?.fill(&mut key.restrictions)?;
    columns.fill(&mut key.metadata)?.fill(&mut key.active)?.fill(&mut key.paused)?;
    columns.fill(&mut key.created_at)?.fill(&mut key.created_by)?.fill(&mut key.not_before)?;
    columns.fill(&mut key.expires_at)?.fill(&mut key.lifetime)?.fill(&mut key.last_used_at)?;
    columns.fill(&mut key.revoked_at)?.fill(&mut key.deleted_at)?.fill(&mut key.first_id)?;
    columns.fill(&mut key.predecessor)?.fill(&mut key.successor)?;
    Ok(key)
}

/// Reads the columns of `guard_columns!`: what a guard is told.
pub(super) fn record(row: &Row<'_>) -> Read<Result<KeyRecord, BoxError>> {
    let mut key = KeyRow::default();
    let (mut account_suspended, mut organization_suspended) = (false, false);
    let mut columns = Columns { row, next: 0 };
    columns.fill(&mut key.id)?.fill(&mut key.pepper)?.fill(&mut key.hint)?.fill(&mut key.account)?;
    columns.fill(&mut key.subject)?.list(&mut key.organizations)?.list(&mut key.scopes)?.list(&mut key.roles)?;
    columns.fill(&mut key.plan)?.fill(&mut key.limits)?.fill(&mut key.environment)?.fill(&mut key.restrictions)?;
    columns.fill(&mut key.active)?.fill(&mut key.paused)?.fill(&mut key.created_at)?.fill(&mut key.not_before)?;
    columns.fill(&mut key.expires_at)?.fill(&mut key.last_used_at)?.fill(&mut key.revoked_at)?;
    columns.fill(&mut key.first_id)?.fill(&mut account_suspended)?.fill(&mut organization_suspended)?;
    let record = key.into_record();
    Ok(record.map(|record| record.account_suspended(account_suspended).organization_suspended(organization_suspended)))
}

struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Columns<'_> {
    fn fill<T: rusqlite::types::FromSql>(&mut self, place: &mut T) -> Read<&mut Self> {
        *place = self.row.get(self.next)?;
        self.next += 1;
        Ok(self)
    }

    fn list(&mut self, place: &mut Vec<String>) -> Read<&mut Self> {
        let text = self.row.get_ref(self.next)?.as_str()?;
        // Most lists of most keys are empty.
        if text != "[]" {
            *place = serde_json::from_str(text).map_err(|error| unreadable(self.next, error))?;
        }
        self.next += 1;
        Ok(self)
    }
}

fn unreadable(column: usize, error: impl Into<BoxError>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}

/// The columns that stay as they are when a key changes: `created_at`, `created_by` and `last_used_at`.
const KEPT: [usize; 3] = [17, 18, 22];

/// Binds all columns of a key.
pub(super) fn insert(statement: &mut Statement<'_>, entry: &Entry) -> Read<usize> {
    with_columns(entry, |columns| statement.execute(columns))
}

/// Binds the columns of a key that may change, with its id.
pub(super) fn update(statement: &mut Statement<'_>, entry: &Entry) -> Read<usize> {
    with_columns(entry, |columns| {
        let all = columns.iter().enumerate();
        statement.execute(params_from_iter(all.filter(|(at, _)| !KEPT.contains(at)).map(|(_, column)| *column)))
    })
}

/// Calls with the values in the order of `columns!`.
fn with_columns<T>(entry: &Entry, write: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
    let key = KeyRow::of(entry);
    let [organizations, scopes, roles] = lists(&key);
    write(params![
        key.id,
        key.digest,
        key.pepper,
        key.name,
        key.hint,
        key.account,
        key.subject,
        organizations,
        scopes,
        roles,
        key.plan,
        key.limits,
        key.environment,
        key.restrictions,
        key.metadata,
        key.active,
        key.paused,
        key.created_at,
        key.created_by,
        key.not_before,
        key.expires_at,
        key.lifetime,
        key.last_used_at,
        key.revoked_at,
        key.deleted_at,
        key.first_id,
        key.predecessor,
        key.successor,
    ])
}

fn lists(key: &KeyRow) -> [String; 3] {
    [&key.organizations, &key.scopes, &key.roles].map(|list| Value::from(list.as_slice()).to_string())
}

/// Reads the columns of an audit row, after its number.
pub(super) fn audit(row: &Row<'_>) -> Read<(i64, AuditRow)> {
    let at = time(row.get(1)?).map_err(|error| unreadable(1, error))?;
    let mut read = AuditRow::new(at, row.get::<_, String>(2)?, KeyAction::from(row.get::<_, String>(3)?));
    (read.key, read.account, read.organization) = (row.get(4)?, row.get(5)?, row.get(6)?);
    let address: Option<String> = row.get(7)?;
    read.address = address.map(|text| text.parse()).transpose().map_err(|error| unreadable(7, error))?;
    read.request_id = row.get(8)?;
    (read.before, read.after) = (object(row, 9)?, object(row, 10)?);
    Ok((row.get(0)?, read))
}

fn object(row: &Row<'_>, column: usize) -> Read<Map<String, Value>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

/// Binds the columns of an audit row.
pub(super) fn append(statement: &mut Statement<'_>, row: &AuditRow) -> Read<usize> {
    let address = row.address.map(|address| address.to_string());
    let [before, after] = [&row.before, &row.after].map(|values| Value::from(values.clone()).to_string());
    let columns: [&dyn ToSql; 10] = [
        &micros(row.at),
        &row.actor,
        &row.action.as_str(),
        &row.key,
        &row.account,
        &row.organization,
        &address,
        &row.request_id,
        &before,
        &after,
    ];
    statement.execute(columns)
}
