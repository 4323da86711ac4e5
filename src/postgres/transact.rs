//! One transaction of a registry.

use super::{
    PostgresKeyStore, apply,
    connection::Connection,
    failure::Failure,
    values::{self, is_impossible},
};
use crate::{
    RegistryError,
    cache::{Announcement, Changed},
    registry::{Change, Decide, Entry},
};

/// A use may be lost in a crash: its transaction does not wait for the disk.
const COMMIT_USES: &str = "SET LOCAL synchronous_commit = off; COMMIT";

pub(super) async fn transact(
    store: PostgresKeyStore,
    ids: Vec<String>,
    decide: Decide,
) -> Result<Vec<Change>, RegistryError> {
    let ids: Vec<String> = ids.into_iter().filter(|id| !is_impossible(id)).collect();
    let (connection, entries) = begin_again(&store, &ids).await?;
    let changes = decide(&entries)?;
    if changes.is_empty() {
        announce_again(&connection, &store, &ids).await?;
    } else {
        apply::all(&connection, &store.sql, &changes).await?;
    }
    let uses = changes.iter().all(|change| matches!(change, Change::Used(_)));
    connection.commit(if uses { COMMIT_USES } else { "COMMIT" }).await?;
    Ok(changes)
}

/// A call that is repeated changes nothing, but the change may be visible before the server has told the listeners of it. What
/// this transaction announces makes them read that announcement too, before the call returns.
async fn announce_again(connection: &Connection, store: &PostgresKeyStore, ids: &[String]) -> Result<(), Failure> {
    let announced = |changed: Changed<'_>| Announcement::from(changed).to_string();
    let marks: Vec<String> = match ids {
        [] => vec![announced(Changed::Everything)],
        ids => ids.iter().map(|id| announced(Changed::Key(id))).collect(),
    };
    connection.run(&store.sql.cache.announce, &[&marks]).await.map(drop)
}

/// Begins a transaction, once more if that may help: nothing is decided yet.
pub(super) async fn begin_again(store: &PostgresKeyStore, ids: &[String]) -> Result<(Connection, Vec<Entry>), Failure> {
    match begin(store, ids).await {
        Err(failure) if failure.is_transient() => begin(store, ids).await,
        begun => begun,
    }
}

/// Begins a transaction, and locks and reads the entries.
async fn begin(store: &PostgresKeyStore, ids: &[String]) -> Result<(Connection, Vec<Entry>), Failure> {
    let mut connection = store.connection().await?;
    connection.begin(&store.sql.begin()).await?;
    if ids.is_empty() {
        return Ok((connection, Vec::new()));
    }
    let rows = connection.run(&store.sql.lock, &[&ids]).await?;
    let entries = rows.iter().map(|row| values::entry(row, 0)).collect::<Result<_, _>>()?;
    Ok((connection, entries))
}
