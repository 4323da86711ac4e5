//! Changes as statements.

use tokio_postgres::Row;

use super::{
    connection::Connection,
    failure::Failure,
    query::Statement,
    sql::{self, Sql},
    values::{self, At, Hidden, Param},
};
use crate::{
    KeyDigests, RegistryError,
    registry::{Change, Entry, KeyRow, Tombstone},
};

/// What the answer to a statement means.
#[derive(Clone, Copy)]
enum Answer {
    /// The statement was carried out.
    Done,
    /// Without a row, there was no such key.
    OneRow,
    /// Whether the digests of a new key are in use, and whether one belongs to a removed key.
    InUseOrRemoved,
}

/// A statement, its values, and what the answer means.
type Step<'s> = (&'s Statement, Vec<Param>, Answer);

/// Carries out all changes in their order.
pub(super) async fn all(connection: &Connection, sql: &Sql, changes: &[Change]) -> Result<(), RegistryError> {
    let (mut statements, mut meanings) = (Vec::new(), Vec::new());
    for change in changes {
        for (statement, values, meaning) in steps(sql, change) {
            statements.push((statement, values));
            meanings.push(meaning);
        }
    }
    let answers = connection.run_all(&statements).await?;
    answers.iter().zip(meanings).try_for_each(|(rows, meaning)| meaning.check(rows))
}

impl Answer {
    fn check(self, rows: &[Row]) -> Result<(), RegistryError> {
        match (self, rows.first()) {
            (Self::Done, _) | (Self::OneRow, Some(_)) => Ok(()),
            (Self::OneRow | Self::InUseOrRemoved, None) => Err(RegistryError::NotFound),
            (Self::InUseOrRemoved, Some(row)) => {
                let is = |column: usize| row.try_get::<_, bool>(column).map_err(Failure::from);
                match (is(0)?, is(1)?) {
                    (true, _) => Err(RegistryError::AlreadyExists),
                    (false, true) => Err(RegistryError::Revoked),
                    (false, false) => Ok(()),
                }
            }
        }
    }
}

fn steps<'s>(sql: &'s Sql, change: &Change) -> Vec<Step<'s>> {
    let one = |statement: &'s Statement, values: Vec<Param>| vec![(statement, values, Answer::Done)];
    match change {
        Change::Create { entry, digests } => create(sql, entry, digests.as_ref()),
        Change::Update(entry) => vec![(&sql.update, updated(KeyRow::of(entry)), Answer::OneRow)],
        Change::Used(uses) => {
            let (ids, times): (Vec<_>, Vec<_>) = uses.iter().map(|(id, at)| (id.clone(), At::of(*at))).unzip();
            one(&sql.used, vec![Box::new(ids), Box::new(times)])
        }
        Change::Remove { id } => one(&sql.remove, vec![text(id)]),
        Change::Bury(Tombstone { digest, pepper, moved, .. }) => {
            let digest = Hidden(digest.as_bytes().to_vec());
            one(&sql.moving.bury, vec![Box::new(digest), Box::new(pepper.map(i64::from)), Box::new(*moved)])
        }
        Change::Suspend { holder, at } => {
            one(&sql.suspend, vec![text(holder.kind()), text(holder.id()), Box::new(At::of(*at))])
        }
        Change::Reinstate { holder } => one(&sql.reinstate, vec![text(holder.kind()), text(holder.id())]),
        Change::Audit(row) => one(&sql.insert_audit, values::of_audit(row)),
    }
}

/// The digests are compared after the insert, which has waited for a transaction that removes the same key.
fn create<'s>(sql: &'s Sql, entry: &Entry, digests: Option<&KeyDigests>) -> Vec<Step<'s>> {
    let row = KeyRow::of(entry);
    let others = digests.into_iter().flat_map(KeyDigests::iter);
    let all: Vec<Vec<u8>> =
        [entry.digest()].into_iter().chain(others).map(|digest| digest.as_bytes().to_vec()).collect();
    let check: Vec<Param> = vec![Box::new(Hidden(all)), text(&row.id)];
    vec![(&sql.insert, values::of_key(row), Answer::Done), (&sql.check_new, check, Answer::InUseOrRemoved)]
}

fn updated(row: KeyRow) -> Vec<Param> {
    let id = text(&row.id);
    let all = values::of_key(row).into_iter().zip(sql::updated());
    all.filter_map(|(value, is)| is.then_some(value)).chain([id]).collect()
}

fn text(text: &str) -> Param {
    Box::new(text.to_owned())
}
